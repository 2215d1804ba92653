// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of what the kernel keeps for itself, in the name of whoever was the first to need them, and which do not say whose they are:
 * whoever has them is found from the kernel's own tables, and asked. The walks lock nothing. Where one is torn by a change it ends,
 * and says so.
 */
#include <linux/cgroup-defs.h>
#include <linux/kernfs.h>
#include <linux/kexec.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/vmalloc.h>

#include "keeper.h"

#define MOST_SLOTS 64	/* mm/percpu.c, pcpu_nr_slots */
#define CHUNK_WORDS 24	/* struct pcpu_chunk without its last array: 192 bytes */
#define IATTR_XATTRS 56 /* fs/kernfs/kernfs-internal.h, struct kernfs_iattrs: its struct simple_xattrs */

static const struct kernfs_node *const *sysfs_root;
static struct kernfs_node *const *const *cgroup_root; /* struct cgroup_root begins with its kernfs_root, that with its node */
static const struct list_head *const *chunks;
static const struct list_head *trace_arrays;
static const int *slots;
static const char *const images[] = { "kexec_image", "kexec_crash_image" };
static const void *const *image[ARRAY_SIZE(images)];

static struct vm_struct *no_area(const void *address)
{
	return NULL;
}
DEFINE_STATIC_CALL(bc_find_vm_area, no_area);

void bc_keepers_init(void)
{
	unsigned long area = bc_lookup("find_vm_area");
	int i;

	for (i = 0; i < ARRAY_SIZE(images); i++)
		image[i] = (const void *)bc_lookup(images[i]);
	sysfs_root = (const void *)bc_lookup("sysfs_root_kn");
	cgroup_root = (const void *)bc_lookup("cgrp_dfl_root");
	trace_arrays = (const void *)bc_lookup("ftrace_trace_arrays");
	chunks = (const void *)bc_lookup("pcpu_chunk_lists");
	slots = (const void *)bc_lookup("pcpu_nr_slots");
	if (area)
		static_call_update(bc_find_vm_area, (void *)area);
	bc_bpf_init();
	bc_clones_init();
	bc_files_init();
	bc_inodes_init();
	bc_ksm_init();
	bc_kept_init();
	bc_memtypes_init();
	bc_namespaces_init();
	bc_ipc_init();
	bc_cgroups_init();
	bc_terminals_init();
}

u64 bc_area_of(u64 pointer)
{
	if (!is_vmalloc_addr((const void *)pointer) && pointer - MODULES_VADDR >= MODULES_LEN)
		return 0;
	return (u64)static_call(bc_find_vm_area)((const void *)pointer);
}

bool bc_area(u64 area, u64 *start, u64 *bytes)
{
	struct vm_struct copy;

	if (!GET(copy, (const struct vm_struct *)area) || !(copy.flags & (VM_ALLOC | VM_USERMAP)) || copy.flags & VM_IOREMAP ||
	    bc_area_of((u64)copy.addr) != area)
		return false;
	*start = (u64)copy.addr;
	*bytes = get_vm_area_size(&copy);
	return true;
}

void keeps_area(struct keeper *keeper, const void *pointer)
{
	if (is_vmalloc_addr(pointer))
		keeps(keeper, static_call(bc_find_vm_area)(pointer));
}

static bool is_function(const void *const *at)
{
	const void *function;

	return GET(function, at) && (unsigned long)function >= __START_KERNEL_map;
}

/*
 * Does it only link a timer that is running, or a work in its queue, with what happens to wait beside it? Neither keeps the other. What is
 * to be done is said two words behind the links of a timer, or just behind those of a work: struct timer_list, struct work_struct.
 */
static bool links_who_wait(const void *const *node)
{
	return (is_function(node + 3) && is_hashed((const struct hlist_node *)node)) ||
	       (is_function(node + 2) && is_listed((const struct list_head *)node));
}

void words_keep(struct keeper *keeper, const void *const *words, int count)
{
	const void *pointer;
	int i;

	for (i = 0; i < count; i++) {
		if (links_who_wait(words + i)) {
			i++;
		} else if (GET(pointer, words + i)) {
			keeps(keeper, pointer);
			keeps_area(keeper, pointer);
		}
	}
}

/* ---- sysfs and cgroupfs: a node's owner and mode, once somebody has changed them, and what all have who have it open */

/*
 * What has a directory in sysfs has its name from whoever made it, and may itself be no object of the allocator's: the queues of a disk, one
 * for each CPU (struct blk_mq_ctx). It lives as long as that is there.
 */
static void name_keeps(struct keeper *keeper, const struct kernfs_node *directory)
{
	const struct kernfs_node *back;
	const struct kobject *its;
	const char *name;

	if (GET(its, (const struct kobject *const *)&directory->priv) && its && GET(name, &its->name) && GET(back, &its->sd) &&
	    back == directory)
		keeps_for_next(keeper, name, BC_KEEPS_ALONE);
}

