// SPDX-License-Identifier: GPL-2.0
/*
 * What happens in the kernel that the core has to hear of: tasks that start and end, caches that are destroyed, modules that go.
 */
#include <linux/cgroup.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>
#include <trace/events/sched.h>

#include "shim.h"

static struct pid_namespace *top_namespace(const struct pid *pid)
{
	return pid && pid->level > 0 ? pid->numbers[1].ns : NULL;
}

/* ---- tasks */

/* What a task lives on, by the functions that make it. Resolved when loading; 0 shows as what it is, an unknown site. */
static struct {
	const char *name;
	unsigned long address;
} makers[] = {
	{ "copy_process" }, { "copy_process" }, { "copy_process" }, { "prepare_creds" }, { "alloc_pid" },
};

/*
 * A container's first task, and one that enters it by setns(), are made by a parent outside: what they live on is charged to
 * the container all the same. The child does not run yet, and what is looked at here is its own.
 */
static void give_task(const struct pid_namespace *ns, struct task_struct *child)
{
	const void *parts[] = {
		child,
		thread_group_leader(child) ? child->signal : NULL,
		refcount_read(&child->sighand->count) == 1 ? child->sighand : NULL,
		child->cred != current->cred ? child->cred : NULL,
		task_pid(child),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i])
			bc_object_given(ns, parts[i], makers[i].address);
	}
}

static void on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	struct pid_namespace *ns = top_namespace(task_pid(child));
	u32 id;

	bc_stack_of_new_task(child);
	if (likely(!ns))
		return;
	id = bc_task_forked(ns, pid_nr(task_pid(child)), child->comm, false);
	if (top_namespace(task_pid(current)) != ns)
		give_task(ns, child);
	if (id)
		bc_face_soon(id);
}

static void on_exit_of(void *data, struct task_struct *task)
{
	struct pid *tgid = task_tgid(task);
	struct pid_namespace *ns = top_namespace(tgid);

	bc_loader_exits();
	/*
	 * The namespace's pid 1 ends with its last thread, which need not be the leader: signal->live has just been
	 * lowered for this one (kernel/exit.c, do_exit()).
	 */
	if (unlikely(ns) && tgid->numbers[1].nr == 1 && atomic_read(&task->signal->live) == 0)
		bc_init_exited(ns);
}

/* Tracepoints are not exported to modules by name: found by walking them all. */
static struct event {
	const char *name;
	void *probe;
	struct tracepoint *tp;
	bool registered;
} tracepoints[] = {
	{ "sched_process_fork", on_fork },
	{ "sched_process_exit", on_exit_of },
};

static void find_tracepoint(struct tracepoint *tp, void *data)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(tracepoints); i++) {
		if (!strcmp(tp->name, tracepoints[i].name))
			tracepoints[i].tp = tp;
	}
}

static void found(struct pid_namespace *ns, s32 pid, const char *comm)
{
	if (bc_task_forked(ns, pid, comm, true))
		bc_pool_fill(GFP_NOWAIT);
}

/* Containers that are older than the module. Nothing can appear unseen meanwhile: the fork tracepoint is on already. */
static void find_containers(void)
{
	char comm[TASK_COMM_LEN];
	struct task_struct *p;

	rcu_read_lock();
	for_each_process(p) {
		struct pid *pid = READ_ONCE(p->thread_pid);
		struct pid_namespace *ns = top_namespace(pid);

		if (ns && pid->numbers[1].nr == 1) {
			bc_comm_of(p, comm, sizeof(comm));
			found(ns, pid_nr(pid), comm);
		}
	}
	/* and those whose pid 1 was hidden from that walk */
	for_each_process(p) {
		struct pid_namespace *ns = top_namespace(READ_ONCE(p->thread_pid));

		if (ns)
			found(ns, 0, "");
	}
	rcu_read_unlock();
}

/* Of the number or the next after it. False: there is none. */
static bool look_for_zombie(struct pid_namespace *ns, int *nr, struct bc_tasks *out)
{
	struct task_struct *p, *parent;
	struct pid *pid;

	rcu_read_lock();
	pid = idr_get_next(&ns->idr, nr);
	p = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;
	if (p && READ_ONCE(p->exit_state) == EXIT_ZOMBIE) {
		parent = rcu_dereference(p->real_parent);
		out->zombie = task_pid_nr(p);
		out->parent = task_pid_nr(parent);
		bc_comm_of(parent, out->parent_comm, sizeof(out->parent_comm));
	}
	rcu_read_unlock();
	return pid;
}

/* By the namespace's own numbers, and only to the first: there may be thousands of such containers, and of other processes. */
void bc_pidns_tasks(const void *data, struct bc_tasks *out, bool search)
{
	struct pid_namespace *ns = (struct pid_namespace *)data;
	int nr;

	memset(out, 0, sizeof(*out));
	out->pids = READ_ONCE(ns->pid_allocated) & ~PIDNS_ADDING;
	for (nr = 1; out->pids && search && !out->zombie && look_for_zombie(ns, &nr, out); nr++)
		cond_resched();
}

void bc_task_face(s32 host_pid, const void *data, char *comm, unsigned long comm_len, char *cgroup, unsigned long cgroup_len)
{
	struct task_struct *p;

	rcu_read_lock();
	p = host_pid > 0 ? pid_task(find_pid_ns(host_pid, &init_pid_ns), PIDTYPE_TGID) : NULL;
	if (p && top_namespace(READ_ONCE(p->thread_pid)) == data) {
		bc_comm_of(p, comm, comm_len);
		cgroup_path(task_dfl_cgroup(p), cgroup, cgroup_len);
	}
	rcu_read_unlock();
}

