/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the suites in C (suite*.c), which know the kernel, and the cases in C++ (cases.cc), which know the core.
 */
#ifndef BC_KUNIT_CASES_H
#define BC_KUNIT_CASES_H

#include <beancounter/core.h>

BC_BEGIN_C

/* ---- questions.cc and cases.cc, for the suites. All with bc_mutex held. */

struct bct_sum {
	bc_s64 bytes;
	bc_s64 objects;
};
struct bct_sum bct_held(bc_u32 id);	/* by the counters, not clamped at zero; exact while nobody charges */
struct bct_sum bct_recorded(bc_u32 id); /* by the ledger: every slot that names the container */
/* Whose object this is: the container's ID, 0 if nobody's. By a search of the whole ledger. */
bc_u32 bct_owner(bc_u64 address);
/* As in the file `containers`: running, settling, clean, held, leaked; gone where it is not there any more. */
const char *bct_state(bc_u32 id);
bool bct_stopped(bc_u32 id);
bc_s64 bct_losses(void); /* sum of everything that health counts */
bc_s64 bct_arrays_made(void);
bc_u32 bct_give_back(void); /* no question: what the worker does at times, on order. How many arrays */

/* The table of cases. Each gets a fresh container, and says what was not true, NULL where all was. */
unsigned int bct_cases(void);
const char *bct_case_name(unsigned int index);
const char *bct_case_run(unsigned int index, bc_u32 id);

/* ---- box.c, for the cases */

/* A cache that is never merged with another one; what is allocated here is the host's. */
void *bct_cache_new(const char *name, unsigned int size, bool reclaimable);
void bct_cache_destroy(void *cache);
void *bct_cache_alloc(void *cache);
void bct_cache_free(void *cache, void *object);
void *bct_alloc(unsigned long size);
void bct_free(void *memory);
/* A pid namespace at level 1, or what looks like one to the module; dead: takes no new pids. */
void *bct_ns_new(bool dead);
void bct_ns_free(void *ns);
bc_s64 bct_ns_references(const void *ns);
bc_u64 bct_address_of(const char *function);

/* ---- src/shim/memory.c, which only the core declares */
const void *bc_cache_of(const void *object);

BC_END_C

#endif
