// SPDX-License-Identifier: GPL-2.0
// beanctl: the command line. What it says is beanctl(1) and the pages of the commands.
#include "check.h"
#include "commands.h"
#include "error.h"
#include "hook.h"
#include "run.h"
#include "top.h"

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <iterator>

using namespace beanctl;

namespace
{

constexpr int kRunError = 125; // of run: all lower ones are the command's

struct Arguments {
	std::string who;
	Look look;
	std::vector<std::string> symbols;
	std::vector<std::string> limits;
	std::string name;
	std::string new_id;
	RunOptions run;
	CheckOptions check;
	TopOptions top;
	bool name_from_id = false;
};

class Commands
{
      public:
	Commands();
	int run(std::vector<std::string> words);

      private:
	CLI::App *add(const std::string &name, const std::string &what, std::function<int()> action);
	void add_tables();
	void add_settings();
	void add_containers();
	void add_top();
	void add_look(CLI::App *command);
	void add_symbols(CLI::App *command);
	void add_who(CLI::App *command, bool required = true);
	void add_run(CLI::App *command);
	RunOptions run_options() const;
	bool known(const std::string &name) const;
	// Exit status of an own error: those of run and check are the command's, and the verdict's, but for these.
	int status_of(int status) const;

	CLI::App app_{"Shows and bounds the kernel memory of containers, and names what they leak.", "beanctl"};
	Arguments arguments_;
	std::function<int()> action_;
	std::string called_;
};

CLI::App *Commands::add(const std::string &name, const std::string &what, std::function<int()> action)
{
	CLI::App *command = app_.add_subcommand(name, what);
	command->callback([this, name, action = std::move(action)] {
		called_ = name;
		action_ = action;
	});
	return command;
}

void Commands::add_look(CLI::App *command)
{
	Look &look = arguments_.look;
	auto *columns =
	    command->add_option("-o,--output", look.columns, "columns to show: a,b or +a,b; all")->type_name("LIST");
	command->add_flag("-J,--json", look.json, "one JSON object instead of a table")->excludes(columns);
	command->add_flag("-n,--noheadings", look.noheadings, "no line of headings");
	command->add_flag("-b,--bytes", look.bytes, "sizes as plain numbers of bytes");
}

void Commands::add_symbols(CLI::App *command)
{
	command
	    ->add_option("--symbols", arguments_.symbols,
			 "a vmlinux, a module, or a folder of them, with debug information for source lines")
	    ->type_name("PATH")
	    ->expected(1)
	    ->take_all();
}

void Commands::add_who(CLI::App *command, bool required)
{
	auto *who = command->add_option("ID", arguments_.who, "number or name of a container")->type_name("");
	if (required)
		who->required();
}

void Commands::add_run(CLI::App *command)
{
	command->add_option("--id", arguments_.new_id, "the container's number")->type_name("N");
	command->add_option("--name", arguments_.name, "the container's name")->type_name("NAME");
	command->add_option("--limit", arguments_.limits, "bounds a resource; may be given again for others")
	    ->type_name("RESOURCE=BARRIER:LIMIT")
	    ->expected(1)
	    ->take_all();
	command->add_flag("--net", arguments_.run.net, "a network namespace of its own, with lo up");
	command->add_flag("--user", arguments_.run.user, "a user namespace of its own, its root is you");
	command->add_flag("--stacks", arguments_.run.stacks, "objects keep the whole stack of their allocation");
	command->footer("The command comes after --");
}

void Commands::add_tables()
{
	const Arguments &a = arguments_;
	CLI::App *c = add("list", "The containers: state, what they hold, refusals", [&a] { return list(a.look); });
	add_look(c);
	c = add("show", "A container's resources and last refusals", [&a] { return show(a.who, a.look); });
	add_who(c);
	add_look(c);
	c = add("objects", "A container's living objects by allocation site",
		[&a] { return objects(a.who, a.look, a.symbols); });
	add_who(c);
	add_look(c);
	add_symbols(c);
	c = add("leaks", "What stopped containers left behind, with verdicts",
		[&a] { return leaks(a.who, a.look, a.symbols); });
	add_who(c, false);
	add_look(c);
	add_symbols(c);
	c = add("references", "The user_structs and ucounts that a container touched",
		[&a] { return references(a.who, a.look, a.symbols); });
	add_who(c);
	add_look(c);
	add_symbols(c);
}

void Commands::add_top()
{
	TopOptions &top = arguments_.top;
	CLI::App *c = add("top", "The containers, again and again", [&top] { return beanctl::top(top); });
	c->add_flag("--batch", top.batch, "plain text, for scripts");
	c->add_option("-n,--iterations", top.iterations, "ends after so many")->type_name("N");
	c->add_option("-d,--delay", top.delay, "seconds from one to the next (2)")->type_name("S");
	c->add_option("-s,--sort", top.sort, "what is first: held, growth, failcnt, id")->type_name("KEY");
	c->add_flag("-b,--bytes", top.bytes, "sizes as plain numbers of bytes");
}

void Commands::add_settings()
{
	const Arguments &a = arguments_;
	CLI::App *c = add("set", "Sets limits, all of them or none", [&a] { return set(a.who, a.limits); });
	add_who(c);
	c->add_option("LIMITS", arguments_.limits, "RESOURCE=BARRIER:LIMIT, or RESOURCE=N for both")
	    ->type_name("")
	    ->required();
	c = add("reset", "Clears maxheld and the counts of refusals", [&a] { return reset(a.who); });
	add_who(c);
	c = add("name", "Names a container, and renumbers it", [&a] { return name(a.who, a.name, a.new_id); });
	add_who(c);
	c->add_option("NAME", arguments_.name, "1 to 63 letters, digits, and . _ -")->type_name("")->required();
	c->add_option("NEWID", arguments_.new_id, "1 to 9 digits")->type_name("");
	c = add("stacks", "Whether a container's objects keep the whole stack of their allocation",
		[&a] { return stacks(a.who, a.name); });
	add_who(c);
	c->add_option("on|off", arguments_.name, "from now on")->type_name("")->required();
	c = add("dismiss", "Takes a stopped container off the list", [&a] { return dismiss(a.who); });
	add_who(c);
}

void Commands::add_containers()
{
	CLI::App *c = add("run", "Runs a command in a fresh container", [this] { return beanctl::run(run_options()); });
	add_run(c);

	CheckOptions &check = arguments_.check;
	c = add("check", "Runs a command and tells what kernel memory it left behind", [this, &check] {
		check.run = run_options();
		if (check.timeout.value_or(1) <= 0)
			fail_usage("--timeout {:g}: it is a number of seconds, above 0", *check.timeout);
		if (check.fail_nth.value_or(0) < 0)
			fail_usage("--fail-nth {}: allocations are counted from 1; 0 is for each in turn",
				   *check.fail_nth);
		check.look = arguments_.look;
		check.symbols = arguments_.symbols;
		return beanctl::check(check);
	});
	add_run(c);
	c->add_option("--timeout", check.timeout, "seconds for the command, and again for the verdict")->type_name("S");
	auto *nth = c->add_option("--fail-nth", check.fail_nth,
				  "its Nth allocation fails; 0: each in turn, in runs of their own")
			->type_name("N");
	c->add_flag("--keep-going", check.keep_going, "with --fail-nth 0: go on after a finding")->needs(nth);
	auto *each =
	    c->add_option("--each", check.each, "many commands: a folder, a kselftest collection, a file of lines, -")
		->type_name("SOURCE")
		->excludes(nth);
	c->add_option("--jobs", check.jobs, "with --each: how many at a time")->type_name("N")->needs(each);
	c->add_option("--log", check.log, "with --each: a folder for what they print")->type_name("DIR")->needs(each);
	c->add_option("--junit", check.junit, "the result as JUnit XML")->type_name("FILE");
	add_look(c);
	add_symbols(c);

	const Arguments &a = arguments_;
	c = add("oci-hook", "As a runtime's createRuntime hook: limits and a name for its container", [&a] {
		const std::string state((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
		return oci_hook(state, parse_limits(a.limits), a.name_from_id);
	});
	c->add_option("--limit", arguments_.limits, "bounds a resource; may be given again for others")
	    ->type_name("RESOURCE=BARRIER:LIMIT")
	    ->expected(1)
	    ->take_all();
	c->add_flag("--name-from-id", arguments_.name_from_id, "names it after the runtime's ID");
}

Commands::Commands()
{
	app_.require_subcommand(1);
	app_.set_version_flag("--version", BEANCTL_VERSION);
	app_.set_help_flag("-h,--help", "this text");
	app_.footer("ID is a container's number or its name. beanctl COMMAND --help, and the pages beanctl-COMMAND(1), "
		    "say more.");
	add_tables();
	add_top();
	add_settings();
	add_containers();
}

RunOptions Commands::run_options() const
{
	RunOptions options = arguments_.run;
	const bool each = !arguments_.check.each.empty();
	if (each && !options.command.empty())
		fail_usage("--each has the commands: there is none after --");
	if (!each && options.command.empty())
		fail_usage("no command: it comes after --, as in beanctl {} -- CMD", called_);
	if (!arguments_.new_id.empty()) {
		const auto id = parse_id(arguments_.new_id);
		if (!id)
			fail_usage("--id {}: a container's number has 1 to 9 digits and is not 0", arguments_.new_id);
		options.id = *id;
	}
	options.name = arguments_.name;
	if (!options.name.empty() && !is_name(options.name))
		fail_usage("--name {}: a name is 1 to 63 letters, digits, and . _ -", options.name);
	options.limits = parse_limits(arguments_.limits);
	return options;
}

bool Commands::known(const std::string &name) const
{
	const auto all = app_.get_subcommands([](const CLI::App *) { return true; });
	return std::any_of(all.begin(), all.end(), [&](const CLI::App *c) { return c->get_name() == name; });
}

int Commands::status_of(int status) const
{
	if (called_ == "run")
		return kRunError;
	return called_ == "check" && status != kNoVerdict ? kUsage : status;
}

int Commands::run(std::vector<std::string> words)
{
	called_ = words.empty() ? "" : words.front();
	if (called_ == "run" || called_ == "check") {
		// What comes after -- is the command's, options too.
		const auto dashes = std::find(words.begin(), words.end(), "--");
		if (dashes != words.end()) {
			arguments_.run.command.assign(dashes + 1, words.end());
			words.erase(dashes, words.end());
		}
	}
	try {
		if (!called_.empty() && called_[0] != '-' && !known(called_)) {
			const std::string unknown = std::exchange(called_, "");
			fail_usage("there is no command {} (beanctl --help)", unknown);
		}
		std::reverse(words.begin(), words.end()); // as CLI11 takes them
		app_.parse(words);
		return action_();
	} catch (const CLI::ParseError &error) {
		if (error.get_exit_code() == 0)
			return app_.exit(error); // --help, --version
		note(fmt::format("{}{}{} (beanctl {}{}--help)", called_, called_.empty() ? "" : ": ", error.what(),
				 called_, called_.empty() ? "" : " "));
		return status_of(kUsage);
	} catch (const Error &error) {
		note(error.what());
		return status_of(error.status());
	} catch (const std::exception &error) {
		note(error.what());
		return status_of(kFailed);
	}
}

} // namespace

int main(int count, char **values)
{
	try {
		Commands commands;
		const int status = commands.run(std::vector<std::string>(values + 1, values + count));
		if (std::fflush(stdout) != 0 && status == 0)
			fail_system("standard output");
		return status;
	} catch (const std::exception &error) {
		(void)std::fprintf(stderr, "beanctl: %s\n", error.what());
		return kFailed;
	}
}
