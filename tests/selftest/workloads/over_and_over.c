// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of a container at its limits: it runs a command for one word after the other, over and over, and goes on whatever
 * is refused. A shell ends when it cannot fork.
 *
 *   over_and_over MOST_SECONDS COMMAND [ARG]... -- WORD...
 *
 * An ARG `{}` is the word, `--{}` an option of that name. Says after each `ended WORD STATUS`, `killed WORD` where it took longer
 * than MOST_SECONDS, or `refused WORD ERROR` where there was no process for it; `turn N` when it has been through the words. What the
 * command has left behind is killed before the next one.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_ARGUMENTS 64

/* At once, and by a system call alone. Where nobody reads it there is nothing left to do. */
static void say(const char *format, const char *word, const char *what, int number)
{
	if (dprintf(1, format, word, what, number) < 0)
		exit(1);
}

static void pause_ms(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* The command's status, or -1 if it had to be killed. Orphans come here, too. */
static int wait_for(pid_t child, time_t seconds)
{
	time_t end = time(NULL) + seconds;
	bool late = false;
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, late ? 0 : WNOHANG);
		if (pid == child)
			break;
		if (pid < 0 && errno == ECHILD)
			return -1;
		if (pid == 0 && time(NULL) >= end) {
			late = true;
			kill(-1, SIGKILL);
		} else if (pid == 0) {
			pause_ms(50);
		}
	}
	if (late)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	char *command[MOST_ARGUMENTS + 1] = {}, option[64];
	int words = 2, most = argc > 2 ? atoi(argv[1]) : 0;

	while (words < argc && strcmp(argv[words], "--"))
		words++;
	if (most < 1 || words - 2 > MOST_ARGUMENTS || words == 2 || words + 1 >= argc || getpid() != 1)
		return 2;
	words++;
	for (int turn = 1;; turn++) {
		for (int i = words; i < argc; i++) {
			pid_t child;
			int status;

			snprintf(option, sizeof(option), "--%s", argv[i]);
			for (int j = 2; j < words - 1; j++)
				command[j - 2] = !strcmp(argv[j], "{}") ? argv[i] : !strcmp(argv[j], "--{}") ? option : argv[j];
			child = fork();
			if (child == 0) {
				execvp(command[0], command);
				/* its memory is what was refused: said in the status, since printing may need some, too */
				_exit(errno == ENOENT ? 127 : 126);
			}
			if (child < 0) {
				say("refused %s %s\n", argv[i], strerrorname_np(errno), 0);
				pause_ms(100);
				continue;
			}
			status = wait_for(child, most);
			if (status < 0)
				say("killed %s\n", argv[i], "", 0);
			else
				say("ended %s%s %d\n", argv[i], "", status);
			kill(-1, SIGKILL);
			while (waitpid(-1, NULL, 0) > 0)
				;
		}
		say("turn%s%s %d\n", "", "", turn);
	}
}
