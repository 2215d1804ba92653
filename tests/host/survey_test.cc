// SPDX-License-Identifier: GPL-2.0
// The survey of live objects, and the verdicts on survivors.
#include "rig.h"

namespace rig
{
namespace
{

class Objects : public Core
{
      protected:
	void SetUp() override
	{
		Core::SetUp();
		const char *functions[] = {"__d_alloc",
					   "alloc_inode",
					   "security_inode_alloc",
					   "alloc_vmap_area",
					   "__get_vm_area_node",
					   "copy_net_ns",
					   "alloc_pid",
					   "dup_mm",
					   "radix_tree_node_alloc",
					   "xas_alloc",
					   "__kernfs_new_node",
					   "alloc_netdev_mqs",
					   "__vmalloc_node_range",
					   "dst_alloc",
					   "ida_alloc_range",
					   "add_delayed_ref",
					   "btrfs_alloc_tree_block",
					   "alloc_extent_buffer",
					   "xlog_cil_commit",
					   "__d_alloc_parallel"};
		for (const char *name : functions) {
			at_[name] = kText + 0x1000 * at_.size();
			host::add_symbol(at_[name], 0x1000, name);
		}
		container_ = start(ns(1));
	}
	u64 make(const Cache &cache, const char *function)
	{
		const u64 object = slabs_.make(cache.key, cache.stride);
		charged(ns(1), object, at_.at(function) + 0x2d, cache.cache_key());
		return object;
	}
	// What the kernel would say of these objects; all others are unknown.
	void say(u64 object, bc_probed probed)
	{
		said_[object] = probed;
		host::set_probe([this](enum bc_probe, u64 address, u32, bc_probed &out) {
			if (const auto it = said_.find(address); it != said_.end())
				out = it->second;
		});
	}
	static bc_probed extra(s64 n)
	{
		bc_probed p{};
		p.known = true;
		p.extra = n;
		return p;
	}
	Verdict verdict(u64 object)
	{
		Survivors survivors;
		EXPECT_TRUE(survivors.run(*container_));
		const Survivor *s = survivors.at(object);
		EXPECT_NE(s, nullptr);
		return s == nullptr ? Verdict::leaked : s->judgement.verdict;
	}

