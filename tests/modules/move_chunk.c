// SPDX-License-Identifier: GPL-2.0
/*
 * Tears the search's walk of per-CPU memory (src/shim/keepers.c), at each of its turns or `times`: the first chunk is moved to another slot
 * just when the walk is to go on from it, as another CPU that allocates or frees moves it (mm/percpu.c, pcpu_chunk_relocate(), 6.1 and 6.12).
 * `rounds`: how often the walk has then gone on from that slot's head, which is no chunk, and leads round that slot for ever;
 * after some it is sent away. Once it may: another CPU has moved the chunk back meanwhile, and each slot has its turn.
 *
 * A slot only says where an allocation looks first, and the first chunk is never freed: where it stays does no harm.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/static_call.h>

#include "find_symbol.h"
#include "when.h"

#define ONE_SLOT 1	/* of chunks that are in use; neither is one of those that are freed, or emptied (pcpu_setup_first_chunk()) */
#define OTHER_SLOT 2
#define ENOUGH 100	/* rounds */

static struct list_head *chunk, *lists; /* struct pcpu_chunk begins with its place in a list */
static int count;
static spinlock_t *lock;
static struct list_head *moved_to; /* in this walk */
static bool had_its_turn;

module_param_cb(moved, &happened_ops, NULL, 0444);
MODULE_PARM_DESC(moved, "how often it was moved in a walk");

static unsigned int rounds; /* one walk at a time counts */
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how often a walk went on from the head of the slot that it was moved to");

static unsigned long no_lookup(const char *name)
{
	return 0;
}
DEFINE_STATIC_CALL(lookup, no_lookup);

/* With the lock held. */
static struct list_head *its_slot(void)
{
	struct list_head *node = chunk->next;

	while (node < lists || node >= lists + count)
		node = node->next;
	return node;
}

static void move_it(void)
{
	unsigned long flags;

	/* The walk holds no lock, and somebody else's is not waited for here. */
	if (!spin_trylock_irqsave(lock, flags))
		return;
	if (take_turn()) {
		moved_to = &lists[its_slot() == &lists[ONE_SLOT] ? OTHER_SLOT : ONE_SLOT];
		list_move(chunk, moved_to);
	}
	spin_unlock_irqrestore(lock, flags);
}

/* copy_from_kernel_nofault(to, from, size): nobody else reads these words by it. One walk at a time does. */
static int before_a_read(struct kprobe *kp, struct pt_regs *regs)
{
	const struct list_head *from = (const void *)regs->si;

	if (regs->dx != sizeof(from->next))
		return 0;
	if (from == lists) { /* it begins */
		moved_to = NULL;
		had_its_turn = false;
	} else if (from == moved_to && !had_its_turn) {
		had_its_turn = true;
	} else if (from == moved_to && ++rounds % ENOUGH == 0) {
		regs->si = 0; /* there is nothing to be read, and the walk is over */
	} else if (from == chunk && !moved_to) {
		move_it();
	}
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "copy_from_kernel_nofault",
	.pre_handler = before_a_read,
};

static bool find_variables(void)
{
	struct list_head *const *lists_at, *const *chunk_at;
	struct symbol_range range;
	const int *count_at;

	if (find_symbol("kallsyms_lookup_name", &range))
		return false;
	static_call_update(lookup, (void *)range.start);
	lists_at = (void *)static_call(lookup)("pcpu_chunk_lists");
	chunk_at = (void *)static_call(lookup)("pcpu_first_chunk");
	count_at = (void *)static_call(lookup)("pcpu_nr_slots");
	lock = (void *)static_call(lookup)("pcpu_lock");
	if (!lists_at || !chunk_at || !count_at || !lock)
		return false;
	lists = *lists_at;
	chunk = *chunk_at;
	count = *count_at;
	return count > OTHER_SLOT;
}

static int __init move_chunk_init(void)
{
	if (!find_variables()) {
		pr_err("the kernel's lists of per-CPU chunks are not found\n");
		return -ENOENT;
	}
	when_init();
	return register_kprobe(&probe);
}

static void __exit move_chunk_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(move_chunk_init);
module_exit(move_chunk_exit);
MODULE_DESCRIPTION("Moves a chunk of per-CPU memory while it is looked at, for tests");
MODULE_LICENSE("GPL");
