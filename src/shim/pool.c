// SPDX-License-Identifier: GPL-2.0
/*
 * The module's own memory on PREEMPT_RT. The allocator's locks sleep there, so nobody may enter it with preemption off; and a
 * charge is recorded, a container made and an accepted socket handed on just so. What they need is put aside before: by a
 * hook on its way into such a section (bc_pool_fill(), through platform::provide()), and for the probes, which the kernel itself
 * runs with preemption off, by a work that is kicked when little is left. What is freed there waits for the work, too.
 *
 * An empty pool is memory that could not be had: the core counts the miss.
 */
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "shim.h"

/* Blocks of 64 bytes, 128, ... 8192: the ledger's arrays take 64 to 4096, a container the larger ones. */
#define SMALLEST 64
#define SIZES 8

/* A section charges so many objects at the most: src/core/charge.h, kAtOnce. Each could be the first of its page. */
#define A_SECTION 64

struct block {
	struct block *next;
};

static struct shelf {
	raw_spinlock_t lock;
	struct block *first;
	u32 blocks;
} shelves[SIZES];

/* Read by hooks: some shelf has less than a section may take. Late by a charge or two is early enough for the next. */
int bc_pool_low;

static LLIST_HEAD(freed);
static struct irq_work kick;
static struct work_struct refill;

static u32 low_mark(u32 size)
{
	return size <= 4096 ? A_SECTION : 8;
}

static u32 full_mark(u32 size)
{
	return size <= 4096 ? A_SECTION + A_SECTION / 2 : 16;
}

static void note_low(void)
{
	if (!READ_ONCE(bc_pool_low))
		WRITE_ONCE(bc_pool_low, 1);
	irq_work_queue(&kick);
}

void *bc_pool_take(unsigned long size)
{
	struct shelf *shelf;
	struct block *block;
	unsigned long flags;
	bool low;

	size = roundup_pow_of_two(max(size, (unsigned long)SMALLEST));
	if (size > SMALLEST << (SIZES - 1))
		return NULL;
	shelf = &shelves[ilog2(size / SMALLEST)];
	raw_spin_lock_irqsave(&shelf->lock, flags);
	block = shelf->first;
	if (block) {
		shelf->first = block->next;
		WRITE_ONCE(shelf->blocks, shelf->blocks - 1);
	}
	low = shelf->blocks < low_mark(size);
	raw_spin_unlock_irqrestore(&shelf->lock, flags);
	if (low)
		note_low();
	return block ? memset(block, 0, size) : NULL;
}

void bc_pool_give_back(void *mem)
{
	llist_add(mem, &freed);
	irq_work_queue(&kick);
}

/* False: the shelf is full. */
static bool put(struct shelf *shelf, u32 full, struct block *block)
{
	unsigned long flags;
	bool room;

	raw_spin_lock_irqsave(&shelf->lock, flags);
	room = shelf->blocks < full;
	if (room) {
		block->next = shelf->first;
		shelf->first = block;
		WRITE_ONCE(shelf->blocks, shelf->blocks + 1);
	}
	raw_spin_unlock_irqrestore(&shelf->lock, flags);
	return room;
}

/* With preemption on. False: there was not enough memory. */
bool bc_pool_fill(u32 gfp)
{
	u32 i;

	/* A section that takes from a shelf which has just been seen full says so again. */
	WRITE_ONCE(bc_pool_low, 0);
	for (i = 0; i < SIZES; i++) {
		const u32 size = SMALLEST << i;

		while (READ_ONCE(shelves[i].blocks) < full_mark(size)) {
			void *mem = bc_mem_alloc(size, gfp);

			if (!mem)
				return false;
			if (!put(&shelves[i], full_mark(size), mem))
				bc_mem_free(mem);
		}
	}
	return true;
}

static void do_refill(struct work_struct *unused)
{
	struct llist_node *node, *next;

	llist_for_each_safe(node, next, llist_del_all(&freed))
		bc_mem_free(node);
	bc_pool_fill(GFP_KERNEL);
}

static void on_kick(struct irq_work *unused)
{
	schedule_work(&refill);
}

int bc_pool_init(void)
{
	u32 i;

	for (i = 0; i < SIZES; i++)
		raw_spin_lock_init(&shelves[i].lock);
	init_irq_work(&kick, on_kick);
	INIT_WORK(&refill, do_refill);
	if (bc_pool_fill(GFP_KERNEL))
		return 0;
	bc_pool_exit();
	return -ENOMEM;
}

/* Nobody takes or gives back any more. */
void bc_pool_exit(void)
{
	u32 i;

	irq_work_sync(&kick);
	cancel_work_sync(&refill);
	do_refill(NULL);
	for (i = 0; i < SIZES; i++) {
		while (shelves[i].first) {
			struct block *block = shelves[i].first;

			shelves[i].first = block->next;
			shelves[i].blocks--;
			bc_mem_free(block);
		}
	}
}
