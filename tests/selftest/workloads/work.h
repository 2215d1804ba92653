/* SPDX-License-Identifier: GPL-2.0 */
/* What busy and corpus are made of: pieces of work with a name, each step of which must succeed. */
#ifndef WORK_H
#define WORK_H

#include <stdbool.h>

struct work {
	const char *name;
	void (*run)(void);
};

/* Of the one that runs, for messages. */
extern const char *work_name;

/* Ends the process with 1 and a message that has errno in it. */
void must(bool ok, const char *what);
/* fork(), run, wait for 0; else ends as the child did. */
void in_child(void (*run)(void));

#endif
