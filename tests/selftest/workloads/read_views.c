// SPDX-License-Identifier: GPL-2.0
/*
 * Reads every file of the module, over and over, while others change everything, and looks at
 * each row's form: columns as many as the header has or more, no number below zero, no word
 * that the column does not know, the last line whole. What belongs together is together: a limit is not below
 * its barrier, nothing held is above its maxheld, and in a file of resources that `--pairs` speaks of the
 * two bounds of kmemsize are a pair that was set.
 *
 *   read_views SECONDS [--pairs BARRIER:LIMIT,...] [--names NAME,...] [--caches NAME,...] [--tell COLUMN=WORD,...]
 *
 * --names: what a container may be called (but for no name at all). --caches: what a cache may be called beside those that there are
 * in /sys/kernel/slab (without it they are not looked at). --tell: says `saw COLUMN=WORD` when it has read that in a row, each
 * time anew. SIGTERM ends it before its time.
 * Prints what it has seen; exit status 1 with the first thing that is wrong. Files may go while it
 * reads, and the module too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST_FIELDS 32

static char text[1 << 22], line_copy[4096];
static char caches[1 << 16]; /* those of --caches, and that have been seen */
static const char *pairs, *names, *tell, *file;
static unsigned long files, rows, gone, step;

static void wrong(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("%s: ", file);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\nthe line: %s\nthe file:\n%s", line_copy, text);
	exit(1);
}

/* A word of a list with commas. */
static bool among(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (!strncmp(at, word, length) && (!at[length] || at[length] == ','))
			return true;
	}
	return false;
}

static void add_cache(const char *name)
{
	size_t length = strlen(caches);

	snprintf(caches + length, sizeof(caches) - length, ",%s", name);
}

/* One that is there is remembered, for when it has gone. */
static bool is_cache(const char *name)
{
	char path[512];

	if (among(caches, name))
		return true;
	snprintf(path, sizeof(path), "/sys/kernel/slab/%s", name);
	if (faccessat(AT_FDCWD, path, F_OK, 0))
		return false;
	add_cache(name);
	return true;
}

static unsigned long long number(const char *column, const char *word)
{
	char *end;
	unsigned long long value = strtoull(word, &end, 10);

	if (*end || end == word || *word == '-' || *word == '+' || value > 9223372036854775807ull)
		wrong("%s is '%s'", column, word);
	return value;
}

static unsigned long long bound(const char *column, const char *word)
{
	return strcmp(word, "unlimited") ? number(column, word) : 9223372036854775807ull;
}

static int fields_of(char *line, char **fields)
{
	int n = 0;

	for (char *word = strtok(line, " "); word && n < MOST_FIELDS; word = strtok(NULL, " "))
		fields[n++] = word;
	return n;
}

/* The five numbers of a row of resources. */
static void look_at_bounds(const char *resource, char **at, bool own)
{
	unsigned long long held = number("held", at[0]), most = number("maxheld", at[1]);
	unsigned long long barrier = bound("barrier", at[2]), limit = bound("limit", at[3]);
	char pair[64];

	number("failcnt", at[4]);
	if (held > most)
		wrong("held of %s is above its maxheld", resource);
	if (barrier > limit)
		wrong("%s has a limit below its barrier", resource);
	if (own && pairs && !strcmp(resource, "kmemsize")) {
		snprintf(pair, sizeof(pair), "%s:%s", at[2], at[3]);
		if (!among(pairs, pair))
			wrong("kmemsize has the bounds %s, which nobody has set", pair);
	}
}

static const struct {
	const char *column, *words;
} words[] = {
	{ "state", "running,settling,clean,held,leaked" },
	{ "verdict", "leaked,held,deferred,reclaimable,cached" },
	{ "since", "load,start" },
	{ "cause", "barrier,limit,fail-nth" },
	{ "resource", "-,kmemsize,lockedpages,privvmpages,shmpages,numproc,physpages,vmguarpages,oomguarpages,numtcpsock,"
		      "numflock,numpty,numsiginfo,tcpsndbuf,tcprcvbuf,othersockbuf,dgramrcvbuf,numothersock,dcachesize,"
		      "numfile,numiptent" },
};
/* of the module's own files; a count of something in all of them */
static const char numbers[] = "id,held,objects,failcnt,pidns,init,count,bytes,pid,charged,forced,waited,gets,puts,"
			      "own_gets,own_puts";

static void tell_of(const char *column, const char *word)
{
	char seen[256];

	snprintf(seen, sizeof(seen), "%s=%s", column, word);
	if (among(tell, seen) && (printf("saw %s\n", seen) < 0 || fflush(stdout)))
		exit(1);
}

