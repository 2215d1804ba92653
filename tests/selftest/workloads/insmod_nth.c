// SPDX-License-Identifier: GPL-2.0
/*
 * insmod_nth N FILE.ko [PARAMETERS]: loads a module, with the Nth chance of fault injection used in between, of those that the
 * filters in debugfs let through (Documentation/fault-injection). Prints
 *
 *   loaded|ERROR injected|whole
 *
 * `whole`: there was no Nth chance. A copy from or to user space is one, too, where the kernel has CONFIG_FAULT_INJECTION_USERCOPY, so
 * that the Nth may be used when /proc/self/fail-nth itself is read or written afterwards, which fails with EFAULT then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int file, nth, error, used_here;
	char left[16] = "";

	if (argc < 3)
		return 2;
	file = open(argv[2], O_RDONLY);
	nth = open("/proc/self/fail-nth", O_RDWR);
	if (file < 0 || nth < 0 || write(nth, argv[1], strlen(argv[1])) < 0) {
		perror(file < 0 ? argv[2] : "/proc/self/fail-nth");
		return 2;
	}
	error = syscall(SYS_finit_module, file, argc > 3 ? argv[3] : "", 0) ? errno : 0;
	used_here = pread(nth, left, sizeof(left) - 1, 0) < 0 || pwrite(nth, "0", 1, 0) < 0;
	if (used_here && errno != EFAULT) {
		perror("/proc/self/fail-nth");
		return 2;
	}
	printf("%s %s\n", error ? strerrorname_np(error) : "loaded", used_here || atoi(left) ? "whole" : "injected");
	return 0;
}
