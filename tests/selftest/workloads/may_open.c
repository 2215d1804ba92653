// SPDX-License-Identifier: GPL-2.0
/*
 * Tries to open, read, list or write files, and prints a line for each: `yes`, or
 * the error's name. Of /proc/user_beancounters, whose rows they are: `all`, `own`.
 *
 *   may_open HOW FILE...      HOW: read, list, write; FILE may be a descriptor's number
 *
 * What is written is `reset` to a file called resources, else `self-check`.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char text[1 << 20];

static int fd_of(const char *file, int flags)
{
	return isdigit(file[0]) ? atoi(file) : open(file, flags);
}

static const char *try_read(const char *file)
{
	int fd = fd_of(file, O_RDONLY), ids = 0, host = 0;
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		return strerrorname_np(errno);
	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	if (got < 0)
		return strerrorname_np(errno);
	text[length] = '\0';
	if (strncmp(text, "Version", 7))
		return "yes";
	for (char *at = text; (at = strchr(at, ':')) != NULL; at++) {
		ids += !!isdigit(at[-1]);
		host += at[-1] == '0' && !isdigit(at[-2]);
	}
	return host ? "all" : ids == 1 ? "own" : "others";
}

static const char *try_list(const char *file)
{
	int fd = fd_of(file, O_RDONLY | O_DIRECTORY), entries = 0;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (!directory)
		return strerrorname_np(errno);
	errno = 0;
	while (readdir(directory))
		entries++;
	return errno ? strerrorname_np(errno) : entries > 2 ? "yes" : "empty";
}

static const char *try_write(const char *file)
{
	const char *what = strstr(file, "resources") ? "reset\n" : "self-check\n";
	int fd = fd_of(file, O_WRONLY);

	if (fd >= 0 && write(fd, what, strlen(what)) == (ssize_t)strlen(what))
		return "yes";
	return strerrorname_np(errno);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "";

	for (int i = 2; i < argc; i++) {
		if (!strcmp(how, "read"))
			puts(try_read(argv[i]));
		else if (!strcmp(how, "list"))
			puts(try_list(argv[i]));
		else if (!strcmp(how, "write"))
			puts(try_write(argv[i]));
		else
			return 2;
	}
	return argc < 3 ? 2 : 0;
}
