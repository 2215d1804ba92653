// SPDX-License-Identifier: GPL-2.0
// Every file, with names that anybody may choose: of caches, symbols and modules, of commands and cgroups, in what
// objects say of themselves, and of who holds them. The input is a sequence of operations, each byte a choice, and the
// names as they are.
#include "every_file.h"
#include "fuzz_rig.h"

#include "counted.h"

#include <cstring>

namespace rig
{
namespace
{

class Named : public Core
{
      public:
	Named(const uint8_t *data, size_t size) : at_(data), end_(data + size) {}
	void run()
	{
		SetUp();
		TestBody();
		TearDown();
	}

      private:
	static constexpr u64 kPlaces = 8; // of symbols
	static constexpr u64 kStacks = 2;
	static constexpr size_t kNames = 4;
	static constexpr size_t kMostObjects = 200;

	u64 byte() { return at_ == end_ ? 0 : *at_++; }
	u64 pick(u64 n) { return byte() % n; }
	bool one_in(u64 n) { return pick(n) == 0; }
	// One that was there before, or a new one: whatever it is made of, but for the 0 at its end.
	std::string name()
	{
		const u64 what = byte();
		std::string &s = names_[what % kNames];
		if (what < 128)
			return s;
		s.clear();
		for (u64 i = 0; i < what - 128 && at_ != end_; ++i)
			s += static_cast<char>(*at_++);
		return s = s.c_str();
	}
	// Mostly one that means something to the core.
	std::string function()
	{
		static constexpr const char *kFunctions[] = {
		    "alloc_pid",     "__d_alloc",	"alloc_inode",	   "alloc_vmap_area",
		    "copy_net_ns",   "alloc_uid",	"ida_alloc_range", "alloc_vfsmnt",
		    "prepare_creds", "alloc_pipe_info", "__alloc_skb",	   "alloc_ucounts",
		};
		const u64 which = pick(16);
		return which < std::size(kFunctions) ? kFunctions[which] : name();
	}
	u64 place() { return kText + 0x100 * pick(kPlaces); }
	static const void *referenced(u64 n) { return reinterpret_cast<const void *>(0xffff888300000000ul + n * 64); }

