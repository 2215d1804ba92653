// SPDX-License-Identifier: GPL-2.0
/* The network: over the loopback of an own namespace only, so that no TIME_WAIT
 * socket of the host's is left behind. Netlink works in either. */
#include "busy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void netlink(void)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg message;
	} request = {
		.header = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	char answer[16384];

	for (int i = 0; i < 20; i++) {
		int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

		must(fd >= 0, "socket");
		must(send(fd, &request, sizeof(request), 0) == sizeof(request), "send");
		must(recv(fd, answer, sizeof(answer), 0) > 0, "recv");
		/* The dump's end is not waited for. */
		close(fd);
	}
}

static void loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd;

	if (!busy.net)
		skip("no --net: this may be the host's network");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	must(fd >= 0, "socket");
	must(!ioctl(fd, SIOCGIFFLAGS, &request), "SIOCGIFFLAGS");
	/* up already in the host's namespace, where changing it may not be allowed */
	if (!(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		must(!ioctl(fd, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
	}
	close(fd);
}

static int listener(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0, "socket");
	*address = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(!bind(fd, (struct sockaddr *)address, sizeof(*address)), "bind");
	must(!listen(fd, 16), "listen");
	must(!getsockname(fd, (struct sockaddr *)address, &length), "getsockname");
	return fd;
}

static void tcp(void)
{
	struct sockaddr_in address;
	char block[16384] = "x";
	int server;

	loopback();
	server = listener(&address);
	for (int i = 0; i < busy.size; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0), connection;

		must(client >= 0, "socket");
		must(!connect(client, (struct sockaddr *)&address, sizeof(address)), "connect");
		connection = accept(server, NULL, NULL);
		must(connection >= 0, "accept");
		must(send(client, block, sizeof(block), 0) == sizeof(block), "send");
		must(recv(connection, block, sizeof(block), 0) > 0, "recv");
		/* Ends in every way: orderly, with unread data, with a reset. */
		if (i % 3 == 1)
			must(!setsockopt(client, SOL_SOCKET, SO_LINGER,
					 &(struct linger){ .l_onoff = 1 }, sizeof(struct linger)),
			     "SO_LINGER");
		if (i % 3 == 2)
			close(connection);
		close(client);
		if (i % 3 != 2)
			close(connection);
	}
	close(server);
}

static void udp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	char block[1000] = "x";
	int receiver, sender;

	loopback();
	receiver = socket(AF_INET, SOCK_DGRAM, 0);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	must(receiver >= 0 && sender >= 0, "socket");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bind(receiver, (struct sockaddr *)&address, sizeof(address)), "bind");
	must(!getsockname(receiver, (struct sockaddr *)&address, &length), "getsockname");
	for (int i = 0; i < busy.size; i++)
		must(sendto(sender, block, sizeof(block), 0, (struct sockaddr *)&address,
			    sizeof(address)) == sizeof(block),
		     "sendto");
	must(recv(receiver, block, sizeof(block), 0) == sizeof(block), "recv");
	/* The others stay in the queue. */
}

static void udp6(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t length = sizeof(address);
	int fd;

	loopback();
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (fd < 0)
		skip("no IPv6");
	must(!bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind");
	must(!getsockname(fd, (struct sockaddr *)&address, &length), "getsockname");
	must(!connect(fd, (struct sockaddr *)&address, sizeof(address)), "connect");
	for (int i = 0; i < 20; i++)
		must(send(fd, "hello", 5, 0) == 5, "send");
}

const struct work busy_net[] = {
	{ "netlink", netlink },
	{ "tcp", tcp },
	{ "udp", udp },
	{ "udp6", udp6 },
	{}
};
