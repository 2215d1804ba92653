// SPDX-License-Identifier: GPL-2.0
/*
 * What an open socket has: its peer, its group, what it was sent and nobody has read, connections that nobody has accepted.
 */
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/af_unix.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>

#include "keeper.h"

/* Its peer's pid and credentials (SO_PEERCRED), and of a unix socket its address, where that is, and its peer. */
static struct sock *sock_keeps(struct keeper *keeper, struct sock *sk)
{
	const void *pointer;
	unsigned short family;
	struct sock *peer;

	keeps(keeper, sk);
	if (GET(pointer, &sk->sk_peer_pid))
		keeps(keeper, pointer);
	if (GET(pointer, &sk->sk_peer_cred))
		keeps(keeper, pointer);
	if (GET(pointer, &sk->sk_reuseport_cb)) /* made by the first of those that share a port */
		keeps(keeper, pointer);
	if (!GET(family, &sk->sk_family) || family != AF_UNIX)
		return NULL;
	if (GET(pointer, &unix_sk(sk)->addr))
		keeps(keeper, pointer);
	if (GET(pointer, &unix_sk(sk)->path.dentry))
		keeps(keeper, pointer);
	if (GET(pointer, &unix_sk(sk)->path.mnt))
		keeps(keeper, pointer);
	return GET(peer, &unix_sk(sk)->peer) ? peer : NULL;
}

static void queue_keeps(struct keeper *keeper, const char *walk, const struct sk_buff_head *queue)
{
	const struct sk_buff *skb = (const struct sk_buff *)queue, *next, *back;
	unsigned char *data;

	keeper->steps = 0;
	while (GET(next, &skb->next) && GET(back, &next->prev) && back == skb && step(keeper)) {
		if (next == (const struct sk_buff *)queue)
			return;
		skb = next;
		keeps(keeper, skb);
		if (GET(data, &skb->head))
			keeps(keeper, data);
	}
	walked(keeper, walk, false);
}

/* Connections that were made and not yet accepted, and what they were sent: inet_csk_accept(). */
static void listener_keeps(struct keeper *keeper, struct sock *sk)
{
	struct request_sock *request;
	struct sock *child;
	int left = MOST_STEPS;

	if (!GET(request, &inet_csk(sk)->icsk_accept_queue.rskq_accept_head))
		return;
	while (request) {
		if (GET(child, &request->sk) && child) {
			sock_keeps(keeper, child);
			queue_keeps(keeper, "sk_receive_queue", &child->sk_receive_queue);
		}
		cond_resched();
		if (!walked(keeper, "icsk_accept_queue", --left && GET(request, &request->dl_next)))
			return;
	}
}

/* Who reads from a UDP socket takes all that is there to a queue of its own: __skb_recv_udp(). */
static void inet_keeps(struct keeper *keeper, struct sock *sk)
{
	unsigned short family, type, protocol;
	unsigned char state;

	if (!GET(family, &sk->sk_family) || (family != AF_INET && family != AF_INET6) || !GET(type, &sk->sk_type) ||
	    !GET(protocol, &sk->sk_protocol) || !GET(state, (const unsigned char *)&sk->sk_state))
		return;
	if (type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE))
		queue_keeps(keeper, "reader_queue", &udp_sk(sk)->reader_queue);
	else if (type == SOCK_STREAM && protocol == IPPROTO_TCP && state == TCP_LISTEN)
		listener_keeps(keeper, sk);
}

/* A unix socket holds its peer, even a dead one (af_unix.c, unix_peer()), and any what was sent and not yet read. */
void socket_keeps(struct keeper *keeper, const struct socket *socket)
{
	struct sock *sk, *peer;

	if (!GET(sk, &socket->sk) || !sk)
		return;
	peer = sock_keeps(keeper, sk);
	if (peer)
		sock_keeps(keeper, peer);
	queue_keeps(keeper, "sk_receive_queue", &sk->sk_receive_queue);
	inet_keeps(keeper, sk);
}
