// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to a new file's pages by a mapping: to each other one, says "ready",
 * and when it is told something to the rest; then it cuts the file to nothing,
 * dirty as it is, and says "done" and the error, or 0.
 *
 *   dirty_pages FILE PAGES
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096L

int main(int argc, char **argv)
{
	long pages = argc == 3 ? atol(argv[2]) : 0, page;
	int fd = pages > 0 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
	volatile char *words;
	char told;

	if (fd < 0 || ftruncate(fd, pages * PAGE)) {
		perror("dirty_pages");
		return 1;
	}
	words = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (words == MAP_FAILED) {
		perror("dirty_pages");
		return 1;
	}
	for (page = 0; page < pages; page += 2)
		words[page * PAGE] = 1;
	puts("ready");
	fflush(stdout);
	if (read(0, &told, 1) != 1)
		return 1;
	for (page = 1; page < pages; page += 2)
		words[page * PAGE] = 1;
	printf("done %d\n", ftruncate(fd, 0) ? errno : 0);
	return 0;
}
