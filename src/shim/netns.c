// SPDX-License-Identifier: GPL-2.0
/*
 * What a network namespace has that a living task is in, or that has a name: its devices with their addresses, routes, rules, tables of nftables and iptables. A container
 * that shares it makes them for good, as agents do that set up a machine's network; they go when somebody removes them, not with who made
 * them. Each table is walked from the namespace on: what is in none of them is not held.
 */
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/netfilter/x_tables.h>
#include <net/fib_rules.h>
#include <net/if_inet6.h>
#include <net/ip6_fib.h>
#include <net/ip_fib.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_tables.h>
#include <net/netns/generic.h>

#include "fib_trie.h"
#include "keeper.h"

#define WORDS(type) (sizeof(type) / sizeof(void *))

static bool chain_keeps(struct keeper *keeper, const void *object, size_t next_at)
{
	while (object) {
		keeps(keeper, object);
		if (!step(keeper) || !GET(object, (const void *const *)(object + next_at)))
			return false;
	}
	return true;
}

/* ---- links: what only stands beside it in a list of all the machine's, one that is lost, is not kept by it */

struct links {
	size_t at, bytes;
};

#define LINKS(type, member) { offsetof(type, member), sizeof_field(type, member) }

/* In this order on 6.1 and 6.12. */
static const struct links of_device[] = {
	LINKS(struct net_device, unreg_list),	   LINKS(struct net_device, close_list),      LINKS(struct net_device, todo_list),
	LINKS(struct net_device, link_watch_list), LINKS(struct net_device, dev.kobj.entry), LINKS(struct net_device, dev.power),
};
/* All namespaces', and the last that a counter for each CPU is in, for CPUs that go (lib/percpu_counter.c). */
static const struct links of_namespace[] = {
	LINKS(struct net, list),
	LINKS(struct net, exit_list),
	LINKS(struct net, defer_free_list),
	LINKS(struct net, cleanup_list),
#if IS_ENABLED(CONFIG_IPV6)
	LINKS(struct net, ipv6.ip6_dst_ops.pcpuc_entries),
#endif
#ifdef CONFIG_XFRM
	LINKS(struct net, xfrm.xfrm4_dst_ops.pcpuc_entries),
#if IS_ENABLED(CONFIG_IPV6)
	LINKS(struct net, xfrm.xfrm6_dst_ops.pcpuc_entries),
#endif
#endif
};

static void words_but_links_keep(struct keeper *keeper, const char *object, size_t size, const struct links *links, int count)
{
	size_t from = 0, to;
	int i;

	for (i = 0; i <= count; i++) {
		to = i < count ? links[i].at : size;
		words_keep(keeper, (const void *const *)(object + from), (to - from) / sizeof(void *));
		if (i < count)
			from = to + links[i].bytes;
	}
}

/* ---- devices */

static bool addresses_keep(struct keeper *keeper, const struct net_device *dev)
{
	const struct in_device *in_dev;
	const void *ifa;

	if (!GET(in_dev, &dev->ip_ptr) || !in_dev)
		return true;
	words_keep(keeper, (const void *const *)in_dev, WORDS(*in_dev));
	return GET(ifa, (const void *const *)&in_dev->ifa_list) && chain_keeps(keeper, ifa, offsetof(struct in_ifaddr, ifa_next));
}

static bool addresses6_keep(struct keeper *keeper, const struct net_device *dev)
{
#if IS_ENABLED(CONFIG_IPV6)
	const struct inet6_dev *in6_dev;
	const void *group;

	if (!GET(in6_dev, &dev->ip6_ptr) || !in6_dev)
		return true;
	words_keep(keeper, (const void *const *)in6_dev, WORDS(*in6_dev));
	/* linked in their middle */
	if (!list_keeps(keeper, &in6_dev->addr_list) || !GET(group, (const void *const *)&in6_dev->mc_list))
		return false;
	return chain_keeps(keeper, group, offsetof(struct ifmcaddr6, next));
#else
	return true;
#endif
}

static bool device_keeps(struct keeper *keeper, const struct net_device *dev)
{
	keeps(keeper, dev); /* somewhere inside: its start may be padded */
	keeps_area(keeper, dev);
	words_but_links_keep(keeper, (const char *)dev, sizeof(*dev), of_device, ARRAY_SIZE(of_device));
	return addresses_keep(keeper, dev) && addresses6_keep(keeper, dev);
}

static bool devices_keep(struct keeper *keeper, const struct net *net)
{
	const struct list_head *node = &net->dev_base_head;

	while (next_of_list(keeper, &net->dev_base_head, &node)) {
		if (!device_keeps(keeper, list_entry(node, struct net_device, dev_list)))
			return false;
	}
	return node;
}

