// SPDX-License-Identifier: GPL-2.0
#include "each.h"

#include "error.h"
#include "files.h"
#include "records.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

namespace beanctl
{

namespace
{

namespace fs = std::filesystem;

const char *const kList = "kselftest-list.txt";
constexpr double kKselftestSeconds = 45; // its runner's, where a collection has no settings of its own

std::string_view trimmed(std::string_view line)
{
	line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
	line.remove_suffix(line.size() - 1 - std::min(line.find_last_not_of(" \t\r"), line.size() - 1));
	return line;
}

bool executable(const fs::path &file)
{
	std::error_code error;
	const fs::file_status status = fs::status(file, error);
	const auto any = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
	return fs::is_regular_file(status) && (status.permissions() & any) != fs::perms::none;
}

std::vector<Command> commands_in(const fs::path &folder)
{
	std::vector<Command> all;
	std::error_code error;
	for (fs::directory_iterator at(folder, error); !error && at != fs::directory_iterator(); at.increment(error)) {
		const std::string name = at->path().filename();
		if (executable(at->path()))
			all.push_back({name, {"./" + name}, folder, std::nullopt});
	}
	if (error)
		fail_usage("{}: {}", folder.string(), error.message());
	std::sort(all.begin(), all.end(), [](const Command &a, const Command &b) { return a.name < b.name; });
	return all;
}

// timeout=N; 0: as long as it takes.
std::optional<double> seconds_of(const fs::path &collection)
{
	std::ifstream settings(collection / "settings");
	double seconds = kKselftestSeconds;
	for (std::string line; std::getline(settings, line);) {
		const std::string key = "timeout=";
		if (line.starts_with(key))
			std::from_chars(line.data() + key.size(), line.data() + line.size(), seconds);
	}
	return seconds > 0 ? std::optional(seconds) : std::nullopt;
}

// Scripts come without their mode where an archive or a copy has lost it; kselftest's runner calls the interpreter
// then.
std::vector<std::string> interpreter_of(const fs::path &file)
{
	std::ifstream script(file);
	std::string line;
	if (executable(file) || !std::getline(script, line) || !line.starts_with("#!"))
		return {};
	return list_of(trimmed(std::string_view(line).substr(2)), ' ');
}

std::vector<Command> collection(const fs::path &folder)
{
	std::vector<Command> all;
	for (const std::string &line : list_of(read_whole(folder / kList), '\n')) {
		const std::string_view entry = trimmed(line);
		if (entry.empty())
			continue;
		const size_t colon = entry.find(':');
		if (colon == std::string_view::npos)
			fail_usage("{}: '{}' is no collection:test", (folder / kList).string(), entry);
		const fs::path test = folder / entry.substr(0, colon) / entry.substr(colon + 1);
		Command command{std::string(entry), interpreter_of(test), test.parent_path(),
				seconds_of(folder / entry.substr(0, colon))};
		command.words.push_back("./" + test.filename().string());
		all.push_back(std::move(command));
	}
	return all;
}

} // namespace

std::vector<Command> commands_of_lines(std::string_view text)
{
	std::vector<Command> all;
	for (const std::string &line : list_of(text, '\n')) {
		const std::string command(trimmed(line));
		if (!command.empty() && command[0] != '#')
			all.push_back({command, {"sh", "-c", command}, "", std::nullopt});
	}
	return all;
}

std::vector<Command> commands_of(const std::string &source)
{
	std::error_code error;
	std::vector<Command> all;
	if (source != "-" && !exists(source))
		fail_usage("--each {}: it is not there", source);
	if (source == "-")
		all = commands_of_lines(read_whole("/dev/stdin"));
	else if (!fs::is_directory(source, error))
		all = commands_of_lines(read_whole(source));
	else if (const fs::path folder = fs::absolute(source); exists(folder / kList))
		all = collection(folder);
	else
		all = commands_in(folder);
	if (all.empty())
		fail_usage("--each {}: there is no command in it", source);
	return all;
}

} // namespace beanctl
