// SPDX-License-Identifier: GPL-2.0
/*
 * Makes objects of one kind until it is refused, and gives them back, as it is
 * told on its standard input; answers each line with one. So a container holds
 * exactly what a test asked for.
 *
 *   make KIND NUMBER      made=N errno=NAME      0 where all of them came
 *   free KIND NUMBER      freed=N errno=0        the last ones first
 *   cycle KIND NUMBER     made=N errno=NAME      make and free one, NUMBER times
 *   listen                port=N errno=0         on the loopback's address, once
 *   connect PORT NUMBER   made=N errno=NAME      free connect NUMBER closes
 *   unmap                 unmapped=N errno=NAME  all mappings at once; all or none
 *
 * KIND is one of kinds[] below; `accept` takes what waits for the listener.
 */
#include "ipc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 20000

static int wanted_port, listener = -1, lock_file = -1, queue = -1;

/* --- How to make one of each: the result is kept, -1 is a refusal. */

static int make_process(void)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static int free_process(int child)
{
	return kill(child, SIGKILL) || waitpid(child, NULL, 0) != child;
}

/* One that ends by itself. */
static int cycle_process(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	return child < 0 || waitpid(child, NULL, 0) != child;
}

static int make_file(void)
{
	return open("/dev/null", O_RDONLY);
}

static int make_tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int make_tcp6(void)
{
	return socket(AF_INET6, SOCK_STREAM, 0);
}

static int make_udp(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int make_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int make_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int make_pty(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY);
}

/* A lock belongs to an open file: each has its own, of a file that is there anyway. */
static int make_flock(void)
{
	int fd = open("/proc/self/exe", O_RDONLY), error;

	if (fd < 0 || !flock(fd, LOCK_SH))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int free_flock(int fd)
{
	return flock(fd, LOCK_UN) || close(fd);
}

/* Of one file, which is open while there are any, each its own byte. */
static int posix_lock(int type, int at)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at * 2L, .l_len = 1 };

	return fcntl(lock_file, F_SETLK, &lock);
}

static int posix_locks;

static int make_posix_lock(void)
{
	if (!posix_locks)
		lock_file = open("/proc/self/exe", O_RDONLY);
	return lock_file < 0 || posix_lock(F_RDLCK, posix_locks) ? -1 : posix_locks++;
}

static int free_posix_lock(int at)
{
	posix_locks--;
	return posix_lock(F_UNLCK, at) || (!posix_locks && close(lock_file));
}

/* Blocked, so it stays queued. */
static int make_signal(void)
{
	return sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 });
}

static int free_signal(int unused)
{
	sigset_t set;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	return sigtimedwait(&set, NULL, &(struct timespec){}) < 0;
}

/* With its header an object of kmalloc-64. */
struct message {
	long type;
	char text[8];
};

static int make_message(void)
{
	struct message message = { .type = 1 };

	if (queue < 0 && (queue = big_queue()) < 0)
		return -1;
	return msgsnd(queue, &message, sizeof(message.text), IPC_NOWAIT);
}

static int free_message(int unused)
{
	struct message message;

	(void)unused;
	return msgrcv(queue, &message, sizeof(message.text), 0, IPC_NOWAIT) < 0;
}

static int make_accept(void)
{
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK);
}

/* Closed with a reset: a TIME_WAIT would be around for a minute. */
static int free_connect(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger)) ||
	       close(fd);
}

/* Of a file in the directory that it is in: on a tmpfs no inode. */
static int names;

static void name_of(int number, char name[16])
{
	snprintf(name, 16, "name.%d", number);
}

static int make_name(void)
{
	char name[16];
	int fd;

	if (!names && (fd = open("file", O_CREAT | O_RDONLY, 0600)) >= 0)
		close(fd);
	name_of(names, name);
	return link("file", name) ? -1 : names++;
}

static int free_name(int number)
{
	char name[16];

	names--;
	name_of(number, name);
	return unlink(name);
}

/* With a page that is not mapped behind it: no two are one. */
static char *mappings;
static int mapped;

