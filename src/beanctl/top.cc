// SPDX-License-Identifier: GPL-2.0
#include "top.h"

#include "error.h"
#include "report.h"
#include "top_rows.h"
#include "top_screen.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

namespace beanctl
{

namespace
{

using Clock = std::chrono::steady_clock;

double seconds_now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

volatile std::sig_atomic_t g_signal = 0;

// The terminal is given back before the signal has its way.
void on_signal(int number) { g_signal = number; }

void catch_signals()
{
	struct sigaction action {
	};
	action.sa_handler = on_signal;
	for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
		sigaction(number, &action, nullptr);
}

void let_signal_have_its_way()
{
	if (g_signal == 0)
		return;
	(void)std::signal(g_signal, SIG_DFL);
	(void)std::raise(g_signal);
}

// Samples, and the order of their lines.
class Source
{
      public:
	explicit Source(TopKey key) : key_(key) {}
	const TopSample &sample() const { return now_; }
	TopKey key() const { return key_; }

	void look()
	{
		TopSample fresh = sample_now(seconds_now());
		if (!first_)
			compare(fresh, now_);
		first_ = false;
		now_ = std::move(fresh);
		sort(now_, key_);
	}
	void order(TopKey key)
	{
		key_ = key;
		sort(now_, key_);
	}

      private:
	TopKey key_;
	TopSample now_;
	bool first_ = true;
};

class View
{
      public:
	View(const TopOptions &options, TopKey key) : options_(options), source_(key) { look_.bytes = options.bytes; }
	void run();

      private:
	void draw();
	void draw_list();
	void draw_details();
	bool press(const Pressed &pressed); // false: the end
	void press_in_list(Key key);
	void press_in_details(Key key);
	void letter(char c);
	void look();
	void open();
	size_t body() const { return screen_.lines() > 3 ? screen_.lines() - 3 : 1; }
	size_t cursor() const;
	void set_cursor(size_t row);

