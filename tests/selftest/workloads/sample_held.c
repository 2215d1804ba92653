// SPDX-License-Identifier: GPL-2.0
/*
 * Reads one resource of a container all the time, until its standard input ends
 * or brings a line, and then says what the highest values were:
 *
 *   sample_held FILE RESOURCE [MICROSECONDS]
 *
 *   samples=N held=N maxheld=N forced=N over=N
 *
 * `over` is the most by which held was ever above the limit and what had been
 * forced through above it: to be 0. What is forced only grows, so it is taken
 * from the next reading, whatever the order in which one reading was made.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELD, MAXHELD, LIMIT, FORCED, COLUMNS };
static const char *const names[COLUMNS] = { "held", "maxheld", "limit", "forced" };

/* Columns are found by their name. */
static int parse(char *text, const char *resource, unsigned long *values)
{
	int at[COLUMNS] = { -1, -1, -1, -1 }, header = 1, column;
	char *line, *word, *rest, *next = text;

	while ((line = strsep(&next, "\n")) != NULL) {
		rest = line;
		for (column = 0; (word = strtok_r(rest, " \t", &rest)) != NULL; column++) {
			if (header) {
				for (int i = 0; i < COLUMNS; i++)
					if (!strcmp(word, names[i]))
						at[i] = column;
				continue;
			}
			if (!column && strcmp(word, resource))
				break;
			for (int i = 0; i < COLUMNS; i++)
				if (at[i] == column)
					values[i] = strtoul(word, NULL, 10) ?:
							    (strcmp(word, "unlimited") ? 0 : ~0UL >> 1);
		}
		if (!header && column)
			return 0;
		header = 0;
	}
	return -1;
}

static int read_file(const char *path, const char *resource, unsigned long *values)
{
	static char text[16384];
	int fd = open(path, O_RDONLY);
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		return -1;
	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	close(fd);
	text[length] = '\0';
	return got < 0 ? -1 : parse(text, resource, values);
}

int main(int argc, char **argv)
{
	unsigned long now[COLUMNS] = {}, before = 0, samples = 0, held = 0, over = 0;
	struct pollfd input = { .fd = 0, .events = POLLIN };
	int pause = argc > 3 ? atoi(argv[3]) : 0, done = 0;

	if (argc < 3)
		return 2;
	/* One reading more after the end: for the last one's forced. */
	while (done < 2) {
		if (done || poll(&input, 1, 0) > 0)
			done++;
		if (read_file(argv[1], argv[2], now)) {
			fprintf(stderr, "sample_held: %s: no %s: %s\n", argv[1], argv[2], strerror(errno));
			return 1;
		}
		if (samples && before > now[LIMIT] + now[FORCED] &&
		    before - now[LIMIT] - now[FORCED] > over)
			over = before - now[LIMIT] - now[FORCED];
		before = now[HELD];
		if (now[HELD] > held)
			held = now[HELD];
		samples++;
		if (pause)
			usleep(pause);
	}
	printf("samples=%lu held=%lu maxheld=%lu forced=%lu over=%lu\n", samples, held, now[MAXHELD],
	       now[FORCED], over);
	return 0;
}
