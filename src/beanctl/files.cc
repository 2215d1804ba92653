// SPDX-License-Identifier: GPL-2.0
#include "files.h"

#include "error.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace beanctl
{

std::string proc_root()
{
	const char *root = std::getenv("BEANCTL_PROC");
	return root != nullptr && *root != 0 ? root : "/proc/beancounter";
}

std::string proc_file(std::string_view name) { return fmt::format("{}/{}", proc_root(), name); }

std::string proc_file(unsigned id, std::string_view name) { return fmt::format("{}/{}/{}", proc_root(), id, name); }

bool exists(const std::string &path) { return access(path.c_str(), F_OK) == 0; }

std::string read_whole(const std::string &path)
{
	const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
	if (file.get() < 0)
		fail_system(path);
	std::string text;
	char buffer[16384];
	for (;;) {
		const ssize_t n = read(file.get(), buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail_system(path);
		if (n == 0)
			return text;
		text.append(buffer, static_cast<size_t>(n));
	}
}

void write_once(const std::string &path, std::string_view text)
{
	const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
	if (file.get() < 0)
		fail_system(path);
	ssize_t n = 0;
	do
		n = write(file.get(), text.data(), text.size());
	while (n < 0 && errno == EINTR);
	if (n < 0)
		fail_system(path);
	if (static_cast<size_t>(n) != text.size())
		fail("{}: {} of {} bytes were written; nobody can say what was applied", path, n, text.size());
}

Descriptor &Descriptor::operator=(Descriptor &&other) noexcept
{
	if (this != &other) {
		reset();
		fd_ = other.release();
	}
	return *this;
}

int Descriptor::release()
{
	const int fd = fd_;
	fd_ = -1;
	return fd;
}

void Descriptor::reset()
{
	if (fd_ >= 0)
		close(fd_);
	fd_ = -1;
}

Pipe make_pipe()
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		fail_system("pipe2");
	return {Descriptor(ends[0]), Descriptor(ends[1])};
}

} // namespace beanctl