	TopOptions options_;
	Look look_;
	Source source_;
	unsigned on_ = 0; // the container with the cursor; it stays with it when the order changes
	size_t top_ = 0;  // the first row shown
	bool details_open_ = false;
	std::vector<std::string> details_;
	size_t details_top_ = 0;
	std::string message_;
	Screen screen_;
};

size_t View::cursor() const
{
	const auto &rows = source_.sample().rows;
	const auto found =
	    std::find_if(rows.begin(), rows.end(), [this](const TopRow &r) { return r.container.id == on_; });
	return found == rows.end() ? 0 : static_cast<size_t>(found - rows.begin());
}

void View::set_cursor(size_t row)
{
	const auto &rows = source_.sample().rows;
	on_ = rows.empty() ? 0 : rows[std::min(row, rows.size() - 1)].container.id;
}

void View::look()
{
	const size_t row = cursor();
	source_.look();
	const auto &rows = source_.sample().rows;
	// Where its container is gone the next one has moved to its place.
	if (std::none_of(rows.begin(), rows.end(), [this](const TopRow &r) { return r.container.id == on_; }))
		set_cursor(row);
	if (details_open_)
		open();
}

void View::open()
{
	const auto &rows = source_.sample().rows;
	details_open_ = false;
	if (rows.empty())
		return;
	try {
		details_ = top_details(rows[cursor()].container, look_);
		details_open_ = true;
	} catch (const Error &error) {
		// Its files may go at any time; if it is the module that went, the next look says so.
		message_ = error.what();
	}
}

void View::draw_list()
{
	const std::vector<std::string> table = split_lines(top_table(source_.sample(), look_).text(look_, false));
	const auto &rows = source_.sample().rows;
	const size_t at = cursor();
	if (at < top_)
		top_ = at;
	if (at >= top_ + body())
		top_ = at - body() + 1;
	top_ = std::min(top_, rows.size() > body() ? rows.size() - body() : 0);
	screen_.line(1, table.front(), Colour::none, true);
	for (size_t i = 0; i < body() && top_ + i < rows.size(); ++i) {
		const Colour colour = state_colour(rows[top_ + i].container.state);
		screen_.line(2 + i, table[1 + top_ + i], colour, top_ + i == at);
	}
}

void View::draw_details()
{
	details_top_ = std::min(details_top_, details_.size() > body() ? details_.size() - body() : 0);
	for (size_t i = 0; i < body() + 1 && details_top_ + i < details_.size(); ++i)
		screen_.line(1 + i, details_[details_top_ + i]);
}

void View::draw()
{
	screen_.begin();
	screen_.line(0, top_summary(source_.sample(), look_),
		     has_losses(source_.sample().health) ? Colour::bad : Colour::none);
	if (details_open_)
		draw_details();
	else
		draw_list();
	if (screen_.lines() > 3) {
		std::string keys = details_open_ ? "Esc back  up, down  q quit"
						 : "h held  g growth  f failcnt  i ID  b bytes  Enter details  q quit";
		screen_.line(screen_.lines() - 1, message_.empty() ? keys : message_);
	}
	screen_.show();
}

void View::press_in_list(Key key)
{
	const size_t at = cursor();
	switch (key) {
	case Key::up:
		set_cursor(at == 0 ? 0 : at - 1);
		break;
	case Key::down:
		set_cursor(at + 1);
		break;
	case Key::page_up:
		set_cursor(at < body() ? 0 : at - body());
		break;
	case Key::page_down:
		set_cursor(at + body());
		break;
	case Key::home:
		set_cursor(0);
		break;
	case Key::end:
		set_cursor(source_.sample().rows.size());
		break;
	case Key::enter:
		details_top_ = 0;
		open();
		break;
	default:
		break;
	}
}

void View::press_in_details(Key key)
{
	switch (key) {
	case Key::up:
		details_top_ -= details_top_ == 0 ? 0 : 1;
		break;
	case Key::down:
		++details_top_;
		break;
	case Key::page_up:
		details_top_ -= std::min(details_top_, body());
		break;
	case Key::page_down:
		details_top_ += body();
		break;
	case Key::home:
		details_top_ = 0;
		break;
	case Key::end:
		details_top_ = details_.size();
		break;
	case Key::enter:
	case Key::back:
		details_open_ = false;
		break;
	default:
		break;
	}
}

void View::letter(char c)
{
	switch (c) {
	case 'h':
		source_.order(TopKey::held);
		break;
	case 'g':
		source_.order(TopKey::growth);
		break;
	case 'f':
		source_.order(TopKey::failcnt);
		break;
	case 'i':
		source_.order(TopKey::id);
		break;
	case 'b':
		look_.bytes = !look_.bytes;
		if (details_open_)
			open();
		break;
	default:
		message_ = "h, g, f and i choose what is first; b plain bytes; q ends";
		break;
	}
}

bool View::press(const Pressed &pressed)
{
	if (pressed.key == Key::nothing || pressed.key == Key::resized)
		return true;
	message_.clear();
	if (pressed.key == Key::letter) {
		if (pressed.letter == 'q')
			return false;
		letter(pressed.letter);
	} else if (details_open_) {
		press_in_details(pressed.key);
	} else {
		press_in_list(pressed.key);
	}
	return true;
}

void View::run()
{
	const auto delay = std::chrono::duration<double>(options_.delay);
	for (long n = 1;; ++n) {
		look();
		const auto next = Clock::now() + delay;
		for (;;) {
			draw();
			const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now());
			if (left.count() <= 0)
				break;
			if (!press(screen_.wait(static_cast<int>(left.count()) + 1)) || g_signal != 0)
				return;
		}
		if (options_.iterations && n >= *options_.iterations)
			return;
	}
}

int batch(const TopOptions &options, TopKey key)
{
	Look look;
	look.bytes = options.bytes;
	Source source(key);
	for (long n = 1;; ++n) {
		source.look();
		fmt::print("{}{}\n{}", n == 1 ? "" : "\n", top_summary(source.sample(), look),
			   top_table(source.sample(), look).text(look, false));
		if (std::fflush(stdout) != 0)
			fail_system("standard output");
		if (options.iterations && n >= *options.iterations)
			return 0;
		std::this_thread::sleep_for(std::chrono::duration<double>(options.delay));
	}
}

} // namespace

int top(const TopOptions &options)
{
	const auto key = top_key(options.sort);
	if (!key)
		fail_usage("--sort {}: it is one of held, growth, failcnt, id", options.sort);
	// Less would only be busy with itself; more than a day is a slip.
	if (!(options.delay >= 0.1 && options.delay <= 86400))
		fail_usage("--delay {:g}: it is a number of seconds, 0.1 to 86400", options.delay);
	if (options.iterations.value_or(1) < 1)
		fail_usage("--iterations {}: it is a number above 0", *options.iterations);
	require_module();
	if (options.batch)
		return batch(options, *key);
	{
		View view(options, *key);
		catch_signals();
		view.run();
	}
	let_signal_have_its_way();
	return 0;
}

} // namespace beanctl
