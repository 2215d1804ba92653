// SPDX-License-Identifier: GPL-2.0
/*
 * Sees references of struct user_struct and struct ucounts being taken and put.
 *
 * Puts, and most gets of ucounts, are calls: a hook on the function. get_uid() is inlined, a `lock xadd` on the count. In the
 * functions that are known to contain one each 32-bit `lock xadd` (and `lock addl $1` for ucounts) is probed that could be meant
 * by its offset, and what it adds to is looked at when it is executed: it counts if that is the task's own user, or one that is
 * watched. Other counts at offset 0 there, a key's say, are neither.
 *
 * A kernel that found one CPU has overwritten each of its lock prefixes by one that does nothing, and puts them back when another CPU
 * comes (alternatives_enable_smp()). A copy of such an instruction, which is what a probe executes, would stay without: there it is the
 * next one that is probed.
 *
 * What is rare is seen by kprobes, which are there for a great many others at a time. They take some 200 instructions each, of every
 * task: the frequent ones have direct calls (reference_hooks.h), where nobody else has one. Then those are kprobes, too.
 *
 * A put that is the last thing a function does is a jump: what called that function is found on the stack, and which function
 * it was in the call itself.
 */
#include <linux/cred.h>
#include <linux/kprobes.h>
#include <linux/pid_namespace.h>
#include <linux/preempt.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "instructions.h"
#include "shim.h"

enum way {
	PUT,	     /* the object is the first argument */
	GET,	     /* likewise */
	GET_RETURNED, /* the object is what it returns: one that it found, or made */
	GET_INLINED, /* see above */
	GET_OWN,     /* likewise; the first thing that it does, and of the task's own user */
	GET_BOTH,    /* likewise, of the task's own user; right before it calls get_ucounts() */
};

static const struct watched {
	const char *function;
	enum bc_reference_kind kind;
	enum way way;
} watched[] = {
	{ "free_uid", BC_REFERENCE_USER, PUT },
	{ "alloc_uid", BC_REFERENCE_USER, GET_RETURNED },
	{ "find_user", BC_REFERENCE_USER, GET_RETURNED },
	{ "prepare_kernel_cred", BC_REFERENCE_USER, GET_INLINED },
	{ "key_change_session_keyring", BC_REFERENCE_USER, GET_INLINED },
	{ "alloc_pipe_info", BC_REFERENCE_USER, GET_OWN },
	{ "do_epoll_create", BC_REFERENCE_USER, GET_INLINED },
	{ "ep_alloc", BC_REFERENCE_USER, GET_INLINED },
	{ "__scm_send", BC_REFERENCE_USER, GET_INLINED },
	{ "scm_fp_copy", BC_REFERENCE_USER, GET_INLINED },
	{ "scm_fp_dup", BC_REFERENCE_USER, GET_INLINED },
	{ "mm_account_pinned_pages", BC_REFERENCE_USER, GET_INLINED },
	{ "io_uring_setup", BC_REFERENCE_USER, GET_INLINED },
	{ "io_uring_create", BC_REFERENCE_USER, GET_INLINED },
	{ "secretmem_file_create", BC_REFERENCE_USER, GET_INLINED },
	{ "xdp_umem_create", BC_REFERENCE_USER, GET_INLINED },
	{ "perf_mmap", BC_REFERENCE_USER, GET_INLINED },
	{ "bpf_prog_load", BC_REFERENCE_USER, GET_INLINED },
	{ "put_ucounts", BC_REFERENCE_UCOUNTS, PUT },
	{ "get_ucounts", BC_REFERENCE_UCOUNTS, GET },
	{ "prepare_creds", BC_REFERENCE_USER, GET_BOTH },
	{ "alloc_ucounts", BC_REFERENCE_UCOUNTS, GET_RETURNED },
	{ "inc_ucount", BC_REFERENCE_UCOUNTS, GET_RETURNED },
	{ "inc_rlimit_get_ucounts", BC_REFERENCE_UCOUNTS, GET_INLINED },
};

#define MOST_INLINED 8 /* in one function */
#define MOST_PROBES (ARRAY_SIZE(watched) * MOST_INLINED)
#define MOST_BEFORE_GET 64 /* bytes of a function that can only be its beginning */

struct probe {
	struct kprobe kp;
	const struct watched *what;
	u8 base;    /* GET_INLINED: the register that points to the count's object, 0 to 15 as the processor counts */
	bool after; /* likewise: the count has been raised */
};