static bool nodes_keep(struct keeper *keeper, const struct kernfs_node *root, bool of_sysfs)
{
	const struct kernfs_node *kn = root;
	const struct kernfs_iattrs *iattr;
	const struct rb_node *child, *next;
	const struct kernfs_open_node *open;
	unsigned short flags;

	while (step(keeper)) {
		if (!GET(iattr, &kn->iattr) || !GET(flags, &kn->flags))
			return false;
		keeps(keeper, iattr);
		if (iattr && !walked(keeper, "xattr", xattrs_keep(keeper, (const void *)iattr + IATTR_XATTRS)))
			return false;
		if ((flags & KERNFS_TYPE_MASK) == KERNFS_FILE && GET(open, &kn->attr.open))
			keeps(keeper, open);
		if ((flags & KERNFS_TYPE_MASK) == KERNFS_DIR) {
			if (of_sysfs)
				name_keeps(keeper, kn);
			if (!GET(child, &kn->dir.children.rb_node))
				return false;
			if (child) {
				child = leftmost_in_tree(child);
				if (!child)
					return false;
				kn = rb_entry(child, struct kernfs_node, rb);
				continue;
			}
		}
		for (;;) {
			if (kn == root)
				return true;
			if (!step(keeper) || !next_in_tree(&kn->rb, &next))
				return false;
			if (next) {
				kn = rb_entry(next, struct kernfs_node, rb);
				break;
			}
			if (!GET(kn, &kn->parent) || !kn)
				return false;
		}
	}
	return false;
}

/* ---- per-CPU memory: one more chunk of it, for all, with its maps and its part of the address space */

static void chunk_keeps(struct keeper *keeper, const struct list_head *chunk)
{
	keeps(keeper, chunk); /* struct pcpu_chunk begins with it */
	words_keep(keeper, (const void *const *)chunk + 2, CHUNK_WORDS - 2);
}

static bool chunks_keep(struct keeper *keeper)
{
	const struct list_head *lists, *node;
	int i, count;

	if (!chunks || !slots || !GET(lists, chunks) || !GET(count, slots))
		return true;
	for (i = 0; i < min(count, MOST_SLOTS); i++) {
		for (node = &lists[i]; next_of_list(keeper, &lists[i], &node);) {
			/* A chunk that has been moved to another slot meanwhile leads round that one, and never back here. */
			if (node >= lists && node < lists + count)
				return false;
			chunk_keeps(keeper, node);
		}
		if (!node)
			return false;
	}
	return true;
}

/* ---- kexec: what was loaded is the machine's until it is used, or another takes its place (kernel/kexec_core.c) */

#ifdef CONFIG_KEXEC_CORE

static void images_keep(struct keeper *keeper)
{
	const void *loaded;
	int i;

	for (i = 0; i < ARRAY_SIZE(images); i++) {
		if (!image[i] || !GET(loaded, image[i]) || !loaded)
			continue;
		keeps(keeper, loaded);
		/* its loader's data, and parts of the address space: a crash kernel's image has a copy of what tells the machine's state */
		words_keep(keeper, loaded, sizeof(struct kimage) / sizeof(void *));
	}
}

#else

static void images_keep(struct keeper *keeper)
{
}

#endif

const char *bc_keepers(bc_holder_found found, void *context)
{
	struct keeper keeper = { .found = found, .context = context, .holder.fd = -1 };
	struct kernfs_node *const *cgroups;
	const struct kernfs_node *root;

	keeper.holder.by = "sysfs";
	if (sysfs_root && GET(root, sysfs_root) && root)
		walked(&keeper, "sysfs", nodes_keep(&keeper, root, true));
	keeper.steps = 0;
	keeper.holder.by = "cgroupfs";
	if (cgroup_root && GET(cgroups, cgroup_root) && GET(root, cgroups) && root)
		walked(&keeper, "cgroupfs", nodes_keep(&keeper, root, false));
	keeper.steps = 0;
	keeper.holder.by = "percpu";
	walked(&keeper, "percpu", chunks_keep(&keeper));
	file_systems_keep(&keeper);
	bpf_keeps(&keeper);
	/* A directory in `instances`, until it is removed (kernel/trace/trace.h): struct trace_array begins with its place in the list. */
	keeper.holder.by = "tracing";
	if (trace_arrays)
		list_walked(&keeper, "trace_array", trace_arrays);
	memtypes_keep(&keeper);
	ksm_keeps(&keeper);
	for_next_keep(&keeper);
	ipc_keeps(&keeper);
	cgroups_keep(&keeper);
	keeper.holder.by = "kexec";
	images_keep(&keeper);
	terminals_keep(&keeper);
	return keeper.torn;
}
