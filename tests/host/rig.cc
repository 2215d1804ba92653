// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

#include <sstream>

namespace rig
{

Raw raw_held(const Container &c, ByteKind kind)
{
	Raw sum{c.accounts[at(charged_as(kind))].held(), c.objects[static_cast<size_t>(kind)].relaxed()};
	if (const Cells *cells = c.own_cells.acquire(); cells != nullptr) {
		for (u32 cpu = 0; cpu < containers.cpus(); ++cpu) {
			const Unpacked part =
			    unpack(platform::percpu_read(&cells->packed[static_cast<size_t>(kind)], cpu));
			sum.bytes += part.bytes;
			sum.objects += part.objects;
		}
	}
	return sum;
}

Raw raw_held(const Container &c) { return raw_held(c, ByteKind::kmemsize) + raw_held(c, ByteKind::dcachesize); }

std::ostream &operator<<(std::ostream &out, const Raw &raw)
{
	return out << raw.bytes << " bytes in " << raw.objects << " objects";
}

std::vector<Recorded> recorded()
{
	std::vector<Recorded> all;
	bc_ledger.walk([&](const Ledger::Found &f) { all.push_back({f.slot, f.page, f.low, f.high}); });
	return all;
}

Raw ledger_sum(OwnerIndex owner, ByteKind kind)
{
	Raw sum;
	for (const Recorded &r : recorded()) {
		const Site &site = sites[r.slot.site()];
		if (r.slot.owner() != owner || site.kind != kind)
			continue;
		sum.bytes += site.stride.value;
		++sum.objects;
	}
	return sum;
}

u64 Slabs::take_pages(u64 pages)
{
	for (u64 first = 0; first + pages <= free_.size(); ++first) {
		u64 n = 0;
		while (n < pages && free_[first + n])
			++n;
		if (n < pages)
			continue;
		for (u64 i = 0; i < pages; ++i)
			free_[first + i] = false;
		return first;
	}
	ADD_FAILURE() << "the test's machine is out of pages";
	abort();
}

void Slabs::give_pages(u64 first, u64 pages)
{
	for (u64 i = 0; i < pages; ++i)
		free_[first + i] = true;
}

u64 Slabs::make(const void *cache, u32 stride)
{
	std::lock_guard<std::mutex> guard{mutex_};
	std::vector<u64> &open = open_[cache];
	if (open.empty()) {
		const u64 pages = stride <= kPageSize / 2 ? 1 : 4;
		Slab slab{cache, take_pages(pages), pages, stride, static_cast<u32>(pages * kPageSize / stride), false,
			  {}};
		for (u32 i = slab.count; i-- > 0;)
			slab.unused.push_back(i);
		host::set_slab(slab.first, pages, cache, stride);
		open.push_back(slab.first);
		slabs_[slab.first] = std::move(slab);
	}
	Slab &slab = slabs_[open.back()];
	const u64 address = platform::page_address(slab.first) + u64{slab.unused.back()} * stride;
	slab.unused.pop_back();
	if (slab.unused.empty())
		open.pop_back();
	where_[address] = slab.first;
	return address;
}

u64 Slabs::make_pages(u64 pages)
{
	std::lock_guard<std::mutex> guard{mutex_};
	const u64 first = take_pages(pages);
	slabs_[first] = {nullptr, first, pages, static_cast<u32>(pages * kPageSize), 1, true, {}};
	host::set_slab(first, pages, nullptr, static_cast<u32>(pages * kPageSize));
	const u64 address = platform::page_address(first);
	where_[address] = first;
	return address;
}

void Slabs::free(u64 address)
{
	std::lock_guard<std::mutex> guard{mutex_};
	const auto at = where_.find(address);
	ASSERT_NE(at, where_.end()) << "freed twice by the test";
	const u64 first = at->second;
	where_.erase(at);
	Slab &slab = slabs_[first];
	if (slab.cache == nullptr) {
		host::drop_slab(first);
		give_pages(first, slab.pages);
		slabs_.erase(first);
		return;
	}
	std::vector<u64> &open = open_[slab.cache];
	if (slab.unused.empty() && !slab.closed)
		open.push_back(first);
	slab.unused.push_back(static_cast<u32>((address - platform::page_address(first)) / slab.stride));
	if (slab.unused.size() == slab.count) {
		std::erase(open, first);
		host::drop_slab(first);
		give_pages(first, slab.pages);
		slabs_.erase(first);
	}
}

void Slabs::forget(const void *cache)
{
	std::lock_guard<std::mutex> guard{mutex_};
	open_.erase(cache);
	for (auto &[first, slab] : slabs_) {
		if (slab.cache == cache)
			slab.closed = true;
	}
}

namespace
{
std::vector<void *> pointers_of(const std::vector<u64> &objects)
{
	std::vector<void *> pointers;
	for (u64 object : objects)
		pointers.push_back(reinterpret_cast<void *>(object));
	return pointers;
}
} // namespace

bool allocated(const void *ns, u64 address, u64 caller, CacheKey cache, u32 gfp)
{
	host::set_namespace(ns);
	void *object = reinterpret_cast<void *>(address);
	if (gates.small.relaxed() != 0) {
		Admission admission;
		if (!admit({Address{caller}, cache, 0, 1, ByteKind::kmemsize, gfp, false}, admission))
			return false;
		if (admission.c != nullptr) {
			settle(admission, &object, 1, Address{caller}, cache, gfp);
			return true;
		}
	}
	{
		platform::PreemptOff section;
		Container *c = current_container();
		if (c == nullptr || charge(*c, Address{address}, Address{caller}, cache, gfp))
			return true;
	}
	return admit_late(&object, 1, Address{caller}, cache, gfp, false);
}

void charged(const void *ns, u64 address, u64 caller, CacheKey cache)
{
	EXPECT_TRUE(allocated(ns, address, caller, cache, 0));
}

void freed(u64 address)
{
	platform::PreemptOff section;
	free_object(Address{address});
}

void charged_many(const void *ns, const std::vector<u64> &objects, u64 caller, CacheKey cache)
{
	host::set_namespace(ns);
	const std::vector<void *> pointers = pointers_of(objects);
	for (u32 i = 0; i < pointers.size();) {
		platform::PreemptOff section;
		Container *c = current_container();
		ASSERT_NE(c, nullptr);
		const u32 some = std::min(kAtOnce, static_cast<u32>(pointers.size()) - i);
		if (charge_together(*c, &pointers[i], some, Address{caller}, cache, 0)) {
			i += some;
			continue;
		}
		i += charge_many(*c, &pointers[i], some, Address{caller}, cache, 0);
		if (i < pointers.size()) {
			EXPECT_TRUE(charge(*c, Address{objects[i]}, Address{caller}, cache, 0));
			++i;
		}
	}
}

void freed_many(const std::vector<u64> &objects)
{
	const std::vector<void *> pointers = pointers_of(objects);
	for (size_t i = 0; i < pointers.size(); i += kAtOnce) {
		platform::PreemptOff section;
		const u32 some = static_cast<u32>(std::min<size_t>(kAtOnce, pointers.size() - i));
		if (!free_together(&pointers[i], some))
			free_many(&pointers[i], some);
	}
}

std::string render(bc_file file, u32 id)
{
	bc_text text;
	const int error = bc_render(file, id, &text);
	if (error != 0)
		return "error " + std::to_string(error);
	const std::string result(text.data, text.length);
	bc_text_free(&text);
	return result;
}

std::vector<std::string> lines(const std::string &text)
{
	std::vector<std::string> all;
	std::istringstream in{text};
	for (std::string line; std::getline(in, line);)
		all.push_back(line);
	return all;
}

std::vector<std::string> words(const std::string &line)
{
	std::vector<std::string> all;
	std::istringstream in{line};
	for (std::string word; in >> word;)
		all.push_back(word);
	return all;
}

std::map<std::string, std::string> row(const std::string &table, const std::string &key, size_t column)
{
	const auto all = lines(table);
	std::map<std::string, std::string> result;
	if (all.empty())
		return result;
	const auto titles = words(all[0]);
	for (size_t i = 1; i < all.size(); ++i) {
		const auto fields = words(all[i]);
		if (fields.size() <= column || fields[column] != key)
			continue;
		EXPECT_EQ(fields.size(), titles.size()) << all[0] << '\n' << all[i];
		for (size_t f = 0; f < fields.size() && f < titles.size(); ++f)
			result[titles[f]] = fields[f];
		return result;
	}
	return result;
}

// Before the members of a test, which make caches.
Core::Core() { host::reset(); }

void Core::SetUp()
{
	ASSERT_EQ(host::live(host::Kind::any), 0) << "left over by the test before";
	ASSERT_EQ(bc_core_init(&config_), 0);
}

void Core::TearDown()
{
	bc_core_exit();
	EXPECT_EQ(host::live(host::Kind::mem), 0);
	EXPECT_EQ(host::live(host::Kind::page), 0);
	EXPECT_EQ(host::live(host::Kind::big), 0);
	EXPECT_EQ(host::live(host::Kind::percpu), 0);
	EXPECT_EQ(host::references(), 0);
	EXPECT_EQ(host::sections(), 0u);
}

void Core::restart(const bc_config &config)
{
	bc_core_exit();
	config_ = config;
	ASSERT_EQ(bc_core_init(&config_), 0);
}

bc_round Core::work()
{
	bc_round round{};
	bc_core_work(&round);
	return round;
}

void Core::work_for(u64 ms)
{
	const u64 end = bc_now_ms() + ms;
	while (bc_now_ms() < end) {
		if (host::take_flush_kick())
			bc_core_flush();
		const bc_round round = work();
		const u64 left = end - bc_now_ms();
		host::advance(round.next_ms == 0 || round.next_ms > left ? left : round.next_ms);
	}
}

Container *Core::start(const void *ns, s32 init, const char *comm)
{
	bc_tasks tasks{};
	tasks.pids = 1;
	host::set_tasks(ns, tasks);
	bc_task_forked(ns, init, comm, false);
	Container *c = find(ns);
	EXPECT_NE(c, nullptr);
	return c;
}

void Core::stop(const void *ns)
{
	no_tasks(ns);
	bc_init_exited(ns);
}

} // namespace rig
