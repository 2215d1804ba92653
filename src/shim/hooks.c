// SPDX-License-Identifier: GPL-2.0
/*
 * Attaching and detaching the hooks of hook_table.h by ftrace's direct calls.
 */
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include <asm/text-patching.h>

#include "shim.h"

/* Charged last on a CPU that has charged nobody: looks like a container without a namespace (core/container.h). */
static const u64 bc_nobody[8];
void *const bc_cpu_nobody = (void *)bc_nobody;
DEFINE_PER_CPU(struct bc_cpu, bc_this_cpu);

/* Where a container counts that has no cells of its own: kNowhere of core/counter.h. */
#define BC_NOWHERE (3ull << 62)
DEFINE_PER_CPU(u64[2], bc_no_cells) = { BC_NOWHERE, BC_NOWHERE };

static void *bc_body_unset(void)
{
	return NULL;
}

static unsigned long no_location(unsigned long ip)
{
	return 0;
}
DEFINE_STATIC_CALL(bc_ftrace_location, no_location);

/* The body of each function that a wrapper stands in for: a static call, patched to the instruction behind its hook. */
#define BC_HOOK_ALLOC(fn)                                                                                              \
	DEFINE_STATIC_CALL(bc_body_##fn, bc_body_unset);                                                               \
	static void bc_set_body_##fn(void *body)                                                                       \
	{                                                                                                              \
		static_call_update(bc_body_##fn, body);                                                                \
	}
#define BC_HOOK_ALLOC_CACHE(fn) BC_HOOK_ALLOC(fn)
#define BC_HOOK_ALLOC_CACHE_LRU(fn) BC_HOOK_ALLOC(fn)
#define BC_HOOK_ALLOC_CACHE_CALLER(fn) BC_HOOK_ALLOC(fn)
#define BC_HOOK_ALLOC_SIZE(fn) BC_HOOK_ALLOC(fn)
#define BC_HOOK_ALLOC_SIZE_NODE(fn) BC_HOOK_ALLOC(fn)
#define BC_HOOK_ALLOC_SIZE_CALLER(fn) BC_HOOK_ALLOC(fn)
#define BC_HOOK_FREE_FIRST(fn)
#define BC_HOOK_FREE_SECOND(fn)
#define BC_HOOK_FREE_BULK(fn)
#define BC_HOOK(fn, kind) BC_HOOK_##kind(fn)
#include "hook_table.h"
#undef BC_HOOK

#define BC_HOOK(fn, kind)                                                                                              \
	extern void bc_tramp_flat_##fn(void);                                                                          \
	extern void bc_tramp_chunks_##fn(void);
#include "hook_table.h"
#undef BC_HOOK

#define BC_SET_ALLOC(fn) bc_set_body_##fn
#define BC_SET_ALLOC_CACHE(fn) bc_set_body_##fn
#define BC_SET_ALLOC_CACHE_LRU(fn) bc_set_body_##fn
#define BC_SET_ALLOC_CACHE_CALLER(fn) bc_set_body_##fn
#define BC_SET_ALLOC_SIZE(fn) bc_set_body_##fn
#define BC_SET_ALLOC_SIZE_NODE(fn) bc_set_body_##fn
#define BC_SET_ALLOC_SIZE_CALLER(fn) bc_set_body_##fn
#define BC_SET_FREE_FIRST(fn) NULL
#define BC_SET_FREE_SECOND(fn) NULL
#define BC_SET_FREE_BULK(fn) NULL

static struct bc_hook {
	const char *name;
	void (*flat)(void); /* the trampoline, for each kind of ledger */
	void (*chunks)(void);
	void (*set_body)(void *body);
	struct bc_direct direct;
} hooks[] = {
#define BC_HOOK(fn, kind)                                                                                              \
	{ .name = #fn, .flat = bc_tramp_flat_##fn, .chunks = bc_tramp_chunks_##fn, .set_body = BC_SET_##kind(fn) },
#include "hook_table.h"
#undef BC_HOOK
};

unsigned int bc_hooks_expected(void)
{
	return ARRAY_SIZE(hooks);
}

/*
 * Finds every function and its hook site before anything is touched, so that a kernel that lacks one is left as it was.
 */
int bc_hooks_resolve(void)
{
	unsigned long location = bc_lookup("ftrace_location");
	const int *enabled = (const int *)bc_lookup("ftrace_enabled");
	int i, missing = 0;

	/*
	 * Switched off, ftrace takes registrations and patches nothing: the hooks would never be called. And what has been registered
	 * and taken back meanwhile it believes to be patched, and warns later. So it is not touched.
	 */
	if (enabled && !READ_ONCE(*enabled)) {
		pr_err("ftrace is switched off, and hooks with it: sysctl kernel.ftrace_enabled=1, then load again. If that does not help ftrace has met a bug of its own and is off until the next boot: see the log\n");
		return -ENODEV;
	}
	if (!location) {
		pr_err("the kernel has no ftrace_location: CONFIG_DYNAMIC_FTRACE is needed\n");
		return -ENOENT;
	}
	static_call_update(bc_ftrace_location, (void *)location);

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		unsigned long addr = bc_lookup(hooks[i].name);

		if (!addr) {
			pr_err("%s: no such function in this kernel\n", hooks[i].name);
			missing++;
			continue;
		}
		hooks[i].direct.site = bc_hook_site(addr);
		if (!hooks[i].direct.site) {
			pr_err("%s: ftrace cannot hook it\n", hooks[i].name);
			missing++;
			continue;
		}
		if (hooks[i].set_body) {
			void *body = (void *)(hooks[i].direct.site + MCOUNT_INSN_SIZE);

			hooks[i].set_body(body);
			bc_memory_offer_body(hooks[i].name, body);
		}
	}
	if (missing)
		pr_err("%d of %zu hooks are missing: not loaded, since what is allocated there would never be charged or never be freed. scripts/scan-hooks shows the allocator's entry points of a kernel\n",
		       missing, ARRAY_SIZE(hooks));
	return missing ? -ENOENT : 0;
}

unsigned long bc_hook_site(unsigned long function)
{
	return static_call(bc_ftrace_location)(function);
}

int bc_direct_attach(struct bc_direct *direct, void (*trampoline)(void))
{
	int ret;

	memset(&direct->ops, 0, sizeof(direct->ops));
	direct->trampoline = (unsigned long)trampoline;
	ret = ftrace_set_filter_ip(&direct->ops, direct->site, 0, 0);
	if (!ret)
		ret = bc_register_direct(&direct->ops, direct->trampoline);
	if (ret) {
		ftrace_free_filter(&direct->ops);
		return ret;
	}
	/*
	 * sysctl kernel.ftrace_enabled=0 would silently take the hooks away; with this flag it is refused with EBUSY.
	 * Registering has just set the flags anew, hence here (kernel/trace/ftrace.c, 6.1 and 6.12).
	 */
	direct->ops.flags |= FTRACE_OPS_FL_PERMANENT;
	WRITE_ONCE(direct->attached, true); /* is_in_place() looks without a lock */
	return 0;
}

int bc_direct_detach(struct bc_direct *direct)
{
	int ret;

	if (!direct->attached)
		return 0;
	direct->ops.flags &= ~FTRACE_OPS_FL_PERMANENT;
	ret = bc_unregister_direct(&direct->ops, direct->trampoline);
	WRITE_ONCE(direct->attached, ret != 0);
	return ret;
}

/*
 * Does the function call at its site? While our registration stands nobody else's direct call or change of the way fits there: what is called is
 * our trampoline, or a tracer's, from which ftrace goes on to ours. That is true after ftrace_kill(), too, which leaves the text as it is. Being
 * patched, the site begins with a breakpoint, and ftrace changes one call for another there: what detaches has said so before.
 */
static bool is_in_place(const struct bc_hook *hook)
{
	u8 first;

	if (!READ_ONCE(hook->direct.attached))
		return false;
	first = READ_ONCE(*(const u8 *)hook->direct.site);
	return first == CALL_INSN_OPCODE || first == INT3_INSN_OPCODE;
}

u32 bc_hooks_in_place(void)
{
	u32 count = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		count += is_in_place(&hooks[i]);
	return count;
}

static unsigned long no_direct(unsigned long site)
{
	return 0;
}
DEFINE_STATIC_CALL(bc_find_rec_direct, no_direct);

/* A BPF program's trampoline has a symbol, too. Who changes where the function goes has none there that could be asked for. */
static void say_who(const struct bc_hook *hook)
{
	unsigned long find = bc_lookup("ftrace_find_rec_direct"), owner;
	char name[KSYM_SYMBOL_LEN];

	if (find)
		static_call_update(bc_find_rec_direct, (void *)find);
	owner = static_call(bc_find_rec_direct)(hook->direct.site);
	if (owner) {
		/* A byte further: the kernel takes the end of what BPF has before it for a part of that (kernel/bpf/core.c, bpf_tree_comp()). */
		bc_symbol(owner + 1, name, sizeof(name));
		pr_err("%s: another direct user of ftrace is there already: %s. It is a BPF program of type fentry, fexit or fmod_ret, or another module: see bpftool prog, lsmod. Only one fits\n",
		       hook->name, name);
	} else {
		pr_err("%s: another direct user of ftrace is there already: a livepatch, see /sys/kernel/livepatch, or a kprobe that leads elsewhere, see /sys/kernel/debug/kprobes/list. Only one fits\n",
		       hook->name);
	}
}

static int attach(struct bc_hook *hook)
{
	int ret = bc_direct_attach(&hook->direct, bc_core_is_flat() ? hook->flat : hook->chunks);

	if (ret == -EBUSY)
		say_who(hook);
	else if (ret)
		pr_err("%s: hook refused (%d)\n", hook->name, ret);
	if (ret)
		return ret;
	/* From here on it cannot be switched off. Just before, it could. */
	if (!is_in_place(hook)) {
		pr_err("%s: the hook is registered but not in place: was ftrace switched off just now?\n", hook->name);
		return -ENODEV;
	}
	return 0;
}

int bc_hooks_attach(void)
{
	int i, ret, cpu;

	/* not by its definition: relocations in a module's per-CPU section are not applied (kernel/module/main.c) */
	for_each_possible_cpu(cpu)
		per_cpu(bc_this_cpu, cpu).last = bc_cpu_nobody;
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		ret = attach(&hooks[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static s64 in_flight(void)
{
	s64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(bc_this_cpu, cpu).in_flight);
	return sum;
}

/*
 * Afterwards no CPU executes and no task will return to the module's text by a hook, unless it returns an error. The references' hooks
 * (references.c) go with those of the allocator, so that all wait once.
 *
 * Allocations go first: an object charged later than its free hook went would never be uncharged. Then
 *  - synchronize_rcu_tasks(): who was in a trampoline, before its wrapper counted itself, has left it or is counted;
 *  - the count falls to zero: nobody sleeps in an original any more that a wrapper called;
 *  - synchronize_rcu_tasks() again: who was between the end of its count and its return has returned;
 *  - synchronize_rcu(): so have sections with preemption off, and interrupts of the idle task, which the former do not wait for.
 */
int bc_hooks_detach(void)
{
	int i, stuck = 0, waited = 0;

	for (i = ARRAY_SIZE(hooks) - 1; i >= 0; i--) {
		if (bc_direct_detach(&hooks[i].direct)) {
			pr_err("%s: the hook cannot be taken away\n", hooks[i].name);
			stuck++;
		}
	}
	stuck += bc_references_detach();
	if (stuck)
		return -EBUSY;

	synchronize_rcu_tasks();
	while (in_flight() != 0) {
		if (++waited % 1000 == 100) { /* a second, and then each ten */
			pr_info("%lld allocations are asleep inside the allocator: rmmod waits for them\n", in_flight());
			bc_name_sleepers();
		}
		msleep(10);
	}
	synchronize_rcu_tasks();
	synchronize_rcu();
	return 0;
}
