// SPDX-License-Identifier: GPL-2.0
/*
 * A container's first process that ends in an unusual way:
 *
 *   odd_init thread-exec    a thread of it, not the leader, calls exec()
 *   odd_init leader-first   its leader ends first, the last thread later
 *   odd_init threads        it ends with threads alive
 *   odd_init children       it ends with children, zombies and orphans alive
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *how = "";

static void *thread(void *unused)
{
	if (!strcmp(how, "thread-exec")) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	if (!strcmp(how, "leader-first")) {
		usleep(200000);
		_exit(0);
	}
	pause();
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t id;

	if (argc != 2 || getpid() != 1) {
		fprintf(stderr, "odd_init: to be the first process of a pid namespace, with an argument\n");
		return 2;
	}
	how = argv[1];
	if (!strcmp(how, "children")) {
		for (int i = 0; i < 20; i++) {
			pid_t child = fork();

			if (child < 0)
				return 1;
			if (!child) {
				if (i % 2 && fork() >= 0)
					pause();
				if (i % 4 == 0)
					pause();
				_exit(0);
			}
		}
		return 0;
	}
	for (int i = 0; i < 8; i++)
		if (pthread_create(&id, NULL, thread, NULL))
			return 1;
	if (!strcmp(how, "thread-exec"))
		pause();
	if (!strcmp(how, "leader-first"))
		syscall(SYS_exit, 0);	/* the leader only: it becomes a zombie */
	return 0;
}