static int make_mapping(void)
{
	const size_t size = 4096;

	if (!mappings) {
		mappings = mmap(NULL, 2 * size * MOST, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (mappings == MAP_FAILED || munmap(mappings, 2 * size * MOST))
			return -1;
	}
	if (mmap(mappings + 2 * size * mapped, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		return -1;
	return mapped++;
}

/* Comes back at once where the other side is on the same machine. */
static int make_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(wanted_port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), error;

	if (fd < 0 || !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static struct kind {
	const char *name;
	int (*make)(void);
	int (*free)(int kept);
	int (*cycle)(void);
	int number, kept[MOST];
} kinds[] = {
	{ .name = "process", .make = make_process, .free = free_process, .cycle = cycle_process },
	{ .name = "file", .make = make_file, .free = close },
	{ .name = "tcp", .make = make_tcp, .free = close },
	{ .name = "tcp6", .make = make_tcp6, .free = close },
	{ .name = "udp", .make = make_udp, .free = close },
	{ .name = "unix", .make = make_unix, .free = close },
	{ .name = "netlink", .make = make_netlink, .free = close },
	{ .name = "pty", .make = make_pty, .free = close },
	{ .name = "flock", .make = make_flock, .free = free_flock },
	{ .name = "posix-lock", .make = make_posix_lock, .free = free_posix_lock },
	{ .name = "signal", .make = make_signal, .free = free_signal },
	{ .name = "message", .make = make_message, .free = free_message },
	{ .name = "accept", .make = make_accept, .free = close },
	{ .name = "connect", .make = make_connect, .free = free_connect },
	{ .name = "name", .make = make_name, .free = free_name },
	{ .name = "mapping", .make = make_mapping },
};

/* --- What it is told */

static struct kind *find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static int make(struct kind *kind, int wanted)
{
	int made = 0;

	for (errno = 0; made < wanted; made++) {
		if (kind->number == MOST) {
			errno = E2BIG;
			break;
		}
		kind->kept[kind->number] = kind->make();
		if (kind->kept[kind->number] < 0)
			break;
		kind->number++;
	}
	if (made == wanted)
		errno = 0;
	return made;
}

static int give_back(struct kind *kind, int wanted)
{
	int freed = 0;

	for (errno = 0; freed < wanted && kind->number && kind->free; freed++)
		if (kind->free(kind->kept[--kind->number]))
			break;
	if (freed == wanted)
		errno = 0;
	return freed;
}

static int unmap(struct kind *kind)
{
	const int number = mapped;

	errno = 0;
	if (!mapped || munmap(mappings, (size_t)mapped * 2 * 4096))
		return 0;
	mapped = kind->number = 0;
	return number;
}

static int cycle(struct kind *kind, int wanted)
{
	int done = 0, kept;

	for (errno = 0; done < wanted; done++) {
		if (kind->cycle) {
			if (kind->cycle())
				break;
			continue;
		}
		kept = kind->make();
		if (kept < 0 || kind->free(kept))
			break;
	}
	if (done == wanted)
		errno = 0;
	return done;
}

/* An own network namespace's loopback is down; the host's is not ours to touch. */
static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd >= 0 && !ioctl(fd, SIOCGIFFLAGS, &request) && !(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		ioctl(fd, SIOCSIFFLAGS, &request);
	}
	close(fd);
}

static int listen_somewhere(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	errno = 0;
	loopback_up();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) ||
	    listen(listener, 1000) || getsockname(listener, (struct sockaddr *)&address, &length))
		return -1;
	errno = 0;
	return ntohs(address.sin_port);
}

static void answer(const char *key, int value)
{
	int error = errno;
	const char *name = error ? strerrorname_np(error) : "0";
	char text[80];

	snprintf(text, sizeof(text), "%s=%d errno=%s\n", key, value, name ? name : "unknown");
	if (write(1, text, strlen(text)) < 0)
		exit(1);
}

int main(void)
{
	static char input[256];	/* the last thing it takes from the heap or a new page */
	struct rlimit files;
	char verb[16], name[16];
	struct kind *kind;
	sigset_t set;
	size_t length = 0;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);

	while (read(0, input + length, 1) == 1) {
		if (input[length++] != '\n' && length < sizeof(input) - 1)
			continue;
		input[length] = '\0';
		length = 0;
		number = 0;
		name[0] = '\0';
		if (sscanf(input, "%15s %15s %d", verb, name, &number) < 1)
			return 2;
		kind = find(strcmp(verb, "connect") ? name : verb);
		if (!strcmp(verb, "listen"))
			answer("port", listen_somewhere());
		else if (!strcmp(verb, "unmap"))
			answer("unmapped", unmap(find("mapping")));
		else if (!kind)
			return 2;
		else if (!strcmp(verb, "make"))
			answer("made", make(kind, number));
		else if (!strcmp(verb, "free"))
			answer("freed", give_back(kind, number));
		else if (!strcmp(verb, "cycle"))
			answer("made", cycle(kind, number));
		else if (!strcmp(verb, "connect")) {
			wanted_port = atoi(name);
			answer("made", make(kind, number));
		} else
			return 2;
	}
	return 0;
}