	Container *container_ = nullptr;
	std::map<std::string, u64> at_;
	std::map<u64, bc_probed> said_;
	Cache dentry_{192, true, "dentry"}, inode_{600, true, "shmem_inode_cache"}, pid_{128, false, "pid"},
	    k64_{64, false, "kmalloc-64"}, mm_{1096, false, "mm_struct"}, name_{64, true, "kmalloc-rcl-64"};
};

TEST_F(Objects, GroupedBySiteLargestFirst)
{
	for (int i = 0; i < 5; ++i)
		make(k64_, "alloc_pid");
	for (int i = 0; i < 3; ++i)
		make(dentry_, "__d_alloc");
	make(k64_, "dup_mm");
	charged(ns(2), slabs_.make(k64_.key, 64), at_["alloc_pid"] + 0x2d, k64_.cache_key()); // somebody else's
	Survey survey;
	ASSERT_TRUE(survey.live(*container_));
	ASSERT_EQ(survey.size(), 3u);
	EXPECT_EQ(survey[0].bytes, 576u);
	EXPECT_EQ(survey[0].objects, 3u);
	EXPECT_EQ(survey[1].bytes, 320u);
	EXPECT_EQ(survey[1].objects, 5u);
	EXPECT_EQ(survey[2].objects, 1u);
	EXPECT_EQ(survey[1].addresses, 2u);
	EXPECT_NE(survey[1].address[0], survey[1].address[1]);
	EXPECT_EQ(survey.lumped(), 0u);
}

TEST_F(Objects, AddressesAreExactForAnyStride)
{
	std::vector<u64> made;
	for (int i = 0; i < 2; ++i)
		made.push_back(make(inode_, "alloc_inode"));
	Survey survey;
	ASSERT_TRUE(survey.live(*container_));
	ASSERT_EQ(survey.size(), 1u);
	EXPECT_EQ(survey[0].address[0], made[0]);
	EXPECT_EQ(survey[0].address[1], made[1]);
}

TEST_F(Objects, MoreGroupsThanThereIsRoomFor)
{
	for (u64 i = 0; i < 2500; ++i)
		charged(ns(1), slabs_.make(k64_.key, 64), kText + 16 * i, k64_.cache_key());
	Survey survey;
	ASSERT_TRUE(survey.live(*container_));
	EXPECT_EQ(survey.size() + survey.lumped(), 2500u);
	for (u32 i = 1; i < survey.size(); ++i)
		ASSERT_LE(survey[i].bytes, survey[i - 1].bytes);
}

TEST_F(Objects, TheOldestIsRemembered)
{
	make(k64_, "alloc_pid");
	host::advance(100 * kBirthUnitMs);
	make(k64_, "alloc_pid");
	Survey survey;
	ASSERT_TRUE(survey.live(*container_));
	EXPECT_EQ(survey[0].oldest.value + 100, platform::birth_now().value);
}

TEST_F(Objects, WithoutMemory)
{
	make(k64_, "alloc_pid");
	for (unsigned long nth : {1, 2}) {
		host::fail(host::Kind::big, nth);
		Survey survey;
		EXPECT_FALSE(survey.live(*container_));
	}
	for (unsigned long nth : {1, 2, 3}) {
		host::fail(host::Kind::big, nth);
		Survivors survivors;
		EXPECT_FALSE(survivors.run(*container_));
	}
}

TEST_F(Objects, WhatNoRowExplainsIsLeaked)
{
	EXPECT_EQ(verdict(make(pid_, "alloc_pid")), Verdict::leaked);
	EXPECT_EQ(verdict(make(k64_, "__d_alloc_parallel")), Verdict::leaked) << "no prefix of a function's name";
}

TEST_F(Objects, ByState)
{
	const u64 cached = make(dentry_, "__d_alloc"), used = make(dentry_, "__d_alloc"),
		  odd = make(dentry_, "__d_alloc");
	say(cached, extra(0));
	say(used, extra(1));
	EXPECT_EQ(verdict(cached), Verdict::reclaimable);
	EXPECT_EQ(verdict(used), Verdict::held);
	EXPECT_EQ(verdict(odd), Verdict::leaked) << "not understood";
	const u64 mm = make(mm_, "dup_mm"), lost = make(mm_, "dup_mm");
	say(mm, extra(0));
	EXPECT_EQ(verdict(mm), Verdict::deferred);
	EXPECT_EQ(verdict(lost), Verdict::leaked);
	EXPECT_EQ(verdict(make(name_, "alloc_pid")), Verdict::reclaimable) << "a reclaimable cache without inodes";
}

TEST_F(Objects, ByNumber)
{
	for (u32 i = 0; i < 4 * config_.cpus + 3; ++i)
		make(k64_, "dst_alloc");
	for (int i = 0; i < 9; ++i)
		make(mm_, "ida_alloc_range");
	Survivors survivors;
	ASSERT_TRUE(survivors.run(*container_));
	EXPECT_EQ(survivors.objects(Verdict::cached), 4 * config_.cpus + 8) << "four routes a CPU, eight bitmaps";
	EXPECT_EQ(survivors.objects(Verdict::leaked), 3 + 1u) << "the excess is a leak";
}

// A free one describes address space and is nobody's; a busy one is what its vm_struct is.
TEST_F(Objects, AVmapAreaIsWhatItDescribes)
{
	auto area = [&](bool busy, u64 describes) {
		const u64 object = make(k64_, "alloc_vmap_area");
		bc_probed probed = extra(0);
		probed.known = !busy;
		probed.subject = describes;
		say(object, probed);
		return object;
	};
	const u64 lost = make(pid_, "alloc_pid");
	const u64 stack = make(k64_, "__get_vm_area_node"), pages = make(pid_, "__vmalloc_node_range");
	say(stack, extra(0));
	host::write_word(stack + 0x20, pages);
	EXPECT_EQ(verdict(stack), Verdict::cached);
	EXPECT_EQ(verdict(pages), Verdict::cached) << "its vm_struct points to it";
	EXPECT_EQ(verdict(make(k64_, "__get_vm_area_node")), Verdict::leaked) << "in no task and no cache of stacks";
	EXPECT_EQ(verdict(area(false, 0)), Verdict::cached);
	EXPECT_EQ(verdict(area(true, lost)), Verdict::leaked);
	EXPECT_EQ(verdict(area(true, stack)), Verdict::cached) << "a thread stack kept for the next fork";
	EXPECT_EQ(verdict(area(true, lost + (1 << 20))), Verdict::cached) << "the mapping of somebody else";
	EXPECT_EQ(verdict(area(true, 0)), Verdict::leaked);
}

// By state, not by function; and what is to be done to a block is the block's.
TEST_F(Objects, PartsOfAMountedFileSystem)
{
	const u64 head = make(pid_, "add_delayed_ref"), lost = make(pid_, "add_delayed_ref"),
		  change = make(k64_, "btrfs_alloc_tree_block"), other = make(k64_, "btrfs_alloc_tree_block");
	say(head, extra(0));
	host::write_word(head + 112, change);
	host::write_word(lost + 112, other);
	EXPECT_EQ(verdict(head), Verdict::deferred);
	EXPECT_EQ(verdict(change), Verdict::deferred);
	EXPECT_EQ(verdict(lost), Verdict::leaked) << "in no tree";
	EXPECT_EQ(verdict(other), Verdict::leaked);
	const u64 block = make(pid_, "alloc_extent_buffer"), used = make(pid_, "alloc_extent_buffer");
	say(block, extra(0));
	say(used, extra(1));
	EXPECT_EQ(verdict(block), Verdict::reclaimable);
	EXPECT_EQ(verdict(used), Verdict::held) << "more references than pages and trees have";
	EXPECT_EQ(verdict(make(pid_, "alloc_extent_buffer")), Verdict::leaked) << "its pages do not know it";
	EXPECT_EQ(verdict(make(k64_, "xlog_cil_commit")), Verdict::leaked) << "no item of the log's has it";
}

// The kernel's own tables hold like tasks do, and the part of the address space goes with what describes it.
TEST_F(Objects, WhatTheKernelKeepsForItself)
{
	const u64 area = make(k64_, "__get_vm_area_node"), space = make(k64_, "alloc_vmap_area");
	bc_probed busy{};
	busy.subject = area;
	say(space, busy);
	Survivors survivors;
	ASSERT_TRUE(survivors.run(*container_));
	EXPECT_EQ(survivors.at(space)->judgement.verdict, Verdict::leaked);
	host::set_holders({{area, {0, -1, "percpu", "", BC_HOLDS}}});
	survivors.find_holders();
	EXPECT_EQ(survivors.at(area)->judgement.verdict, Verdict::held);
	EXPECT_STREQ(survivors.at(area)->judgement.text, "by=percpu");
	EXPECT_EQ(survivors.at(space)->judgement.verdict, Verdict::cached);
	host::set_holders({});
}

TEST_F(Objects, TheBoundCountsWhatWasExcusedBefore)
{
	const u64 first = make(mm_, "ida_alloc_range");
	for (int i = 1; i < 8; ++i)
		make(mm_, "ida_alloc_range");
	Survivors survivors;
	ASSERT_TRUE(survivors.run(*container_));
	EXPECT_EQ(hand_over(*container_, survivors, false), 0u) << "early: only what is reclaimable";
	EXPECT_EQ(hand_over(*container_, survivors, true), 8u);
	EXPECT_EQ(raw_held(*container_), Raw{});
	freed(first); // the host's by now
	EXPECT_EQ(raw_held(*container_), Raw{});
	EXPECT_EQ(verdict(make(mm_, "ida_alloc_range")), Verdict::leaked);
}

// What sysfs shows of a network namespace, a node of a tree in it, a name in a file system: they go with it.
TEST_F(Objects, WhatLivesWithALeakIsOne)
{
	const u64 net = make(mm_, "copy_net_ns"), node = make(k64_, "__kernfs_new_node"),
		  tree = make(k64_, "xas_alloc"), device = make(pid_, "alloc_netdev_mqs");
	bc_probed of_net = extra(0);
	of_net.owner = net;
	say(node, of_net);
	of_net.owner = net + 64; // a tree's root is somewhere inside
	say(tree, of_net);
	host::write_word(node + 8, device);
	host::write_word(tree + 8, device);
	for (const u64 object : {net, node, tree, device})
		EXPECT_EQ(verdict(object), Verdict::leaked);

	of_net.owner = net + (1 << 20); // the host's
	say(node, of_net);
	say(tree, of_net);
	EXPECT_EQ(verdict(node), Verdict::reclaimable);
	EXPECT_EQ(verdict(tree), Verdict::reclaimable);
	EXPECT_EQ(verdict(device), Verdict::reclaimable) << "a device that sysfs shows is there";
	said_.erase(node);
	EXPECT_EQ(verdict(device), Verdict::leaked) << "in a tree alone: nobody gave its ID back";

	say(net, extra(0));
	EXPECT_EQ(verdict(net), Verdict::deferred) << "waits for the next cleanup";
}

TEST_F(Objects, APartLivesWithWhatPointsToIt)
{
	const u64 inode = make(inode_, "alloc_inode"), blob = make(k64_, "security_inode_alloc"),
		  other = make(k64_, "security_inode_alloc"), deep = make(pid_, "alloc_pid");
	say(inode, extra(0));
	host::write_word(inode + 0x38, blob);
	host::write_word(blob + 8, deep + 16); // into its middle
	host::write_word(other, inode);	       // who points to something excused is not excused
	EXPECT_EQ(verdict(inode), Verdict::reclaimable);
	EXPECT_EQ(verdict(blob), Verdict::reclaimable);
	EXPECT_EQ(verdict(deep), Verdict::reclaimable);
	EXPECT_EQ(verdict(other), Verdict::leaked);

	say(inode, extra(2));
	EXPECT_EQ(verdict(inode), Verdict::held);
	EXPECT_EQ(verdict(blob), Verdict::held);
}

TEST_F(Objects, AReferenceFromACachedObjectIsExplained)
{
	const u64 upper = make(inode_, "alloc_inode"), lower = make(dentry_, "__d_alloc");
	say(upper, extra(0));
	bc_probed probed = extra(1);
	probed.subject = lower;
	say(lower, probed);
	EXPECT_EQ(verdict(lower), Verdict::held);
	host::write_word(upper + 0x100, lower);
	EXPECT_EQ(verdict(lower), Verdict::reclaimable);
	probed.extra = 2;
	say(lower, probed);
	EXPECT_EQ(verdict(lower), Verdict::held) << "one of two references is somebody else's";
	probed.extra = 1;
	say(lower, probed);
	say(upper, extra(1));
	EXPECT_EQ(verdict(lower), Verdict::held) << "what is held itself explains nothing away";
}

TEST_F(Objects, AnInodeIsAsFreeAsItsName)
{
	const u64 inode = make(inode_, "alloc_inode"), name = make(dentry_, "__d_alloc");
	bc_probed probed = extra(0);
	probed.subject = inode;
	probed.alias = name;
	say(inode, probed);
	say(name, extra(0));
	EXPECT_EQ(verdict(inode), Verdict::reclaimable);
	say(name, extra(1));
	EXPECT_EQ(verdict(inode), Verdict::held);
	// A name that is not a survivor: the host's, with references of its own.
	probed.alias = name + (u64{1} << 20);
	probed.alias_extra = 1;
	say(inode, probed);
	EXPECT_EQ(verdict(inode), Verdict::held);
	probed.alias_extra = 0;
	say(inode, probed);
	EXPECT_EQ(verdict(inode), Verdict::reclaimable);
}

TEST_F(Objects, AnObjectFreedMeanwhileDoesNotHideTheOthers)
{
	const u64 inode = make(inode_, "alloc_inode");
	const u64 gone = make(mm_, "dup_mm"); // alone on its page
	const u64 blob = make(k64_, "security_inode_alloc");
	ASSERT_LT(inode, gone);
	ASSERT_LT(gone, blob);
	say(inode, extra(0));
	host::write_word(inode, blob);
	host::drop_slab(platform::page_index(gone)); // its free is under way
	EXPECT_EQ(verdict(blob), Verdict::reclaimable);
	EXPECT_EQ(verdict(inode), Verdict::reclaimable);
}

TEST_F(Objects, HandingOverIsCountedByRow)
{
	const u64 a = make(dentry_, "__d_alloc"), b = make(dentry_, "__d_alloc"), part = make(k64_, "alloc_pid"),
		  lost = make(k64_, "alloc_pid");
	say(a, extra(0));
	say(b, extra(0));
	host::write_word(b + 64, part);
	Survivors survivors;
	ASSERT_TRUE(survivors.run(*container_));
	EXPECT_EQ(hand_over(*container_, survivors, false), 0u) << "early: all of them or none";
	EXPECT_EQ(hand_over(*container_, survivors, true), 3u);
	EXPECT_EQ(container_->excused[0].objects, 2u);
	EXPECT_EQ(container_->excused[0].bytes, 384u);
	EXPECT_EQ(container_->excused[kPartRow].objects, 1u);
	EXPECT_EQ(held(*container_).objects, 1);
	for (u64 object : {a, b, part, lost})
		freed(object);
	EXPECT_EQ(raw_held(*container_), Raw{});
	EXPECT_EQ(health.of(Loss::unknown), 0);
}

// What points to something held is needed at the next look, to see that the rest of its references has gone.
TEST_F(Objects, AnAnchorStays)
{
	const u64 upper = make(inode_, "alloc_inode"), lower = make(dentry_, "__d_alloc"),
		  alone = make(inode_, "alloc_inode");
	say(upper, extra(0));
	say(alone, extra(0));
	bc_probed probed = extra(2);
	probed.subject = lower;
	say(lower, probed);
	host::write_word(upper + 0x100, lower);
	{
		Survivors survivors;
		ASSERT_TRUE(survivors.run(*container_));
		EXPECT_EQ(hand_over(*container_, survivors, true), 1u);
	}
	probed.extra = 1; // the other reference has gone
	say(lower, probed);
	Survivors survivors;
	ASSERT_TRUE(survivors.run(*container_));
	EXPECT_EQ(hand_over(*container_, survivors, true), 2u);
	EXPECT_EQ(raw_held(*container_), Raw{});
	for (u64 object : {upper, lower, alone})
		freed(object);
	EXPECT_EQ(raw_held(*container_), Raw{});
}

// Also where a part leads to it (overlayfs, 6.12: from its inode to the names below), and what says that it is one.
TEST_F(Objects, AnAnchorsOwnerStays)
{
	const u64 upper = make(inode_, "alloc_inode"), lower = make(dentry_, "__d_alloc"),
		  between = make(k64_, "alloc_pid"), deep = make(k64_, "alloc_pid");
	say(upper, extra(0));
	bc_probed probed = extra(2);
	probed.subject = lower;
	say(lower, probed);
	host::write_word(upper + 0x100, between);
	host::write_word(between, deep);
	host::write_word(deep, lower);
	{
		Survivors survivors;
		ASSERT_TRUE(survivors.run(*container_));
		EXPECT_EQ(hand_over(*container_, survivors, true), 0u);
	}
	probed.extra = 1; // the other reference has gone
	say(lower, probed);
	EXPECT_EQ(verdict(between), Verdict::reclaimable);
	Survivors survivors;
	ASSERT_TRUE(survivors.run(*container_));
	EXPECT_EQ(hand_over(*container_, survivors, true), 4u);
	EXPECT_EQ(raw_held(*container_), Raw{});
	for (u64 object : {upper, lower, between, deep})
		freed(object);
}

TEST_F(Objects, WhatWasFreedSinceIsNotTaken)
{
	const u64 a = make(dentry_, "__d_alloc"), b = make(dentry_, "__d_alloc");
	say(a, extra(0));
	say(b, extra(0));
	Survivors survivors;
	ASSERT_TRUE(survivors.run(*container_));
	freed(a);
	EXPECT_EQ(hand_over(*container_, survivors, false), 1u);
	EXPECT_EQ(raw_held(*container_), Raw{});
}

TEST_F(Objects, Dismissing)
{
	std::vector<u64> objects;
	for (int i = 0; i < 100; ++i)
		objects.push_back(make(i % 2 == 0 ? k64_ : mm_, "alloc_pid"));
	const u64 other = slabs_.make(k64_.key, 64);
	charged(ns(2), other, kText, k64_.cache_key());
	EXPECT_EQ(drop_all(*container_), 100u);
	EXPECT_EQ(raw_held(*container_), Raw{});
	EXPECT_EQ(held(*find(ns(2))).objects, 1);
	for (u64 object : objects)
		freed(object);
	EXPECT_EQ(raw_held(*container_), Raw{});
	freed(other);
}

TEST(Classes, TheTableIsSound)
{
	for (u32 row = 0; row < kClassRows; ++row) {
		EXPECT_NE(kClasses[row].verdict, Verdict::leaked);
		EXPECT_NE(std::string(kClasses[row].why), "");
		EXPECT_EQ(std::string(kClasses[row].name).find(' '), std::string::npos);
		const bool by_number = kClasses[row].proof == Proof::bound || kClasses[row].proof == Proof::once;
		EXPECT_TRUE(!by_number || kClasses[row].bound != 0) << kClasses[row].name;
	}
}

} // namespace
} // namespace rig
