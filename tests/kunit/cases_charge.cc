// SPDX-License-Identifier: GPL-2.0
// Charges, sites, containers. Part of unit.cc.
#include "rig.h"

namespace bc
{

namespace
{

const char *charge_and_free(Container &c)
{
	TestCache cache{"bct_charge", 72, true};
	BCT_CHECK(cache.make(40));
	for (u32 i = 0; i < cache.size(); ++i)
		charge_one(c, cache, cache[i], some_text(4));
	BCT_CHECK(holds(c, 40, s64{40} * cache.stride().value));
	BCT_CHECK(held(c, ByteKind::dcachesize).objects == 40 && held(c, ByteKind::kmemsize).objects == 0);
	for (u32 i = 0; i < 20; ++i) {
		platform::PreemptOff section;
		free_object(cache[i]);
		free_object(cache[i]); // nothing any more
	}
	BCT_CHECK(holds(c, 20, s64{20} * cache.stride().value));
	// The rest by the hooks, when the cache frees it: see the fixture.
	return nullptr;
}

const char *sites_are_interned_once(Container &)
{
	TestCache small{"bct_site_one", 48};
	TestCache large{"bct_site_two", 480, true};
	const SiteIndex a = intern(some_text(5), small.key());
	const SiteIndex b = intern(some_text(5), large.key());
	const SiteIndex d = intern(some_text(6), small.key());
	BCT_CHECK(a && b && d && a != b && a != d && b != d);
	const u32 count = sites.count();
	BCT_CHECK(intern(some_text(5), small.key()) == a && intern(some_text(5), large.key()) == b);
	BCT_CHECK(sites.count() == count);
	BCT_CHECK(sites[a].stride == small.stride() && sites[b].stride == large.stride());
	BCT_CHECK(sites[a].kind == ByteKind::kmemsize && sites[b].kind == ByteKind::dcachesize);
	BCT_CHECK(same_text(sites.cache_name(sites[b]), "bct_site_two"));
	char text[192];
	sites.symbol(sites[a], text, sizeof(text));
	BCT_CHECK(same_text(text, "bct_cases+0x5[beancounter_kunit]"));
	return nullptr;
}

// By the hook on kmem_cache_destroy(), not by a call of ours.
const char *sites_of_a_destroyed_cache(Container &)
{
	SiteIndex old;
	CacheKey key;
	Stride stride;
	{
		TestCache cache{"bct_gone", 56};
		key = cache.key();
		stride = cache.stride();
		old = intern(some_text(7), key);
		BCT_CHECK(old && intern(some_text(7), key) == old);
	}
	BCT_CHECK(sites[old].cache.relaxed() == Sites::kDead);
	BCT_CHECK(sites[old].stride == stride && same_text(sites.cache_name(sites[old]), "bct_gone"));
	return nullptr;
}

const char *sites_of_text_that_goes(Container &)
{
	TestCache cache{"bct_text", 56};
	const SiteIndex old = intern(some_text(8), cache.key());
	const SiteIndex other = intern(some_text(9), cache.key());
	bc_text_going(some_text(8), some_text(9));
	char text[192];
	sites.symbol(sites[old], text, sizeof(text));
	BCT_CHECK(sites[old].text.relaxed() != nullptr && same_text(text, "bct_cases+0x8[beancounter_kunit]"));
	BCT_CHECK(sites[other].text.relaxed() == nullptr && intern(some_text(9), cache.key()) == other);
	const SiteIndex fresh = intern(some_text(8), cache.key());
	BCT_CHECK(fresh && fresh != old);
	return nullptr;
}

const char *unowned_functions_charge_nobody(Container &c)
{
	TestCache cache{"bct_unowned", 56};
	BCT_CHECK(cache.make(1));
	charge_one(c, cache, cache[0], bct_address_of("debugfs_file_get") + 8);
	BCT_CHECK(holds(c, 0, 0));
	charge_one(c, cache, cache[0], some_text(11));
	BCT_CHECK(holds(c, 1, cache.stride().value));
	return nullptr;
}

const char *containers_are_found(Container &c)
{
	platform::PreemptOff section;
	BCT_CHECK(c.ns.relaxed() != nullptr && containers.find(c.ns.relaxed()) == &c);
	BCT_CHECK(containers.at(c.index) == &c && containers.find_id(c.id()) == &c);
	BCT_CHECK(containers.find(&c) == nullptr && containers.find_id(ContainerId{123456789}) == nullptr);
	BCT_CHECK(bc_container_id(c.ns.relaxed()) == c.id().value);
	BCT_CHECK(bct_ns_references(c.ns.relaxed()) == 1);
	BCT_CHECK(c.current() == State::running && !c.since_load && c.pidns == 1);
	bool made = true;
	BCT_CHECK(containers.find_or_make(c.ns.relaxed(), 1, "", false, made) == &c && !made);
	return nullptr;
}

const char *containers_come_and_go(Container &c)
{
	struct Namespace {
		void *ns;
		explicit Namespace(bool dead) : ns(bct_ns_new(dead)) {}
		~Namespace() { bct_ns_free(ns); }
	};
	const u32 count = containers.count();
	Namespace alive{false};
	Namespace dead{true};
	BCT_CHECK(alive.ns != nullptr && dead.ns != nullptr);
	bool made = false;
	Container *fresh;
	{
		platform::PreemptOff section;
		fresh = containers.find_or_make(dead.ns, 1, "late", false, made);
		BCT_CHECK(fresh == nullptr && !made);
		fresh = containers.find_or_make(alive.ns, 1, "short", false, made);
	}
	BCT_CHECK(made && fresh != nullptr && fresh != containers.overflow());
	const ContainerId id = fresh->id();
	bool good = containers.count() == count + 1 && id.value > c.id().value && fresh->index != c.index &&
		    bct_ns_references(alive.ns) == 1 && !containers.reserve(c.id()) && containers.find_id(id) == fresh;
	containers.forget_namespace(*fresh);
	good = good && bct_ns_references(alive.ns) == 0 && containers.find(alive.ns) == nullptr &&
	       containers.find_id(id) == fresh;
	containers.unpublish(*fresh);
	bc_synchronize_rcu();
	containers.destroy(fresh);
	BCT_CHECK(good);
	BCT_CHECK(containers.find_id(id) == nullptr && containers.count() == count);
	return nullptr;
}

} // namespace

} // namespace bc
