// SPDX-License-Identifier: GPL-2.0
// The files of our own, as Documentation/files.md says them.
#include "rig.h"

#include <cstring>

namespace rig
{
namespace
{

class Render : public Core
{
      protected:
	u64 make(const Cache &cache, u64 caller, u64 n = 1)
	{
		const u64 object = slabs_.make(cache.key, cache.stride);
		charged(ns(n), object, caller, cache.cache_key());
		return object;
	}
	Cache k64_{64, false, "kmalloc-64"}, dentry_{192, true, "dentry"};
};

TEST_F(Render, Headers)
{
	start(ns(1));
	EXPECT_EQ(words(lines(render(BC_FILE_CONTAINERS))[0]),
		  words("id name state held objects failcnt age pidns init command cgroup since waits books"));
	EXPECT_EQ(words(lines(render(BC_FILE_HEALTH))[0]), words("key value"));
	EXPECT_EQ(words(lines(render(BC_FILE_RESOURCES, 1))[0]),
		  words("resource held maxheld barrier limit failcnt forced waited"));
	EXPECT_EQ(words(lines(render(BC_FILE_OBJECTS, 1))[0]),
		  words("count bytes resource cache site age addresses stack"));
	EXPECT_EQ(words(lines(render(BC_FILE_LEAKS, 1))[0]),
		  words("verdict count bytes resource cache site age class addresses details holders unmatched stack"));
	EXPECT_EQ(words(lines(render(BC_FILE_REFERENCES, 1))[0]),
		  words("kind uid count charged family site gets puts own_gets own_puts unmatched address"));
}

TEST_F(Render, NoFileOfNobody)
{
	for (bc_file file : {BC_FILE_RESOURCES, BC_FILE_OBJECTS, BC_FILE_LEAKS, BC_FILE_REFERENCES}) {
		EXPECT_EQ(render(file, 0), "error -2");
		EXPECT_EQ(render(file, 1), "error -2");
	}
}

TEST_F(Render, AContainersRow)
{
	start(ns(7), 4711, "sh");
	bc_tasks none{};
	host::set_face(4711, "my prog", "/user slice/a\\b");
	ASSERT_EQ(bc_control("name 1 web", 10), 0);
	make(k64_, kText, 7);
	make(dentry_, kText, 7);
	host::advance(12500);
	auto r = row(render(BC_FILE_CONTAINERS), "1");
	EXPECT_EQ(r["name"], "web");
	EXPECT_EQ(r["state"], "running");
	EXPECT_EQ(r["held"], "256");
	EXPECT_EQ(r["objects"], "2");
	EXPECT_EQ(r["failcnt"], "0");
	EXPECT_EQ(r["age"], "12");
	EXPECT_EQ(r["pidns"], std::to_string(bc_pidns_inum(ns(7))));
	EXPECT_EQ(r["init"], "4711");
	EXPECT_EQ(r["command"], "my\\040prog");
	EXPECT_EQ(r["cgroup"], "/user\\040slice/a\\134b");
	EXPECT_EQ(r["since"], "start");
	EXPECT_EQ(r["waits"], "-");
	host::set_tasks(ns(7), none);
	bc_init_exited(ns(7));
	work_for(20000);
	host::advance(3000);
	r = row(render(BC_FILE_CONTAINERS), "1");
	EXPECT_EQ(r["state"], "leaked");
	EXPECT_EQ(r["init"], "0");
	EXPECT_EQ(r["command"], "my\\040prog") << "known after its end";
	EXPECT_LT(std::stoi(r["age"]), 20) << "since the stop was complete";
}

TEST_F(Render, RunningFirstThenNewestFirst)
{
	for (u64 n = 1; n <= 4; ++n)
		start(ns(n), 100, n == 3 ? "load" : "x");
	stop(ns(2));
	stop(ns(4));
	work_for(100);
	std::vector<std::string> ids;
	for (const auto &line : lines(render(BC_FILE_CONTAINERS)))
		ids.push_back(words(line)[0]);
	EXPECT_EQ(ids, (std::vector<std::string>{"id", "3", "1", "4", "2"}));
}

TEST_F(Render, TheOverflowRowShowsWhenUsed)
{
	restart(machine(1));
	start(ns(1));
	EXPECT_EQ(lines(render(BC_FILE_CONTAINERS)).size(), 2u);
	make(k64_, kText, 2);
	auto r = row(render(BC_FILE_CONTAINERS), "overflow", 1);
	EXPECT_EQ(r["held"], "64");
}

TEST_F(Render, Resources)
{
	start(ns(1));
	make(k64_, kText);
	const std::string text = render(BC_FILE_RESOURCES, 1);
	auto r = row(text, "kmemsize");
	EXPECT_EQ(r["held"], "64");
	EXPECT_EQ(r["maxheld"], "64");
	EXPECT_EQ(r["limit"], "unlimited");
	EXPECT_EQ(r["barrier"], "unlimited");
	EXPECT_EQ(r["failcnt"], "0");
	EXPECT_EQ(lines(text).size(), 1u + 20) << "one line for each that has a name";
	EXPECT_EQ(text.find("dummy"), std::string::npos);
}

TEST_F(Render, MaxheldNeverFalls)
{
	start(ns(1));
	const u64 object = make(k64_, kText);
	EXPECT_EQ(row(render(BC_FILE_RESOURCES, 1), "kmemsize")["maxheld"], "64");
	freed(object);
	EXPECT_EQ(row(render(BC_FILE_RESOURCES, 1), "kmemsize")["held"], "0");
	EXPECT_EQ(row(render(BC_FILE_RESOURCES, 1), "kmemsize")["maxheld"], "64");
}

TEST_F(Render, ObjectsBySite)
{
	host::add_symbol(kText, 0x100, "alloc pid");
	start(ns(1));
	const u64 one = make(k64_, kText + 0x2d), two = make(k64_, kText + 0x2d);
	make(k64_, kText + 0x2d);
	make(dentry_, kText + 0x50);
	host::advance(70000);
	const std::string text = render(BC_FILE_OBJECTS, 1);
	auto r = row(text, "kmalloc-64", 3);
	EXPECT_EQ(r["count"], "3");
	EXPECT_EQ(r["bytes"], "192");
	EXPECT_EQ(r["resource"], "kmemsize");
	EXPECT_EQ(r["site"], "alloc\\040pid+0x2d");
	EXPECT_GE(std::stoi(r["age"]), 69);
	EXPECT_LE(std::stoi(r["age"]), 70);
	char both[64];
	snprintf(both, sizeof(both), "%016lx,%016lx", static_cast<unsigned long>(one), static_cast<unsigned long>(two));
	EXPECT_EQ(r["addresses"], both);
	EXPECT_EQ(row(text, "dentry", 3)["resource"], "dcachesize");
	host::restrict_pointers(true);
	EXPECT_EQ(row(render(BC_FILE_OBJECTS, 1), "kmalloc-64", 3)["addresses"], "0000000000000000,0000000000000000");
}

TEST_F(Render, AWholeStackIsOneWord)
{
	host::add_symbol(kText, 0x100, "alloc pid");
	host::add_symbol(kText + 0x100, 0x100, "copy\\process");
	host::add_stack(7, {kText + 0x2d, kText + 0x108});
	start(ns(1));
	make(k64_, 7);
	make(dentry_, kText + 0x2d);
	const std::string text = render(BC_FILE_OBJECTS, 1);
	EXPECT_EQ(row(text, "kmalloc-64", 3)["site"], "alloc\\040pid+0x2d");
	EXPECT_EQ(row(text, "kmalloc-64", 3)["stack"], "alloc\\040pid+0x2d<copy\\134process+0x8");
	EXPECT_EQ(row(text, "dentry", 3)["stack"], "-");
}

TEST_F(Render, LeaksAreHeaderAloneBeforeTheVerdict)
{
	start(ns(1));
	make(k64_, kText);
	EXPECT_EQ(lines(render(BC_FILE_LEAKS, 1)).size(), 1u);
	stop(ns(1));
	work();
	EXPECT_EQ(lines(render(BC_FILE_LEAKS, 1)).size(), 1u);
}

TEST_F(Render, LeaksOfALeakedOne)
{
	host::add_symbol(kText, 0x100, "alloc_pid");
	host::add_symbol(kText + 0x100, 0x100, "__d_alloc");
	start(ns(1));
	make(k64_, kText + 0x2d);
	make(k64_, kText + 0x2d);
	const u64 cached = make(dentry_, kText + 0x110), held = make(dentry_, kText + 0x110);
	host::set_probe([&](enum bc_probe, u64 object, u32, bc_probed &out) {
		out.known = object == cached || object == held;
		out.extra = object == held;
		strcpy(out.text, object == held ? "count=1" : "");
	});
	stop(ns(1));
	work_for(20000);
	const std::string text = render(BC_FILE_LEAKS, 1);
	auto r = row(text, "leaked");
	EXPECT_EQ(r["count"], "2");
	EXPECT_EQ(r["bytes"], "128");
	EXPECT_EQ(r["site"], "alloc_pid+0x2d");
	EXPECT_EQ(r["class"], "-");
	r = row(text, "held");
	EXPECT_EQ(r["count"], "1");
	EXPECT_EQ(r["class"], "dentry");
	EXPECT_EQ(r["details"], "count=1");
	r = row(text, "reclaimable");
	EXPECT_EQ(r["count"], "1");
	EXPECT_EQ(r["bytes"], "192");
	EXPECT_EQ(r["details"], "handed_over");
}

TEST_F(Render, ALostUserSaysWhose)
{
	host::add_symbol(kText, 0x100, "alloc_uid");
	const Cache uid(128, false, "uid_cache");
	start(ns(1));
	make(uid, kText + 0x40);
	host::set_probe([&](enum bc_probe what, u64, u32, bc_probed &out) {
		EXPECT_EQ(what, BC_PROBE_USER);
		out.known = true;
		strcpy(out.text, "uid=1000,count=1");
	});
	stop(ns(1));
	work_for(20000);
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "leaked")["details"], "uid=1000,count=1");
}

