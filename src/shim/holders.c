// SPDX-License-Identifier: GPL-2.0
/*
 * Who outside refers to a survivor: everything that the living tasks have by their open files, mappings, directories, credentials and
 * pending signals. What the pointers mean is not asked; whoever called us knows which objects it looks for.
 *
 * Tasks, their credentials and their files are held while they are looked at; what is behind them is copied without faulting. No lock is
 * held meanwhile, but that of the mappings. A list that changes just where it is read, or has no end, is not walked to its end, and whoever
 * asked is told.
 */
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/nsproxy.h>
#include <linux/pid_namespace.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "keeper.h"

#define MOST_TRIES 8 /* of a lock that is not waited for */

struct search {
	struct keeper keeper;
	struct bc_keyrings keyrings;
	const void *ipc_ns; /* that was looked at last */
	struct bc_netns nets;
};

static void refers(struct search *search, const void *pointer)
{
	keeps(&search->keeper, pointer);
}

/* The first from there on that is open, to be put. */
static struct file *next_file(struct task_struct *task, unsigned int *fd)
{
	struct file *file;

	rcu_read_lock();
#if BC_KERNEL_6_12
	file = task_lookup_next_fdget_rcu(task, fd);
#else
	while ((file = task_lookup_next_fd_rcu(task, fd)) && !get_file_rcu(file))
		++*fd; /* closed just now */
#endif
	rcu_read_unlock();
	return file;
}

static void files_refer(struct search *search, struct task_struct *task)
{
	struct file *file;
	unsigned int fd;

	for (fd = 0; (file = next_file(task, &fd)); fd++) {
		search->keeper.holder.fd = fd;
		bc_file_refers(file, &search->ipc_ns, &search->keeper);
		bc_namespace_file_refers(file, &search->nets, &search->ipc_ns, &search->keeper);
		fput(file);
		cond_resched();
	}
	search->keeper.holder.fd = -1;
}

/* What describes a part of memory is whoever's was the first to need it: another's, who writes there through /proc/PID/mem. */
static bool anonymous_refers(struct search *search, const struct vm_area_struct *vma, const struct anon_vma *own)
{
	const struct list_head *node = &vma->anon_vma_chain;
	const struct anon_vma *anon_vma;

	refers(search, own);
	while (next_of_list(&search->keeper, &vma->anon_vma_chain, &node)) {
		const struct anon_vma_chain *link = list_entry(node, struct anon_vma_chain, same_vma);

		refers(search, link);
		if (!GET(anon_vma, &link->anon_vma))
			return false;
		refers(search, anon_vma);
		if (GET(anon_vma, &anon_vma->root))
			refers(search, anon_vma);
	}
	return node;
}

/* With its address space's lock. A mapping may itself be another's, who shares the address space (CLONE_VM). */
static void mapping_refers(struct search *search, const struct vm_area_struct *vma)
{
	const struct anon_vma *anon_vma = READ_ONCE(vma->anon_vma);

	refers(search, vma);
	if (anon_vma)
		walked(&search->keeper, "anon_vma", anonymous_refers(search, vma, anon_vma));
#ifdef CONFIG_NUMA
	refers(search, READ_ONCE(vma->vm_policy));
#endif
#ifdef CONFIG_USERFAULTFD
	refers(search, READ_ONCE(vma->vm_userfaultfd_ctx.ctx));
#endif
}

/* Not waited for: whoever has it may wait for what our worker does. */
static bool lock_mappings(struct search *search, struct mm_struct *mm)
{
	int tries;

	for (tries = 0; !mmap_read_trylock(mm); tries++) {
		if (tries == MOST_TRIES || search->keeper.torn)
			return walked(&search->keeper, "mmap_lock", false);
		usleep_range(200, 400);
	}
	return true;
}

/* A file that is mapped need not be open any more. */
static void mappings_refer(struct search *search, struct task_struct *task)
{
	struct mm_struct *mm = get_task_mm(task);
	const struct file *last = NULL;
	struct vm_area_struct *vma;

	if (!mm)
		return;
	refers(search, mm);
	if (lock_mappings(search, mm)) {
		VMA_ITERATOR(vmas, mm, 0);

		for_each_vma(vmas, vma) {
			const struct file *file = vma->vm_file;

			search->keeper.steps = 0;
			if (file && file != last) {
				bc_file_refers(file, &search->ipc_ns, &search->keeper);
				last = file;
			}
			mapping_refers(search, vma);
			cond_resched();
		}
		page_tables_keep(&search->keeper, mm);
		mmap_read_unlock(mm);
	}
	/* The last would wait for the process's I/O (exit_aio()), with bc_mutex. */
	mmput_async(mm);
}

