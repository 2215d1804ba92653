// SPDX-License-Identifier: GPL-2.0
// beanctl check: does a command, or do many, leave kernel memory behind?
#pragma once

#include "table.h"
#include "trial.h"

#include <string>
#include <vector>

namespace beanctl
{

struct CheckOptions {
	RunOptions run;
	std::optional<double> timeout;
	std::optional<long long> fail_nth; // 0: walk through all
	bool keep_going = false;
	std::string each; // source of many commands; run.command is empty
	long long jobs = 1;
	std::string log; // folder for the output of these
	std::string junit;
	Look look;
	std::vector<std::string> symbols;
};

int check(const CheckOptions &options);

} // namespace beanctl