TEST_F(Render, ACleanOneShowsWhatWasHandedOver)
{
	host::add_symbol(kText, 0x100, "__d_alloc");
	start(ns(1));
	make(dentry_, kText + 0x40);
	host::set_probe([&](enum bc_probe, u64, u32, bc_probed &out) { out.known = true; });
	stop(ns(1));
	work_for(20000);
	EXPECT_EQ(row(render(BC_FILE_CONTAINERS), "1")["state"], "clean");
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "reclaimable")["class"], "dentry");
}

TEST_F(Render, Health)
{
	start(ns(1));
	make(k64_, kText);
	const std::string text = render(BC_FILE_HEALTH);
	for (const char *key :
	     {"hooks", "hooks_expected", "missed", "forced", "unknown", "reentered", "stale", "sites", "sites_lost",
	      "containers", "containers_lost", "ledger_bytes", "ledger_pages", "clamped", "switched_off"})
		EXPECT_EQ(row(text, key).size(), 2u) << key;
	EXPECT_EQ(row(text, "hooks")["value"], "20");
	EXPECT_EQ(row(text, "hooks_expected")["value"], "20");
	EXPECT_EQ(row(text, "sites")["value"], "1");
	EXPECT_EQ(row(text, "containers")["value"], "1");
	EXPECT_EQ(row(text, "ledger_pages")["value"], "8192");
	for (const auto &line : lines(text))
		EXPECT_EQ(words(line).size(), 2u) << line;
}

