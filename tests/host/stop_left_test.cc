// SPDX-License-Identifier: GPL-2.0
// What a container leaves on purpose in tables of the host's: judged by who has its address, with all that belongs to
// it, within the direct map and outside.
#include "stop_rig.h"

namespace rig
{
namespace
{

class StopLeft : public Stop
{
      protected:
	void SetUp() override
	{
		Stop::SetUp();
		host::add_symbol(kText + 0x3000, 0x1000, "hash_ip4_add", "ip_set_hash_ip");
		host::add_symbol(kText + 0x4000, 0x1000, "xfrm_state_alloc");
		host::add_symbol(kText + 0x5000, 0x1000, "__get_vm_area_node");
		host::add_symbol(kText + 0x6000, 0x1000, "ip_set_of_nobody", "another");
		container_ = start(ns(1));
	}
	void stopped_with(std::vector<host::Word> words, State state)
	{
		host::set_words(std::move(words));
		stop_until(*container_, state);
	}
	std::string verdict(const char *site) { return row(render(BC_FILE_LEAKS, 1), site, 5)["verdict"]; }

	Container *container_ = nullptr;
};

TEST_F(StopLeft, InATableOfTheHostsItIsHeld)
{
	const u64 element = make(k64_, kText + 0x3010);
	const u64 state = make(k64_, kText + 0x4010);
	const u64 part = make(k64_);
	host::write_word(element + 8, part);
	const bc_place table = place(0xffff888001230000, "kmalloc-1k");
	stopped_with({{element, table}, {state + 16, table}, {part, place(element, "kmalloc-64")}}, State::held);
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "hash_ip4_add+0x10[ip_set_hash_ip]", 5)["class"], "ipset");
	EXPECT_EQ(verdict("xfrm_state_alloc+0x10"), "held");
	EXPECT_EQ(verdict("alloc_pid+0x2d"), "held") << "what it has";
	for (const u64 object : {element, state, part})
		freed(object);
	work_for(10000);
	EXPECT_EQ(container_->current(), State::clean);
}

TEST_F(StopLeft, InNoTableItIsLost)
{
	const u64 element = make(k64_, kText + 0x3010);
	const u64 state = make(k64_, kText + 0x4010);
	const u64 part = make(k64_);
	host::write_word(state + 8, part);
	stopped_with({{element, place(0xffff888001230000, "kmalloc-1k")}, {part, place(state, "kmalloc-64")}},
		     State::leaked);
	EXPECT_EQ(verdict("hash_ip4_add+0x10[ip_set_hash_ip]"), "held");
	EXPECT_EQ(verdict("xfrm_state_alloc+0x10"), "leaked");
	EXPECT_EQ(verdict("alloc_pid+0x2d"), "leaked") << "what it has is as lost";
}

// What points to its namespace, or to what belongs to that, has not made it.
TEST_F(StopLeft, WhatIsInALostNamespaceExcusesNothing)
{
	const u64 net = make(net_, kText + 0x2010);
	const u64 of_net = make(k64_);
	const u64 element = make(k64_, kText + 0x3010);
	host::write_word(net + 8, of_net);
	host::write_word(of_net + 8, element);
	host::write_word(element + 8, net);
	host::write_word(element + 16, of_net);
	stopped_with({{net, place(0xffff888001230000, "kmalloc-1k")},
		      {of_net, place(net, "net_namespace")},
		      {element, place(of_net, "kmalloc-64")},
		      {net, place(element, "kmalloc-64")},
		      {of_net, place(element, "kmalloc-64")}},
		     State::leaked);
	EXPECT_EQ(verdict("copy_net_ns+0x10"), "leaked");
	EXPECT_EQ(verdict("alloc_pid+0x2d"), "leaked");
	EXPECT_EQ(verdict("hash_ip4_add+0x10[ip_set_hash_ip]"), "leaked");
}

