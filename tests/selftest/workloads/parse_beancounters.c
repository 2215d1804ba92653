// SPDX-License-Identifier: GPL-2.0
/*
 * Reads /proc/user_beancounters the way C programs of its time did: fgets() and
 * sscanf(), the version compared exactly, an id where a field ends with a colon.
 * Prints `id resource held maxheld barrier limit failcnt` a row, dummies left out.
 *
 *   parse_beancounters FILE
 */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	unsigned long id = 0, held, maxheld, barrier, limit, failcnt;
	char line[256], name[32], word[32];
	int row = 0, seen_id = 0;
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!file) {
		perror(argc == 2 ? argv[1] : "usage: parse_beancounters FILE");
		return 2;
	}
	if (!fgets(line, sizeof(line), file) || strcmp(line, "Version: 2.5\n")) {
		fprintf(stderr, "the first line is not 'Version: 2.5'\n");
		return 1;
	}
	if (!fgets(line, sizeof(line), file) || sscanf(line, "%31s", word) != 1 || strcmp(word, "uid")) {
		fprintf(stderr, "the second line is no header\n");
		return 1;
	}
	while (fgets(line, sizeof(line), file)) {
		row++;
		if (sscanf(line, "%lu: %31s %lu %lu %lu %lu %lu", &id, name, &held, &maxheld,
			   &barrier, &limit, &failcnt) == 7) {
			seen_id = 1;
		} else if (sscanf(line, " %31s %lu %lu %lu %lu %lu", name, &held, &maxheld,
				  &barrier, &limit, &failcnt) != 6 || !seen_id) {
			fprintf(stderr, "row %d is not understood: %s", row, line);
			return 1;
		}
		if (strcmp(name, "dummy"))
			printf("%lu %s %lu %lu %lu %lu %lu\n", id, name, held, maxheld, barrier,
			       limit, failcnt);
	}
	return 0;
}