	void SetUp() override
	{
		config_ = machine(6);
		config_.pages = 2048;
		config_.no_search = pick(2) != 0;
		Core::SetUp();
		host::set_probe([this](enum bc_probe, u64 object, u32, bc_probed &out) {
			const u64 offset = object - platform::page_address(0); // alike in each run
			out.known = known_ != 0 && offset / 8 % known_ == 0;
			out.extra = offset / 16 % 3 == 0 ? extra_ : 0;
			out.nameless = extra_ > 100;
			strncpy(out.text, said_.c_str(), sizeof(out.text) - 1);
		});
		symbol();
		cache();
		start();
	}
	void symbol()
	{
		const u64 start = place();
		const std::string text = function();
		host::add_symbol(start, 0x100, text.c_str(), one_in(4) ? name().c_str() : "");
	}
	void cache()
	{
		static constexpr u32 kStrides[] = {8, 64, 192, 600, 1024, 4096, 8192, 16};
		const u32 stride = kStrides[pick(8)];
		const bool reclaimable = one_in(2);
		caches_.emplace_back(stride, reclaimable, name().c_str());
	}
	void start()
	{
		const void *space = ns(++made_);
		bc_tasks tasks{};
		tasks.pids = 1;
		host::set_tasks(space, tasks);
		const s32 init = static_cast<s32>(100 + pick(kPlaces));
		bc_task_forked(space, init, name().c_str(), one_in(4));
		spaces_.push_back(space);
	}
	void face()
	{
		const s32 init = static_cast<s32>(100 + pick(kPlaces));
		const std::string comm = name();
		host::set_face(init, comm.c_str(), name().c_str());
	}
	void stop_one()
	{
		if (spaces_.empty())
			return;
		const size_t i = pick(spaces_.size());
		bc_init_exited(spaces_[i]);
		bc_tasks tasks{};
		if (one_in(4)) { // not all of them yet
			tasks.pids = 1;
			tasks.zombie = one_in(2) ? 7 : 0;
			strncpy(tasks.parent_comm, name().c_str(), sizeof(tasks.parent_comm) - 1);
			host::set_tasks(spaces_[i], tasks);
			return;
		}
		host::set_tasks(spaces_[i], tasks);
		host::set_alive(spaces_[i], false);
		spaces_.erase(spaces_.begin() + static_cast<long>(i));
	}
	void control()
	{
		const std::string id = std::to_string(1 + pick(8));
		static constexpr const char *kAfter[] = {" on", " off"};
		std::string line;
		switch (pick(4)) {
		case 0:
			line = "name " + id + " " + name();
			break;
		case 1:
			line = "stacks " + id + kAfter[pick(2)];
			break;
		case 2:
			line = "fail-nth " + id + " " + std::to_string(pick(8));
			break;
		case 3:
			line = "dismiss " + id;
			break;
		}
		bc_control(line.data(), line.size());
	}
	void bound()
	{
		static constexpr const char *kRows[] = {"kmemsize", "dcachesize", "numproc", "numfile", "numpty"};
		const u32 id = static_cast<u32>(1 + pick(8));
		const std::string barrier = std::to_string(1024 * pick(64));
		const std::string limit = one_in(2) ? "unlimited" : barrier;
		const std::string line = kRows[pick(5)] + (" " + barrier) + " " + limit;
		if (bc_set_resources(id, line.data(), line.size()) == 0)
			bc_wait_for_frees(false);
	}
	void allocate()
	{
		if (objects_.size() == kMostObjects)
			return;
		const u64 caller = one_in(4) ? 1 + pick(kStacks) : place() + pick(0x100); // the number of a stack
		const void *space = one_in(8) ? nullptr : spaces_.empty() ? nullptr : spaces_[pick(spaces_.size())];
		const u32 gfp = one_in(2) ? kGfpKernel : 0;
		const u64 which = pick(8);
		u64 address;
		CacheKey key;
		if (which == 7) {
			const u64 pages = u64{1} << pick(4);
			address = slabs_.make_pages(pages);
			key = CacheKey{pages * kPageSize};
		} else {
			const Cache &from = caches_[which % caches_.size()];
			address = slabs_.make(from.key, from.stride);
			key = from.cache_key();
		}
		if (allocated(space, address, caller, key, gfp))
			objects_.push_back(address);
		else
			slabs_.free(address);
	}
	void free_one()
	{
		if (objects_.empty())
			return;
		const size_t i = pick(objects_.size());
		freed(objects_[i]);
		slabs_.free(objects_[i]);
		objects_.erase(objects_.begin() + static_cast<long>(i));
	}
	u64 any_object() { return objects_.empty() ? 0 : objects_[pick(objects_.size())]; }
	void stack()
	{
		std::vector<u64> frames;
		const u32 number = static_cast<u32>(1 + pick(kStacks));
		for (u64 n = pick(5); n-- > 0;)
			frames.push_back(place() + 1 + pick(0x80));
		host::add_stack(number, frames);
	}
	void said()
	{
		known_ = pick(4);
		extra_ = static_cast<s64>(pick(128));
		said_ = name();
	}
	void points()
	{
		const u64 from = any_object();
		if (from != 0)
			host::write_word(from & ~u64{7}, any_object());
	}
	void holders()
	{
		bc_holder holder{};
		holder.pid = static_cast<s32>(pick(3));
		holder.fd = static_cast<s32>(pick(3)) - 1;
		holder.by = "cwd";
		const u64 object = any_object();
		strncpy(holder.comm, name().c_str(), sizeof(holder.comm) - 1);
		host::set_holders({{object, holder}}, one_in(4) ? "netns" : nullptr);
	}
	void found()
	{
		host::Word word{};
		word.to = any_object();
		word.place.object = any_object();
		word.place.pid = static_cast<s32>(pick(2));
		word.place.counted = one_in(2);
		strncpy(word.place.name, name().c_str(), sizeof(word.place.name) - 1);
		host::set_words({word}, !one_in(4));
	}
	void reference()
	{
		bc_reference e{};
		e.object = one_in(2) ? referenced(pick(4)) : reinterpret_cast<const void *>(any_object());
		if (e.object == nullptr)
			return;
		e.ns = spaces_.empty() ? nullptr : spaces_[pick(spaces_.size())];
		e.caller = place() + 1;
		e.callee = one_in(4) ? place() : 0;
		e.count = 1 + static_cast<s64>(pick(5));
		e.get = one_in(2);
		e.kind = one_in(2) ? BC_REFERENCE_UCOUNTS : BC_REFERENCE_USER;
		e.made = e.get && one_in(4);
		platform::PreemptOff section;
		bc_reference_event(&e);
	}
	void without_memory()
	{
		const auto file = static_cast<bc_file>(pick(BC_FILE_REFERENCES + 1));
		const u32 id = static_cast<u32>(pick(8));
		check_without_memory(file, id, 1 + pick(8));
	}
	void wait()
	{
		static constexpr u64 kTimes[] = {20, 300, 5000, 20000};
		work_for(kTimes[pick(4)]);
	}

	void step()
	{
		host::set_cpu(0);
		switch (pick(32)) {
		default:
			return allocate();
		case 10:
			return symbol();
		case 11:
			return cache();
		case 12:
			return start();
		case 13:
			return face();
		case 14 ... 15:
			return stop_one();
		case 16:
			return control();
		case 17:
			return bound();
		case 18 ... 19:
			return free_one();
		case 20:
			return stack();
		case 21:
			return said();
		case 22:
			return points();
		case 23:
			return holders();
		case 24:
			return found();
		case 25:
			return reference();
		case 26:
			return without_memory();
		case 27:
			return bc_text_going(place(), kText + 0x100 * kPlaces);
		case 28:
			return host::restrict_pointers(one_in(2));
		case 29 ... 30:
			return wait();
		case 31:
			if (!rendered_) // it takes as long as all the rest
				check_every_file(false);
			rendered_ = true;
			return;
		}
	}
	void TestBody() override
	{
		while (at_ != end_)
			step();
		check_every_file(false);
	}

	const uint8_t *at_;
	const uint8_t *end_;
	std::string names_[kNames] = {"a", "two words", "tab\tand\nline", "back\\slash\x7f"};
	std::vector<Cache> caches_;
	std::vector<const void *> spaces_;
	std::vector<u64> objects_;
	u64 made_ = 0;
	// What objects say of themselves.
	u64 known_ = 0;
	s64 extra_ = 0;
	std::string said_;
	bool rendered_ = false;
};

} // namespace
} // namespace rig

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rig::Named{data, size}.run();
	return 0;
}