static bool schedulers_keep(struct keeper *keeper, const struct net *net, const void *fq)
{
	const struct list_head *node = &net->dev_base_head;

	while (next_of_list(keeper, &net->dev_base_head, &node)) {
		if (!flows_keep(keeper, list_entry(node, struct net_device, dev_list), fq))
			return false;
	}
	return node;
}

/* ---- routes, IPv4 */

struct alias { /* net/ipv4/fib_lookup.h, struct fib_alias, 6.1 and 6.12 */
	struct hlist_node list;
	const struct fib_info *info;
};

static bool aliases_keep(struct keeper *keeper, const struct hlist_node *node)
{
	struct alias copy;

	for (; node; node = copy.list.next) {
		if (!step(keeper) || !GET(copy, (const struct alias *)node))
			return false;
		keeps(keeper, node);
		keeps(keeper, copy.info);
	}
	return true;
}

/* From `top`, which is the table's and has one slot: to each child, and back by its parent. */
static bool trie_keeps(struct keeper *keeper, const struct vector *top)
{
	const struct vector *at = top, *child;
	unsigned long i = 0, count = 1;
	struct vector here, copy;

	for (;;) {
		while (i < count) {
			if (!step(keeper) || !GET(child, (const struct vector *const *)&at->slot[i++]))
				return false;
			if (!child)
				continue;
			if (!GET(copy, child))
				return false;
			keeps(keeper, container_of(child, struct trie_node, vector));
			keeps_area(keeper, container_of(child, struct trie_node, vector));
			if (copy.bits) {
				at = child;
				i = 0;
				count = 1UL << min_t(u8, copy.bits, 31);
			} else {
				const struct hlist_node *first;

				if (!GET(first, (const struct hlist_node *const *)&child->slot[0]) || !aliases_keep(keeper, first))
					return false;
			}
		}
		if (at == top)
			return true;
		if (!GET(here, at) || !GET(at, &container_of(at, struct trie_node, vector)->parent) || !GET(copy, at))
			return false;
		count = at == top ? 1 : 1UL << min_t(u8, copy.bits, 31);
		i = at == top ? 1 : slot_of(&copy, here.key) + 1;
	}
}

static bool routes_keep(struct keeper *keeper, const struct net *net)
{
	const struct hlist_head *tables;
	const struct hlist_node *node;
	const struct vector *top;
	int i;

	if (!GET(tables, &net->ipv4.fib_table_hash) || !tables)
		return true;
	for (i = 0; i < FIB_TABLE_HASHSZ; i++) {
		if (!GET(node, (const struct hlist_node *const *)&tables[i].first))
			return false;
		while (node) {
			const struct fib_table *table = hlist_entry(node, struct fib_table, tb_hlist);

			keeps(keeper, table);
			if (!GET(top, (const struct vector *const *)&table->tb_data) || !top || !trie_keeps(keeper, top) ||
			    !GET(node, (const struct hlist_node *const *)&node->next))
				return false;
		}
	}
	return true;
}

/* ---- routes, IPv6 */

#if IS_ENABLED(CONFIG_IPV6)

/* A tree whose nodes know their parents: down on the left, back, down on the right, back. */
static bool tree6_keeps(struct keeper *keeper, const struct fib6_node *top)
{
	const struct fib6_node *at = top, *from = NULL;
	struct fib6_node copy;

	while (step(keeper) && GET(copy, at)) {
		const struct fib6_node *children[] = { (const void *)copy.left, (const void *)copy.right,
#ifdef CONFIG_IPV6_SUBTREES
						       (const void *)copy.subtree
#endif
		}, *next = NULL;
		int i = 0;

		if (!from) { /* from above */
			if (at != top)
				keeps(keeper, at);
			if (!chain_keeps(keeper, (const void *)copy.leaf, offsetof(struct fib6_info, fib6_next)))
				return false;
		} else {
			while (i < ARRAY_SIZE(children) && children[i] != from)
				i++;
			if (i++ == ARRAY_SIZE(children))
				return false; /* it has been moved */
		}
		for (; i < ARRAY_SIZE(children) && !next; i++)
			next = children[i];
		if (next) {
			from = NULL;
			at = next;
		} else if (at == top) {
			return true;
		} else {
			from = at;
			at = (const void *)copy.parent;
		}
	}
	return false;
}

static bool routes6_keep(struct keeper *keeper, const struct net *net)
{
	const struct hlist_head *tables;
	const struct hlist_node *node;
	int i;

	if (!GET(tables, &net->ipv6.fib_table_hash) || !tables)
		return true;
	for (i = 0; i < FIB6_TABLE_HASHSZ; i++) {
		if (!GET(node, (const struct hlist_node *const *)&tables[i].first))
			return false;
		while (node) {
			const struct fib6_table *table = hlist_entry(node, struct fib6_table, tb6_hlist);

			keeps(keeper, table);
			if (!tree6_keeps(keeper, &table->tb6_root) || !GET(node, (const struct hlist_node *const *)&node->next))
				return false;
		}
	}
	return true;
}

