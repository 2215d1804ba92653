// SPDX-License-Identifier: GPL-2.0
/*
 * Who outside refers to a survivor: everything that the living tasks have by their open files, directories, credentials and
 * pending signals. What the pointers mean is not asked; whoever called us knows which objects it looks for.
 *
 * Tasks and files are held while they are looked at; what is behind them is copied without faulting.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/fsnotify_backend.h>
#include <linux/magic.h>
#include <linux/net.h>
#include <linux/nsproxy.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/af_unix.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>

#include "nofault.h"
#include "shim.h"

#define MOST_STEPS 1024
#define MOST_LISTED 16384 /* fs/notify: events that wait, unless a sysctl allows more */
#define PROC_INODE_WORDS 9 /* of struct proc_inode before its vfs_inode, its pid among them: fs/proc/internal.h */

struct search {
	bc_holder_found found;
	void *context;
	struct bc_holder holder;
	struct bc_keyrings keyrings;
};

static void refers(struct search *search, const void *pointer)
{
	if ((long)pointer < 0) /* a kernel address */
		search->found(search->context, (u64)pointer, &search->holder);
}

/* Of objects that begin with their place in it. */
static void list_refers(struct search *search, const struct list_head *list)
{
	const struct list_head *node;
	int steps;

	if (!GET(node, &list->next))
		return;
	for (steps = 0; node != list && steps < MOST_LISTED; steps++) {
		refers(search, node);
		if (!GET(node, &node->next))
			break;
	}
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

static void queue_refers(struct search *search, const struct sk_buff_head *queue)
{
	const struct sk_buff *skb, *end = (const struct sk_buff *)queue;
	unsigned char *data;
	int steps;

	if (!GET(skb, &queue->next))
		return;
	for (steps = 0; skb != end && steps < MOST_STEPS; steps++) {
		refers(search, skb);
		if (GET(data, &skb->head))
			refers(search, data);
		if (!GET(skb, &skb->next))
			break;
	}
}

/* Connections that were made and not yet accepted, and what they were sent: inet_csk_accept(). */
static void listener_refers(struct search *search, struct sock *sk)
{
	struct request_sock *request;
	struct sock *child;
	int steps;

	if (!GET(request, &inet_csk(sk)->icsk_accept_queue.rskq_accept_head))
		return;
	for (steps = 0; request && steps < MOST_STEPS; steps++) {
		if (GET(child, &request->sk) && child) {
			sock_refers(search, child);
			queue_refers(search, &child->sk_receive_queue);
		}
		if (!GET(request, &request->dl_next))
			break;
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
		queue_refers(search, &udp_sk(sk)->reader_queue);
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
	queue_refers(search, &sk->sk_receive_queue);
	inet_refers(search, sk);
}

/* Credentials hold their user, and he is no leak of whoever was the first to be him. */
static void cred_refers(struct search *search, const struct cred *cred)
{
	const struct user_namespace *user_ns;
	const struct user_struct *user;
	const struct ucounts *ucounts;

	refers(search, cred);
	if (GET(user, &cred->user))
		refers(search, user);
	if (GET(ucounts, &cred->ucounts))
		refers(search, ucounts);
	if (GET(user_ns, &cred->user_ns))
		refers(search, user_ns);
}

static const char *const names_of_watches[] = { "inotify_fops", "fanotify_fops" };
static const void *watches[ARRAY_SIZE(names_of_watches)];

void bc_holders_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(watches); i++)
		watches[i] = (const void *)bc_lookup(names_of_watches[i]);
}

/* What was done to a watched file waits, in the name of whoever did it, until the watch's owner reads it: struct fsnotify_event. */
static void watch_refers(struct search *search, const struct file *file)
{
	const struct fsnotify_group *group = READ_ONCE(file->private_data);
	int i;

	for (i = 0; i < ARRAY_SIZE(watches); i++) {
		if (group && READ_ONCE(file->f_op) == watches[i])
			list_refers(search, &group->notification_list);
	}
}