struct return_probe {
	struct kretprobe rp;
	const struct watched *what;
};

static struct probe *probes;
static struct kprobe **pointers; /* to them */
static unsigned int probe_count;
static struct return_probe return_probes[ARRAY_SIZE(watched)];
static unsigned int return_probe_count;

#define BC_REFERENCE_HOOK(number, fn, way, count) extern void bc_tramp_##fn(void);
#include "reference_hooks.h"
#undef BC_REFERENCE_HOOK

/* Where the function that is GET_OWN takes the reference. */
unsigned long bc_own_get;

/* Those by direct calls. Their number is their place. */
static struct hooked {
	const char *function;
	void (*trampoline)(void);
	const struct watched *what;
	unsigned long start; /* of the function */
	/* GET_BOTH: the caller that has just taken a reference of the task's own user */
	const struct watched *both;
	unsigned long both_start, both_end;
	struct bc_direct direct;
} hooked[] = {
#define BC_REFERENCE_HOOK(number, fn, way, count) [number] = { .function = #fn, .trampoline = bc_tramp_##fn },
#include "reference_hooks.h"
#undef BC_REFERENCE_HOOK
};

/* Whose puts and gets are its own affair: what it returns is a reference or not. */
static struct {
	unsigned long start, end;
} inner[2];

static bool is_inner(unsigned long caller)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(inner); i++) {
		if (caller >= inner[i].start && caller < inner[i].end)
			return true;
	}
	return false;
}

static u32 count_offset(enum bc_reference_kind kind)
{
	return kind == BC_REFERENCE_USER ? offsetof(struct user_struct, __count) : offsetof(struct ucounts, count);
}

static s64 count_of(enum bc_reference_kind kind, const void *object)
{
	return READ_ONCE(*(const int *)(object + count_offset(kind)));
}

static const void *task_namespace(void)
{
	const struct pid *pid = in_task() ? READ_ONCE(current->thread_pid) : NULL;

	return pid && pid->level > 0 ? pid->numbers[1].ns : NULL;
}

/* The call before `caller` went to `entered`, or to a function that jumped there: that one's address, else 0. */
static unsigned long jumped_from(unsigned long caller, unsigned long entered)
{
	unsigned long target;

	if (!bc_call_at(caller - BC_CALL_LENGTH, &target))
		return 0;
	/* a kprobe on a function's first instruction may stand behind its endbr */
	return target == entered || target + ENDBR_INSN_SIZE == entered || target == entered + ENDBR_INSN_SIZE ? 0 : target;
}

static void reference(const struct watched *what, const void *object, unsigned long caller, unsigned long callee, bool get,
		      bool made, s64 count)
{
	struct bc_reference event = {
		.object = object,
		.ns = task_namespace(),
		.caller = caller,
		.callee = callee,
		.count = count,
		.kind = what->kind,
		.get = get,
		.made = made,
	};

	bc_reference_event(&event);
}

static void on_entered(const struct watched *what, const void *object, unsigned long caller, unsigned long function)
{
	bool get = what->way != PUT;

	if (object && !is_inner(caller))
		reference(what, object, caller, get ? 0 : jumped_from(caller, function), get, false,
			  count_of(what->kind, object) + get);
}

static int on_call(struct kprobe *kp, struct pt_regs *regs)
{
	on_entered(container_of(kp, struct probe, kp)->what, (const void *)regs->di, *(unsigned long *)regs->sp,
		   (unsigned long)kp->addr);
	return 0;
}

/* From reference_trampolines.S, where it has not been counted: it is a container's, or the object may be one that is watched. */
void bc_reference_hooked(const void *object, unsigned long caller, u32 number, const void *ns);
void bc_reference_hooked(const void *object, unsigned long caller, u32 number, const void *ns)
{
	const struct hooked *hook = &hooked[number];
	const struct watched *what = hook->what, *both = smp_load_acquire(&hook->both);
	const void *user;

	if (what->way == GET_OWN)
		reference(what, object, caller, 0, true, false, count_of(what->kind, object) + 1);
	else if (what->way == PUT || !bc_reference_known(object, caller, ns, true))
		on_entered(what, object, caller, hook->start);
	if (both && caller >= hook->both_start && caller < hook->both_end) {
		user = current->cred->user;
		if (!bc_reference_known(user, caller, ns, true))
			reference(both, user, caller, 0, true, false, count_of(both->kind, user));
	}
}

