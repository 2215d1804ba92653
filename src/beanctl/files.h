// SPDX-License-Identifier: GPL-2.0
// Reading and writing the module's files, whole.
#pragma once

#include <string>
#include <string_view>

namespace beanctl
{

// /proc/beancounter, or $BEANCTL_PROC: the tests' folder of files that look the same.
std::string proc_root();
std::string proc_file(std::string_view name);
std::string proc_file(unsigned id, std::string_view name);

bool exists(const std::string &path);
std::string read_whole(const std::string &path);

// In one write(2): the module takes a write whole or refuses it whole.
void write_once(const std::string &path, std::string_view text);

// A descriptor that is closed with its scope.
class Descriptor
{
      public:
	explicit Descriptor(int fd = -1) : fd_(fd) {}
	Descriptor(Descriptor &&other) noexcept : fd_(other.release()) {}
	Descriptor &operator=(Descriptor &&other) noexcept;
	~Descriptor() { reset(); }
	int get() const { return fd_; }
	int release();
	void reset();

      private:
	int fd_;
};

// Both ends are closed by exec.
struct Pipe {
	Descriptor read_end;
	Descriptor write_end;
};
Pipe make_pipe();

} // namespace beanctl
