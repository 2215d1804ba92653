// SPDX-License-Identifier: GPL-2.0
// beanctl check --each: many commands, some at a time, one report.
#pragma once

#include "check.h"

namespace beanctl
{

// Returns the exit status: 1 something leaked, else 4 somewhere there is no verdict, else 3 something failed, else 0.
int check_each(const CheckOptions &options);

} // namespace beanctl
