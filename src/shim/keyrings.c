// SPDX-License-Identifier: GPL-2.0
/*
 * What keyrings outside keep in the name of whoever added to them: the keys, and the nodes of their trees (lib/assoc_array.c). Keyrings
 * are a task's own, its session's, or in the two registers of its user namespace, which it keeps for ever: that of the users' keyrings and
 * that of the persistent ones (security/keys/process_keys.c, persistent.c). A container without a user namespace shares those of
 * the host, and mostly its session's, too.
 *
 * Locks nothing: what is torn by a change ends early, and tells less.
 */
#include <linux/assoc_array_priv.h>
#include <linux/cred.h>
#include <linux/key-type.h>
#include <linux/user_namespace.h>

#include "keeper.h"

#ifdef CONFIG_KEYS

#define MOST_NODES 4096 /* of a keyring with all below it */
#define MOST_DEPTH 12	/* of keyrings and nodes together: each is a frame of our stack */
#define TAGS 3UL

static const void *untagged(const struct assoc_array_ptr *tagged)
{
	return (const void *)((unsigned long)tagged & ~TAGS);
}

static void key_refers(struct keeper *keeper, const struct key *key, int depth);

static void tree_refers(struct keeper *keeper, const struct assoc_array_ptr *tagged, int depth)
{
	struct assoc_array_shortcut shortcut;
	struct assoc_array_ptr *slot;
	int i;

	while (assoc_array_ptr_is_meta(tagged) && assoc_array_ptr_is_shortcut(tagged)) {
		keeps(keeper, untagged(tagged));
		if (++keeper->steps > MOST_NODES || !GET(shortcut, (const struct assoc_array_shortcut *)untagged(tagged)))
			return;
		tagged = shortcut.next_node;
	}
	if (!tagged)
		return;
	if (assoc_array_ptr_is_leaf(tagged)) {
		key_refers(keeper, untagged(tagged), depth);
		return;
	}
	keeps(keeper, untagged(tagged));
	if (++keeper->steps > MOST_NODES || depth == MOST_DEPTH)
		return;
	for (i = 0; i < ASSOC_ARRAY_FAN_OUT; i++) {
		if (GET(slot, &((const struct assoc_array_node *)untagged(tagged))->slots[i]) && slot)
			tree_refers(keeper, slot, depth + 1);
	}
}

static void key_refers(struct keeper *keeper, const struct key *key, int depth)
{
	const struct assoc_array_ptr *root;
	const struct key_type *type;

	keeps(keeper, key);
	if (depth < MOST_DEPTH && GET(type, &key->type) && type == &key_type_keyring && GET(root, &key->keys.root) && root)
		tree_refers(keeper, root, depth + 1);
}

static void keyring_refers(struct keeper *keeper, const struct key *key)
{
	keeper->steps = 0;
	if (key)
		key_refers(keeper, key, 0);
}

/* The two that are walked are its session's and its namespace's, which many tasks share: not again where the task before had the same. */
void bc_keyrings_refer(const struct cred *cred, struct bc_keyrings *last, bc_holder_found found, void *context,
		       const struct bc_holder *holder)
{
	const struct key *const *const own[] = { (const struct key *const *)&cred->thread_keyring,
						 (const struct key *const *)&cred->process_keyring,
						 (const struct key *const *)&cred->request_key_auth };
	struct keeper keeper = { .found = found, .context = context, .holder = *holder };
	const struct user_namespace *user_ns;
	const struct key *key;
	int i;

	for (i = 0; i < ARRAY_SIZE(own); i++) {
		if (GET(key, own[i]))
			keyring_refers(&keeper, key);
	}
	if (GET(key, &cred->session_keyring) && key && key != last->session) {
		last->session = key;
		keyring_refers(&keeper, key);
	}
	if (!GET(user_ns, &cred->user_ns) || user_ns == last->user_ns)
		return;
	last->user_ns = user_ns;
	if (GET(key, &user_ns->user_keyring_register))
		keyring_refers(&keeper, key);
#ifdef CONFIG_PERSISTENT_KEYRINGS
	if (GET(key, &user_ns->persistent_keyring_register))
		keyring_refers(&keeper, key);
#endif
}

#else

void bc_keyrings_refer(const struct cred *cred, struct bc_keyrings *last, bc_holder_found found, void *context,
		       const struct bc_holder *holder)
{
}

#endif
