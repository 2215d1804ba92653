// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a pid namespace, and does not come back from the clone() that makes it
 * before its first task, which does nothing, has been killed: as in a vfork().
 * Exit status: 0, or the error of clone().
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	long first;

	signal(SIGCHLD, SIG_IGN); /* it reaps itself */
	first = syscall(SYS_clone, CLONE_VFORK | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	while (!first)
		pause();
	if (first < 0)
		return errno;
	/* Until it is gone: nobody else is to inherit it. */
	while (wait(NULL) > 0 || errno != ECHILD)
		;
	return 0;
}
