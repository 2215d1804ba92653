// SPDX-License-Identifier: GPL-2.0
// What came of a trial, for people, scripts and CI systems.
#pragma once

#include "junit.h"
#include "report.h"
#include "trial.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace beanctl
{

// The table of a container that left something; what it excused is for beanctl leaks.
std::string leaks_text(const Trial &trial, LeakRows rows, const Look &look, const Symbols &symbols);

Json trial_json(const Trial &trial, const std::vector<std::string> &command);
Json trial_container(const Trial &trial, const Symbols &symbols); // null: it is gone

JunitCase junit_case(const Trial &trial, const std::string &name, const std::string &leaks);

} // namespace beanctl
