// SPDX-License-Identifier: GPL-2.0
// What came of one of many commands.
#pragma once

#include "each.h"
#include "junit.h"
#include "report.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace beanctl
{

// A row of the report.
struct Result {
	Result();	     // the JSON library may throw there
	std::string verdict; // clean, held, leaked, failed, skipped, no_verdict
	std::string summary; // one line
	std::string end;     // of the command: exit status, signal, timeout; empty: nothing is known
	std::string leaks;   // the table
	std::string output;  // of a command whose verdict is not good
	std::string log;
	double seconds = 0;
	long long leaked = 0;
	bool tell = false; // the summary says more than the row
	Json check;
	Json report; // the container
};

// Good enough not to be asked why.
bool is_good(const std::string &verdict);

// Of a job's answer that is no error.
std::unique_ptr<Result> judged(const Command &command, Json answer);
// Where there was no trial, or none that came to its end.
std::unique_ptr<Result> unjudged(const Command &command, const std::string &why);

JunitCase junit_case(const Command &command, const Result &result);

} // namespace beanctl
