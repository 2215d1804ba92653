// SPDX-License-Identifier: GPL-2.0
#include "kernel_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <string_view>

namespace beanctl
{

bool is_kernel_report(const std::string &line)
{
	// What any user's mount() says of an option, with a word that is a report's else (fs/namespace.c,
	// warn_mandlock()).
	if (line.find("WARNING: The mand mount option") != std::string::npos)
		return false;
	// Our own, which has the names of whoever was refused something.
	if (line.find("beancounter: container ") != std::string::npos)
		return false;
	for (const char *report : {"WARNING: ", "BUG: ", "kernel BUG at", "Oops", "general protection fault",
				   "KASAN: ", "KFENCE: ", "UBSAN: ", "refcount_t: ", "list_add corruption",
				   "list_del corruption", "suspicious RCU usage", "INFO: task ", "detected stall",
				   "nable to handle kernel", "unregister_netdevice: waiting"}) {
		const size_t at = line.find(report);
		// Not in the middle of a word: DEBUG: is no BUG:
		if (at != std::string::npos && (at == 0 || std::isupper(static_cast<unsigned char>(line[at - 1])) == 0))
			return true;
	}
	return false;
}

KernelLog::KernelLog() : file_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC))
{
	if (file_.get() >= 0)
		lseek(file_.get(), 0, SEEK_END);
}

std::vector<std::string> KernelLog::reports()
{
	std::vector<std::string> found;
	if (file_.get() < 0)
		return found;
	// One record a read: 6,339,5140900,-;text, and lines of properties after it. EPIPE: the next one was
	// overwritten.
	char record[8192];
	for (;;) {
		const ssize_t n = read(file_.get(), record, sizeof(record));
		if (n < 0 && (errno == EINTR || errno == EPIPE))
			continue;
		if (n <= 0)
			return found;
		std::string_view text(record, static_cast<size_t>(n));
		text.remove_prefix(std::min(text.find(';'), text.size() - 1) + 1);
		std::string line(text.substr(0, text.find('\n')));
		if (is_kernel_report(line))
			found.push_back(std::move(line));
	}
}

} // namespace beanctl