// Asked each time: one that goes shows, and so does its coming back.
TEST_F(Render, HealthHasTheHooksThatAreInPlaceNow)
{
	for (const u32 in_place : {20u, 19u, 0u, 20u}) {
		host::set_hooks(in_place);
		const std::string text = render(BC_FILE_HEALTH);
		EXPECT_EQ(row(text, "hooks")["value"], std::to_string(in_place));
		EXPECT_EQ(row(text, "hooks_expected")["value"], "20");
	}
}

TEST_F(Render, WithoutMemoryNothingIsLeftBehind)
{
	start(ns(1));
	make(k64_, kText);
	stop(ns(1));
	work_for(20000);
	for (bc_file file : {BC_FILE_CONTAINERS, BC_FILE_HEALTH, BC_FILE_RESOURCES, BC_FILE_OBJECTS, BC_FILE_LEAKS,
			     BC_FILE_REFERENCES}) {
		const long live = host::live(host::Kind::any);
		unsigned long nth = 1;
		const u32 id = file == BC_FILE_CONTAINERS || file == BC_FILE_HEALTH ? 0 : 1;
		for (bool failed = true; failed; ++nth) {
			host::fail(host::Kind::big, nth);
			failed = render(file, id) == "error -12";
			EXPECT_EQ(host::live(host::Kind::any), live);
			ASSERT_LT(nth, 20u);
		}
		EXPECT_GT(nth, 2u);
		host::fail(host::Kind::big, 0);
	}
}

} // namespace
} // namespace rig
