// SPDX-License-Identifier: GPL-2.0
#include "top_screen.h"

#include "error.h"
#include "top_rows.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>

namespace beanctl
{

namespace
{

constexpr int kEscape = 27;

short pair_of(Colour colour) { return static_cast<short>(colour); } // none: 0, the terminal's own

} // namespace

Screen::Screen()
{
	if (isatty(STDOUT_FILENO) != 1 || isatty(STDIN_FILENO) != 1)
		fail_usage("standard input and output are not a terminal: beanctl top --batch prints plain text");
	// Names may be UTF-8.
	std::setlocale(LC_CTYPE, "");
	const char *type = std::getenv("TERM");
	if (type == nullptr || *type == 0)
		fail_usage("TERM is not set: which terminal is this? beanctl top --batch needs none");
	SCREEN *screen = newterm(type, stdout, stdin);
	if (screen == nullptr)
		fail_usage("nothing is known of a terminal '{}' (TERM); beanctl top --batch needs none", type);
	screen_ = screen;
	set_escdelay(50); // an Escape of its own is one soon
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	if (colour_wanted() && has_colors()) {
		colours_ = true;
		start_color();
		use_default_colors();
		init_pair(pair_of(Colour::good), COLOR_GREEN, -1);
		init_pair(pair_of(Colour::doubtful), COLOR_YELLOW, -1);
		init_pair(pair_of(Colour::bad), COLOR_RED, -1);
	}
}

Screen::~Screen()
{
	endwin();
	delscreen(static_cast<SCREEN *>(screen_));
}

size_t Screen::lines() const { return static_cast<size_t>(getmaxy(stdscr)); }
size_t Screen::places() const { return static_cast<size_t>(getmaxx(stdscr)); }

void Screen::begin() { werase(stdscr); }

void Screen::line(size_t at, const std::string &text, Colour colour, bool inverse)
{
	if (at >= lines())
		return;
	std::string shown = cut(text, places());
	if (inverse) {
		// The whole width of it.
		const std::string padded = shown + std::string(places(), ' ');
		shown = cut(padded, places());
	}
	const attr_t look = (inverse ? A_REVERSE : A_NORMAL) | (colours_ ? COLOR_PAIR(pair_of(colour)) : 0);
	wattron(stdscr, static_cast<int>(look));
	// Into the last place of the last line nothing fits without an error, which is none here.
	mvwaddstr(stdscr, static_cast<int>(at), 0, shown.c_str());
	wattroff(stdscr, static_cast<int>(look));
}

void Screen::show() { wrefresh(stdscr); }

Pressed Screen::wait(int milliseconds)
{
	wtimeout(stdscr, milliseconds);
	const int key = wgetch(stdscr);
	switch (key) {
	case ERR:
		return {Key::nothing};
	case KEY_RESIZE:
		return {Key::resized};
	case KEY_UP:
	case 'k':
		return {Key::up};
	case KEY_DOWN:
	case 'j':
		return {Key::down};
	case KEY_PPAGE:
		return {Key::page_up};
	case KEY_NPAGE:
	case ' ':
		return {Key::page_down};
	case KEY_HOME:
		return {Key::home};
	case KEY_END:
		return {Key::end};
	case KEY_ENTER:
	case KEY_RIGHT:
	case '\r':
	case '\n':
		return {Key::enter};
	case KEY_LEFT:
	case KEY_BACKSPACE:
	case 127:
	case 8:
	case kEscape:
		return {Key::back};
	default:
		return key > 0 && key < 128 ? Pressed{Key::letter, static_cast<char>(key)} : Pressed{Key::letter, 0};
	}
}

} // namespace beanctl
