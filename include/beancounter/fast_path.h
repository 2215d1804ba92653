/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What src/shim/trampolines.S knows of the core's data: offsets and bits, for the fast paths that are written in
 * assembly. The core says the same in C++ and compares it with this by static_assert (src/core/hooks.cc).
 */
#ifndef BEANCOUNTER_FAST_PATH_H
#define BEANCOUNTER_FAST_PATH_H

/* struct Ledger (ledger.h) */
#define BC_LEDGER_FLAT 0
#define BC_LEDGER_LIMIT 8
#define BC_LEDGER_TOP 16
#define BC_LEDGER_EXCLUSIVE 24
#define BC_CHUNK_SHIFT 9

/*
 * A page's word that leads to an array: its address, aligned to 64; BC_WORD_CLOSING while it may be about to be given
 * back; and in the low five bits a count. An offset in the page, shifted up by BC_WORD_UP and then down by the count,
 * is the place of what starts there. In 32 bits both shifts leave out what is no offset, and the count's leaves out
 * BC_WORD_CLOSING, so that a free asks for neither. Each count has BC_WORD_ARRAY, where a slot has its clear bit when
 * it has been rotated left by BC_WORD_ROTATED.
 */
#define BC_WORD_TAG 63
#define BC_WORD_CLOSING 32
#define BC_WORD_ARRAY 16
#define BC_WORD_UP 20
#define BC_WORD_ROTATED 5
#define BC_WORD_NO_TAG BC_WORD_ARRAY /* an array's, but of no stride: no word has it */

/* struct Container (container.h) */
#define BC_CONTAINER_NS 0
#define BC_CONTAINER_CELLS 8
#define BC_CONTAINER_OWNER 16
#define BC_CONTAINER_INDEX 24
#define BC_CONTAINER_MODE 26
#define BC_CONTAINER_GATE 27
#define BC_CONTAINER_ACCOUNTS 32
#define BC_CONTAINER_OBJECTS 536
#define BC_MODE_NEAR 2
#define BC_GATES_OF_PIECES 7 /* any but kGateLarge and kGateStacks */

/* class Account (counter.h), one for each ByteKind first */
#define BC_ACCOUNT_SIZE 56
#define BC_ACCOUNT_HELD 0
#define BC_ACCOUNT_MAXHELD 8
#define BC_ACCOUNT_BARRIER 16
#define BC_CELL_BYTES 48 /* where the bytes begin in a cell, and in what is added to it */

/* class Containers (container.h) */
#define BC_CONTAINERS_BY_INDEX 16

/* struct Gates (bounds.h) */
#define BC_GATES_SMALL 4

/* struct Site (site.h) and its place in the table */
#define BC_SITE_CALLER 0
#define BC_SITE_CACHE 8
#define BC_SITE_AMOUNT 16
#define BC_SITE_SLOT 24
#define BC_SITE_TAG 32
#define BC_SITE_CELL 40
/* Of a piece's in its place: the tag that it would have; where in a Cells; where its account is; its tag xor
 * BC_TAG_PIECE. */
#define BC_SITE_PIECE_TAG BC_SITE_CELL
#define BC_SITE_PIECE_CELL (BC_SITE_CELL + 1)
#define BC_SITE_PIECE_ACCOUNT (BC_SITE_CELL + 2)
#define BC_SITE_PIECE_TAGS (BC_SITE_CELL + 7)
#define BC_TAG_PIECE 80 /* what it has instead: BC_WORD_NO_TAG, and a bit more */
#define BC_SITE_STRIDE 56
#define BC_SITE_SHIFT 6 /* log2 of its size */
#ifndef BC_SITE_BITS	/* less for the fuzzers: each input begins and ends with the whole table */
#define BC_SITE_BITS 15
#endif
#define BC_SITE_HASH 0x61c88647
#define BC_SITE_HASH_SHIFT 2 /* from the hash to an offset in the table, masked */
#define BC_SITE_MASK (((1 << BC_SITE_BITS) - 1) << BC_SITE_SHIFT)

/* class References (references.h): the table of watched objects, and from an address to an offset in it */
#define BC_REFERENCES_OBJECTS 0
#define BC_REFERENCE_ADDRESS 0
#ifndef BC_REFERENCE_BITS
#define BC_REFERENCE_BITS 12
#endif
#define BC_REFERENCE_SHIFT 4 /* log2 of an object's size there */
#define BC_REFERENCE_HASH 0x61c88647
#define BC_REFERENCE_HASH_SHIFT 16
#define BC_REFERENCES_ROWS 8
#define BC_REFERENCES_HINTS 16
#define BC_REFERENCE_HINT_BITS 13
#define BC_ROW_SHIFT 6 /* log2 of a row's size */
#define BC_ROW_OBJECT 0
#define BC_ROW_CALLER 8
#define BC_ROW_COUNTS 16
#define BC_ROW_OWNER 48
#define BC_ROW_PUT 1
#define BC_ROW_PUTS_FULL 23 /* the bit */
#define BC_ROW_GET (1 << 24)
#define BC_ROW_GETS_FULL 47
#define BC_REFERENCE_MASK (((1 << BC_REFERENCE_BITS) - 1) << BC_REFERENCE_SHIFT)

/* class Slot (slot.h): site, birth, account, from the low end */
#define BC_SLOT_BIRTH 16
#define BC_SLOT_BIRTH_BITS 29
#define BC_SLOT_ACCOUNT 45
#define BC_ACCOUNT_SPECIAL 2 /* of four for each owner: a piece's; and where bc_free_cells has the container */
#define BC_ACCOUNT_ITSELF 3
#define BC_SLOT_KIND_BITS 2 /* of the account, the lower ones */

#endif
