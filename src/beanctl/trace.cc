// SPDX-License-Identifier: GPL-2.0
#include "trace.h"

#include "error.h"
#include "files.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace beanctl
{

namespace
{

void must(long result, const char *what)
{
	if (result == -1)
		fail_system(fmt::format("{} of the command's process", what));
}

} // namespace

Traced::Traced(pid_t pid) : pid_(pid) { must(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXEC), "PTRACE_SEIZE"); }

Traced::~Traced()
{
	if (!ours_)
		return;
	int status = 0;
	kill(pid_, SIGKILL);
	while (waitpid(pid_, &status, __WALL) == pid_ && WIFSTOPPED(status)) {
	}
}

void Traced::let_go()
{
	ptrace(PTRACE_DETACH, pid_, 0, 0);
	ours_ = false;
}

bool Traced::run_to(int event)
{
	for (;;) {
		int status = 0;
		const pid_t pid = waitpid(pid_, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0 || !WIFSTOPPED(status)) {
			ours_ = false;
			return false;
		}
		const int seen = status >> 16;
		if (seen == event && (event != 0 || WSTOPSIG(status) == SIGTRAP))
			return true;
		if (seen == PTRACE_EVENT_STOP)
			ptrace(PTRACE_LISTEN, pid_, 0, 0);
		else
			ptrace(PTRACE_CONT, pid_, 0, seen == 0 ? WSTOPSIG(status) : 0);
	}
}

// What the kernel tells every program about itself; 0 for a 32-bit one, whose words are others.
unsigned long Traced::entry() const
{
	const std::string exe = fmt::format("/proc/{}/exe", pid_);
	char ident[EI_NIDENT] = {};
	if (std::FILE *file = std::fopen(exe.c_str(), "re"); file != nullptr) {
		const size_t got = std::fread(ident, 1, sizeof(ident), file);
		(void)std::fclose(file);
		if (got != sizeof(ident))
			return 0;
	}
	if (ident[EI_CLASS] != ELFCLASS64)
		return 0;
	const std::string auxv = read_whole(fmt::format("/proc/{}/auxv", pid_));
	Elf64_auxv_t word;
	for (size_t at = 0; at + sizeof(word) <= auxv.size(); at += sizeof(word)) {
		memcpy(&word, auxv.data() + at, sizeof(word));
		if (word.a_type == AT_ENTRY)
			return word.a_un.a_val;
	}
	return 0;
}

bool Traced::run_to_entry()
{
	constexpr unsigned long int3 = 0xcc;
	if (!run_to(PTRACE_EVENT_EXEC))
		return false;
	const unsigned long at = entry();
	if (at == 0)
		return true; // where exec() has left it is near enough
	errno = 0;
	const long text = ptrace(PTRACE_PEEKTEXT, pid_, at, 0);
	if (text == -1 && errno != 0)
		fail_system("PTRACE_PEEKTEXT of the command's process");
	const unsigned long trap = (static_cast<unsigned long>(text) & ~0xfful) | int3;
	must(ptrace(PTRACE_POKETEXT, pid_, at, trap), "PTRACE_POKETEXT");
	must(ptrace(PTRACE_CONT, pid_, 0, 0), "PTRACE_CONT");
	if (!run_to(0))
		return false;
	must(ptrace(PTRACE_POKETEXT, pid_, at, text), "PTRACE_POKETEXT");
	user_regs_struct registers{};
	must(ptrace(PTRACE_GETREGS, pid_, 0, &registers), "PTRACE_GETREGS");
	if (registers.rip != at + 1)
		fail("the command's process stopped at {:#x} on its way to its entry point {:#x}", registers.rip, at);
	registers.rip = at; // behind the breakpoint, which is not part of the program
	must(ptrace(PTRACE_SETREGS, pid_, 0, &registers), "PTRACE_SETREGS");
	return true;
}

} // namespace beanctl
