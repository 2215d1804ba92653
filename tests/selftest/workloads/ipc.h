/* SPDX-License-Identifier: GPL-2.0 */
/* Descriptors under way, and a queue that is not full before the container is. */
#ifndef IPC_H
#define IPC_H

#include <stdbool.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 16

/* With one byte. */
static inline bool send_descriptors(int socket, const int *descriptors, int number)
{
	union {
		char buffer[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 'x';
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.buffer,
		.msg_controllen = CMSG_SPACE(number * sizeof(int)),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(number * sizeof(int));
	memcpy(CMSG_DATA(header), descriptors, number * sizeof(int));
	return sendmsg(socket, &message, 0) == 1;
}

/* And closes them. */
static inline bool receive_descriptors(int socket)
{
	union {
		char buffer[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.buffer, .msg_controllen = sizeof(control.buffer),
	};
	struct cmsghdr *header;
	int descriptor;

	if (recvmsg(socket, &message, 0) != 1 || !(header = CMSG_FIRSTHDR(&message)))
		return false;
	for (size_t at = 0; CMSG_LEN(at) < header->cmsg_len; at += sizeof(int)) {
		memcpy(&descriptor, CMSG_DATA(header) + at, sizeof(int));
		close(descriptor);
	}
	return true;
}

/* -1: refused */
static inline int big_queue(void)
{
	struct msqid_ds settings;
	int queue = msgget(IPC_PRIVATE, 0600);

	if (queue < 0 || msgctl(queue, IPC_STAT, &settings))
		return -1;
	settings.msg_qbytes = 1 << 30;
	return msgctl(queue, IPC_SET, &settings) ? -1 : queue;
}

#endif
