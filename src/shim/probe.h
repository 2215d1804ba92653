/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bc_probe()'s questions, a file for each kind of object. Each of these says whether the object is what it was taken for, and as it
 * should be; false, too, where the question is another one's.
 */
#ifndef BC_PROBE_H
#define BC_PROBE_H

#include "nofault.h"
#include "shim.h"

#define MOST_STEPS 4096 /* of a walk, with preemption off: some 100 us */

typedef bool bc_prober(enum bc_probe what, const void *object, u32 size, struct bc_probed *out);

bc_prober bc_probe_name;  /* probe_names.c: dentries and inodes */
bc_prober bc_probe_net;	  /* probe_net.c: what the network's tables keep */
bc_prober bc_probe_count; /* probe_counts.c: what is counted by itself */
bc_prober bc_probe_table; /* probe_tables.c: what a table of the kernel's keeps */
bc_prober bc_probe_disk;  /* probe_disks.c: parts of a file system on a disk */

#endif
