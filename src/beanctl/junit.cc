// SPDX-License-Identifier: GPL-2.0
#include "junit.h"

#include "error.h"

#include <algorithm>
#include <cstdio>

namespace beanctl
{

namespace
{

std::string escaped(const std::string &text)
{
	std::string xml;
	for (const char c : text) {
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
	std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
	xml +=
	    fmt::format("<testsuites>\n<testsuite name=\"beanctl check\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
			cases.size(), failures, errors);
	for (const JunitCase &c : cases) {
		xml += fmt::format("<testcase classname=\"beancounter\" name=\"{}\" time=\"{:.3f}\"", escaped(c.name),
				   c.seconds);
		if (c.failure.empty() && c.error.empty()) {
			xml += "/>\n";
			continue;
		}
		const char *tag = c.failure.empty() ? "error" : "failure";
		xml += fmt::format(">\n<{0} message=\"{1}\">{2}</{0}>\n</testcase>\n", tag,
				   escaped(c.failure.empty() ? c.error : c.failure), escaped(c.details));
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