static unsigned long register_of(const struct pt_regs *regs, u8 number)
{
	static const u8 offsets[] = {
		offsetof(struct pt_regs, ax), offsetof(struct pt_regs, cx), offsetof(struct pt_regs, dx),
		offsetof(struct pt_regs, bx), offsetof(struct pt_regs, sp), offsetof(struct pt_regs, bp),
		offsetof(struct pt_regs, si), offsetof(struct pt_regs, di), offsetof(struct pt_regs, r8),
		offsetof(struct pt_regs, r9), offsetof(struct pt_regs, r10), offsetof(struct pt_regs, r11),
		offsetof(struct pt_regs, r12), offsetof(struct pt_regs, r13), offsetof(struct pt_regs, r14),
		offsetof(struct pt_regs, r15),
	};

	return *(const unsigned long *)((const void *)regs + offsets[number]);
}

static bool is_own(enum bc_reference_kind kind, const void *object)
{
	const struct cred *cred = current->cred, *real = current->real_cred;

	if (kind == BC_REFERENCE_USER)
		return object == cred->user || object == real->user;
	return object == cred->ucounts || object == real->ucounts;
}

static int on_inlined(struct kprobe *kp, struct pt_regs *regs)
{
	const struct probe *probe = container_of(kp, struct probe, kp);
	const struct watched *what = probe->what;
	const void *object = (const void *)register_of(regs, probe->base);

	if (!is_own(what->kind, object) && !bc_reference_watched(object))
		return 0;
	reference(what, object, (unsigned long)kp->addr, 0, true, false, count_of(what->kind, object) + !probe->after);
	return 0;
}

/* By the stack: the instance has its return address only afterwards, and until then another call's (pre_handler_kretprobe()). */
static int on_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	return is_inner(*(unsigned long *)regs->sp);
}

static int on_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct return_probe *probe = container_of(get_kretprobe(instance), struct return_probe, rp);
	const void *object = (const void *)regs_return_value(regs);

	if (object)
		reference(probe->what, object, get_kretprobe_retaddr(instance), 0, true, true,
			  count_of(probe->what->kind, object));
	return 0;
}

static int add_probe(const struct watched *what, unsigned long addr, kprobe_pre_handler_t handler, u8 base, bool after)
{
	struct probe *probe = &probes[probe_count];
	int ret;

	probe->kp.addr = (kprobe_opcode_t *)addr;
	probe->kp.pre_handler = handler;
	probe->what = what;
	probe->base = base;
	probe->after = after;
	ret = register_kprobe(&probe->kp);
	if (ret)
		memset(probe, 0, sizeof(*probe));
	else
		pointers[probe_count++] = &probe->kp;
	return ret;
}

/* What only looks like the instruction, because it begins inside another one, is refused by register_kprobe(). */
static unsigned int probe_inlined(const struct watched *what, unsigned long start, unsigned long end)
{
	unsigned int found = 0;
	unsigned long addr;
	struct bc_increment get;

	for (addr = start; addr + BC_MOST_INCREMENT <= end && found < MOST_INLINED; addr++) {
		if (!bc_increment_at(addr, count_offset(what->kind), &get))
			continue;
		found += !add_probe(what, get.locked ? addr : addr + get.length, on_inlined, get.base, !get.locked);
	}
	return found;
}

/*
 * Where a function takes a reference of the task's own user as the first thing it does: 0 if that is not certain, since it has more
 * than one that could be it, or something goes before it (a call, in a kernel with sanitizers).
 */
static unsigned long own_get(unsigned long start, unsigned long end)
{
	unsigned long addr, at = 0;
	struct bc_increment get;

	for (addr = start; addr + BC_MOST_INCREMENT <= end; addr++) {
		if (!bc_increment_at(addr, count_offset(BC_REFERENCE_USER), &get))
			continue;
		if (at)
			return 0;
		at = addr;
	}
	return at - start <= MOST_BEFORE_GET ? at : 0;
}

/* What get_ucounts() is called by, if that is hooked. */
static bool hook_both(const struct watched *what, unsigned long start, unsigned long end)
{
	struct hooked *hook = NULL;
	int i;

	for (i = 0; i < ARRAY_SIZE(hooked); i++) {
		if (!strcmp(hooked[i].function, "get_ucounts"))
			hook = &hooked[i];
	}
	if (!hook || !hook->direct.attached || !bc_has_call(start, end, hook->start))
		return false;
	hook->both_start = start;
	hook->both_end = end;
	smp_store_release(&hook->both, what); /* the hook is in place already */
	return true;
}

