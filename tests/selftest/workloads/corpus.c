// SPDX-License-Identifier: GPL-2.0
/*
 * One use of one part of the kernel, after which nothing stays: unless the put that
 * ../corpus.sh names for the case is left out (skip_put.ko), once.
 *
 *   corpus CASE [UID]     `list` names all
 *
 * It calls itself corpus-work for the time of the work, so that the put is left out in there, and not when it starts.
 *
 * Exit status: 0 when the kernel did all of it, 1 when something failed, 2 for wrong usage.
 */
#include "corpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned int corpus_uid = 50000;

static const struct work *const groups[] = { corpus_files, corpus_ipc, corpus_net, corpus_process };

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3)
		return 2;
	if (argc == 3)
		corpus_uid = strtoul(argv[2], NULL, 10);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (const struct work *c = groups[i]; c->name; c++) {
			if (!strcmp(argv[1], "list")) {
				puts(c->name);
			} else if (!strcmp(argv[1], c->name)) {
				work_name = c->name;
				prctl(PR_SET_NAME, "corpus-work");
				c->run();
				prctl(PR_SET_NAME, "corpus");
				return 0;
			}
		}
	}
	return strcmp(argv[1], "list") ? 2 : 0;
}
