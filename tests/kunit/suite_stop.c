// SPDX-License-Identifier: GPL-2.0
/*
 * What a stop leaves: the verdict, the files, and for how long.
 */
#include <linux/delay.h>
#include <linux/namei.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "box.h"

static void a_leak_is_named_until_it_is_freed(struct kunit *test)
{
	struct box leaky = {};
	struct kmem_cache *cache = bct_cache_new("bct_leaky", 72, false);
	struct bc_text text = {};
	struct pid *own;
	void *object;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, cache);
	KUNIT_ASSERT_TRUE(test, box_new(&leaky));
	own = box_enter(&leaky);
	object = kmem_cache_alloc(cache, GFP_KERNEL);
	box_leave(own);
	KUNIT_EXPECT_STREQ(test, box_stop(&leaky), "leaked");
	KUNIT_EXPECT_EQ(test, bct_ns_references(leaky.ns), (s64)0);
	EXPECT_HELD(test, &leaky, 1, price_of(object));
	mutex_lock(&bc_mutex);
	KUNIT_EXPECT_EQ(test, bc_render(BC_FILE_LEAKS, leaky.id, &text), 0);
	mutex_unlock(&bc_mutex);
	KUNIT_EXPECT_NOT_NULL(test, strnstr(text.data, "bct_leaky", text.length));
	KUNIT_EXPECT_NOT_NULL(test, strnstr(text.data, "a_leak_is_named_until_it_is_freed+0x", text.length));
	bc_text_free(&text);

	kmem_cache_free(cache, object);
	for (i = 0; i < 1000; i++) {
		mutex_lock(&bc_mutex);
		own = strcmp(bct_state(leaky.id), "clean") ? NULL : leaky.pid;
		mutex_unlock(&bc_mutex);
		if (own)
			break;
		msleep(10);
	}
	KUNIT_EXPECT_NOT_NULL_MSG(test, own, "not clean after its last object went");
	EXPECT_HELD(test, &leaky, 0, 0);
	box_free(&leaky);
	kmem_cache_destroy(cache);
}

static bool has_face(u32 id)
{
	struct path path;
	char name[40];

	snprintf(name, sizeof(name), "/proc/beancounter/%u", id);
	if (kern_path(name, 0, &path))
		return false;
	path_put(&path);
	return true;
}

/* Of the stopped ones that are clean the last 64 stay. */
static void old_clean_containers_go(struct kunit *test)
{
	struct box *boxes = kunit_kcalloc(test, 70, sizeof(*boxes), GFP_KERNEL);
	const char *state;
	int i, waits;

	KUNIT_ASSERT_NOT_NULL(test, boxes);
	for (i = 0; i < 70; i++) {
		KUNIT_ASSERT_TRUE(test, box_new(&boxes[i]));
		if (i == 0) {
			for (waits = 0; waits < 500 && !has_face(boxes[0].id); waits++)
				msleep(10);
			KUNIT_EXPECT_TRUE(test, has_face(boxes[0].id));
		}
		state = box_stop(&boxes[i]);
		KUNIT_EXPECT_TRUE(test, !strcmp(state, "clean") || !strcmp(state, "gone"));
	}
	for (waits = 0; waits < 1000 && has_face(boxes[0].id); waits++)
		msleep(10);
	KUNIT_EXPECT_FALSE(test, has_face(boxes[0].id));
	mutex_lock(&bc_mutex);
	state = bct_state(boxes[0].id);
	mutex_unlock(&bc_mutex);
	KUNIT_EXPECT_STREQ(test, state, "gone");
	mutex_lock(&bc_mutex);
	state = bct_state(boxes[69].id);
	mutex_unlock(&bc_mutex);
	KUNIT_EXPECT_STREQ(test, state, "clean");
	for (i = 0; i < 70; i++)
		box_free(&boxes[i]);
}

/*
 * A stack on its way to vfree(), one that a fork has taken, one that a dying task still runs on; src/shim/thread_stacks.c. The area is
 * ours, and no stack.
 */
static void thread_stacks_on_their_way(struct kunit *test)
{
	struct {
		struct rcu_head rcu;
		struct vm_struct *area;
		unsigned long words[125];
	} *start = kunit_kzalloc(test, sizeof(*start), GFP_KERNEL);
	struct vm_struct *area = kunit_kzalloc(test, sizeof(*area), GFP_KERNEL);
	struct task_struct *task = kunit_kzalloc(test, sizeof(*task), GFP_KERNEL);
	bool being_forked, lost[2], being_freed, called, of_another, used, again, written, still;

	KUNIT_ASSERT_NOT_NULL(test, start);
	KUNIT_ASSERT_NOT_NULL(test, area);
	KUNIT_ASSERT_NOT_NULL(test, task);
	if (!IS_ENABLED(CONFIG_VMAP_STACK))
		kunit_skip(test, "no stack has a vm_struct");
	area->addr = start;
	area->size = sizeof(*start);
	start->words[120] = 1; /* the frame of a task that is being forked */
	mutex_lock(&bc_mutex);
	being_forked = bc_stack_is_kept(area);
	start->words[50] = 1; /* somebody has run on it */
	lost[0] = !bc_stack_is_kept(area);
	lost[1] = !bc_stack_is_kept(area);
	start->rcu.func = (rcu_callback_t)bc_lookup("thread_stack_free_rcu");
	start->area = area;
	being_freed = bc_stack_is_kept(area);
	start->rcu.func = NULL;
	called = bc_stack_is_kept(area);
	start->area = area + 1;
	bc_stack_is_kept(area);
	of_another = bc_stack_is_kept(area);
#ifdef CONFIG_VMAP_STACK
	task->stack_vm_area = area;
#endif
	bc_stack_of_new_task(task);
	used = bc_stack_is_kept(area);
	again = bc_stack_is_kept(area);
	start->words[100] = 1;
	written = bc_stack_is_kept(area);
	still = bc_stack_is_kept(area);
	mutex_unlock(&bc_mutex);
	KUNIT_EXPECT_TRUE(test, being_forked);
	KUNIT_EXPECT_TRUE(test, lost[0]);
	KUNIT_EXPECT_TRUE(test, lost[1]);
	KUNIT_EXPECT_TRUE(test, being_freed);
	KUNIT_EXPECT_TRUE(test, called);
	KUNIT_EXPECT_FALSE(test, of_another);
	KUNIT_EXPECT_TRUE(test, used);
	KUNIT_EXPECT_FALSE(test, again);
	KUNIT_EXPECT_TRUE(test, written);
	KUNIT_EXPECT_FALSE(test, still);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(thread_stacks_on_their_way),
	KUNIT_CASE_SLOW(a_leak_is_named_until_it_is_freed),
	KUNIT_CASE_SLOW(old_clean_containers_go),
	{}
};

BOX_SUITE(stop, cases);
