// SPDX-License-Identifier: GPL-2.0
/*
 * Who has the address of a survivor? A reference to a dentry or an inode may be anybody's: an open file's, a mount's, a socket's, that
 * of a loop device, a swap area, a watch, a file that is under way to another process, or of a module that nobody has heard of.
 * So it is not asked what all these are. Whoever has a reference has the address to give it back by, somewhere in memory, and the
 * whole memory of the kernel is looked through for it: slabs, stacks, pages, per-CPU memory, the kernel's and the modules' data.
 *
 * Not looked at: what belongs to user space and files, page tables, what is free; and what was allocated before there was an
 * allocator, e.g. the tables of hashed names, whose lists are links and no references. Nor the stacks of the CPUs themselves: what interrupts
 * and softirqs have left there stays until one goes as deep again, and whoever is on them just now is not for long.
 *
 * Read as /proc/kcore does: pages that are online, copied without faulting, nothing locked.
 */
#include <linux/fs.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <asm/cpu_entry_area.h>

#include "nofault.h"
#include "shim.h"

#define BLOCK 512 /* pages: memory comes and goes in no smaller ones */
#define MOST_SEARCHED_STACKS 512 /* words in pages, for which all tasks' stacks are looked at; more are taken to live */

static struct {
	unsigned long start, end;
} data[2];
static const void *dentries; /* their cache */
static u32 unit_size;	     /* of the per-CPU memory that the kernel starts with */
static unsigned long irq_stack, exception_stacks; /* in there: arch/x86/kernel/irq_64.c, mm/cpu_entry_area.c */

void bc_census_init(void)
{
	const void *const *cache = (const void *const *)bc_lookup("dentry_cache");
	const int *size = (const int *)bc_lookup("pcpu_unit_size");

	data[0].start = bc_lookup("_sdata");
	data[0].end = bc_lookup("_edata");
	data[1].start = bc_lookup("__bss_start");
	data[1].end = bc_lookup("__bss_stop");
	irq_stack = bc_lookup("irq_stack_backing_store");
	exception_stacks = bc_lookup("exception_stacks");
	if (!cache || !GET(dentries, cache))
		dentries = NULL;
	if (!size || !GET(unit_size, size))
		unit_size = 0;
}

struct search {
	const struct bc_range *ranges;
	u32 count;
	u64 lowest, length;
	bc_word_found found;
	void *context;
	u64 *copy; /* of a page */
	u32 stacks;
};

/* Does it only link an inode with others? Offsets of what does, within struct inode. */
static bool links_inode(u64 offset)
{
	switch (offset) {
	case offsetof(struct inode, i_hash):
	case offsetof(struct inode, i_io_list):
	case offsetof(struct inode, i_lru):
	case offsetof(struct inode, i_sb_list):
	case offsetof(struct inode, i_wb_list):
	case offsetof(struct inode, i_dentry):
	case offsetof(struct inode, i_devices):
	case offsetof(struct inode, i_data.i_pages): /* a node's tree */
		return true;
	default:
		return false;
	}
}

/* A dentry is held by its address alone; what points into it are lists. */
static bool is_link(const struct bc_range *range, u64 word)
{
	switch (range->kind) {
	case BC_RANGE_DENTRY:
		return (word & ~7ULL) != ~range->not_subject;
	case BC_RANGE_INODE:
		return links_inode(word - ~range->not_subject);
	default:
		return false;
	}
}

/* A child is counted as such, and a name on its inode. */
static bool is_counted(const struct bc_range *range, u64 address, const struct bc_place *place, const void *cache)
{
	u64 at = address - place->object;

	if (!dentries || cache != dentries || !place->object)
		return false;
	return (range->kind == BC_RANGE_DENTRY && at == offsetof(struct dentry, d_parent)) ||
	       (range->kind == BC_RANGE_INODE && at == offsetof(struct dentry, d_inode));
}

static const struct bc_range *range_of(const struct search *search, u64 word)
{
	u32 low = 0, high = search->count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (~search->ranges[middle].not_start <= word)
			low = middle + 1;
		else
			high = middle;
	}
	return low && word < ~search->ranges[low - 1].not_end ? &search->ranges[low - 1] : NULL;
}

static void look_at(struct search *search, const struct bc_range *range, u64 word, u64 address, struct page *page)
{
	struct bc_place place;
	const void *cache = NULL;

	if ((address >= ~range->not_start && address < ~range->not_end) || is_link(range, word))
		return;
	if (page && !PageSlab(compound_head(page)) && ++search->stacks > MOST_SEARCHED_STACKS) {
		memset(&place, 0, sizeof(place));
		strscpy(place.name, "pages", sizeof(place.name));
	} else if (!bc_place_of(address, page, &place, &cache)) {
		return;
	}
	place.counted = is_counted(range, address, &place, cache);
	search->found(search->context, range - search->ranges, &place);
}

