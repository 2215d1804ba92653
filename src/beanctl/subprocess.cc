// SPDX-License-Identifier: GPL-2.0
#include "subprocess.h"

#include "files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace beanctl
{

std::string find_program(const std::string &name)
{
	const char *path = std::getenv("PATH");
	std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
	while (!rest.empty()) {
		const size_t colon = std::min(rest.find(':'), rest.size());
		std::string file = std::string(rest.substr(0, colon)) + "/" + name;
		if (access(file.c_str(), X_OK) == 0)
			return file;
		rest.remove_prefix(std::min(colon + 1, rest.size()));
	}
	return "";
}

std::optional<std::string> output_of(const std::vector<std::string> &command)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return std::nullopt;
	const Descriptor read_end(ends[0]);
	Descriptor write_end(ends[1]);

	posix_spawn_file_actions_t actions;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return std::nullopt;
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	std::vector<char *> arguments;
	arguments.reserve(command.size() + 1);
	for (const std::string &word : command)
		arguments.push_back(const_cast<char *>(word.c_str()));
	arguments.push_back(nullptr);
	pid_t pid = 0;
	const int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
	posix_spawn_file_actions_destroy(&actions);
	write_end.reset();
	if (error != 0)
		return std::nullopt;

	std::string output;
	char buffer[16384];
	for (;;) {
		const ssize_t n = read(read_end.get(), buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		output.append(buffer, static_cast<size_t>(n));
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return std::nullopt;
	return output;
}

} // namespace beanctl
