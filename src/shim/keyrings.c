// SPDX-License-Identifier: GPL-2.0
/*
 * What keyrings outside keep in the name of whoever added to them: the keys, and the nodes of their trees (lib/assoc_array.c). Keyrings
 * are a task's own, its session's, or in the two registers of its user namespace, which it keeps for ever: that of the users' keyrings and
 * that of the persistent ones (security/keys/process_keys.c, persistent.c). A container without a user namespace shares those of
 * the host, and mostly its session's, too.
 *
 * The credentials are held, and with them their keyrings and user namespace. What is below locks nothing: a walk that is torn by a change
 * says so.
 */
#include <linux/assoc_array_priv.h>
#include <linux/cred.h>
#include <linux/key-type.h>
#include <linux/user_namespace.h>

#include "keeper.h"

#ifdef CONFIG_KEYS

#define MOST_DEPTH 8 /* of keyrings in keyrings; the kernel links them no deeper than 6: security/keys/keyring.c */
#define TAGS 3UL

static bool key_refers(struct keeper *keeper, const struct key *key, int depth);

static const void *untagged(const struct assoc_array_ptr *tagged)
{
	return (const void *)((unsigned long)tagged & ~TAGS);
}

static int slots_of(const struct assoc_array_ptr *meta)
{
	return assoc_array_ptr_is_shortcut(meta) ? 1 : ASSOC_ARRAY_FAN_OUT;
}

static bool below(const struct assoc_array_ptr *meta, int slot, const struct assoc_array_ptr **to)
{
	const struct assoc_array_shortcut *shortcut = untagged(meta);
	const struct assoc_array_node *node = untagged(meta);

	return assoc_array_ptr_is_shortcut(meta) ? GET(*to, &shortcut->next_node) : GET(*to, &node->slots[slot]);
}

/* To what is above, and the slot after its own. NULL: it was the root. */
static bool climb(const struct assoc_array_ptr **meta, int *slot)
{
	const struct assoc_array_shortcut *shortcut = untagged(*meta);
	const struct assoc_array_node *node = untagged(*meta);
	u8 own;

	if (assoc_array_ptr_is_shortcut(*meta)) {
		if (!GET(*slot, &shortcut->parent_slot) || !GET(*meta, &shortcut->back_pointer))
			return false;
	} else {
		if (!GET(own, &node->parent_slot) || !GET(*meta, &node->back_pointer))
			return false;
		*slot = own;
	}
	++*slot;
	return !*meta || (assoc_array_ptr_is_meta(*meta) && *slot > 0);
}

static bool tree_refers(struct keeper *keeper, const struct assoc_array_ptr *root, int depth)
{
	const struct assoc_array_ptr *at = root, *next;
	int slot = 0;

	while (at) {
		if (!step(keeper))
			return false;
		if (!slot)
			keeps(keeper, untagged(at));
		if (slot >= slots_of(at)) {
			if (!climb(&at, &slot))
				return false;
		} else if (!below(at, slot, &next)) {
			return false;
		} else if (next && assoc_array_ptr_is_meta(next)) {
			at = next;
			slot = 0;
		} else {
			if (next && !key_refers(keeper, untagged(next), depth))
				return false;
			slot++;
		}
	}
	return true;
}

static bool key_refers(struct keeper *keeper, const struct key *key, int depth)
{
	const struct assoc_array_ptr *root;
	const struct key_type *type;

	keeps(keeper, key);
	if (!GET(type, &key->type))
		return false;
	if (type != &key_type_keyring)
		return true;
	if (!GET(root, &key->keys.root))
		return false;
	return !root || (assoc_array_ptr_is_meta(root) && depth < MOST_DEPTH && tree_refers(keeper, root, depth + 1));
}

static void keyring_refers(struct keeper *keeper, const struct key *key)
{
	keeper->steps = 0;
	if (key)
		walked(keeper, "keyring", key_refers(keeper, key, 0));
}

/* Those that many tasks share are not walked again where the task before had the same. */
void bc_keyrings_refer(const struct cred *cred, struct bc_keyrings *last, struct keeper *keeper)
{
	const struct user_namespace *user_ns = cred->user_ns;

	keyring_refers(keeper, cred->thread_keyring);
	keyring_refers(keeper, cred->request_key_auth);
	if (cred->process_keyring != last->process)
		keyring_refers(keeper, cred->process_keyring);
	if (cred->session_keyring != last->session)
		keyring_refers(keeper, cred->session_keyring);
	last->process = cred->process_keyring;
	last->session = cred->session_keyring;
	if (user_ns == last->user_ns)
		return;
	last->user_ns = user_ns;
	keyring_refers(keeper, READ_ONCE(user_ns->user_keyring_register));
#ifdef CONFIG_PERSISTENT_KEYRINGS
	keyring_refers(keeper, READ_ONCE(user_ns->persistent_keyring_register));
#endif
}

#else

void bc_keyrings_refer(const struct cred *cred, struct bc_keyrings *last, struct keeper *keeper)
{
}

#endif
