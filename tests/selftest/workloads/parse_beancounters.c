// SPDX-License-Identifier: GPL-2.0
/*
 * Reads /proc/user_beancounters the way C programs of its time did: fgets() and
 * sscanf(), the version compared exactly, an id where a field ends with a colon.
 * Prints `id resource held maxheld barrier limit failcnt` a row, dummies left out.
 *
 *   parse_beancounters FILE        by fields
 *   parse_beancounters -w FILE     by widths: 10, two blanks, 12, and five times 21
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	char name[32];
	unsigned long values[5];
};

/* What is between two columns, as a number; strtoul() stops at the blank behind it. */
static unsigned long number_at(const char *line, int from, int width)
{
	char text[32];

	memcpy(text, line + from, width);
	text[width] = '\0';
	return strtoul(text, NULL, 10);
}

static int by_widths(const char *line, unsigned long *id, int *seen_id, struct row *row)
{
	if (strlen(line) != 130)
		return 0;
	if (line[9] == ':') {
		*id = number_at(line, 0, 9);
		*seen_id = 1;
	}
	if (sscanf(line + 12, "%12s", row->name) != 1)
		return 0;
	for (int i = 0; i < 5; i++)
		row->values[i] = number_at(line, 24 + 21 * i, 21);
	return *seen_id;
}

static int by_fields(const char *line, unsigned long *id, int *seen_id, struct row *row)
{
	unsigned long *v = row->values;

	if (sscanf(line, "%lu: %31s %lu %lu %lu %lu %lu", id, row->name, &v[0], &v[1], &v[2], &v[3],
		   &v[4]) == 7)
		*seen_id = 1;
	else if (sscanf(line, " %31s %lu %lu %lu %lu %lu", row->name, &v[0], &v[1], &v[2], &v[3], &v[4]) != 6)
		return 0;
	return *seen_id;
}

int main(int argc, char **argv)
{
	int widths = argc == 3 && !strcmp(argv[1], "-w"), number = 0, seen_id = 0;
	const char *name = argc == 2 + widths ? argv[argc - 1] : NULL;
	char line[256], word[32];
	FILE *file = name ? fopen(name, "r") : NULL;
	unsigned long id = 0;
	struct row row;

	if (!file) {
		perror(name ? name : "usage: parse_beancounters [-w] FILE");
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
		number++;
		if (!(widths ? by_widths : by_fields)(line, &id, &seen_id, &row)) {
			fprintf(stderr, "row %d is not understood: %s", number, line);
			return 1;
		}
		if (strcmp(row.name, "dummy"))
			printf("%lu %s %lu %lu %lu %lu %lu\n", id, row.name, row.values[0], row.values[1],
			       row.values[2], row.values[3], row.values[4]);
	}
	return 0;
}
