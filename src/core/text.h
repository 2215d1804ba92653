// SPDX-License-Identifier: GPL-2.0
// Text for a reader: a growing buffer, and the few ways of writing that our files need. A field never contains white
// space (Documentation/files.md), so field() escapes it.
#pragma once

#include "types.h"

#include <beancounter/core.h>

namespace bc
{

class Text
{
      public:
	explicit Text(bc_text &out) : out_(out) {}

	Text &put(char c);
	Text &put(const char *s);
	Text &number(s64 n);
	Text &hex(u64 n);
	Text &right(const char *s, u32 width);
	Text &right(s64 n, u32 width);
	Text &left(const char *s, u32 width);
	// A name: '-' where empty, blanks and backslashes as \040 and so on, then padding and one blank.
	Text &field(const char *s, u32 width);
	Text &field(s64 n, u32 width);
	Text &part(const char *s); // of a field: a name, with the same escapes
	Text &end_line();	   // drops trailing blanks

	bool failed() const { return out_.failed; }

      private:
	bool room(unsigned long more);
	Text &pad(u32 written, u32 width);
	u32 escaped(const char *s); // how long it has become

	bc_text &out_;
};

u32 length_of(const char *s);
// Decimal digits of n into a buffer of at least 21; returns the start.
const char *decimal(s64 n, char (&buffer)[24]);
void copy_text(char *to, u32 size, const char *from);
bool same_text(const char *a, const char *b);
bool starts_with(const char *s, const char *prefix);
// Is `symbol` ("copy_net_ns.part.0+0x1d") in the function `name`?
bool in_function(const char *symbol, const char *name);

} // namespace bc
