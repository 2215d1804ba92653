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
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/fsnotify_backend.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/net.h>
#include <linux/nsproxy.h>
#include <linux/pid_namespace.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/af_unix.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>

#include "keeper.h"

#define MOST_TRIES 8	   /* of a lock that is not waited for */
#define PROC_INODE_WORDS 9 /* of struct proc_inode before its vfs_inode, its pid among them: fs/proc/internal.h */

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

static void list_refers(struct search *search, const char *walk, const struct list_head *list)
{
	search->keeper.steps = 0;
	walked(&search->keeper, walk, list_keeps(&search->keeper, list));
}

/* Its peer's pid and credentials (SO_PEERCRED), and of a unix socket its address, where that is, and its peer. */
static struct sock *sock_refers(struct search *search, struct sock *sk)
{
	const void *pointer;
	unsigned short family;
	struct sock *peer;

	refers(search, sk);
	if (GET(pointer, &sk->sk_peer_pid))
		refers(search, pointer);
	if (GET(pointer, &sk->sk_peer_cred))
		refers(search, pointer);
	if (!GET(family, &sk->sk_family) || family != AF_UNIX)
		return NULL;
	if (GET(pointer, &unix_sk(sk)->addr))
		refers(search, pointer);
	if (GET(pointer, &unix_sk(sk)->path.dentry))
		refers(search, pointer);
	if (GET(pointer, &unix_sk(sk)->path.mnt))
		refers(search, pointer);
	return GET(peer, &unix_sk(sk)->peer) ? peer : NULL;
}

static void queue_refers(struct search *search, const char *walk, const struct sk_buff_head *queue)
{
	const struct sk_buff *skb = (const struct sk_buff *)queue, *next, *back;
	unsigned char *data;

	search->keeper.steps = 0;
	while (GET(next, &skb->next) && GET(back, &next->prev) && back == skb && step(&search->keeper)) {
		if (next == (const struct sk_buff *)queue)
			return;
		skb = next;
		refers(search, skb);
		if (GET(data, &skb->head))
			refers(search, data);
	}
	walked(&search->keeper, walk, false);
}

/* Connections that were made and not yet accepted, and what they were sent: inet_csk_accept(). */
static void listener_refers(struct search *search, struct sock *sk)
{
	struct request_sock *request;
	struct sock *child;
	int left = MOST_STEPS;

	if (!GET(request, &inet_csk(sk)->icsk_accept_queue.rskq_accept_head))
		return;
	while (request) {
		if (GET(child, &request->sk) && child) {
			sock_refers(search, child);
			queue_refers(search, "sk_receive_queue", &child->sk_receive_queue);
		}
		cond_resched();
		if (!walked(&search->keeper, "icsk_accept_queue", --left && GET(request, &request->dl_next)))
			return;
	}
}

/* Who reads from a UDP socket takes all that is there to a queue of its own: __skb_recv_udp(). */
static void inet_refers(struct search *search, struct sock *sk)
{
	unsigned short family, type, protocol;
	unsigned char state;

	if (!GET(family, &sk->sk_family) || (family != AF_INET && family != AF_INET6) || !GET(type, &sk->sk_type) ||
	    !GET(protocol, &sk->sk_protocol) || !GET(state, (const unsigned char *)&sk->sk_state))
		return;
	if (type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE))
		queue_refers(search, "reader_queue", &udp_sk(sk)->reader_queue);
	else if (type == SOCK_STREAM && protocol == IPPROTO_TCP && state == TCP_LISTEN)
		listener_refers(search, sk);
}

/* A unix socket holds its peer, even a dead one (af_unix.c, unix_peer()), and any what was sent and not yet read. */
static void socket_refers(struct search *search, const struct socket *socket)
{
	struct sock *sk, *peer;

	if (!GET(sk, &socket->sk) || !sk)
		return;
	peer = sock_refers(search, sk);
	if (peer)
		sock_refers(search, peer);
	queue_refers(search, "sk_receive_queue", &sk->sk_receive_queue);
	inet_refers(search, sk);
}

/* Credentials hold their user, and he is no leak of whoever was the first to be him. */
void cred_keeps(struct keeper *keeper, const struct cred *cred)
{
	const struct user_namespace *user_ns;
	const struct user_struct *user;
	const struct ucounts *ucounts;

	keeps(keeper, cred);
	if (GET(user, &cred->user))
		keeps(keeper, user);
	if (GET(ucounts, &cred->ucounts))
		keeps(keeper, ucounts);
	if (GET(user_ns, &cred->user_ns))
		keeps(keeper, user_ns);
}

