/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites share: box.c
 */
#ifndef BC_KUNIT_BOX_H
#define BC_KUNIT_BOX_H

#include <kunit/test.h>
#include <linux/completion.h>

#include "../../src/shim/shim.h"
#include "cases.h"

struct box {
	struct pid_namespace *ns;
	struct pid *pid;
	u32 id;
};

bool box_new(struct box *box);
/*
 * From here to box_leave() the current task is the container's. Returns what box_leave() wants. No assertion in
 * between: one that fails allocates, or ends the thread with the wrong pid.
 */
struct pid *box_enter(struct box *box);
void box_leave(struct pid *own);
/* Its last task has gone. Returns when there is a verdict. */
const char *box_stop(struct box *box);
void box_free(struct box *box);

struct bct_sum box_held(const struct box *box);
struct bct_sum box_recorded(const struct box *box);
u32 owner_of(const void *object); /* the container's ID, 0 if nobody's */
u32 price_of(const void *object); /* what it has to cost, told by its page */

/* Counters and ledger agree with each other and with what the case knows. */
#define EXPECT_HELD(test, box, n, b)                                                                                   \
	do {                                                                                                           \
		struct bct_sum __held = box_held(box), __recorded = box_recorded(box);                                 \
		KUNIT_EXPECT_EQ(test, __held.objects, (s64)(n));                                                       \
		KUNIT_EXPECT_EQ(test, __held.bytes, (s64)(b));                                                         \
		KUNIT_EXPECT_EQ(test, __recorded.objects, (s64)(n));                                                   \
		KUNIT_EXPECT_EQ(test, __recorded.bytes, (s64)(b));                                                     \
	} while (0)

/* A batch of objects, allocated in the container and freed somewhere else. */
#define BATCH 600

struct batch {
	void *objects[BATCH];
	u32 count;
	s64 bytes;
	bool context; /* the free ran where it was meant to */
	struct completion done;
};

struct batch *batch_new(struct kunit *test);
void batch_fill(struct batch *batch, struct box *box, u32 count);
void batch_free(struct batch *batch, bool context);

#define FILL(test, batch, box, n)                                                                                      \
	do {                                                                                                           \
		batch_fill(batch, box, n);                                                                             \
		KUNIT_ASSERT_EQ(test, (batch)->count, (u32)(n));                                                       \
		EXPECT_HELD(test, box, n, (batch)->bytes);                                                             \
	} while (0)

#define EXPECT_FREED(test, batch, box)                                                                                 \
	do {                                                                                                           \
		KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&(batch)->done, 30 * HZ), 0UL);                      \
		KUNIT_EXPECT_TRUE(test, (batch)->context);                                                             \
		EXPECT_HELD(test, box, 0, 0);                                                                          \
	} while (0)

/* The allocator's locks sleep there: nobody may call it with preemption off, as these do who do on other kernels. */
#define NOT_ON_RT(test)                                                                                                \
	do {                                                                                                           \
		if (IS_ENABLED(CONFIG_PREEMPT_RT))                                                                     \
			kunit_skip(test, "PREEMPT_RT: no allocator in this context");                                  \
	} while (0)

/* The fixture: a container of each case's own, clean at the end, and nothing lost. */
extern struct box box;
int open_box(struct kunit *test);
void close_box(struct kunit *test);

#ifndef KUNIT_CASE_SLOW /* 6.1 */
#define KUNIT_CASE_SLOW(name) KUNIT_CASE(name)
#endif

#define BOX_SUITE(_name, _cases)                                                                                       \
	struct kunit_suite _name##_suite = {                                                                           \
	    .name = "beancounter_" #_name,                                                                             \
	    .init = open_box,                                                                                          \
	    .exit = close_box,                                                                                         \
	    .test_cases = _cases,                                                                                      \
	}

extern struct kunit_suite allocations_suite, frees_suite, places_suite, stop_suite, nmi_suite;

#endif