/* True where it is not for kprobes any more. */
static bool hook_function(const struct watched *what, unsigned long start, unsigned long end)
{
	struct hooked *hook;
	int i, ret;

	if (what->way == GET_BOTH)
		return hook_both(what, start, end);
	for (i = 0; i < ARRAY_SIZE(hooked); i++) {
		if (!strcmp(hooked[i].function, what->function))
			break;
	}
	if (i == ARRAY_SIZE(hooked))
		return false;
	hook = &hooked[i];
	hook->what = what;
	hook->start = start;
	hook->direct.site = bc_hook_site(start);
	if (!hook->direct.site)
		return false;
	if (what->way == GET_OWN) {
		bc_own_get = own_get(start, end);
		if (!bc_own_get)
			return false;
	}
	ret = bc_direct_attach(&hook->direct, hook->trampoline);
	if (!ret)
		return true;
	if (ret == -EBUSY)
		pr_info("%s: another direct user of ftrace is there: watched by a kprobe, which takes longer\n", what->function);
	else
		pr_info("%s: hook refused (%d): watched by a kprobe, which takes longer\n", what->function, ret);
	return false;
}

/* gcc's names for parts and copies of a function */
static const char *const suffixes[] = { "", ".constprop.0", ".isra.0", ".part.0", ".cold" };

static unsigned int probe_function(const struct watched *what)
{
	struct return_probe *probe;
	unsigned long start, end;
	unsigned int found = 0;
	char name[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(name, sizeof(name), "%s%s", what->function, suffixes[i]);
		if (!bc_lookup_range(name, &start, &end))
			continue;
		if (i == 0 && hook_function(what, start, end))
			return 1;
		switch (what->way) {
		case GET_INLINED:
		case GET_OWN:
		case GET_BOTH:
			found += probe_inlined(what, start, end);
			continue;
		case PUT:
		case GET:
			return !add_probe(what, start, on_call, 0, false);
		case GET_RETURNED:
			probe = &return_probes[return_probe_count];
			probe->rp = (struct kretprobe){
				.kp.addr = (kprobe_opcode_t *)start,
				.entry_handler = on_entry,
				.handler = on_return,
				/* alloc_ucounts() may sleep: as many tasks at a time as are likely to */
				.maxactive = 64 + 4 * num_possible_cpus(),
			};
			probe->what = what;
			if (register_kretprobe(&probe->rp))
				return 0;
			return_probe_count++;
			return 1;
		}
	}
	return found;
}

int bc_references_init(void)
{
	int i, missing = 0;

	bc_lookup_range("inc_ucount", &inner[0].start, &inner[0].end);
	bc_lookup_range("alloc_ucounts", &inner[1].start, &inner[1].end);
	probes = kcalloc(MOST_PROBES, sizeof(*probes), GFP_KERNEL);
	pointers = kcalloc(MOST_PROBES, sizeof(*pointers), GFP_KERNEL);
	if (!probes || !pointers)
		return -ENOMEM; /* the caller detaches */

	for (i = 0; i < ARRAY_SIZE(watched); i++) {
		if (probe_function(&watched[i]))
			continue;
		/* One that this kernel has inlined elsewhere, or was built without, has no reference to lose by itself. */
		if (watched[i].way == GET_INLINED || watched[i].way == GET_OWN || watched[i].way == GET_BOTH)
			continue;
		pr_err("%s: no probe on it, and without it the audit of references is worth nothing; references=0 goes without the audit\n",
		       watched[i].function);
		missing++;
	}
	return missing ? -ENOENT : 0;
}

int bc_references_detach(void)
{
	int i, stuck = 0;

	for (i = 0; i < ARRAY_SIZE(hooked); i++) {
		if (!bc_direct_detach(&hooked[i].direct))
			continue;
		pr_err("%s: the hook cannot be taken away\n", hooked[i].function);
		stuck++;
	}
	return stuck;
}

/* The probes. */
void bc_references_exit(void)
{
	static struct kretprobe *returns[ARRAY_SIZE(watched)];
	unsigned int i;

	for (i = 0; i < return_probe_count; i++)
		returns[i] = &return_probes[i].rp;
	/* all at once: each alone waits for a grace period */
	if (probe_count)
		unregister_kprobes(pointers, probe_count);
	if (return_probe_count)
		unregister_kretprobes(returns, return_probe_count);
	probe_count = return_probe_count = 0;
	kfree(probes);
	kfree(pointers);
	probes = NULL;
	pointers = NULL;
}
