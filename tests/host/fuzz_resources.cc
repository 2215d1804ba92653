// SPDX-License-Identifier: GPL-2.0
// A write to ID/resources, and default_limits. Whatever it says: EINVAL and nothing has changed, or every line of it is
// in force, as a second reader of the same text understands it.
#include "bounds_text.h"
#include "charge.h"

#include <beancounter/core.h>
#include <host.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

using namespace bc;

namespace
{

void must(bool good)
{
	if (!good)
		abort();
}

using All = std::array<Bounds, kChargedRows>;

All state()
{
	All all;
	for (size_t i = 0; i < kChargedRows; ++i)
		all[i] = bounds_of(*containers.find_id(ContainerId{1}), static_cast<Charged>(i));
	return all;
}

// ---- the second reader: slow, and with a library's help

std::optional<s64> amount(std::string_view word)
{
	if (word == "unlimited")
		return kUnlimited;
	__int128 times = 1;
	if (!word.empty() && std::string_view("KMG").find(word.back()) != std::string_view::npos) {
		times = word.back() == 'K' ? 1024 : word.back() == 'M' ? 1 << 20 : 1 << 30;
		word.remove_suffix(1);
	}
	if (word.empty() || word.size() > 19 || word.find_first_not_of("0123456789") != std::string_view::npos)
		return std::nullopt;
	const __int128 value = times * static_cast<__int128>(std::stoull(std::string(word)));
	return value > kUnlimited ? std::nullopt : std::optional<s64>(static_cast<s64>(value));
}

std::optional<size_t> resource(std::string_view word)
{
	for (const ResourceRow &row : kResources) {
		if (word == row.name && row.charged != Charged::kCount)
			return at(row.charged);
	}
	return std::nullopt;
}

std::optional<Bounds> bounds(std::string_view barrier, std::string_view limit)
{
	const auto b = amount(barrier);
	const auto l = amount(limit);
	return b && l && *b <= *l ? std::optional<Bounds>({*b, *l}) : std::nullopt;
}

// A pty is two objects: what is more than half of everything is everything.
Bounds kept(size_t what, Bounds b)
{
	const s64 times = objects_for_one(static_cast<Charged>(what));
	auto one = [&](s64 v) { return v > kUnlimited / times ? kUnlimited : v; };
	return {one(b.barrier), one(b.limit)};
}

bool read_line(std::string_view line, All &all)
{
	std::array<std::string_view, 4> word;
	size_t words = 0;
	while (true) {
		const size_t start = line.find_first_not_of(" \t");
		if (start == std::string_view::npos)
			break;
		line.remove_prefix(start);
		const size_t end = std::min(line.find_first_of(" \t"), line.size());
		if (words == 4)
			return false;
		word[words++] = line.substr(0, end);
		line.remove_prefix(end);
	}
	if (words == 1 && word[0] == "reset")
		return true;
	const auto what = words == 3 ? resource(word[0]) : std::nullopt;
	const auto b = words == 3 ? bounds(word[1], word[2]) : std::nullopt;
	if (!what || !b)
		return false;
	all[*what] = kept(*what, *b);
	return true;
}

bool read_write(std::string_view text, All &all)
{
	size_t lines = 0;
	if (text.empty())
		return false;
	if (text.back() == '\n')
		text.remove_suffix(1);
	for (;; ++lines) {
		const size_t end = text.find('\n');
		if (lines == 64 || !read_line(text.substr(0, end), all))
			return false;
		if (end == std::string_view::npos)
			return true;
		text.remove_prefix(end + 1);
	}
}

bool read_defaults(std::string_view text, All &all)
{
	std::array<bool, kChargedRows> seen{};
	if (text.empty())
		return true;
	while (true) {
		const size_t end = text.find(',');
		const std::string_view item = text.substr(0, end);
		const size_t equals = item.find('=');
		if (equals == std::string_view::npos)
			return false;
		const std::string_view values = item.substr(equals + 1);
		const size_t colon = values.find(':');
		const auto what = resource(item.substr(0, equals));
		const auto b = colon == std::string_view::npos
				   ? bounds(values, values)
				   : bounds(values.substr(0, colon), values.substr(colon + 1));
		if (!what || !b || seen[*what])
			return false;
		seen[*what] = true;
		all[*what] = kept(*what, *b);
		if (end == std::string_view::npos)
			return true;
		text.remove_prefix(end + 1);
	}
}

void start(const char *defaults)
{
	host::reset();
	bc_config config{};
	config.pages = 512;
	config.cpus = 2;
	config.max_containers = 4;
	config.settle_ms = 1000;
	config.default_limits = defaults;
	must(bc_core_init(&config) == 0);
	const void *ns = reinterpret_cast<const void *>(0xffff888200000000ul);
	bc_tasks tasks{};
	tasks.pids = 1;
	host::set_tasks(ns, tasks);
	bc_task_forked(ns, 100, "init", false);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool running = false;
	if (!running)
		start(nullptr);
	running = true;
	const std::string text(reinterpret_cast<const char *>(data), size);

	const All before = state();
	All wanted = before;
	const int result = bc_set_resources(1, text.data(), text.size());
	must(result == 0 || result == -22);
	must((result == 0) == read_write(text, wanted));
	must(state() == (result == 0 ? wanted : before));
	must(bc_wait_for_frees(false));
	bc_round round;
	bc_core_work(&round);

	const std::string line = text.substr(0, text.find('\0'));
	Setting settings[kChargedRows];
	u32 count = 0;
	All defaults;
	defaults.fill({kUnlimited, kUnlimited});
	const bool understood = read_defaults(line, defaults);
	must(parse_defaults(line.c_str(), settings, count) == understood);
	if (understood && count != 0) {
		bc_core_exit();
		start(line.c_str());
		must(state() == defaults);
		bc_core_exit();
		must(host::live(host::Kind::any) == 0);
		running = false;
	}
	return 0;
}
