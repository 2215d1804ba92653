// SPDX-License-Identifier: GPL-2.0
#include "work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *work_name = "";

void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s: %s: %s\n", program_invocation_short_name, work_name, what, strerror(errno));
	_exit(1);
}

void in_child(void (*run)(void))
{
	int status;
	pid_t child = fork();

	must(child >= 0, "fork");
	if (!child) {
		run();
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child, "waitpid");
	if (!WIFEXITED(status))
		fprintf(stderr, "%s: %s: a child ended with signal %d\n", program_invocation_short_name, work_name,
			WTERMSIG(status));
	if (status)
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}
