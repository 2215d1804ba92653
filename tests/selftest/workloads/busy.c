// SPDX-License-Identifier: GPL-2.0
/*
 * Uses everything a container may use, and gives all of it back: what is charged
 * to a container that ran this and stopped has to be zero.
 *
 *   busy [-p PROCESSES] [-s SIZE] [-d DIRECTORY] [-r ROUNDS] [-o WORK] [-v] [--net]
 *
 * Exit status: 0 when all of it worked, 1 when something did not (it says what),
 * 2 for wrong usage. What the kernel or the machine does not have is skipped;
 * -v says what and why. `-o` runs only this work; `-o list` names all.
 */
#include "busy.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct busy_options busy = { .processes = 200, .size = 100, .directory = "/tmp" };

static const struct work *const groups[] = {
	busy_files, busy_ipc, busy_net, busy_process, busy_time,
};

static bool verbose;

void skip(const char *reason)
{
	if (verbose)
		fprintf(stderr, "busy: %s: skipped: %s\n", work_name, reason);
	_exit(BUSY_SKIPPED);
}

const char *path_of(const char *name, int number)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s-%d", busy.directory, name, number);
	return path;
}

static int run_one(const struct work *work)
{
	int status;
	pid_t child;

	work_name = work->name;
	child = fork();
	must(child >= 0, "fork");
	if (!child) {
		work->run();
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child, "waitpid");
	/* As a container's init it has orphans: each would be a process of the machine's until the container ends, sixteen more in a round. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (WIFSIGNALED(status))
		fprintf(stderr, "busy: %s: ended with signal %d\n", work->name, WTERMSIG(status));
	return status && (!WIFEXITED(status) || WEXITSTATUS(status) != BUSY_SKIPPED);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "net", no_argument, NULL, 'n' }, {} };
	const char *only = NULL;
	int option, rounds = 1, failed = 0, ran = 0;

	while ((option = getopt_long(argc, argv, "p:s:d:r:o:v", long_options, NULL)) != -1) {
		switch (option) {
		case 'p': busy.processes = atoi(optarg); break;
		case 's': busy.size = atoi(optarg); break;
		case 'd': busy.directory = optarg; break;
		case 'r': rounds = atoi(optarg); break;
		case 'o': only = optarg; break;
		case 'v': verbose = true; break;
		case 'n': busy.net = true; break;
		default: return 2;
		}
	}
	if (optind != argc || busy.processes < 1 || busy.size < 1 || rounds < 1)
		return 2;

	while (rounds--) {
		for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
			for (const struct work *work = groups[i]; work->name; work++) {
				if (only && !strcmp(only, "list"))
					puts(work->name);
				else if (!only || !strcmp(only, work->name))
					failed += run_one(work);
				else
					continue;
				ran++;
			}
		}
	}
	if (!ran)
		fprintf(stderr, "busy: no work is called %s; -o list names all\n", only);
	return failed || !ran;
}
