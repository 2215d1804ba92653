// SPDX-License-Identifier: GPL-2.0
// The reference audit: who took and who gave back references of a struct user_struct or struct ucounts that a container
// has touched, by call site. A lost put is a get without a put; which one, this table says.
//
// An object is watched from the first reference on that a container's task takes, until its last one is put. What was
// taken before is not known: the object's own count says how much that is. Rows are kept by call site and container:
// what interrupts and RCU put (put_cred_rcu() does) counts for nobody, and a balance is made over everybody.
//
// Gets and puts are of a family where the kernel gives back in one function what it took in another (families, below).
// A family with more gets than puts, of an object that is left behind, is the answer to "which reference was lost".
//
// Events come from hooks and probes, in any context, with preemption off. What is not watched is found without a lock;
// and so is the row of an event whose like was seen before, if it is the first one of its hash, and counted in it by
// one compare-and-exchange: count_known(). Everything else, and what adds and drops, is under BC_LOCK_REFERENCES, and
// puts the row it has found first in its hash. An object that all containers share, root's user, has a dozen rows of
// each of them: no event walks them.
//
// A row may be freed, and become another's, while somebody without the lock is about to count in it. So its count has
// the row's generation in the same word, which changes when it is freed: who read the word, then found the row to be
// the one meant, and then exchanges that word has counted in that row.
#pragma once

#include "atomic.h"
#include "types.h"

#include <beancounter/core.h>
#include <beancounter/fast_path.h>

