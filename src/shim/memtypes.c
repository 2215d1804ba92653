// SPDX-License-Identifier: GPL-2.0
/*
 * x86's list of the memory types of what is mapped has an entry for each mapping, and knows it by its range alone. Who maps registers that
 * a driver has mapped, and then lets go, frees one of the two entries, mostly the driver's; his own stays for the driver
 * (arch/x86/mm/pat/memtype_interval.c, memtype_erase()). So entries belong to whatever part of the address space still maps their range.
 */
#include <linux/vmalloc.h>

#include "keeper.h"

struct memtype { /* arch/x86/mm/pat/memtype.h, 6.1 and 6.12 */
	u64 start, end, subtree_max_end;
	u32 type;
	struct rb_node rb;
};

#define MOST_HEIGHT 64

static const struct rb_root_cached *types;
/* 6.1 has one list of all areas, 6.12 one a node, of which it has as many as CPUs: mm/vmalloc.c, struct vmap_node */
static const struct list_head *areas;
static const char *const *nodes;
static const unsigned int *node_count;
static u32 list_at, node_bytes;

void bc_memtypes_init(void)
{
	u32 at, busy, head, last;

	if (bc_layout_offset("memtype", "rb", &at) && at == offsetof(struct memtype, rb))
		types = (const void *)bc_lookup("memtype_rbroot");
	areas = (const void *)bc_lookup("vmap_area_list");
	if (!areas && bc_layout_offset("vmap_node", "busy", &busy) && bc_layout_offset("rb_list", "head", &head) &&
	    bc_layout_offset("vmap_node", "nr_purged", &last)) {
		list_at = busy + head;
		node_bytes = last + sizeof(unsigned long);
		nodes = (const void *)bc_lookup("vmap_nodes");
		node_count = (const void *)bc_lookup("nr_vmap_nodes");
	}
}

static const struct memtype *entry_of(const struct rb_node *node)
{
	return rb_entry(node, struct memtype, rb);
}

static bool first_from(u64 start, const struct rb_node **first)
{
	const struct rb_node *node;
	struct memtype copy;
	int height;

	*first = NULL;
	if (!GET(node, &types->rb_root.rb_node))
		return false;
	for (height = 0; node && height < MOST_HEIGHT; height++) {
		if (!GET(copy, entry_of(node)))
			return false;
		if (copy.start >= start)
			*first = node;
		node = copy.start >= start ? copy.rb.rb_left : copy.rb.rb_right;
	}
	return !node;
}

static bool mapping_keeps(struct keeper *keeper, u64 start, u64 end)
{
	const struct rb_node *node, *next;
	struct memtype copy;

	if (!first_from(start, &node))
		return false;
	for (; node; node = next) {
		if (!step(keeper) || !GET(copy, entry_of(node)))
			return false;
		if (copy.start != start)
			break;
		if (copy.end == end)
			keeps(keeper, entry_of(node));
		if (!next_in_tree(node, &next))
			return false;
	}
	return true;
}

static bool areas_keep(struct keeper *keeper, const struct list_head *list)
{
	const struct list_head *node = list;
	const struct vm_struct *vm;
	struct vm_struct copy;

	while (next_of_list(keeper, list, &node)) {
		if (!GET(vm, &list_entry(node, struct vmap_area, list)->vm))
			return false;
		if ((long)vm < 0 && GET(copy, vm) && copy.flags & VM_IOREMAP &&
		    !walked(keeper, "memtype", mapping_keeps(keeper, copy.phys_addr, copy.phys_addr + get_vm_area_size(&copy))))
			return false;
	}
	return node;
}

void memtypes_keep(struct keeper *keeper)
{
	unsigned int i, count;
	const char *first;

	keeper->steps = 0;
	keeper->holder.by = "ioremap";
	if (!types)
		return;
	if (areas)
		walked(keeper, "vmap_area", areas_keep(keeper, areas));
	if (areas || !nodes || !node_count || !GET(first, nodes) || !GET(count, node_count))
		return;
	for (i = 0; i < count; i++)
		walked(keeper, "vmap_area", areas_keep(keeper, (const void *)(first + i * node_bytes + list_at)));
}