static void cred_refers(struct search *search, const struct cred *cred)
{
	cred_keeps(&search->keeper, cred);
}

enum { INOTIFY, FANOTIFY, WATCHES };
static const char *const names_of_watches[] = { [INOTIFY] = "inotify_fops", [FANOTIFY] = "fanotify_fops" };
static const void *watches[WATCHES];

void bc_holders_init(void)
{
	int i;

	for (i = 0; i < WATCHES; i++)
		watches[i] = (const void *)bc_lookup(names_of_watches[i]);
}

/*
 * What was done to a watched file waits, in the name of whoever did it, until the watch's owner reads it: struct fsnotify_event. Where he
 * has to permit it, until he has answered, even when nobody waits for that any more (fs/notify/fanotify/fanotify.c, fanotify_get_response()).
 */
static void watch_refers(struct search *search, const struct file *file)
{
	const struct fsnotify_group *group = READ_ONCE(file->private_data);
	const void *operations = READ_ONCE(file->f_op);

	if (!group || !operations || (operations != watches[INOTIFY] && operations != watches[FANOTIFY]))
		return;
	list_refers(search, "fsnotify", &group->notification_list);
#ifdef CONFIG_FANOTIFY
	if (operations == watches[FANOTIFY])
		list_refers(search, "fanotify", &group->fanotify_data.access_list);
#endif
}

void file_keeps(struct keeper *keeper, const struct file *file)
{
	const struct inode *inode;
	const struct cred *cred;
	const void *pointer;
	struct path path;

	keeps(keeper, file);
	if (GET(pointer, &file->private_data)) /* a pidfd's struct pid (6.1), the mm_struct of /proc/PID/mem, ... */
		keeps(keeper, pointer);
	if (GET(path, &file->f_path)) {
		keeps(keeper, path.dentry);
		keeps(keeper, path.mnt);
	}
	if (GET(cred, &file->f_cred))
		cred_keeps(keeper, cred);
	if (!GET(inode, &file->f_inode))
		return;
	keeps(keeper, inode);
	if (GET(pointer, &inode->i_private)) /* a pidfd's struct pid (6.12), a namespace */
		keeps(keeper, pointer);
}

/* Who maps a file of an overlay has mapped that of the layer below, which keeps the overlay's name. 6.1's is called so itself. */
static void layer_refers(struct search *search, const struct file *file)
{
#if BC_KERNEL_6_12
	const struct path *path = file_user_path(file);

	refers(search, path->dentry);
	refers(search, path->mnt);
#endif
}

static void file_refers(struct search *search, const struct file *file)
{
	const struct inode *inode = file_inode(file);

	file_keeps(&search->keeper, file);
	layer_refers(search, file);
	search->keeper.steps = 0;
	bc_terminal_refers(file, &search->keeper);
	bc_ipc_file_refers(file, &search->ipc_ns, &search->keeper);
	watch_refers(search, file);
	if (!inode)
		return;
	if (S_ISSOCK(inode->i_mode) && inode->i_sb->s_magic == SOCKFS_MAGIC) {
		socket_refers(search, SOCKET_I((struct inode *)inode));
	} else if (S_ISFIFO(inode->i_mode)) {
		refers(search, READ_ONCE(inode->i_pipe));
	} else if (inode->i_sb->s_magic == PROC_SUPER_MAGIC) {
		void *const *word = (void *const *)inode - PROC_INODE_WORDS;
		void *pointer;
		int i;

		for (i = 0; i < PROC_INODE_WORDS; i++) {
			if (GET(pointer, word + i))
				refers(search, pointer);
		}
	}
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
		file_refers(search, file);
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
				file_refers(search, file);
				last = file;
			}
			mapping_refers(search, vma);
			cond_resched();
		}
		page_tables_keep(&search->keeper, mm);
		mmap_read_unlock(mm);
	}
	mmput(mm);
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
	cred_refers(search, cred);
	cred_refers(search, rcu_dereference(task->cred)); /* what it does in another's name just now */
	rcu_read_unlock();
	search->keeper.holder.by = "keyring";
	bc_keyrings_refer(cred, &search->keyrings, &search->keeper);
	put_cred(cred);
	/* The leader's alone: what it shares with its threads is looked at once. */
	search->keeper.holder.by = "signal";
	list_refers(search, "sigpending", &task->pending.list); /* struct sigqueue begins with it */
	if (thread_group_leader(task))
		list_refers(search, "sigpending", &task->signal->shared_pending.list);
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
	bc_netns_end(&search.nets);
	torn = bc_keepers(found, context);
	return search.keeper.torn ? search.keeper.torn : torn;
}
