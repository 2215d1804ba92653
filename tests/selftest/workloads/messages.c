// SPDX-License-Identifier: GPL-2.0
/*
 * messages NUMBER: so many small System V messages lie in queues at once, an object each, and are taken
 * away again. Prints how many there were.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>

int main(int argc, char **argv)
{
	struct {
		long type;
		char text[1];
	} message = { .type = 1 };
	long wanted = argc > 1 ? atol(argv[1]) : 0, made = 0;
	int queues[1000], n = 0;

	while (made < wanted && n < 1000) {
		queues[n] = msgget(IPC_PRIVATE, 0600);
		if (queues[n] < 0)
			break;
		n++;
		while (made < wanted && !msgsnd(queues[n - 1], &message, 1, IPC_NOWAIT))
			made++;
	}
	printf("%ld messages\n", made);
	while (n > 0)
		msgctl(queues[--n], IPC_RMID, NULL);
	return made == wanted ? 0 : 1;
}