static void task_refers(struct search *search, struct task_struct *task)
{
	const struct cred *cred = get_task_cred(task);
	const struct ipc_namespace *ipc_ns = NULL;
	const struct net *net = NULL;

	search->keeper.holder.pid = task_pid_nr(task);
	search->keeper.holder.fd = -1;
	bc_comm_of(task, search->keeper.holder.comm, sizeof(search->keeper.holder.comm));
	rcu_read_lock();
	search->keeper.holder.by = "task";
	refers(search, task);
	refers(search, READ_ONCE(task->thread_pid));
	search->keeper.holder.by = "cred";
	cred_keeps(&search->keeper, cred);
	cred_keeps(&search->keeper, rcu_dereference(task->cred)); /* what it does in another's name just now */
	rcu_read_unlock();
	search->keeper.holder.by = "keyring";
	bc_keyrings_refer(cred, &search->keyrings, &search->keeper);
	put_cred(cred);
	search->keeper.holder.by = "clone";
	clone_keeps(&search->keeper, task);
	/* The leader's alone: what it shares with its threads is looked at once. */
	search->keeper.holder.by = "signal";
	list_walked(&search->keeper, "sigpending", &task->pending.list); /* struct sigqueue begins with it */
	if (thread_group_leader(task))
		list_walked(&search->keeper, "sigpending", &task->signal->shared_pending.list);
	task_lock(task);
	if (task->fs) {
		search->keeper.holder.by = "cwd";
		refers(search, READ_ONCE(task->fs->pwd.dentry));
		refers(search, READ_ONCE(task->fs->pwd.mnt));
		search->keeper.holder.by = "root";
		refers(search, READ_ONCE(task->fs->root.dentry));
		refers(search, READ_ONCE(task->fs->root.mnt));
	}
	if (task->nsproxy) {
		search->keeper.holder.by = "namespace";
		refers(search, task->nsproxy->mnt_ns);
		net = task->nsproxy->net_ns;
		refers(search, net);
		ipc_ns = task->nsproxy->ipc_ns;
		refers(search, ipc_ns);
		refers(search, task->nsproxy->uts_ns);
		refers(search, task->nsproxy->cgroup_ns);
	}
	task_unlock(task);
	search->keeper.holder.by = "ipc";
	bc_ipc_refers(ipc_ns, &search->ipc_ns, &search->keeper);
	bc_netns_refers(net, &search->nets, &search->keeper);
}

/*
 * The first from that number on that is no kernel thread, to be put. By number and not along the list of tasks: that one ends where a task
 * ends that is looked at just then. Numbers go up until they wrap around, so that a child is seen after its parent.
 */
static struct task_struct *next_task_from(int *nr)
{
	struct task_struct *task = NULL;
	struct pid *pid;

	rcu_read_lock();
	for (; !task && (pid = idr_get_next(&init_pid_ns.idr, nr)); ++*nr) {
		task = pid_task(pid, PIDTYPE_PID);
		if (task && READ_ONCE(task->flags) & PF_KTHREAD)
			task = NULL;
		if (task)
			get_task_struct(task);
	}
	rcu_read_unlock();
	return task;
}

/* Threads share their leader's, mostly; he may be gone before them. */
static bool has_own_mappings(struct task_struct *task)
{
	const struct mm_struct *leaders;

	rcu_read_lock();
	leaders = data_race(task->group_leader->mm);
	rcu_read_unlock();
	return thread_group_leader(task) || !leaders;
}

static bool has_own_files(struct task_struct *task)
{
	const struct files_struct *leaders;

	rcu_read_lock();
	leaders = data_race(task->group_leader->files);
	rcu_read_unlock();
	return thread_group_leader(task) || data_race(task->files) != leaders;
}

const char *bc_holders(bc_holder_found found, void *context)
{
	struct search search = { .keeper = { .found = found, .context = context } };
	struct task_struct *task;
	const char *torn;
	int nr = 1;

	bc_keyrings_begin(&search.keyrings);
	bc_netns_begin(&search.nets);
	while ((task = next_task_from(&nr))) {
		task_refers(&search, task);
		if (has_own_files(task))
			files_refer(&search, task);
		search.keeper.holder.by = "map";
		if (has_own_mappings(task))
			mappings_refer(&search, task);
		put_task_struct(task);
		cond_resched();
	}
	bc_namespaces_refer(&search.nets, &search.ipc_ns, &search.keeper);
	bc_netns_end(&search.nets);
	bc_keyrings_end(&search.keyrings);
	torn = bc_keepers(found, context);
	return search.keeper.torn ? search.keeper.torn : torn;
}
