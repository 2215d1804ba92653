// SPDX-License-Identifier: GPL-2.0
/*
 * What cgroups keep in the name of whoever made them, or was the first to need it. A cgroup that has been removed lives on as long
 * as something is charged to it: page cache, what was swapped out. It stays linked below its parent until then, and so does each
 * controller's part of it (kernel/cgroup/cgroup.c, css_release_work_fn()). What they point to goes with them.
 *
 * What a removed memory cgroup's objects were charged to (struct obj_cgroup) is its parent's from then on: mm/memcontrol.c,
 * memcg_reparent_objcgs().
 */
#include <linux/bpf-cgroup.h>
#include <linux/cgroup-defs.h>
#include <linux/memcontrol.h>
#include <linux/nodemask.h>
#include <linux/shrinker.h>

#include "keeper.h"

#ifdef CONFIG_CGROUPS

/* kernel/cgroup/cgroup-internal.h, 6.1 and 6.12 */
struct cgrp_cset_link {
	struct cgroup *cgrp;
	struct css_set *cset;
	struct list_head cset_link, cgrp_link;
};

typedef bool state_keeps(struct keeper *keeper, const struct cgroup_subsys_state *css);

static const struct list_head *hierarchies;
static const struct css_set *first_set; /* has each controller's root */

void bc_cgroups_init(void)
{
	hierarchies = (const void *)bc_lookup("cgroup_roots");
	first_set = (const void *)bc_lookup("init_css_set");
}

/* ---- down a tree */

/* What follows in a list of the parent's: after its head, or a child's place in it. NULL after the last. */
static bool next_below(struct keeper *keeper, const struct cgroup_subsys_state *parent, const struct list_head *node,
		       const struct cgroup_subsys_state **below)
{
	const struct cgroup_subsys_state *above;

	*below = NULL;
	if (!next_of_list(keeper, &parent->children, &node))
		return node;
	*below = list_entry(node, struct cgroup_subsys_state, sibling);
	return GET(above, &(*below)->parent) && above == parent;
}

/* Those below first: what is moved meanwhile is moved up. */
static bool tree_keeps(struct keeper *keeper, const struct cgroup_subsys_state *root, state_keeps *state)
{
	const struct cgroup_subsys_state *css = root, *parent, *below;

	for (;;) {
		if (!next_below(keeper, css, &css->children, &below))
			return false;
		while (!below) {
			if (!state(keeper, css))
				return false;
			if (css == root)
				return true;
			if (!GET(parent, &css->parent) || !parent || !next_below(keeper, parent, &css->sibling, &below))
				return false;
			css = parent;
		}
		css = below;
	}
}

/* ---- a cgroup, and the sets of controllers that its tasks have, of whom the first has made it */

static bool sets_keep(struct keeper *keeper, const struct cgroup *cgroup)
{
	const struct list_head *node = &cgroup->cset_links;
	struct cgrp_cset_link copy;

	while (next_of_list(keeper, &cgroup->cset_links, &node)) {
		const struct cgrp_cset_link *link = list_entry(node, struct cgrp_cset_link, cset_link);

		if (!GET(copy, link) || copy.cgrp != cgroup)
			return false;
		keeps(keeper, link);
		keeps(keeper, copy.cset);
	}
	return node;
}

/* Programs that somebody has attached to it: for each kind a list of them, and what has those of the cgroups above, too. */
static bool programs_keep(struct keeper *keeper, const struct cgroup *cgroup)
{
#ifdef CONFIG_CGROUP_BPF
	const struct bpf_prog_list *attached;
	const struct hlist_node *node;
	int i;

	words_keep(keeper, (const void *const *)cgroup->bpf.effective, ARRAY_SIZE(cgroup->bpf.effective));
	for (i = 0; i < ARRAY_SIZE(cgroup->bpf.progs); i++) {
		if (!GET(node, (const struct hlist_node *const *)&cgroup->bpf.progs[i].first))
			return false;
		while (node) {
			attached = hlist_entry(node, struct bpf_prog_list, node);
			keeps(keeper, attached);
			words_keep(keeper, (const void *const *)attached, sizeof(*attached) / sizeof(void *));
			if (!step(keeper) || !GET(node, (const struct hlist_node *const *)&node->next))
				return false;
		}
	}
#endif
	return true;
}

static bool cgroup_keeps(struct keeper *keeper, const struct cgroup_subsys_state *css)
{
	keeps(keeper, css);
	walked(keeper, "bpf", programs_keep(keeper, container_of(css, struct cgroup, self)));
	return walked(keeper, "css_set", sets_keep(keeper, container_of(css, struct cgroup, self)));
}

