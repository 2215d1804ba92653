// SPDX-License-Identifier: GPL-2.0
/*
 * BPF: what has a name in its file system stays until that is removed, and a pack of programs is the machine's.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/vmalloc.h>

#include "keeper.h"

static const struct list_head *packs, *super_blocks;
static const struct bpf_dispatcher *dispatcher; /* of XDP's programs, with memory for the calls once there was one (kernel/bpf/dispatcher.c) */

/* What has a name: kernel/bpf/inode.c */
enum { PROGRAM, MAP, LINK };
static const char *const names_of_kinds[] = { [PROGRAM] = "bpf_prog_iops", [MAP] = "bpf_map_iops", [LINK] = "bpf_link_iops" };
static const void *kinds[ARRAY_SIZE(names_of_kinds)];

void bc_bpf_init(void)
{
	int i;

	packs = (const void *)bc_lookup("pack_list");
	super_blocks = (const void *)bc_lookup("super_blocks");
	dispatcher = (const void *)bc_lookup("bpf_dispatcher_xdp");
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		kinds[i] = (const void *)bc_lookup(names_of_kinds[i]);
}

/* It lives as long as anybody's program is in it: kernel/bpf/core.c */
struct pack {
	struct list_head list;
	const void *programs; /* in the modules' part of the address space */
};

static bool packs_keep(struct keeper *keeper)
{
	const struct list_head *node = packs;
	const void *programs;

	if (!packs)
		return true;
	while (next_of_list(keeper, packs, &node)) {
		if (!GET(programs, &((const struct pack *)node)->programs))
			return false;
		keeps(keeper, node);
		keeps(keeper, (const void *)bc_area_of((u64)programs));
	}
	return node;
}

/* What somebody added to one of the host's: what owns it, programs that others go on to, and maps, in an array. */
static bool entries_keep(struct keeper *keeper, const struct bpf_map *map)
{
	const struct bpf_array *array = container_of(map, struct bpf_array, map);
	enum bpf_map_type type;
	const void *entry;
	u32 i, count;

	words_keep(keeper, (const void *const *)map, sizeof(*map) / sizeof(void *));
	if (!GET(type, &map->map_type) || !GET(count, &map->max_entries))
		return false;
	if (type != BPF_MAP_TYPE_PROG_ARRAY && type != BPF_MAP_TYPE_ARRAY_OF_MAPS)
		return true;
	for (i = 0; i < count; i++) {
		if (!step(keeper) || !GET(entry, (const void *const *)&array->ptrs[i]))
			return false;
		keeps(keeper, entry);
		keeps_area(keeper, entry);
	}
	return true;
}

/* A program or a large map lies outside the direct map: whoever reads what is held looks there, too (src/core/survivors_pointers.cc). */
static bool named_keep(struct keeper *keeper, const struct super_block *sb)
{
	const struct list_head *node = &sb->s_inodes;

	while (next_of_list(keeper, &sb->s_inodes, &node)) {
		const struct inode *inode = list_entry(node, struct inode, i_sb_list);
		const void *operations, *object;
		int i;

		if (!GET(operations, &inode->i_op) || !GET(object, &inode->i_private))
			return false;
		for (i = 0; i < ARRAY_SIZE(kinds); i++) {
			if (!object || !operations || operations != kinds[i])
				continue;
			keeps(keeper, object);
			keeps_area(keeper, object);
			if (i == MAP && !entries_keep(keeper, object))
				return false;
		}
	}
	return node;
}

void bpf_keeps(struct keeper *keeper)
{
	const struct list_head *node = super_blocks;
	unsigned long magic;
	const void *image;

	keeper->steps = 0;
	keeper->holder.by = "bpf";
	walked(keeper, "bpf", packs_keep(keeper));
	if (dispatcher && GET(image, (const void *const *)&dispatcher->rw_image) && image)
		keeps(keeper, (const void *)bc_area_of((u64)image));
	if (!super_blocks)
		return;
	keeper->holder.by = "bpffs";
	while (next_of_list(keeper, super_blocks, &node)) {
		const struct super_block *sb = list_entry(node, struct super_block, s_list);

		if (GET(magic, &sb->s_magic) && magic == BPF_FS_MAGIC)
			walked(keeper, "bpf", named_keep(keeper, sb));
	}
	walked(keeper, "super_block", node);
}
