// SPDX-License-Identifier: GPL-2.0
#include "text.h"

namespace bc
{

u32 length_of(const char *s)
{
	u32 n = 0;
	while (s[n] != 0)
		++n;
	return n;
}

void copy_text(char *to, u32 size, const char *from)
{
	u32 i = 0;
	for (; i + 1 < size && from[i] != 0; ++i)
		to[i] = from[i];
	if (size != 0)
		to[i] = 0;
}

bool same_text(const char *a, const char *b)
{
	while (*a != 0 && *a == *b) {
		++a;
		++b;
	}
	return *a == *b;
}

bool starts_with(const char *s, const char *prefix)
{
	while (*prefix != 0 && *s == *prefix) {
		++s;
		++prefix;
	}
	return *prefix == 0;
}

const char *decimal(s64 n, char (&buffer)[24])
{
	u64 rest = n < 0 ? u64{0} - static_cast<u64>(n) : static_cast<u64>(n);
	char *p = buffer + sizeof(buffer) - 1;
	*p = 0;
	do {
		*--p = static_cast<char>('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (n < 0)
		*--p = '-';
	return p;
}

bool Text::room(unsigned long more)
{
	if (out_.failed)
		return false;
	if (out_.length + more <= out_.capacity)
		return true;
	unsigned long capacity = out_.capacity == 0 ? 4096 : out_.capacity * 2;
	while (capacity < out_.length + more)
		capacity *= 2;
	auto *data = static_cast<char *>(bc_big_alloc(capacity));
	if (data == nullptr) {
		out_.failed = true;
		return false;
	}
	for (unsigned long i = 0; i < out_.length; ++i)
		data[i] = out_.data[i];
	bc_big_free(out_.data);
	out_.data = data;
	out_.capacity = capacity;
	return true;
}

Text &Text::put(char c)
{
	if (room(1))
		out_.data[out_.length++] = c;
	return *this;
}

Text &Text::put(const char *s)
{
	while (*s != 0)
		put(*s++);
	return *this;
}

Text &Text::number(s64 n)
{
	char buffer[24];
	return put(decimal(n, buffer));
}

Text &Text::hex(u64 n)
{
	int digits = 1;
	while (digits < 16 && n >> (digits * 4) != 0)
		++digits;
	while (digits-- > 0)
		put("0123456789abcdef"[n >> (digits * 4) & 15]);
	return *this;
}

Text &Text::pad(u32 written, u32 width)
{
	while (written++ < width)
		put(' ');
	return *this;
}

Text &Text::right(const char *s, u32 width) { return pad(length_of(s), width).put(s); }

Text &Text::right(s64 n, u32 width)
{
	char buffer[24];
	return right(decimal(n, buffer), width);
}

Text &Text::left(const char *s, u32 width) { return put(s).pad(length_of(s), width); }

u32 Text::escaped(const char *s)
{
	u32 written = 0;
	for (; *s != 0; ++s) {
		const auto c = static_cast<unsigned char>(*s);
		if (c <= ' ' || c == '\\' || c == 0x7f) {
			put('\\');
			put(static_cast<char>('0' + (c >> 6)));
			put(static_cast<char>('0' + (c >> 3 & 7)));
			put(static_cast<char>('0' + (c & 7)));
			written += 4;
		} else {
			put(static_cast<char>(c));
			++written;
		}
	}
	return written;
}

Text &Text::part(const char *s)
{
	escaped(s);
	return *this;
}

Text &Text::field(const char *s, u32 width)
{
	u32 written = escaped(s);
	if (written == 0) {
		put('-');
		written = 1;
	}
	return pad(written, width).put(' ');
}

Text &Text::field(s64 n, u32 width) { return right(n, width).put(' '); }

Text &Text::end_line()
{
	while (out_.length != 0 && out_.data[out_.length - 1] == ' ')
		--out_.length;
	return put('\n');
}

bool in_function(const char *symbol, const char *name)
{
	const u32 n = length_of(name);
	return starts_with(symbol, name) && (symbol[n] == '+' || symbol[n] == '.' || symbol[n] == 0);
}

} // namespace bc

extern "C" void bc_text_free(struct bc_text *text)
{
	bc_big_free(text->data);
	*text = bc_text{};
}
