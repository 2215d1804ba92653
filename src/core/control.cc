// SPDX-License-Identifier: GPL-2.0
#include "control.h"

#include "charge.h"
#include "error.h"
#include "bounds.h"
#include "bounds_text.h"
#include "selfcheck.h"
#include "stop.h"
#include "text.h"
#include "words.h"

namespace bc
{

namespace
{

constexpr u32 kMostCommands = 64; // in one write

// 1 to 9 digits, not zero.
bool parse_id(Word w, ContainerId &id)
{
	if (w.length == 0 || w.length > 9)
		return false;
	u32 value = 0;
	for (u32 i = 0; i < w.length; ++i) {
		if (w.text[i] < '0' || w.text[i] > '9')
			return false;
		value = value * 10 + static_cast<u32>(w.text[i] - '0');
	}
	id = ContainerId{value};
	return value != 0;
}

bool name_character(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
	       c == '-';
}

bool parse_name(Word w, char (&name)[64])
{
	if (w.length == 0 || w.length > 63)
		return false;
	for (u32 i = 0; i < w.length; ++i) {
		if (!name_character(w.text[i]))
			return false;
		name[i] = w.text[i];
	}
	name[w.length] = 0;
	return true;
}

} // namespace

bool parse_command(const char *line, u32 length, Command &command)
{
	Words words{line, length};
	const Word verb = words.next();
	command = Command{};
	if (verb.is("name")) {
		command.verb = Command::Verb::name;
		if (!parse_id(words.next(), command.id) || !parse_name(words.next(), command.name))
			return false;
		const Word last = words.next();
		return last.length == 0 || (parse_id(last, command.new_id) && words.done());
	}
	if (verb.is("dismiss")) {
		command.verb = Command::Verb::dismiss;
		return parse_id(words.next(), command.id) && words.done();
	}
	if (verb.is("fail-nth")) {
		command.verb = Command::Verb::fail_nth;
		const bool id = parse_id(words.next(), command.id);
		const Word n = words.next();
		return id && parse_amount(n.text, n.length, command.n) && command.n != kUnlimited && words.done();
	}
	if (verb.is("stacks")) {
		command.verb = Command::Verb::stacks;
		const bool id = parse_id(words.next(), command.id);
		const Word state = words.next();
		command.n = state.is("on");
		return id && (state.is("on") || state.is("off")) && words.done();
	}
	if (verb.is("self-check")) {
		command.verb = Command::Verb::self_check;
		return words.done();
	}
	return false;
}

namespace
{

bool moves(const Command &command)
{
	return command.verb == Command::Verb::name && command.new_id && command.new_id != command.id;
}

// Against what is there, and against what the same write asks for before it.
int check(const Command *commands, u32 index)
{
	const Command &command = commands[index];
	if (command.verb == Command::Verb::self_check)
		return 0;
	const Container *c = containers.find_id(command.id);
	if (c == nullptr || c == containers.overflow())
		return kNoEntry;
	for (u32 i = 0; i < index; ++i) {
		if (moves(commands[i]) && commands[i].id == command.id) // it will be somewhere else
			return kInvalid;
	}
	if (command.verb == Command::Verb::dismiss)
		return stopped(c->current()) ? 0 : kInvalid;
	if (command.verb == Command::Verb::fail_nth)
		return c->current() == State::running ? 0 : kInvalid;
	if (command.verb == Command::Verb::stacks)
		return c->current() != State::running ? kInvalid : command.n == 0 || bc_stacks_init() ? 0 : kNoMemory;
	const Container *same = containers.find_name(command.name);
	if (same != nullptr && same != c)
		return kExists;
	const bool away = moves(command);
	if (away && (containers.find_id(command.new_id) != nullptr || command.new_id == containers.overflow()->id()))
		return kExists;
	u32 faces = away;
	for (u32 i = 0; i < index; ++i) {
		const Command &earlier = commands[i];
		if (earlier.verb != Command::Verb::name)
			continue;
		if (earlier.id == command.id) // two names for one
			return kInvalid;
		if (same_text(earlier.name, command.name) || (away && earlier.new_id == command.new_id))
			return kExists;
		faces += moves(earlier);
	}
	return faces <= stopper.room_for_faces() ? 0 : kBusy;
}

void apply(const Command &command)
{
	if (command.verb == Command::Verb::self_check) {
		self_check();
		return;
	}
	Container *c = containers.find_id(command.id);
	if (c == nullptr)
		return;
	if (command.verb == Command::Verb::dismiss) {
		c->dismissed.set_relaxed(1);
		c->next_look_ms = 0;
		bc_kick_worker();
		return;
	}
	if (command.verb == Command::Verb::fail_nth) {
		arm_fail_nth(*c, command.n);
		return;
	}
	if (command.verb == Command::Verb::stacks) {
		keep_stacks(*c, command.n != 0);
		return;
	}
	copy_text(c->name, sizeof(c->name), command.name);
	if (command.new_id && command.new_id != command.id) {
		stopper.drop_face(command.id.value);
		containers.renumber(*c, command.new_id);
		c->has_face = bc_face_add(command.new_id.value);
		bc_kick_worker();
	}
}

} // namespace

} // namespace bc

namespace bc
{

namespace
{

// Reads a write line by line into at most `most` of Parsed; the number, or an error. An empty line is not understood.
template <class Parsed, class Parse, class Check>
int parse_lines(const char *text, unsigned long length, Parsed *parsed, u32 most, Parse &&parse, Check &&check)
{
	u32 count = 0;
	for (unsigned long start = 0; start < length;) {
		unsigned long end = start;
		while (end < length && text[end] != '\n')
			++end;
		if (count == most || !parse(text + start, static_cast<u32>(end - start), parsed[count]))
			return kInvalid;
		if (const int error = check(count); error != 0)
			return error;
		++count;
		start = end + 1;
	}
	return count == 0 ? kInvalid : static_cast<int>(count);
}

} // namespace

} // namespace bc

extern "C" int bc_control(const char *text, unsigned long length)
{
	using namespace bc;
	auto *commands = static_cast<Command *>(bc_big_alloc(kMostCommands * sizeof(Command)));
	if (commands == nullptr)
		return kNoMemory;
	const int count = parse_lines(text, length, commands, kMostCommands, parse_command,
				      [&](u32 index) { return check(commands, index); });
	int error = count < 0 ? count : 0;
	// A container that is being made may have been counted to one of them since.
	for (int i = 0; i < count && error == 0; ++i) {
		if (moves(commands[i]) && !containers.reserve(commands[i].new_id))
			error = kExists;
	}
	for (int i = 0; i < count && error == 0; ++i)
		apply(commands[i]);
	bc_big_free(commands);
	return error;
}

extern "C" int bc_set_resources(bc_u32 id, const char *text, unsigned long length)
{
	using namespace bc;
	Container *c = containers.find_id(ContainerId{id});
	if (c == nullptr)
		return kNoEntry;
	if (c == containers.overflow()) // shared by whoever had no room
		return kInvalid;
	auto *settings = static_cast<Setting *>(bc_big_alloc(kMostCommands * sizeof(Setting)));
	if (settings == nullptr)
		return kNoMemory;
	const int count = parse_lines(text, length, settings, kMostCommands, parse_setting, [](u32) { return 0; });
	for (int i = 0; i < count; ++i) {
		if (settings[i].what == Charged::kCount)
			reset_counts(*c);
		else
			set_bounds(*c, settings[i].what, settings[i].bounds);
	}
	bc_big_free(settings);
	return count < 0 ? count : 0;
}