namespace bc
{

inline constexpr const char *kReferenceKinds[] = {"user", "ucounts"};

struct Family {
	const char *name;
	bc_reference_kind kind;
	const char *gets[10]; // functions, without gcc's suffixes
	const char *puts[15];
};

// From kernel/{cred,sys,user,ucount,signal}.c, fs/{pipe,eventpoll,namespace}.c and so on, 6.1 and 6.12: every caller of
// free_uid(), get_uid(), put_ucounts(), get_ucounts(), alloc_ucounts(), inc_ucount(). A put that is a tail call is
// named by the function that makes it (src/shim/references.c).
inline constexpr Family kFamilies[] = {
    {"cred",
     BC_REFERENCE_USER,
     {"prepare_creds", "prepare_kernel_cred", "key_change_session_keyring", "__sys_setuid", "__sys_setreuid",
      "__sys_setresuid"},
     {"put_cred_rcu", "__sys_setuid", "__sys_setreuid", "__sys_setresuid"}},
    {"pipe", BC_REFERENCE_USER, {"alloc_pipe_info"}, {"free_pipe_info", "alloc_pipe_info"}},
    {"epoll",
     BC_REFERENCE_USER,
     {"do_epoll_create", "ep_alloc"},
     {"ep_clear_and_put", "eventpoll_release_file", "do_epoll_create", "ep_free", "ep_alloc"}},
    {"scm", BC_REFERENCE_USER, {"__scm_send", "scm_fp_copy", "scm_fp_dup"}, {"__scm_destroy"}},
    {"zerocopy",
     BC_REFERENCE_USER,
     {"mm_account_pinned_pages"},
     {"mm_unaccount_pinned_pages", "__msg_zerocopy_callback"}},
    {"secretmem", BC_REFERENCE_USER, {"secretmem_file_create"}, {"secretmem_release", "secretmem_file_create"}},
    {"io_uring", BC_REFERENCE_USER, {"io_uring_setup", "io_uring_create"}, {"io_ring_exit_work", "io_ring_ctx_free"}},
    {"bpf", BC_REFERENCE_USER, {"bpf_prog_load"}, {"__bpf_prog_put_rcu", "__bpf_prog_put_noref", "bpf_prog_load"}},
    {"perf", BC_REFERENCE_USER, {"perf_mmap"}, {"perf_mmap_close"}},
    {"xdp", BC_REFERENCE_USER, {"xdp_umem_create"}, {"xdp_umem_release_deferred", "xdp_put_umem", "xdp_umem_create"}},
    {"lookup",
     BC_REFERENCE_USER,
     {"__do_sys_setpriority", "__do_sys_getpriority", "__do_sys_ioprio_get", "__do_sys_ioprio_set"},
     {"__do_sys_setpriority", "__do_sys_getpriority", "__do_sys_ioprio_get", "__do_sys_ioprio_set"}},

    {"cred",
     BC_REFERENCE_UCOUNTS,
     {"prepare_creds", "prepare_kernel_cred", "key_change_session_keyring", "copy_creds", "set_cred_ucounts"},
     {"put_cred_rcu", "copy_creds", "set_cred_ucounts"}},
    {"shm-lock", BC_REFERENCE_UCOUNTS, {"user_shm_lock"}, {"user_shm_unlock"}},
    {"mqueue", BC_REFERENCE_UCOUNTS, {"mqueue_get_inode"}, {"mqueue_evict_inode", "mqueue_get_inode"}},
    {"signal",
     BC_REFERENCE_UCOUNTS,
     {"inc_rlimit_get_ucounts"},
     {"do_dec_rlimit_put_ucounts", "dec_rlimit_put_ucounts", "inc_rlimit_get_ucounts"}},
    {"user-ns", BC_REFERENCE_UCOUNTS, {"create_user_ns"}, {"free_user_ns", "create_user_ns"}},
    {"mnt-ns", BC_REFERENCE_UCOUNTS, {"alloc_mnt_ns"}, {"free_mnt_ns", "alloc_mnt_ns", "copy_mnt_ns"}},
    {"pid-ns", BC_REFERENCE_UCOUNTS, {"copy_pid_ns"}, {"delayed_free_pidns", "copy_pid_ns"}},
    {"net-ns", BC_REFERENCE_UCOUNTS, {"copy_net_ns"}, {"cleanup_net", "copy_net_ns"}},
    {"ipc-ns", BC_REFERENCE_UCOUNTS, {"copy_ipcs"}, {"free_ipc", "free_ipc_ns", "copy_ipcs"}},
    {"uts-ns", BC_REFERENCE_UCOUNTS, {"copy_utsname"}, {"free_uts_ns", "copy_utsname"}},
    {"cgroup-ns", BC_REFERENCE_UCOUNTS, {"copy_cgroup_ns"}, {"free_cgroup_ns", "copy_cgroup_ns"}},
    {"time-ns", BC_REFERENCE_UCOUNTS, {"copy_time_ns"}, {"free_time_ns", "copy_time_ns"}},
    // One of inotify and fanotify: what frees a group or a mark jumps through its operations to either's, and is the
    // one that called (fs/notify/{group,mark}.c).
    {"fsnotify",
     BC_REFERENCE_UCOUNTS,
     {"do_inotify_init", "inotify_new_group", "inotify_update_watch", "inotify_new_watch",
      "__x64_sys_inotify_add_watch", "__do_sys_fanotify_init", "__x64_sys_fanotify_init", "fanotify_add_mark",
      "do_fanotify_mark", "__x64_sys_fanotify_mark"},
     {"fsnotify_put_group", "fsnotify_final_destroy_group", "fsnotify_free_mark", "fsnotify_destroy_mark",
      "fsnotify_destroy_marks", "fsnotify_clear_marks_by_group", "inotify_free_group_priv", "inotify_update_watch",
      "inotify_ignored_and_remove_idr", "__x64_sys_inotify_add_watch", "fanotify_free_group_priv",
      "fanotify_freeing_mark", "fanotify_add_mark", "do_fanotify_mark", "__x64_sys_fanotify_mark"}},
};
inline constexpr u32 kFamilyCount = sizeof(kFamilies) / sizeof(kFamilies[0]);
inline constexpr u32 kNoFamily = kFamilyCount;

// The family of a call in the function that `symbol` is in; kNoFamily where the table has none.
u32 family_of(bc_reference_kind kind, bool get, const char *symbol);

// One call site's part in the references of one object, for one container (0: the host, interrupts, RCU).
struct ReferenceRow {
	u64 object;
	u64 caller;
	u64 callee; // of a put that was a tail call: the function that made it; else 0
	bc_reference_kind kind;
	u16 owner;
	s64 gets, puts;
};

class References
{
      public:
	// At a time; more are not watched, and counted as lost.
	static constexpr u32 kObjects = 1u << BC_REFERENCE_BITS;
	static constexpr u32 kRows = 4 * kObjects;

	bool init();
	void exit();

