/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CORPUS_H
#define CORPUS_H

#include <stdbool.h>

/* One piece of work that gives back what it took, unless a put is left out. */
struct corpus_case {
	const char *name;
	void (*run)(void);
};

extern const struct corpus_case corpus_files[], corpus_ipc[], corpus_net[], corpus_process[];

/* A user id that nobody else in the machine has: what is kept for each user is made for this one. */
extern unsigned int corpus_uid;

/* Ends the program with a message that has errno in it. */
void must(bool ok, const char *what);
/* fork(), run, wait for 0. */
void in_child(void (*run)(void));

#endif
