/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that differs between the kernels we know, and nowhere else. C and assembly get it from here; C++ through the
 * constants that offsets.c makes of it.
 */
#ifndef BC_COMPAT_H
#define BC_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define BC_KERNEL_6_12 0
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define BC_KERNEL_6_12 1
#else
#error "beancounter knows the kernel lines 6.1 and 6.12: the hook table and slab's layout have to be read again for others"
#endif

/* The array of struct page lies in one piece, so that its place is found without a call (trampolines.S). */
#ifdef CONFIG_SPARSEMEM_VMEMMAP
#define BC_VMEMMAP 1
#else
#define BC_VMEMMAP 0
#endif

#ifndef __ASSEMBLY__

#include <linux/slab.h>
#include <linux/ftrace.h>

#include <linux/reciprocal_div.h>
#if BC_KERNEL_6_12
#include <linux/filelock.h> /* linux/fs.h of 6.1 */
#endif

/*
 * include/linux/slub_def.h of 6.1, mm/slab.h of 6.12: private there, so the part we need is written down once more; layout.c
 * compares it with the kernel's own BTF before anything relies on it.
 */
struct bc_kmem_cache {
#ifndef CONFIG_SLUB_TINY
	void __percpu *cpu_slab;
#if BC_KERNEL_6_12
	struct lock_class_key lock_key;
#endif
#endif
	slab_flags_t flags;
	unsigned long min_partial;
	unsigned int size;
	unsigned int object_size;
	struct reciprocal_value reciprocal_size;
	unsigned int offset;
#ifdef CONFIG_SLUB_CPU_PARTIAL
	unsigned int cpu_partial;
	unsigned int cpu_partial_slabs;
#endif
	unsigned int oo;
	unsigned int min;
	gfp_t allocflags;
	int refcount;
	void (*ctor)(void *object);
	unsigned int inuse;
	unsigned int align;
	unsigned int red_left_pad;
	const char *name;
};

#if BC_KERNEL_6_12

#define bc_text_start(mod) ((unsigned long)(mod)->mem[MOD_TEXT].base)
#define bc_text_end(mod) (bc_text_start(mod) + (mod)->mem[MOD_TEXT].size)

/* the first argument of inode_operations.permission */
#define bc_idmap struct mnt_idmap

#define BC_SLAB_CACHE_OFFSET 8 /* struct slab: __page_flags, slab_cache */

/* where a page table's page has the address of its lock, if that is an object; and one of pmds, the first of the tables that lie ready */
#define bc_page_table_lock(page) (&page_ptdesc(page)->ptl)
#define bc_page_table_deposits(page) (&page_ptdesc(page)->pmd_huge_pte)
#define BC_PMD_DEPOSITS (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) && IS_ENABLED(CONFIG_SPLIT_PMD_PTLOCKS))

#define bc_register_direct(ops, addr) register_ftrace_direct(ops, addr)
#define bc_unregister_direct(ops, addr) unregister_ftrace_direct(ops, addr, true)

#else

#define bc_text_start(mod) ((unsigned long)(mod)->core_layout.base)
#define bc_text_end(mod) (bc_text_start(mod) + (mod)->core_layout.text_size)

#define bc_idmap struct user_namespace

#define BC_SLAB_CACHE_OFFSET 24 /* struct slab: __page_flags, a union of two words, slab_cache */

#define bc_page_table_lock(page) (&(page)->ptl)
#define bc_page_table_deposits(page) (&(page)->pmd_huge_pte)
#define BC_PMD_DEPOSITS (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) && USE_SPLIT_PMD_PTLOCKS)

#define bc_register_direct(ops, addr) register_ftrace_direct_multi(ops, addr)
/* 6.1 leaves the filter to the caller */
#define bc_unregister_direct(ops, addr)                                                                                \
	({                                                                                                             \
		int __ret = unregister_ftrace_direct_multi(ops, addr);                                                 \
		if (!__ret)                                                                                            \
			ftrace_free_filter(ops);                                                                       \
		__ret;                                                                                                 \
	})

#endif

#endif /* __ASSEMBLY__ */
#endif
