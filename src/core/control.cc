// SPDX-License-Identifier: GPL-2.0
#include "control.h"

#include "charge.h"
#include "error.h"
#include "stop.h"
#include "text.h"

namespace bc
{

namespace
{

constexpr u32 kMostCommands = 64; // in one write

struct Words {
	const char *at;
	const char *end;

	// The next word, of at most `most` characters; empty at the end.
	struct Word {
		const char *text;
		u32 length;
	};
	Word next()
	{
		while (at != end && (*at == ' ' || *at == '\t'))
			++at;
		const char *start = at;
		while (at != end && *at != ' ' && *at != '\t')
			++at;
		return {start, static_cast<u32>(at - start)};
	}
	bool done() { return next().length == 0; }
};

bool is(Words::Word w, const char *text)
{
	for (u32 i = 0; i < w.length; ++i) {
		if (text[i] == 0 || w.text[i] != text[i])
			return false;
	}
	return text[w.length] == 0;
}

// 1 to 9 digits, not zero.
bool parse_id(Words::Word w, ContainerId &id)
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

bool parse_name(Words::Word w, char (&name)[64])
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
	Words words{line, line + length};
	const Words::Word verb = words.next();
	command = Command{};
	if (is(verb, "name")) {
		command.verb = Command::Verb::name;
		if (!parse_id(words.next(), command.id) || !parse_name(words.next(), command.name))
			return false;
		const Words::Word last = words.next();
		return last.length == 0 || (parse_id(last, command.new_id) && words.done());
	}
	if (is(verb, "dismiss")) {
		command.verb = Command::Verb::dismiss;
		return parse_id(words.next(), command.id) && words.done();
	}
	if (is(verb, "self-check")) {
		command.verb = Command::Verb::self_check;
		return words.done();
	}
	return false;
}

namespace
{

// Against what is there, and against what the same write asks for before it.
int check(const Command *commands, u32 index)
{
	const Command &command = commands[index];
	if (command.verb == Command::Verb::self_check)
		return 0;
	const Container *c = containers.find_id(command.id);
	if (c == nullptr || c == containers.overflow())
		return kNoEntry;
	if (command.verb == Command::Verb::dismiss)
		return stopped(c->current()) ? 0 : kInvalid;
	const Container *same = containers.find_name(command.name);
	if (same != nullptr && same != c)
		return kExists;
	const bool moves = command.new_id && command.new_id != command.id;
	if (moves && (containers.find_id(command.new_id) != nullptr || command.new_id == containers.overflow()->id))
		return kExists;
	for (u32 i = 0; i < index; ++i) {
		const Command &earlier = commands[i];
		if (earlier.verb != Command::Verb::name)
			continue;
		if (earlier.id == command.id) // two names for one, or an ID that will have moved
			return kInvalid;
		if (same_text(earlier.name, command.name) || (moves && earlier.new_id == command.new_id))
			return kExists;
	}
	return 0;
}

void apply(const Command &command)
{
	if (command.verb == Command::Verb::self_check)
		return;
	Container *c = containers.find_id(command.id);
	if (c == nullptr)
		return;
	if (command.verb == Command::Verb::dismiss) {
		c->dismissed.set_relaxed(1);
		c->next_look_ms = 0;
		bc_kick_worker();
		return;
	}
	copy_text(c->name, sizeof(c->name), command.name);
	if (command.new_id && command.new_id != command.id) {
		if (!stopper.drop_face(command.id.value))
			return; // the ID stays: a worker that is 64 renamings behind has other troubles
		containers.renumber(*c, command.new_id);
		c->has_face = bc_face_add(command.new_id.value);
		bc_kick_worker();
	}
}

} // namespace

} // namespace bc

extern "C" int bc_control(const char *text, unsigned long length)
{
	using namespace bc;
	auto *commands = static_cast<Command *>(bc_big_alloc(kMostCommands * sizeof(Command)));
	if (commands == nullptr)
		return kNoMemory;
	int result = 0;
	u32 count = 0;
	for (unsigned long start = 0; start < length && result == 0;) {
		unsigned long end = start;
		while (end < length && text[end] != '\n')
			++end;
		if (count == kMostCommands ||
		    !parse_command(text + start, static_cast<u32>(end - start), commands[count]))
			result = kInvalid;
		else
			result = check(commands, count++);
		start = end + 1;
	}
	if (result == 0 && count == 0)
		result = kInvalid;
	for (u32 i = 0; result == 0 && i < count; ++i)
		apply(commands[i]);
	bc_big_free(commands);
	return result;
}