static void look_at_row(char **header, char **row, int n)
{
	for (int i = 0; i < n; i++) {
		if (tell)
			tell_of(header[i], row[i]);
		for (unsigned int w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
			if (!strcmp(header[i], words[w].column) && !among(words[w].words, row[i]))
				wrong("%s is '%s'", header[i], row[i]);
		}
		if (among(numbers, header[i]))
			number(header[i], row[i]);
		/* what a class has excused has no age */
		if (!strcmp(header[i], "age") && strcmp(row[i], "-"))
			number("age", row[i]);
		/* in a report it is words */
		if (!strcmp(header[i], "unmatched") && !strcmp(header[0], "kind"))
			number("unmatched", row[i]);
		/* what was handed over is of several */
		if (!strcmp(header[i], "cache") && *caches && strcmp(row[i], "-") && !is_cache(row[i]))
			wrong("a cache is called '%s'", row[i]);
		if (!strcmp(header[i], "name") && names && strcmp(row[i], "-") && !among(names, row[i]))
			wrong("a container is called '%s'", row[i]);
	}
}

static void look_at_text(size_t length)
{
	bool old = strstr(file, "user_beancounters"), resources = strstr(file, "/resources");
	char *header[MOST_FIELDS], *row[MOST_FIELDS], header_line[sizeof(line_copy)];
	int columns = 0, number_of_line = 0;

	line_copy[0] = '\0';
	if (!length || text[length - 1] != '\n')
		wrong("it does not end with a whole line");
	if (strlen(text) != length)
		wrong("there is a zero byte at %zu of %zu", strlen(text), length);
	for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, number_of_line++) {
		char line[sizeof(line_copy)];
		int n;

		if ((size_t)(end - at) >= sizeof(line))
			wrong("line %d is %td long", number_of_line, end - at);
		memcpy(line, at, end - at);
		line[end - at] = '\0';
		strcpy(line_copy, line);
		for (const char *byte = line; *byte; byte++) {
			if (*byte < ' ' || *byte > '~')
				wrong("a byte %d", *byte);
		}
		if (old && !number_of_line) {
			if (strcmp(line, "Version: 2.5"))
				wrong("not the first line");
			continue;
		}
		if (number_of_line == old) {
			strcpy(header_line, line);
			columns = fields_of(header_line, header);
			continue;
		}
		rows++;
		n = fields_of(line, row);
		if (old) {
			if (strlen(line_copy) != 129 || (n != 6 && n != 7))
				wrong("%d fields in %zu characters", n, strlen(line_copy));
			if (strcmp(row[n - 6], "dummy"))
				look_at_bounds(row[n - 6], row + n - 5, false);
		} else if (n != columns || columns < 2) {
			wrong("%d fields, %d columns", n, columns);
		} else if (!strcmp(header[0], "key")) {
			number(row[0], row[1]);
		} else {
			look_at_row(header, row, columns);
			if (resources)
				look_at_bounds(row[0], row + 1, true);
		}
	}
}

/* In pieces of another size each time. */
static void look_at(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t length = 0, piece = 1 + (step++ * 977) % 8192;
	ssize_t got;

	if (fd < 0) {
		file = path;
		if (errno != ENOENT)
			wrong("open: %s", strerror(errno));
		gone++;
		return;
	}
	while ((got = read(fd, text + length, length + piece < sizeof(text) ? piece : 0)) > 0)
		length += got;
	file = path;
	if (got < 0) {
		/* proc's own, of a file whose module went while it was open */
		if (errno != EIO && errno != ENOENT)
			wrong("read: %s", strerror(errno));
		gone++;
	} else if (length || faccessat(AT_FDCWD, path, F_OK, 0) == 0) {
		text[length] = '\0';
		look_at_text(length);
		files++;
	}
	close(fd);
}

static void look_at_all(void)
{
	static const char *const own[] = { "resources", "objects", "leaks", "refusals", "references" };
	DIR *folder = opendir("/proc/beancounter");
	const struct dirent *entry;
	char path[512];

	look_at("/proc/user_beancounters");
	look_at("/proc/beancounter/containers");
	look_at("/proc/beancounter/health");
	while (folder && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
			snprintf(path, sizeof(path), "/proc/beancounter/%s/%s", entry->d_name, own[i]);
			look_at(path);
		}
	}
	if (folder)
		closedir(folder);
}

static volatile sig_atomic_t over;

static void end_now(int signal)
{
	(void)signal;
	over = 1;
}

int main(int argc, char **argv)
{
	time_t end = argc > 1 ? time(NULL) + atoi(argv[1]) : 0;

	for (int i = 2; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--pairs"))
			pairs = argv[i + 1];
		else if (!strcmp(argv[i], "--names"))
			names = argv[i + 1];
		else if (!strcmp(argv[i], "--caches"))
			add_cache(argv[i + 1]);
		else if (!strcmp(argv[i], "--tell"))
			tell = argv[i + 1];
		else
			return 2;
	}
	signal(SIGTERM, end_now);
	do
		look_at_all();
	while (time(NULL) < end && !over);
	printf("%lu files, %lu rows, %lu times a file was gone\n", files, rows, gone);
	return files ? 0 : 1;
}
