// SPDX-License-Identifier: GPL-2.0
#include "container.h"

#include "health.h"
#include "bounds.h"
#include "lock.h"
#include "text.h"

#include <initializer_list>

extern "C" {
constinit bc::Atomic<bc::Atomic<bc::u64 *> *> bc_free_cells{};
}

namespace bc
{

constinit Containers containers{};

Cells *make_cells()
{
	auto *cells = static_cast<Cells *>(bc_percpu_alloc(sizeof(Cells)));
	for (u32 cpu = 0; cells != nullptr && cpu < containers.cpus(); ++cpu) {
		for (u64 &packed : cells->packed)
			platform::percpu_replace(&packed, cpu, kMiddle);
	}
	return cells;
}

Held held(const Container &c, ByteKind kind)
{
	Held sum{c.accounts[at(charged_as(kind))].held(), c.objects[static_cast<size_t>(kind)].relaxed()};
	// Also while the container's bound is near: then they are zero, or on their way to the account.
	if (const Cells *cells = c.own_cells.acquire(); cells != nullptr) {
		for (u32 cpu = 0; cpu < containers.cpus(); ++cpu) {
			const Unpacked part =
			    unpack(platform::percpu_read(&cells->packed[static_cast<size_t>(kind)], cpu));
			sum.bytes += part.bytes;
			sum.objects += part.objects;
		}
	}
	return {sum.bytes < 0 ? 0 : sum.bytes, sum.objects < 0 ? 0 : sum.objects};
}

Held held(const Container &c)
{
	const Held k = held(c, ByteKind::kmemsize);
	const Held d = held(c, ByteKind::dcachesize);
	return {k.bytes + d.bytes, k.objects + d.objects};
}

bool held_surely(const Container &c, Held &sum)
{
	const u8 before = c.mode.acquire();
	sum = held(c); // who reads a cell that flush() has emptied reads the mode of that time, too, or a later one
	return before != static_cast<u8>(Mode::switching) && c.mode.relaxed() == before;
}

s64 maxheld(Container &c, ByteKind kind)
{
	Account &account = c.accounts[at(charged_as(kind))];
	account.raise_maxheld(held(c, kind).bytes);
	return account.maxheld();
}

s64 failcnt(const Container &c)
{
	s64 sum = 0;
	for (const Account &account : c.accounts)
		sum += account.failcnt();
	return sum;
}

bool Containers::init(u32 most, u32 cpus)
{
	most_ = (most > 65000 ? 65000 : most) + kFirstIndex; // 0 is nobody, 1 the overflow, 2 what was handed over
	cpus_ = cpus;
	by_index_ = static_cast<Atomic<Container *> *>(bc_big_alloc(most_ * sizeof(*by_index_)));
	overflow_ = static_cast<Container *>(bc_mem_alloc(sizeof(Container), ~0u));
	handed_ = static_cast<Container *>(bc_mem_alloc(sizeof(Container), ~0u));
	rows_ = static_cast<Row *>(bc_big_alloc(sizeof(Row) * Slot::kKinds * most_));
	none_ = static_cast<Row *>(bc_big_alloc(sizeof(Row) * Slot::kKinds * most_));
	if (by_index_ == nullptr || overflow_ == nullptr || handed_ == nullptr || rows_ == nullptr ||
	    none_ == nullptr) {
		exit();
		return false;
	}
	for (u32 i = 0; i < most_ * Slot::kKinds; ++i) {
		u64 *nobody = i % Slot::kKinds == kItself ? nullptr : platform::no_cells();
		rows_[i].set_relaxed(nobody);
		none_[i].set_relaxed(nobody);
	}
	bc_free_cells.release(rows_);
	u16 index = 1;
	for (Container *c : {overflow_, handed_}) {
		c->index = OwnerIndex{index};
		c->owner = Slot::of_owner(c->index);
		set_cells(*c, nullptr);
		for (Account &account : c->accounts)
			account.set({kUnlimited, kUnlimited});
		by_index_[index++].release(c);
	}
	overflow_->set_id(ContainerId{999999999});
	copy_text(overflow_->name, sizeof(overflow_->name), "overflow");
	ids_ = Ids{};
	next_index_ = kFirstIndex;
	return true;
}

void Containers::exit()
{
	if (by_index_ != nullptr) {
		for (u32 i = kFirstIndex; i < most_; ++i) {
			Container *c = by_index_[i].relaxed();
			if (c == nullptr)
				continue;
			bc_cpu_forget(c);
			if (c->ns.relaxed() != nullptr)
				bc_pidns_put(c->ns.relaxed());
			destroy(c);
		}
	}
	for (auto &bucket : hash_)
		bucket.set_relaxed(nullptr);
	bc_cpu_forget(overflow_);
	bc_mem_free(overflow_);
	bc_mem_free(handed_);
	bc_free_cells.set_relaxed(nullptr);
	bc_big_free(by_index_);
	bc_big_free(rows_);
	bc_big_free(none_);
	rows_ = none_ = nullptr;
	overflow_ = handed_ = nullptr;
	by_index_ = nullptr;
	overflow_used_.set_relaxed(0);
	seen_all_.set_relaxed(0);
	count_.set_relaxed(0);
	of_users_.set_relaxed(0);
}

Container *Containers::find(const void *ns) const
{
	for (Container *c = hash_[bucket(ns)].acquire(); c != nullptr;
	     c = __atomic_load_n(&c->next_in_hash, __ATOMIC_ACQUIRE)) {
		if (c->ns.relaxed() == ns)
			return c;
	}
	return nullptr;
}

Container *Containers::find_id(ContainerId id) const
{
	for (u32 i = 1; i < most_; ++i) {
		Container *c = by_index_[i].acquire();
		if (c != nullptr && c != handed_ && c->id() == id && (c != overflow_ || overflow_used()))
			return c;
	}
	return nullptr;
}

Container *Containers::find_name(const char *name) const
{
	for (u32 i = kFirstIndex; i < most_; ++i) {
		Container *c = by_index_[i].acquire();
		if (c != nullptr && same_text(c->name, name))
			return c;
	}
	return nullptr;
}

Container *Containers::use_overflow()
{
	health.count(Loss::containers_lost);
	if (overflow_used_.exchange(1) == 0)
		bc_kick_worker(); // who says so, once
	return overflow_;
}

Container *Containers::find_or_make(const void *ns, s32 init, const char *comm, bool at_load, bool &made)
{
	made = false;
	if (Container *c = find(ns); c != nullptr)
		return c;
	// A task of a namespace that takes no new pids is among the last to die, and its container has been judged.
	if (!bc_pidns_alive(ns))
		return nullptr;
	// Anyone can make as many of his own as he may have processes. He has half of the table: the other is for whom
	// the administrator starts.
	const bool of_user = bc_pidns_of_user(ns);
	if (count_.relaxed() + kFirstIndex >= most_ || (of_user && of_users_.relaxed() >= max(most() / 2, 1u)))
		return use_overflow();

	// Memory first, outside of the lock; a second maker finds the first one's work and gives its own back.
	auto *fresh = static_cast<Container *>(bc_mem_alloc(sizeof(Container), 0));
	// From within an allocation we do not enter the per-CPU allocator, which may queue work: the worker sees to it.
	Cells *cells = fresh == nullptr || init == 0 ? nullptr : make_cells();
	Container *spare = fresh;
	Container *result = overflow_;
	{
		Lock lock{BC_LOCK_CONTAINERS};
		Container *seen = find(ns);
		u32 index = 0;
		for (u32 tried = kFirstIndex; seen == nullptr && fresh != nullptr && tried < most_; ++tried) {
			const u32 i = next_index_;
			next_index_ = next_index_ + 1 == most_ ? kFirstIndex : next_index_ + 1;
			if (by_index_[i].relaxed() == nullptr) {
				index = i;
				break;
			}
		}
		if (seen != nullptr) {
			result = seen;
		} else if (index != 0) {
			fresh->ns.set_relaxed(ns);
			fresh->index = OwnerIndex{static_cast<u16>(index)};
			fresh->owner = Slot::of_owner(fresh->index);
			fresh->own_cells.set_relaxed(cells);
			set_cells(*fresh, cells);
			begin_limits(*fresh, !at_load);
			ContainerId id{ids_.next()};
			while (find_id(id) != nullptr)
				id = ContainerId{ids_.next()};
			fresh->set_id(id);
			fresh->pidns = bc_pidns_inum(ns);
			fresh->init.set_relaxed(init);
			fresh->since_load = at_load;
			fresh->of_user = of_user;
			copy_text(fresh->command, sizeof(fresh->command), comm);
			fresh->born_ms = bc_now_ms();
			fresh->settled_ms = fresh->born_ms;
			bc_pidns_get(ns);
			Atomic<Container *> &head = hash_[bucket(ns)];
			fresh->next_in_hash = head.relaxed();
			by_index_[index].release(fresh);
			head.release(fresh);
			count_.add(1);
			of_users_.add(of_user);
			made = true;
			result = fresh;
			spare = nullptr;
		}
	}
	if (spare != nullptr) {
		if (cells != nullptr)
			bc_percpu_free(cells);
		bc_mem_free(spare);
	}
	if (result == overflow_) // no memory, or others were faster
		use_overflow();
	// Its init was exiting before there was a container that could be told: the module has been loaded meanwhile.
	if (made && bc_pidns_ending(ns))
		result->init_exited.release(1);
	return result;
}

void Containers::unhash(Container &c)
{
	Lock lock{BC_LOCK_CONTAINERS};
	const void *ns = c.ns.relaxed();
	Atomic<Container *> &head = hash_[bucket(ns)];
	if (head.relaxed() == &c) {
		head.release(c.next_in_hash);
	} else {
		for (Container *p = head.relaxed(); p != nullptr; p = p->next_in_hash) {
			if (p->next_in_hash == &c) {
				__atomic_store_n(&p->next_in_hash, c.next_in_hash, __ATOMIC_RELEASE);
				break;
			}
		}
	}
	c.ns.set_relaxed(nullptr);
}

void Containers::forget_namespace(Container &c)
{
	const void *ns = c.ns.relaxed();
	if (ns == nullptr)
		return;
	unhash(c);
	// Whoever still found it has left his section then, and with it the place where he notes it as his CPU's last
	// one.
	bc_synchronize_rcu();
	bc_cpu_forget(&c);
	bc_pidns_put(ns);
}

void Containers::set_rows(Container &c, Cells *cells)
{
	Row *rows = &rows_[size_t{c.index.value} * Slot::kKinds];
	for (size_t kind = 0; kind < kByteKinds; ++kind)
		rows[kind].release(&cells->packed[kind]);
	rows[kItself].release(cells == no_cells() ? nullptr : reinterpret_cast<u64 *>(&c));
}

void Containers::set_cells(Container &c, Cells *cells)
{
	if (cells == nullptr)
		cells = no_cells();
	c.cells.release(cells);
	set_rows(c, cells);
}

void Containers::unpublish(Container &c)
{
	Lock lock{BC_LOCK_CONTAINERS};
	set_rows(c, no_cells());
	by_index_[c.index.value].release(nullptr);
	count_.add(static_cast<u32>(-1));
	of_users_.add(static_cast<u32>(-c.of_user));
}

void Containers::destroy(Container *c)
{
	if (Cells *cells = c->own_cells.relaxed(); cells != nullptr)
		bc_percpu_free(cells);
	bc_big_free(c->census);
	bc_mem_free(c);
}

bool Containers::reserve(ContainerId id)
{
	Lock lock{BC_LOCK_CONTAINERS};
	if (id == overflow_->id() || find_id(id) != nullptr)
		return false;
	ids_.reserve(id.value);
	return true;
}

void Containers::renumber(Container &c, ContainerId id)
{
	Lock lock{BC_LOCK_CONTAINERS};
	c.set_id(id);
}

} // namespace bc