/* The default hierarchy, and those of version 1, which stay as long as a cgroup is in them. */
static bool hierarchies_keep(struct keeper *keeper)
{
	const struct list_head *node = hierarchies;
	bool complete = true;

	if (!hierarchies)
		return true;
	while (next_of_list(keeper, hierarchies, &node))
		complete &= tree_keeps(keeper, &list_entry(node, struct cgroup_root, root_list)->cgrp.self, cgroup_keeps);
	return node && complete;
}

/* ---- a controller's part of it */

static bool part_keeps(struct keeper *keeper, const struct cgroup_subsys_state *css)
{
	keeps(keeper, css);
	return true;
}

#ifdef CONFIG_MEMCG

#if BC_KERNEL_6_12

static void units_keep(struct keeper *keeper, const struct shrinker_info *info)
{
	const struct shrinker_info_unit *unit;
	int i, count;

	if (!GET(count, &info->map_nr_max))
		return;
	for (i = 0; i < count / SHRINKER_UNIT_BITS && step(keeper) && GET(unit, &info->unit[i]); i++)
		keeps(keeper, unit);
}

#else

static void units_keep(struct keeper *keeper, const struct shrinker_info *info)
{
}

#endif

/* One more shrinker than there was room for makes a new one for all memory cgroups: expand_shrinker_info(). */
static void shrinkers_keep(struct keeper *keeper, const struct mem_cgroup *memcg)
{
	const struct mem_cgroup_per_node *node;
	const struct shrinker_info *info;
	int nid;

	for_each_node(nid) {
		if (!GET(node, &memcg->nodeinfo[nid]) || !node)
			continue;
		if (!GET(info, (const struct shrinker_info *const *)&node->shrinker_info) || !info)
			continue;
		keeps(keeper, info);
		keeps_area(keeper, info);
		units_keep(keeper, info);
	}
}

#if BC_KERNEL_6_12 || defined(CONFIG_MEMCG_KMEM)

/* Its own, and those of its removed children. When it is removed itself it has neither, but its list is not emptied. */
static bool charged_keep(struct keeper *keeper, const struct mem_cgroup *memcg)
{
	const struct list_head *node = &memcg->objcg_list;
	const struct cgroup_subsys_state *parent;
	const struct obj_cgroup *own;
	const struct mem_cgroup *back;

	if (!GET(own, (const struct obj_cgroup *const *)&memcg->objcg) || !GET(parent, &memcg->css.parent))
		return false;
	keeps(keeper, own);
	if (!own && parent)
		return true;
	while (next_of_list(keeper, &memcg->objcg_list, &node)) {
		const struct obj_cgroup *charged = list_entry(node, struct obj_cgroup, list);

		if (!GET(back, &charged->memcg) || back != memcg)
			return false;
		keeps(keeper, charged);
	}
	return node;
}

#else

static bool charged_keep(struct keeper *keeper, const struct mem_cgroup *memcg)
{
	return true;
}

#endif

static bool memory_keeps(struct keeper *keeper, const struct cgroup_subsys_state *css)
{
	const struct mem_cgroup *memcg = container_of(css, struct mem_cgroup, css);

	keeps(keeper, memcg);
	shrinkers_keep(keeper, memcg);
	return walked(keeper, "obj_cgroup", charged_keep(keeper, memcg));
}

#endif

static void controller_keeps(struct keeper *keeper, int id)
{
	const struct cgroup_subsys_state *root;

	keeper->steps = 0;
	keeper->holder.by = "cgroup";
	if (!GET(root, &first_set->subsys[id]) || !root)
		return;
#ifdef CONFIG_MEMCG
	if (id == memory_cgrp_id) {
		keeper->holder.by = "memcg";
		walked(keeper, "memcg", tree_keeps(keeper, root, memory_keeps));
		return;
	}
#endif
	walked(keeper, "css", tree_keeps(keeper, root, part_keeps));
}

void cgroups_keep(struct keeper *keeper)
{
	int id;

	keeper->steps = 0;
	keeper->holder.by = "cgroup";
	walked(keeper, "cgroup", hierarchies_keep(keeper));
	for (id = 0; first_set && id < CGROUP_SUBSYS_COUNT; id++)
		controller_keeps(keeper, id);
}

#else

void bc_cgroups_init(void)
{
}

void cgroups_keep(struct keeper *keeper)
{
}

#endif