static bool look_through(struct search *search, u64 from, u32 bytes, struct page *page)
{
	u32 i;

	if (copy_from_kernel_nofault(search->copy, (const void *)from, bytes))
		return false;
	for (i = 0; i < bytes / sizeof(u64); i++) {
		u64 word = search->copy[i];
		const struct bc_range *range;

		if (word - search->lowest >= search->length)
			continue;
		range = range_of(search, word);
		if (range)
			look_at(search, range, word, from + i * sizeof(u64), page);
	}
	return true;
}

/* The kernel's own, in use, and nothing that it only keeps for others. */
static bool is_kernels(struct page *page)
{
	struct page *head = compound_head(page);

	if (PageHWPoison(page))
		return false;
	if (PageSlab(head)) /* also in KFENCE's pool, which is reserved (mm/kfence/core.c, kfence_init_pool()) */
		return true;
	if (PageReserved(page))
		return false;
	return page_count(page) && !PageBuddy(page) && !PageTable(page) && !PageOffline(page) && !PageLRU(head) &&
	       !READ_ONCE(head->mapping);
}

static void look_through_pages(struct search *search, unsigned long pfn, unsigned long end, int nid)
{
	const struct page *own = virt_to_page(search->copy);
	struct page *page = NULL;

	for (; pfn < end; pfn++) {
		if (!page || !(pfn % BLOCK)) {
			cond_resched();
			page = pfn_to_online_page(pfn);
			if (!page) {
				pfn |= BLOCK - 1;
				continue;
			}
		} else {
			page = pfn_to_page(pfn);
		}
		/*
		 * One that cannot be read is not in the kernel's map, and so holds nothing of the kernel's. The node is in one word with
		 * flags that change, and does not itself.
		 */
		if (data_race(page_to_nid(page)) == nid && page != own && is_kernels(page))
			look_through(search, (u64)page_address(page), PAGE_SIZE, page);
	}
}

/* What the kernel got when it started, page by page: of that what it has given back since is among the pages, if anywhere. */
static bool look_through_data(struct search *search, u64 from, u64 end)
{
	bool complete = true;
	u64 next;

	for (from = round_up(from, sizeof(u64)); from + sizeof(u64) <= end; from = next) {
		next = min(round_down(from, PAGE_SIZE) + PAGE_SIZE, round_down(end, sizeof(u64)));
		if (!virt_addr_valid((void *)from) || PageReserved(virt_to_page((void *)from)))
			complete &= look_through(search, from, next - from, NULL);
		cond_resched();
	}
	return complete;
}

static bool is_stack(unsigned long offset)
{
	return (irq_stack && offset - irq_stack < IRQ_STACK_SIZE) ||
	       (exception_stacks && offset - exception_stacks < sizeof(struct exception_stacks));
}

static bool look_through_cpu(struct search *search, int cpu)
{
	bool complete = true;
	unsigned long offset;

	for (offset = 0; offset < unit_size; offset += PAGE_SIZE)
		if (!is_stack(offset))
			complete &= look_through_data(search, per_cpu_offset(cpu) + offset,
						      per_cpu_offset(cpu) + min_t(unsigned long, offset + PAGE_SIZE, unit_size));
	return complete;
}

bool bc_words(const struct bc_range *ranges, u32 count, bc_word_found found, void *context)
{
	struct search search = { .ranges = ranges, .count = count, .found = found, .context = context };
	bool complete = dentries && unit_size && bc_places_known();
	int i, nid, cpu;

	if (!count)
		return complete;
	search.copy = (u64 *)__get_free_page(GFP_KERNEL);
	if (!search.copy)
		return false;
	search.lowest = ~ranges[0].not_start;
	search.length = ~ranges[count - 1].not_end - search.lowest;
	for_each_online_node(nid)
		look_through_pages(&search, node_start_pfn(nid), node_end_pfn(nid), nid);
	for (i = 0; i < ARRAY_SIZE(data); i++)
		complete &= data[i].start && look_through_data(&search, data[i].start, data[i].end);
	for_each_possible_cpu(cpu)
		complete &= look_through_cpu(&search, cpu);
	memset(search.copy, 0, PAGE_SIZE);
	free_page((unsigned long)search.copy);
	return complete;
}
