/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BUSY_H
#define BUSY_H

#include "work.h"

#include <stdbool.h>
#include <stddef.h>

/* What the command line says. */
struct busy_options {
	int processes;		/* forked and exec'ed */
	int size;		/* of everything else: files, messages, mappings */
	const char *directory;	/* where files may be made; a tmpfs of its own is mounted there */
	bool net;		/* an own network namespace: its loopback may be brought up */
};

extern struct busy_options busy;

/*
 * Each runs in a process of its own, which ends with 0 when all went well, 1
 * through must(), or BUSY_SKIPPED through skip().
 */
#define BUSY_SKIPPED 4

extern const struct work busy_files[], busy_ipc[], busy_net[], busy_process[], busy_time[];

/* Ends the work, which this kernel or this machine cannot do. */
void skip(const char *reason);
/* snprintf into one of a few static buffers: busy.directory/name-number. */
const char *path_of(const char *name, int number);

#endif