	// The usual case of event(): not the last put of an object, nor of one that has just been made. False where it
	// is not, and nothing has happened.
	bool count_known(u64 object, u64 caller, u16 owner, bool get); // any, preemption off
	void event(const bc_reference &event, u16 owner);	       // any; owner: index of the container, 0 nobody's
	bool watches(u64 object) const;				       // any, preemption off
	// A container's place in the table is given up: its rows are nobody's from now on, one for each call site of an
	// object, however many containers have gone. Task context: one pass over all rows.
	void forget(u16 owner);

	// Copies the rows of the objects that container `owner` has touched, or of one object: at most `most`, grouped
	// by object. Returns how many there are.
	u32 touched_by(u16 owner, ReferenceRow *rows, u32 most) const;
	u32 of_object(u64 object, ReferenceRow *rows, u32 most) const;
	u32 objects() const { return objects_used_.relaxed(); }
	u32 rows() const { return rows_used_.relaxed(); }
	u32 marks() const; // places that were given up, and that searches still pass

      private:
	static constexpr u64 kGone = 1; // an object that was here: searches go on behind it
	struct Object {
		Atomic<u64> address;
		u16 first; // row; 0: none
		u8 kind;
	};
	struct alignas(64) Row {
		Atomic<u64> object; // kGone: free. 0, with no caller: never used
		Atomic<u64> caller;
		Atomic<u64> counts; // the latest gets and puts, and the generation
		u64 callee;
		s64 gets, puts; // all before those
		Atomic<u16> owner;
		u16 next, previous; // of its object; next is also that of the free list
		u16 chain;	    // the next one of its hash
	};
	static_assert(kRows < 1u << 16);
	static constexpr u64 kPut = 1;
	static constexpr u64 kGet = u64{1} << 24;
	static constexpr u64 kGeneration = u64{1} << 48;
	static constexpr u64 kFull = kGet >> 1 | kGeneration >> 1; // one of both is to be moved to gets or puts
	static constexpr u32 kHintBits = BC_REFERENCE_HINT_BITS;
	static u32 hint_of(u64 object, u64 caller, u16 owner)
	{
		const u32 key = (static_cast<u32>(caller) + u32{owner} * 8) ^ static_cast<u32>(object);
		return key * BC_REFERENCE_HASH >> (32 - kHintBits);
	}
	static void count(Row &row, bool get);
	static void carry(Row &row);
	static s64 gets(const Row &row) { return row.gets + static_cast<s64>(row.counts.relaxed() >> 24 & (kGet - 1)); }
	static s64 puts(const Row &row) { return row.puts + static_cast<s64>(row.counts.relaxed() & (kGet - 1)); }

	// In three instructions an offset in the table (src/shim/reference_trampolines.S).
	static u32 place_of(u64 address)
	{
		const u32 hash = static_cast<u32>(address) * BC_REFERENCE_HASH;
		return (hash >> BC_REFERENCE_HASH_SHIFT & BC_REFERENCE_MASK) >> BC_REFERENCE_SHIFT;
	}
	Object *find(u64 address) const;
	Object *add(u64 address, bc_reference_kind kind);
	u16 look_up(u64 object, u64 caller, u64 callee, u16 owner);
	Row *row(Object &object, const bc_reference &event, u16 owner);
	void chain(u16 row);
	void unchain(u16 row);
	void link(Object &object, u16 row);
	void unlink(Object &object, u16 row);
	u64 take(u16 row);
	void give_to_nobody(u16 row);
	void drop(Object &object);
	u32 copy(const Object &object, ReferenceRow *rows, u32 used, u32 most) const;

	friend struct ReferencesLayout;
	// These three are known to reference_trampolines.S, which has watches() and count_known() once more.
	Object *objects_ = nullptr;
	Row *rows_ = nullptr;	       // the first is nobody's: 0 is none
	Atomic<u16> *hints_ = nullptr; // the first row of a hash, the one that was asked for last
	u16 free_ = 0;
	Atomic<u32> objects_used_, rows_used_;
};

extern References references asm("bc_references");

// The families of an object with more gets than puts, "pipe:alloc_pipe_info+0x27:1,...", cut to the room there is;
// empty where there is none. Sleeps.
void unmatched_text(u64 object, char *text, u32 size);

} // namespace bc