// ... not with a word that is left somewhere of one of its tables, either.
TEST_F(StopLeft, AStaleWordExcusesNothingOfALostNamespace)
{
	const u64 net = make(net_, kText + 0x2010);
	const u64 of_net = make(k64_);
	const u64 element = make(k64_, kText + 0x3010);
	host::write_word(element + 8, of_net);
	host::write_word(of_net + 8, net);
	stopped_with({{element, place(0xffff888001230000, "kmalloc-512")},
		      {of_net, place(element, "kmalloc-64")},
		      {net, place(of_net, "kmalloc-64")}},
		     State::leaked);
	EXPECT_EQ(verdict("copy_net_ns+0x10"), "leaked");
	EXPECT_EQ(verdict("alloc_pid+0x2d"), "leaked");
	EXPECT_EQ(verdict("hash_ip4_add+0x10[ip_set_hash_ip]"), "leaked");
}

TEST_F(StopLeft, HeldWithAllItHasWhereNothingMayBeSearched)
{
	bc_config config = config_;
	config.no_search = true;
	restart(config);
	container_ = start(ns(1));
	const u64 element = make(k64_, kText + 0x3010);
	const u64 part = make(k64_);
	host::write_word(element + 8, part);
	stopped_with({}, State::held);
	EXPECT_EQ(verdict("alloc_pid+0x2d"), "held");
}

TEST_F(StopLeft, AnotherModulesIsNot)
{
	make(k64_, kText + 0x6010);
	stopped_with({}, State::leaked);
	EXPECT_EQ(host::searches(), 0u);
}

// A program of BPF: what has a name lies outside the direct map, and there alone is said what else belongs to it.
TEST_F(StopLeft, WhatIsHeldOutsideTheDirectMapHoldsOn)
{
	const Cache page{4096, false, "kmalloc-4k"};
	const u64 object = make(k64_);
	const u64 area = make(k64_, kText + 0x5010);
	const u64 inner = make(k64_, kText + 0x5010);
	const u64 part = make(k64_, kText + 0x4010);
	const u64 memory = slabs_.make(page.key, page.stride); // readable, and nobody's
	const u64 other = slabs_.make(page.key, page.stride);
	host::add_area(area, memory, kPageSize);
	host::add_area(inner, other, kPageSize);
	host::write_word(object + 8, memory + 100);
	host::write_word(memory + 2000, part);
	host::write_word(memory + 2008, other);
	stop(ns(1));
	host::set_holders({{object, {0, -1, "bpffs", "", BC_HOLDS}}});
	time_to(*container_, State::held);
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "leaked").count("count"), 0u);
	EXPECT_EQ(verdict("__get_vm_area_node+0x10"), "held");
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "__get_vm_area_node+0x10", 5)["count"], "2");
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "xfrm_state_alloc+0x10", 5)["details"], "by=bpffs");
	host::set_holders({});
}

// sysfs shows a network namespace's devices, and is no part of it that anything of it would point to.
TEST_F(StopLeft, WhatGoesWithANamespaceThatIsHeldIsHeld)
{
	host::add_symbol(kText + 0x7000, 0x1000, "__kernfs_new_node");
	const u64 net = make(net_, kText + 0x2010);
	const u64 node = make(k64_, kText + 0x7010);
	const u64 name = make(k64_);
	host::write_word(node + 8, name);
	host::set_probe([&](enum bc_probe what, u64, u32, bc_probed &out) {
		out.known = what == BC_PROBE_KERNFS;
		out.owner = net;
	});
	stop(ns(1));
	host::set_holders({{net + 40, {0, -1, "mount", "", BC_HOLDS}}});
	time_to(*container_, State::held);
	EXPECT_EQ(verdict("__kernfs_new_node+0x10"), "held");
	EXPECT_EQ(row(render(BC_FILE_LEAKS, 1), "__kernfs_new_node+0x10", 5)["details"], "by=mount");
	EXPECT_EQ(verdict("alloc_pid+0x2d"), "held");
	host::set_holders({});
	time_to(*container_, State::leaked);
	EXPECT_EQ(verdict("__kernfs_new_node+0x10"), "leaked");
}

} // namespace
} // namespace rig
