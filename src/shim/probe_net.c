// SPDX-License-Identifier: GPL-2.0
/*
 * Is this survivor in one of the network's tables, for as long as those keep it? See probe.c for how things are read.
 */
#include <net/inet_hashtables.h>
#include <net/neighbour.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "fib_trie.h"
#include "probe.h"

static bool has_any(const struct hlist_head *list)
{
	struct hlist_node *first;

	return GET(first, &list->first) && first;
}

/* Both kinds are made by the same functions: what it is not does not look hashed. */
static bool is_bound(const void *object)
{
	const struct inet_bind_bucket *bind = object;
	const struct inet_bind2_bucket *bind2 = object;

#if BC_KERNEL_6_12
	return (is_hashed(&bind->node) && has_any(&bind->bhash2)) || (is_hashed(&bind2->node) && has_any(&bind2->owners));
#else
	return (is_hashed(&bind->node) && has_any(&bind->owners)) ||
	       (is_hashed(&bind2->node) && (has_any(&bind2->owners) || has_any(&bind2->deathrow)));
#endif
}

static bool is_timewait(const struct sock_common *sk)
{
	unsigned char state;

	return GET(state, (const unsigned char *)&sk->skc_state) && state == TCP_TIME_WAIT && is_hashed(&sk->skc_node);
}

/*
 * Closed by its owner and still in the table of connections, with a timer that sends what is left once more or ends it:
 * inet_csk_destroy_sock() takes it out of there and frees it.
 */
static bool is_orphan(const struct sock *sk, u32 size)
{
	const struct hlist_node *const *timers[] = { (const void *)&sk->sk_timer.entry.pprev,
						     (const void *)&inet_csk(sk)->icsk_retransmit_timer.entry.pprev };
	const struct hlist_node *armed[ARRAY_SIZE(timers)];
	unsigned short protocol;
	unsigned char state;
	unsigned long flags;

	if (size < sizeof(struct tcp_sock) || !GET(protocol, &sk->sk_protocol) || protocol != IPPROTO_TCP ||
	    !GET(state, (const unsigned char *)&sk->sk_state) || !GET(flags, &sk->sk_flags) || !GET(armed[0], timers[0]) ||
	    !GET(armed[1], timers[1]))
		return false;
	return state < 32 && (1U << state) & (TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | TCPF_CLOSING | TCPF_LAST_ACK) &&
	       test_bit(SOCK_DEAD, &flags) && (armed[0] || armed[1]) &&
	       is_hashed((const struct hlist_node *)&sk->__sk_common.skc_node);
}

/* By its table: permanent and loopback's neighbours are in no list for collection. */
static bool is_neighbour(const struct neighbour *neigh)
{
	struct neigh_hash_table hash, *table;
	struct neigh_table *tbl;
	struct neighbour *other;
	unsigned long bucket;
	int steps = 0;
	u8 dead;

	if (!GET(dead, &neigh->dead) || dead || !GET(tbl, &neigh->tbl) || !GET(table, &tbl->nht) || !GET(hash, table) ||
	    hash.hash_shift > 20)
		return false;
	for (bucket = 0; bucket < 1UL << hash.hash_shift; bucket++) {
		if (!GET(other, &hash.hash_buckets[bucket]))
			return false;
		for (; other; steps++) {
			if (other == neigh)
				return true;
			if (steps > MOST_STEPS || !GET(other, &other->next))
				return false;
		}
	}
	return false;
}

/* Its parent's slot has it. */
static bool is_in_trie(const struct trie_node *node)
{
	const struct vector *parent, *child;
	struct vector up, own;

	return GET(own, &node->vector) && GET(parent, &node->parent) && parent && GET(up, parent) &&
	       slot_of(&up, own.key) < 1UL << min_t(u8, up.bits, 31) &&
	       GET(child, (const struct vector *const *)&parent->slot[slot_of(&up, own.key)]) && child == &node->vector;
}

#if IS_ENABLED(CONFIG_NF_CONNTRACK)

/* Confirmed ones are in the table, which has one reference. Dying ones have left it. */
static bool probe_conntrack(const struct nf_conn *ct, struct bc_probed *out)
{
	const struct hlist_nulls_node *node = &ct->tuplehash[IP_CT_DIR_ORIGINAL].hnnode;
	struct hlist_nulls_node copy, *back;
	unsigned long status;
	refcount_t use;
	struct net *net;

	if (!GET(status, &ct->status) || !(status & IPS_CONFIRMED) || status & IPS_DYING || !GET(copy, node) ||
	    (long)copy.pprev >= 0 || !GET(back, copy.pprev) || back != node || !GET(use, &ct->ct_general.use) ||
	    !GET(net, &ct->ct_net.net))
		return false;
	out->extra = max(refcount_read(&use) - 1, 0);
	out->owner = (u64)net;
	snprintf(out->text, sizeof(out->text), "references=%d", refcount_read(&use) - 1);
	return true;
}

#else

static bool probe_conntrack(const void *ct, struct bc_probed *out)
{
	return false;
}

#endif

bool bc_probe_net(enum bc_probe what, const void *object, u32 size, struct bc_probed *out)
{
	switch (what) {
	case BC_PROBE_BIND:
		return is_bound(object);
	case BC_PROBE_TIMEWAIT:
		return is_timewait(object);
	case BC_PROBE_ORPHAN:
		return is_orphan(object, size);
	case BC_PROBE_NEIGHBOUR:
		return is_neighbour(object);
	case BC_PROBE_TRIE:
		return is_in_trie(object);
	case BC_PROBE_CONNTRACK:
		return probe_conntrack(object, out);
	default:
		return false;
	}
}