u32 bc_pidns_inum(const void *ns)
{
	return ((const struct pid_namespace *)ns)->ns.inum;
}

bool bc_pidns_alive(const void *ns)
{
	return READ_ONCE(((const struct pid_namespace *)ns)->pid_allocated) & PIDNS_ADDING;
}

bool bc_pidns_of_user(const void *ns)
{
	return ((const struct pid_namespace *)ns)->user_ns != &init_user_ns;
}

/*
 * Who makes a container calls this after he has published it; on_exit_of() looks for the container after the last thread has been
 * counted out of signal->live. One of the two sees the other: the barrier is between a store and a load, as the atomic in do_exit() is.
 *
 * A namespace that still takes pids has not reaped its child_reaper before this section began (kernel/pid_namespace.c,
 * zap_pid_ns_processes() runs in its exit), so that it and its signal_struct stay until the section's end.
 */
bool bc_pidns_ending(const void *data)
{
	const struct pid_namespace *ns = data;
	const struct task_struct *reaper;
	bool ending = true;

	smp_mb();
	rcu_read_lock();
	if (bc_pidns_alive(ns)) {
		reaper = READ_ONCE(ns->child_reaper);
		ending = reaper && atomic_read(&reaper->signal->live) == 0;
	}
	rcu_read_unlock();
	return ending;
}

void bc_pidns_get(const void *ns)
{
	get_pid_ns((struct pid_namespace *)ns);
}

void bc_pidns_put(const void *ns)
{
	put_pid_ns((struct pid_namespace *)ns);
}

DECLARE_PER_CPU(struct bc_cpu, bc_this_cpu);

void bc_cpu_forget(const void *container)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(bc_this_cpu, cpu).last, (void *)container, bc_cpu_nobody);
}

void bc_current_task(s32 *host_pid, char *comm)
{
	*host_pid = task_pid_nr(current);
	bc_comm_of(current, comm, TASK_COMM_LEN);
}

/* ---- accepted sockets */

/*
 * The socket of an incoming connection is a clone of its listener, made in softirq, where nobody is charged: it goes to whoever
 * is charged for the listener. Not refused: the handshake is over. sk_clone_lock(): net/core/sock.c
 */
static unsigned long sk_clone;

static int on_clone(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const void *listener = (const void *)regs->di;

	*(const void **)instance->data = listener;
	return !bc_object_charged(listener); /* nobody's: its return is of no interest */
}

static int on_cloned(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const void *clone = (const void *)regs_return_value(regs);

	if (clone)
		bc_object_like(clone, *(const void **)instance->data, sk_clone);
	return 0;
}

static struct kretprobe clone_probe = {
	.kp.symbol_name = "sk_clone_lock",
	.entry_handler = on_clone,
	.handler = on_cloned,
	.data_size = sizeof(void *),
};
static bool clone_probed;

/* ---- caches and modules */

static int on_cache_destroy(struct kprobe *probe, struct pt_regs *regs)
{
	if (regs->di)
		bc_cache_gone((void *)regs->di);
	return 0;
}

/* Not kmem_cache_destroy(): of a merged cache that says that one of its users goes (mm/slab_common.c, refcount, 6.1 and 6.12). */
static struct kprobe cache_destroy = {
	.symbol_name = "__kmem_cache_shutdown",
	.pre_handler = on_cache_destroy,
};

static int on_module(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *mod = data;

	if (state == MODULE_STATE_GOING)
		bc_text_going(bc_text_start(mod), bc_text_end(mod));
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = { .notifier_call = on_module };

static bool probed, notified;

void bc_events_exit(void)
{
	int i;

	bc_loaders_exit();
	for (i = 0; i < ARRAY_SIZE(tracepoints); i++) {
		if (tracepoints[i].registered)
			tracepoint_probe_unregister(tracepoints[i].tp, tracepoints[i].probe, NULL);
		tracepoints[i].registered = false;
	}
	tracepoint_synchronize_unregister();
	bc_faces_not_soon();
	if (clone_probed)
		unregister_kretprobe(&clone_probe);
	clone_probed = false;
	if (probed)
		unregister_kprobe(&cache_destroy);
	if (notified)
		unregister_module_notifier(&module_notifier);
	probed = notified = false;
}

int bc_events_init(void)
{
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(makers); i++)
		makers[i].address = bc_lookup(makers[i].name);
	sk_clone = bc_lookup("sk_clone_lock");
	bc_face_soon_init();
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	for (i = 0; i < ARRAY_SIZE(tracepoints); i++) {
		if (!tracepoints[i].tp) {
			pr_err("the kernel has no tracepoint %s\n", tracepoints[i].name);
			ret = -ENOENT;
			goto fail;
		}
		ret = tracepoint_probe_register(tracepoints[i].tp, tracepoints[i].probe, NULL);
		if (ret) {
			pr_err("tracepoint %s: %d\n", tracepoints[i].name, ret);
			goto fail;
		}
		tracepoints[i].registered = true;
	}
	ret = register_kprobe(&cache_destroy);
	if (ret) {
		pr_err("no kprobe on __kmem_cache_shutdown (%d)\n", ret);
		goto fail;
	}
	probed = true;
	clone_probe.maxactive = 2 * num_possible_cpus(); /* no preemption in there: one each, and one more */
	ret = register_kretprobe(&clone_probe);
	if (ret) {
		pr_err("no kretprobe on sk_clone_lock (%d)\n", ret);
		goto fail;
	}
	clone_probed = true;
	ret = register_module_notifier(&module_notifier);
	if (ret)
		goto fail;
	notified = true;
	ret = bc_loaders_init();
	if (ret)
		goto fail;
	find_containers();
	bc_all_are_seen();
	return 0;
fail:
	bc_events_exit();
	return ret;
}
