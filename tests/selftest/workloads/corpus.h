/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CORPUS_H
#define CORPUS_H

#include "work.h"

/* Each gives back what it took, unless a put is left out. */
extern const struct work corpus_files[], corpus_ipc[], corpus_net[], corpus_process[];

/* A user id that nobody else in the machine has: what is kept for each user is made for this one. */
extern unsigned int corpus_uid;

#endif
