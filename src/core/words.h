// SPDX-License-Identifier: GPL-2.0
// A line as words between blanks and tabs.
#pragma once

#include "types.h"

namespace bc
{

struct Word {
	const char *text;
	u32 length; // 0: there was none

	bool is(const char *other) const
	{
		for (u32 i = 0; i < length; ++i) {
			if (other[i] == 0 || text[i] != other[i])
				return false;
		}
		return other[length] == 0;
	}
};

class Words
{
      public:
	Words(const char *line, u32 length) : at_(line), end_(line + length) {}

	Word next()
	{
		while (at_ != end_ && (*at_ == ' ' || *at_ == '\t'))
			++at_;
		const char *start = at_;
		while (at_ != end_ && *at_ != ' ' && *at_ != '\t')
			++at_;
		return {start, static_cast<u32>(at_ - start)};
	}
	bool done() { return next().length == 0; }

      private:
	const char *at_;
	const char *end_;
};

} // namespace bc
