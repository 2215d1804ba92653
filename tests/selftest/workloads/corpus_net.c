// SPDX-License-Identifier: GPL-2.0
/* Sockets' options, groups, whole network namespaces, rings. */
#include "corpus.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <linux/ip.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* A second set of options takes the place of the first. */
static void ip_options(void)
{
	static const unsigned char nothing[4] = { IPOPT_NOOP, IPOPT_NOOP, IPOPT_NOOP, IPOPT_END };
	int one = socket(AF_INET, SOCK_DGRAM, 0);

	must(one >= 0, "socket");
	must(!setsockopt(one, IPPROTO_IP, IP_OPTIONS, nothing, sizeof(nothing)), "IP_OPTIONS");
	must(!setsockopt(one, IPPROTO_IP, IP_OPTIONS, nothing, sizeof(nothing)), "IP_OPTIONS again");
	close(one);
}

static void multicast(void)
{
	struct ip_mreqn group = { .imr_ifindex = 1 };	/* lo */
	int one = socket(AF_INET, SOCK_DGRAM, 0);

	must(one >= 0, "socket");
	inet_pton(AF_INET, "239.1.2.3", &group.imr_multiaddr);
	must(!setsockopt(one, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)), "IP_ADD_MEMBERSHIP");
	close(one);
}

static void in_own_netns(void)
{
	must(!unshare(CLONE_NEWNET), "unshare");
}

static void netns(void) { in_child(in_own_netns); }

/* A buffer is registered with a ring, and given back. */
static void io_uring(void)
{
	struct io_uring_params parameters = {};
	static char page[4096] __attribute__((aligned(4096)));
	struct iovec buffer = { .iov_base = page, .iov_len = sizeof(page) };
	int ring = syscall(SYS_io_uring_setup, 4, &parameters);

	must(ring >= 0, "io_uring_setup");
	must(!syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1), "REGISTER_BUFFERS");
	must(!syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0), "UNREGISTER_BUFFERS");
	close(ring);
}

const struct work corpus_net[] = {
	{ "ip-options", ip_options },
	{ "multicast", multicast },
	{ "netns", netns },
	{ "io-uring", io_uring },
	{},
};
