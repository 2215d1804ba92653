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

#define TAGS 3UL

/*
 * Keyrings lie in keyrings, one in as many as somebody likes: KEYCTL_LINK asks how deep it gets (security/keys/keyring.c), add_key() of a new
 * one does not. So each that is met is put down once, and walked when its turn comes.
 */
static bool key_refers(struct keeper *keeper, struct bc_keyrings *search, const struct key *key)
{
	const struct key_type *type;
	int error;

	keeps(keeper, key);
	if (!GET(type, &key->type))
		return false;
	if (type != &key_type_keyring)
		return true;
	error = xa_insert(&search->seen, (unsigned long)key / sizeof(key), xa_mk_value(search->met), GFP_KERNEL | __GFP_NOWARN);
	if (error)
		return error == -EBUSY;
	error = xa_err(xa_store(&search->in_order, search->met, (void *)key, GFP_KERNEL | __GFP_NOWARN));
	search->met += !error;
	return !error;
}

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

static bool tree_refers(struct keeper *keeper, struct bc_keyrings *search, const struct assoc_array_ptr *root)
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
			if (next && !key_refers(keeper, search, untagged(next)))
				return false;
			slot++;
		}
	}
	return true;
}

static bool keyring_refers(struct keeper *keeper, struct bc_keyrings *search, const struct key *keyring)
{
	const struct assoc_array_ptr *root;

	return GET(root, &keyring->keys.root) && (!root || (assoc_array_ptr_is_meta(root) && tree_refers(keeper, search, root)));
}

/* Found by whoever has `keyring`: the walk goes on where the last one ended. */
static void keyrings_refer(struct keeper *keeper, struct bc_keyrings *search, const struct key *keyring)
{
	const struct key *next;

	keeper->steps = 0;
	if (!keyring || !walked(keeper, "keyring", key_refers(keeper, search, keyring)))
		return;
	for (; search->walked < search->met; search->walked++) {
		next = xa_load(&search->in_order, search->walked);
		if (!walked(keeper, "keyring", keyring_refers(keeper, search, next)))
			search->walked = search->met - 1;
	}
}

void bc_keyrings_begin(struct bc_keyrings *search)
{
	*search = (struct bc_keyrings){};
	xa_init(&search->seen);
	xa_init(&search->in_order);
}

void bc_keyrings_end(struct bc_keyrings *search)
{
	xa_destroy(&search->seen);
	xa_destroy(&search->in_order);
}

void bc_keyrings_refer(const struct cred *cred, struct bc_keyrings *search, struct keeper *keeper)
{
	const struct user_namespace *user_ns = cred->user_ns;

	keyrings_refer(keeper, search, cred->thread_keyring);
	keyrings_refer(keeper, search, cred->request_key_auth);
	keyrings_refer(keeper, search, cred->process_keyring);
	keyrings_refer(keeper, search, cred->session_keyring);
	keyrings_refer(keeper, search, READ_ONCE(user_ns->user_keyring_register));
#ifdef CONFIG_PERSISTENT_KEYRINGS
	keyrings_refer(keeper, search, READ_ONCE(user_ns->persistent_keyring_register));
#endif
}

#else

void bc_keyrings_begin(struct bc_keyrings *search)
{
}

void bc_keyrings_end(struct bc_keyrings *search)
{
}

void bc_keyrings_refer(const struct cred *cred, struct bc_keyrings *search, struct keeper *keeper)
{
}

#endif