#else

static bool routes6_keep(struct keeper *keeper, const struct net *net)
{
	return true;
}

#endif

/* ---- rules */

#ifdef CONFIG_FIB_RULES

static bool rules_keep(struct keeper *keeper, const struct net *net)
{
	const struct list_head *node = &net->rules_ops;

	while (next_of_list(keeper, &net->rules_ops, &node)) {
		if (!list_keeps(keeper, &list_entry(node, struct fib_rules_ops, list)->rules_list))
			return false;
	}
	return node;
}

#else /* the list is there, and nobody has made it one */

static bool rules_keep(struct keeper *keeper, const struct net *net)
{
	return true;
}

#endif

/* ---- nftables and iptables: what their modules have of a namespace is at a number of its own */

static const void *part_of(const struct net *net, const unsigned int *id)
{
	const struct net_generic *parts;
	unsigned int n, count;
	const void *part;

	if (!id || !GET(n, id) || !n || !GET(parts, (const struct net_generic *const *)&net->gen) || !parts || !GET(count, &parts->s.len) ||
	    n >= count || !GET(part, (const void *const *)&parts->ptr[n]))
		return NULL;
	return part;
}

#if IS_ENABLED(CONFIG_NF_TABLES)

static bool chains_keep(struct keeper *keeper, const struct list_head *chains)
{
	const struct list_head *node = chains;

	while (next_of_list(keeper, chains, &node)) {
		const struct nft_chain *chain = list_entry(node, struct nft_chain, list);

		keeps(keeper, chain); /* inside a base chain */
		words_keep(keeper, (const void *const *)chain, WORDS(*chain));
		if (!list_keeps(keeper, &chain->rules))
			return false;
	}
	return node;
}

static bool tables_keep(struct keeper *keeper, const struct nftables_pernet *nft)
{
	const struct list_head *node = &nft->tables;

	while (next_of_list(keeper, &nft->tables, &node)) {
		const struct nft_table *table = list_entry(node, struct nft_table, list);

		keeps(keeper, table);
		words_keep(keeper, (const void *const *)table, WORDS(*table));
		if (!chains_keep(keeper, &table->chains) || !list_keeps(keeper, &table->sets) || !list_keeps(keeper, &table->objects) ||
		    !list_keeps(keeper, &table->flowtables))
			return false;
	}
	return node;
}

#else

static bool tables_keep(struct keeper *keeper, const void *nft)
{
	return true;
}

#endif

static bool xtables_keep(struct keeper *keeper, const struct list_head *families)
{
	const struct list_head *node;
	const void *private;
	int i;

	for (i = 0; i < NFPROTO_NUMPROTO; i++) { /* net/netfilter/x_tables.c, struct xt_pernet */
		for (node = &families[i]; next_of_list(keeper, &families[i], &node);) {
			if (!GET(private, (const void *const *)&list_entry(node, struct xt_table, list)->private))
				return false;
			keeps(keeper, node);
			keeps(keeper, private);
			keeps_area(keeper, private);
		}
		if (!node)
			return false;
	}
	return true;
}

/* The modules may come and go: looked up once for each search, not for each namespace. */
void bc_netns_begin(struct bc_netns *search)
{
	xa_init(&search->seen);
	search->nft = (const void *)bc_lookup("nf_tables_net_id");
	search->xt = (const void *)bc_lookup("xt_pernet_id");
	search->fq = (const void *)bc_lookup("fq_qdisc_ops");
}

void bc_netns_end(struct bc_netns *search)
{
	xa_destroy(&search->seen);
}

void bc_netns_refers(const struct net *net, struct bc_netns *search, struct keeper *keeper)
{
	const void *part;

	if (!net || xa_insert(&search->seen, (unsigned long)net >> L1_CACHE_SHIFT, xa_mk_value(1), GFP_KERNEL) == -EBUSY)
		return;
	keeper->holder.by = "netns";
	keeper->steps = 0;
	/* Hooks of netfilter, settings, tables of hashes. */
	words_but_links_keep(keeper, (const char *)net, sizeof(*net), of_namespace, ARRAY_SIZE(of_namespace));
	walked(keeper, "net_device", devices_keep(keeper, net));
	walked(keeper, "fib", routes_keep(keeper, net));
	walked(keeper, "fib6", routes6_keep(keeper, net));
	walked(keeper, "fib_rules", rules_keep(keeper, net));
	if (search->fq) {
		keeper->holder.by = "fq";
		walked(keeper, "qdisc", schedulers_keep(keeper, net, search->fq));
		keeper->holder.by = "netns";
	}
	part = part_of(net, search->nft);
	if (part)
		walked(keeper, "nf_tables", tables_keep(keeper, part));
	part = part_of(net, search->xt);
	if (part)
		walked(keeper, "x_tables", xtables_keep(keeper, part));
}
