// SPDX-License-Identifier: GPL-2.0
// The terminal as curses has it, without its names.
#pragma once

#include "table.h"

#include <string>

namespace beanctl
{

enum class Key {
	nothing, // the time is over
	resized,
	up,
	down,
	page_up,
	page_down,
	home,
	end,
	enter,
	back,
	letter
};
struct Pressed {
	Key key = Key::nothing;
	char letter = 0;
};

// Takes the terminal, and gives it back as it was, whatever happens in between. An error where it cannot be taken.
class Screen
{
      public:
	Screen();
	~Screen();
	Screen(const Screen &) = delete;
	Screen &operator=(const Screen &) = delete;

	size_t lines() const;
	size_t places() const;

	void begin(); // an empty picture
	// Cut to what fits; a line below the last is not shown.
	void line(size_t at, const std::string &text, Colour colour = Colour::none, bool inverse = false);
	void show();

	// Waits for a key, at most that long.
	Pressed wait(int milliseconds);

      private:
	bool colours_ = false;
	void *screen_ = nullptr;
};

} // namespace beanctl
