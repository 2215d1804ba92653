// SPDX-License-Identifier: GPL-2.0
#include "bounds_text.h"

#include "text.h"
#include "words.h"

namespace bc
{

namespace
{

bool parse_resource(const char *text, u32 length, Charged &what)
{
	for (const ResourceRow &row : kResources) {
		// A bound on what is not charged would hold nobody back.
		if (row.charged != Charged::kCount && Word{text, length}.is(row.name)) {
			what = row.charged;
			return true;
		}
	}
	return false;
}

bool parse_bounds(Word barrier, Word limit, Bounds &bounds)
{
	return parse_amount(barrier.text, barrier.length, bounds.barrier) &&
	       parse_amount(limit.text, limit.length, bounds.limit) && bounds.barrier <= bounds.limit;
}

} // namespace

bool parse_amount(const char *text, u32 length, s64 &amount)
{
	if (Word{text, length}.is("unlimited")) {
		amount = kUnlimited;
		return true;
	}
	u32 shift = 0;
	if (length != 0) {
		switch (text[length - 1]) {
		case 'K':
			shift = 10;
			break;
		case 'M':
			shift = 20;
			break;
		case 'G':
			shift = 30;
			break;
		default:
			break;
		}
	}
	const u32 digits = shift == 0 ? length : length - 1;
	if (digits == 0 || digits > 19)
		return false;
	u64 value = 0;
	for (u32 i = 0; i < digits; ++i) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + static_cast<u64>(text[i] - '0');
	}
	if (value > static_cast<u64>(kUnlimited) >> shift)
		return false;
	amount = static_cast<s64>(value << shift);
	return true;
}

bool parse_setting(const char *line, u32 length, Setting &setting)
{
	Words words{line, length};
	const Word first = words.next();
	setting = Setting{Charged::kCount, {}};
	if (first.is("reset"))
		return words.done();
	if (!parse_resource(first.text, first.length, setting.what))
		return false;
	const Word barrier = words.next();
	const Word limit = words.next();
	return parse_bounds(barrier, limit, setting.bounds) && words.done();
}

bool parse_defaults(const char *text, Setting (&settings)[kChargedRows], u32 &count)
{
	count = 0;
	while (*text != 0) {
		u32 equals = 0;
		while (text[equals] != 0 && text[equals] != '=' && text[equals] != ',')
			++equals;
		if (text[equals] != '=' || count == kChargedRows)
			return false;
		Setting &setting = settings[count];
		if (!parse_resource(text, equals, setting.what))
			return false;
		for (u32 i = 0; i < count; ++i) {
			if (settings[i].what == setting.what)
				return false;
		}
		text += equals + 1;
		u32 end = 0;
		u32 colon = ~0u;
		for (; text[end] != 0 && text[end] != ','; ++end) {
			if (text[end] == ':' && colon == ~0u)
				colon = end;
		}
		const Word barrier{text, colon == ~0u ? end : colon};
		const Word limit = colon == ~0u ? barrier : Word{text + colon + 1, end - colon - 1};
		if (!parse_bounds(barrier, limit, setting.bounds))
			return false;
		++count;
		text += end;
		if (*text == ',' && *++text == 0)
			return false;
	}
	return true;
}

} // namespace bc
