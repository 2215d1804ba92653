// SPDX-License-Identifier: GPL-2.0
#include "junit.h"

#include "error.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace beanctl
{

namespace
{

// Bytes of the UTF-8 character at the start of `text`; 0 where XML takes no such one.
size_t character(std::string_view text)
{
	const auto lead = static_cast<unsigned char>(text[0]);
	const size_t size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
	if (size < 2 || text.size() < size)
		return size == 1 ? 1 : 0;
	char32_t code = lead & (0x7fu >> size);
	for (size_t i = 1; i < size; ++i) {
		const auto byte = static_cast<unsigned char>(text[i]);
		if ((byte & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (byte & 0x3fu);
	}
	const bool overlong = code < (size == 2 ? 0x80u : size == 3 ? 0x800u : 0x10000u);
	const bool surrogate = code >= 0xd800 && code < 0xe000;
	return overlong || surrogate || code > 0x10ffff || code == 0xfffe || code == 0xffff ? 0 : size;
}

// What a command prints may be anything; an XML file with one bad byte is read by nobody.
std::string escaped(std::string_view text)
{
	std::string xml;
	for (; !text.empty(); text.remove_prefix(1)) {
		const char c = text[0];
		if (const size_t size = character(text); size != 1) {
			xml += size == 0 ? "?" : text.substr(0, size);
			text.remove_prefix(size == 0 ? 0 : size - 1);
			continue;
		}
		switch (c) {
		case '&':
			xml += "&amp;";
			break;
		case '<':
			xml += "&lt;";
			break;
		case '>':
			xml += "&gt;";
			break;
		case '"':
			xml += "&quot;";
			break;
		case '\n':
		case '\t':
			xml += c;
			break;
		default:
			// XML has no way to write other control characters.
			xml += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
		}
	}
	return xml;
}

} // namespace

std::string junit_text(const std::vector<JunitCase> &cases)
{
	const auto failures = std::count_if(cases.begin(), cases.end(), [](auto &c) { return !c.failure.empty(); });
	const auto errors =
	    std::count_if(cases.begin(), cases.end(), [](auto &c) { return c.failure.empty() && !c.error.empty(); });
	const auto skipped = std::count_if(cases.begin(), cases.end(), [](auto &c) { return c.skipped; });
	std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
	xml += fmt::format("<testsuites>\n<testsuite name=\"beanctl check\" tests=\"{}\" failures=\"{}\" errors=\"{}\" "
			   "skipped=\"{}\">\n",
			   cases.size(), failures, errors, skipped);
	for (const JunitCase &c : cases) {
		xml += fmt::format("<testcase classname=\"beancounter\" name=\"{}\" time=\"{:.3f}\"", escaped(c.name),
				   c.seconds);
		const bool good = c.failure.empty() && c.error.empty();
		if (good && !c.skipped && c.output.empty()) {
			xml += "/>\n";
			continue;
		}
		xml += ">\n";
		if (!good) {
			const char *tag = c.failure.empty() ? "error" : "failure";
			xml += fmt::format("<{0} message=\"{1}\">{2}</{0}>\n", tag,
					   escaped(c.failure.empty() ? c.error : c.failure), escaped(c.details));
		} else if (c.skipped) {
			xml += "<skipped/>\n";
		}
		if (!c.output.empty())
			xml += fmt::format("<system-out>{}</system-out>\n", escaped(c.output));
		xml += "</testcase>\n";
	}
	return xml + "</testsuite>\n</testsuites>\n";
}

void write_junit(const std::string &path, const std::vector<JunitCase> &cases)
{
	const std::string text = junit_text(cases);
	std::FILE *file = std::fopen(path.c_str(), "we");
	if (file == nullptr)
		fail_system(path);
	const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
	if (std::fclose(file) != 0 || !written)
		fail_system(path);
}

} // namespace beanctl