static void file_refers(struct search *search, const struct file *file)
{
	const struct inode *inode = file_inode(file);

	refers(search, file);
	refers(search, READ_ONCE(file->private_data)); /* a pidfd's struct pid (6.1), the mm_struct of /proc/PID/mem, ... */
	refers(search, file->f_path.dentry);
	refers(search, file->f_path.mnt);
	cred_refers(search, file->f_cred);
	bc_terminal_refers(file, search->found, search->context, &search->holder);
	watch_refers(search, file);
	if (!inode)
		return;
	refers(search, inode);
	refers(search, READ_ONCE(inode->i_private)); /* a pidfd's struct pid (6.12), a namespace */
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

static void files_refer(struct search *search, struct task_struct *task)
{
	unsigned int fd;

	for (fd = 0;; fd++) {
		struct file *file;

#if BC_KERNEL_6_12
		rcu_read_lock();
		file = task_lookup_next_fdget_rcu(task, &fd);
		rcu_read_unlock();
		if (!file)
			break;
		search->holder.fd = fd;
		file_refers(search, file);
		fput(file);
#else
		rcu_read_lock();
		file = task_lookup_next_fd_rcu(task, &fd);
		if (file) {
			search->holder.fd = fd;
			file_refers(search, file);
		}
		rcu_read_unlock();
		if (!file)
			break;
#endif
		cond_resched();
	}
	search->holder.fd = -1;
}

static void task_refers(struct search *search, struct task_struct *task)
{
	search->holder.pid = task_pid_nr(task);
	search->holder.fd = -1;
	bc_comm_of(task, search->holder.comm, sizeof(search->holder.comm));
	rcu_read_lock();
	search->holder.by = "task";
	refers(search, task);
	refers(search, READ_ONCE(task->thread_pid));
	search->holder.by = "cred";
	cred_refers(search, rcu_dereference(task->real_cred));
	cred_refers(search, rcu_dereference(task->cred));
	search->holder.by = "keyring";
	bc_keyrings_refer(rcu_dereference(task->real_cred), &search->keyrings, search->found, search->context, &search->holder);
	rcu_read_unlock();
	/* The leader's alone: what it shares with its threads is looked at once. */
	search->holder.by = "signal";
	list_refers(search, &task->pending.list); /* struct sigqueue begins with it */
	if (thread_group_leader(task))
		list_refers(search, &task->signal->shared_pending.list);
	task_lock(task);
	if (task->fs) {
		search->holder.by = "cwd";
		refers(search, READ_ONCE(task->fs->pwd.dentry));
		refers(search, READ_ONCE(task->fs->pwd.mnt));
		search->holder.by = "root";
		refers(search, READ_ONCE(task->fs->root.dentry));
		refers(search, READ_ONCE(task->fs->root.mnt));
	}
	if (task->nsproxy) {
		search->holder.by = "namespace";
		refers(search, task->nsproxy->mnt_ns);
		refers(search, task->nsproxy->net_ns);
		refers(search, task->nsproxy->ipc_ns);
		refers(search, task->nsproxy->uts_ns);
		refers(search, task->nsproxy->cgroup_ns);
	}
	task_unlock(task);
}

bool bc_holders(bc_holder_found found, void *context)
{
	struct search search = { .found = found, .context = context };
	struct task_struct *process, *task;
	bool complete = true;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		bool alone;

		if (READ_ONCE(task->flags) & PF_KTHREAD)
			continue;
		/* As hung_task.c does: the task stays, the lists may change, and it must still be in them afterwards. */
		get_task_struct(process);
		get_task_struct(task);
		rcu_read_unlock();
		task_lock(task);
		alone = task == process || task->files != READ_ONCE(process->files);
		task_unlock(task);
		task_refers(&search, task);
		if (alone)
			files_refer(&search, task);
		cond_resched();
		rcu_read_lock();
		complete = pid_alive(task) && pid_alive(process);
		put_task_struct(task);
		put_task_struct(process);
		if (!complete)
			goto unlock;
	}
unlock:
	rcu_read_unlock();
	return bc_keepers(found, context) && complete;
}
