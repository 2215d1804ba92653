// SPDX-License-Identifier: GPL-2.0
// Text: a sequence of any of its calls. A field is one word whatever it is made of, and can be read back.
#include "read_back.h"
#include "text.h"

#include <host.h>

#include <cstdlib>
#include <cstring>
#include <string>

using namespace bc;

namespace
{

void must(bool good)
{
	if (!good)
		abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	host::reset();
	bc_text text{};
	Text out{text};
	size_t at = 0;
	auto byte = [&]() -> unsigned { return at < size ? data[at++] : 0; };
	auto string = [&] {
		std::string s;
		for (unsigned n = byte(); n-- > 0 && at < size;)
			s += static_cast<char>(data[at++]);
		return std::string(s.c_str());
	};
	auto number = [&] {
		s64 n = 0;
		for (int i = 0; i < 8; ++i)
			n = static_cast<s64>(static_cast<u64>(n) << 8 | byte());
		return n;
	};
	host::fail(host::Kind::big, byte()); // 0: no failure
	while (at < size) {
		const unsigned long before = text.length;
		auto written = [&] { return std::string(text.data + before, text.length - before); };
		switch (byte() % 8) {
		case 0: {
			const std::string s = string();
			const u32 width = byte();
			out.field(s.c_str(), width);
			if (text.failed)
				break;
			const std::string w = written();
			const std::string word = w.substr(0, w.find(' '));
			must(w.size() == std::max<size_t>(word.size(), width) + 1);
			must(w.find_first_not_of(' ', word.size()) == std::string::npos);
			must(word.find_first_of("\t\n\v\f\r") == std::string::npos && !word.empty());
			must(s.empty() ? word == "-" : rig::read_back(word) == s);
			break;
		}
		case 1: {
			const s64 n = number();
			out.number(n);
			must(text.failed || written() == std::to_string(n));
			break;
		}
		case 2: {
			const s64 n = number();
			const u32 width = byte();
			out.right(n, width);
			must(text.failed || written().size() == std::max<size_t>(std::to_string(n).size(), width));
			break;
		}
		case 3:
			out.left(string().c_str(), byte());
			break;
		case 4:
			out.right(string().c_str(), byte());
			break;
		case 5: {
			const u64 n = static_cast<u64>(number());
			out.hex(n);
			must(text.failed || std::stoull(written(), nullptr, 16) == n);
			break;
		}
		case 6:
			out.end_line();
			must(text.failed || text.data[text.length - 1] == '\n');
			must(text.failed || text.length < 2 || text.data[text.length - 2] != ' ');
			break;
		case 7:
			for (unsigned n = byte() * 16; n-- > 0;)
				out.put('x');
			break;
		}
		must(text.length <= text.capacity);
	}
	bc_text_free(&text);
	must(host::live(host::Kind::any) == 0);
	return 0;
}
