// SPDX-License-Identifier: GPL-2.0
#include "limit.h"

#include "error.h"
#include "files.h"
#include "units.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>

namespace beanctl
{

namespace
{

// Rows of the old format that the module shows and does not charge, so that a limit could never be reached.
constexpr const char *kNotCharged[] = {"lockedpages",  "privvmpages", "shmpages",  "physpages",	   "vmguarpages",
				       "oomguarpages", "tcpsndbuf",   "tcprcvbuf", "othersockbuf", "dgramrcvbuf"};

bool charged(const std::string &resource)
{
	return std::find(std::begin(kNotCharged), std::end(kNotCharged), resource) == std::end(kNotCharged);
}

std::string amount_text(long long amount) { return amount == kUnlimited ? "unlimited" : fmt::format("{}", amount); }

void write_resources(const Container &container, const std::string &text)
{
	const std::string path = proc_file(container.id, "resources");
	try {
		write_once(path, text);
	} catch (const SystemError &error) {
		switch (error.number()) {
		case ENOENT:
			fail("container {} is gone by now: {}", container.id, path);
		case EACCES:
		case EPERM:
		case EIO: // a file of /proc that cannot be written to
			fail("{} cannot be written to: this module counts but has no limits; a newer one has them",
			     path);
		case EINVAL:
			fail("{}: the module refused this whole, and nothing was changed: {}", path,
			     text.substr(0, text.size() - 1));
		default:
			throw;
		}
	}
}

} // namespace

Limit parse_limit(const std::string &text)
{
	const size_t equals = text.find('=');
	if (equals == std::string::npos || equals == 0)
		fail_usage("'{}' is no limit: say RESOURCE=BARRIER:LIMIT, for example kmemsize=8M:9M", text);
	Limit limit;
	limit.resource = text.substr(0, equals);
	const std::string amounts = text.substr(equals + 1);
	const size_t colon = amounts.find(':');
	auto amount = [&](const std::string &word) {
		const auto value = parse_amount(word);
		if (!value)
			fail_usage(
			    "{}: '{}' is no amount: a whole number, with K, M or G for powers of 1024, or unlimited",
			    text, word);
		return *value;
	};
	limit.barrier = amount(amounts.substr(0, colon));
	limit.limit = colon == std::string::npos ? limit.barrier : amount(amounts.substr(colon + 1));
	if (limit.barrier > limit.limit)
		fail_usage("{}: the barrier must not be above the limit", text);
	return limit;
}

std::vector<Limit> parse_limits(const std::vector<std::string> &texts)
{
	std::vector<Limit> limits;
	for (const std::string &text : texts) {
		Limit limit = parse_limit(text);
		if (std::any_of(limits.begin(), limits.end(),
				[&](const Limit &l) { return l.resource == limit.resource; }))
			fail_usage("{} is limited twice", limit.resource);
		limits.push_back(std::move(limit));
	}
	return limits;
}

void check_limits(const std::vector<Limit> &limits, const Records &resources)
{
	std::vector<std::string> known;
	for (size_t i = 0; i < resources.size(); ++i) {
		if (charged(resources.text(i, "resource")))
			known.push_back(resources.text(i, "resource"));
	}
	for (const Limit &limit : limits) {
		if (!charged(limit.resource))
			fail_usage("{} is not charged by the module, so it cannot be limited; these can: {}",
				   limit.resource, fmt::join(known, " "));
		if (std::find(known.begin(), known.end(), limit.resource) == known.end())
			fail_usage("there is no resource {}; these can be limited: {}", limit.resource,
				   fmt::join(known, " "));
	}
}

std::string limits_text(const std::vector<Limit> &limits)
{
	std::string text;
	for (const Limit &limit : limits)
		text += fmt::format("{} {} {}\n", limit.resource, amount_text(limit.barrier), amount_text(limit.limit));
	return text;
}

void set_limits(const Container &container, const std::vector<Limit> &limits)
{
	check_limits(limits, container_file(container, "resources"));
	write_resources(container, limits_text(limits));
}

void reset_counts(const Container &container) { write_resources(container, "reset\n"); }

} // namespace beanctl
