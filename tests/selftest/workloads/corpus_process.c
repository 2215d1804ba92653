// SPDX-License-Identifier: GPL-2.0
/* Timers, credentials, filters, memory policies, name spaces, terminals. */
#include "corpus.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void timer(void)
{
	timer_t one;

	must(!timer_create(CLOCK_MONOTONIC, NULL, &one), "timer_create");
	must(!timer_delete(one), "timer_delete");
}

static void timer_fd(void)
{
	int one = timerfd_create(CLOCK_MONOTONIC, 0);

	must(one >= 0, "timerfd_create");
	close(one);
}

/* access() asks for the real user, with credentials made for the purpose. */
static void ask(void)
{
	must(!setresuid(corpus_uid, 0, 0), "setresuid");
	must(!access("/", F_OK), "access");
}

static void cred(void) { in_child(ask); }

static void filter(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = 1, .filter = &allow };

	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
	must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "PR_SET_SECCOMP");
}

static void seccomp(void) { in_child(filter); }

/* Its own policy, then that of everybody again. */
static void mempolicy(void)
{
	unsigned long nodes = 1;

	must(!syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes)), "set_mempolicy");
	must(!syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0), "set_mempolicy, the default");
}

static void watch(void)
{
	int epoll, ends[2];
	struct epoll_event event = { .events = EPOLLIN };

	must(!setresuid(corpus_uid, corpus_uid, corpus_uid), "setresuid");
	must(!pipe(ends), "pipe");
	epoll = epoll_create1(0);
	must(epoll >= 0, "epoll_create1");
	must(!epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), "epoll_ctl");
	close(epoll);
}

static void epoll_user(void) { in_child(watch); }

static void new_uts(void)
{
	must(!unshare(CLONE_NEWUTS), "unshare");
}

static void uts(void) { in_child(new_uts); }

static void tty(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	must(master >= 0, "posix_openpt");
	close(master);
}

const struct work corpus_process[] = {
	{ "timer", timer },
	{ "timerfd", timer_fd },
	{ "cred", cred },
	{ "seccomp", seccomp },
	{ "mempolicy", mempolicy },
	{ "epoll-user", epoll_user },
	{ "uts", uts },
	{ "tty", tty },
	{},
};
