// SPDX-License-Identifier: GPL-2.0
/*
 * Opens a file once, then writes each line of its standard input to it in one
 * write() and answers with one line: `ok` or the error. So a task in a container
 * can be told what to do without allocating anything else meanwhile, which a
 * shell that opens the file anew each time would.
 *
 *   poke FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char line[256], answer[64];
	size_t length = 0;
	ssize_t got;
	int fd;

	fd = argc == 2 ? open(argv[1], O_WRONLY) : -1;
	if (fd < 0) {
		fprintf(stderr, "poke: %s: %s\n", argc == 2 ? argv[1] : "usage: poke FILE",
			strerror(errno));
		return 1;
	}
	while ((got = read(0, line + length, 1)) == 1) {
		if (line[length++] != '\n' && length < sizeof(line))
			continue;
		if (write(fd, line, length) == (ssize_t)length)
			strcpy(answer, "ok\n");
		else
			snprintf(answer, sizeof(answer), "%s\n", strerror(errno));
		if (write(1, answer, strlen(answer)) < 0)
			return 1;
		length = 0;
	}
	return got < 0;
}
