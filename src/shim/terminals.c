// SPDX-License-Identifier: GPL-2.0
/*
 * What a terminal keeps in the name of whoever wrote to it, set it or opened it: its write buffer, its line discipline, what it has
 * answered, the settings that stay for the next to open it, a console's screen and font.
 *
 * Terminals are in the tables of their drivers. Those of ptmx are in no table; each lives by an open file of its own or of the other end.
 * A port may outlive its terminal: a console's is the console's, others are their drivers'.
 */
#include <linux/fs.h>
#include <linux/kbd_kern.h>
#include <linux/keyboard.h>
#include <linux/mm.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_port.h>
#include <linux/kd.h>
#include <linux/vt_kern.h> /* wants both */

#include "keeper.h"

#define MOST_BUFFERS 4096 /* of a port, each of at least 256 bytes */
#define MOST_LINES 4096   /* of a driver */

static const struct list_head *drivers;
static const struct vc *consoles;
static char *const *selection;
static const struct {
	const char *name;
	u32 words;
} tables[] = {
	{ "key_maps", MAX_NR_KEYMAPS },
	{ "func_table", MAX_NR_FUNC },
};
static const void *const *table[ARRAY_SIZE(tables)];
static const char *const names_of_operations[] = { "tty_fops", "ptmx_fops", "console_fops", "hung_up_tty_fops" };
static const void *operations[ARRAY_SIZE(names_of_operations)];

void bc_terminals_init(void)
{
	unsigned long vc_sel = bc_lookup("vc_sel");
	u32 offset;
	int i;

	drivers = (const void *)bc_lookup("tty_drivers");
	consoles = (const void *)bc_lookup("vc_cons");
	if (vc_sel && bc_layout_offset("vc_selection", "buffer", &offset))
		selection = (char *const *)(vc_sel + offset);
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		table[i] = (const void *)bc_lookup(tables[i].name);
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		operations[i] = (const void *)bc_lookup(names_of_operations[i]);
}

/* Both the ones that are in use and the free ones begin with the next. */
static bool buffers_keep(struct keeper *keeper, const void *buffer)
{
	int i;

	for (i = 0; buffer && i < MOST_BUFFERS; i++) {
		keeps(keeper, buffer);
		if (!GET(buffer, (const void *const *)buffer))
			return false;
	}
	return !buffer;
}

static bool port_keeps(struct keeper *keeper, const struct tty_port *port)
{
	const void *used, *unused;

	keeps(keeper, port);
	return walked(keeper, "tty_buffer",
		      GET(used, (const void *const *)&port->buf.head) && buffers_keep(keeper, used) &&
			      GET(unused, (const void *const *)&port->buf.free.first) && buffers_keep(keeper, unused));
}

static bool terminal_keeps(struct keeper *keeper, const struct tty_struct *tty)
{
	const void *const places[] = { &tty->ldisc, &tty->disc_data, &tty->write_buf, &tty->ctrl.pgrp, &tty->ctrl.session };
	const struct tty_port *port;
	const void *pointer;
	int i;

	keeps(keeper, tty);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		if (!GET(pointer, (const void *const *)places[i]))
			return false;
		keeps(keeper, pointer);
		keeps_area(keeper, pointer);
	}
	return GET(port, &tty->port) && (!port || port_keeps(keeper, port));
}

/* One line of a driver: who has it open, and what is there while nobody has. */
static bool line_keeps(struct keeper *keeper, const struct tty_driver *driver, const struct tty_driver *copy, u32 line)
{
	const struct tty_driver *its_driver;
	const struct ktermios *settings;
	const struct tty_struct *tty;
	const struct tty_port *port;
	bool complete = true;

	if (copy->termios && GET(settings, &copy->termios[line]))
		keeps(keeper, settings);
	if (copy->ports && GET(port, &copy->ports[line]) && port)
		complete &= port_keeps(keeper, port);
	if (copy->ttys && GET(tty, &copy->ttys[line]) && tty && !IS_ERR(tty)) {
		if (!GET(its_driver, &tty->driver) || its_driver != driver) /* closed just now */
			return false;
		complete &= terminal_keeps(keeper, tty);
	}
	return complete;
}

static bool drivers_keep(struct keeper *keeper)
{
	const struct list_head *node = drivers;
	bool complete = true;

	if (!drivers)
		return true;
	while (next_of_list(keeper, drivers, &node)) {
		const struct tty_driver *driver = list_entry(node, struct tty_driver, tty_drivers);
		struct tty_driver copy;
		u32 line;

		if (!GET(copy, driver))
			return false;
		for (line = 0; line < min_t(u32, copy.num, MOST_LINES); line++) {
			if (!step(keeper))
				return false;
			complete &= line_keeps(keeper, driver, &copy, line);
		}
	}
	return node && complete;
}

static bool consoles_keep(struct keeper *keeper)
{
	const struct vc_data *console;
	const void *pointer;
	bool complete = true;
	int i, word;

	for (i = 0; consoles && i < MAX_NR_CONSOLES; i++) {
		if (!step(keeper) || !GET(console, (const struct vc_data *const *)&consoles[i].d))
			return false;
		if (!console)
			continue;
		complete &= port_keeps(keeper, &console->port);
		for (word = 0; word < sizeof(*console) / sizeof(void *); word++) {
			if (GET(pointer, (const void *const *)console + word))
				keeps(keeper, pointer);
		}
	}
	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		for (word = 0; table[i] && word < tables[i].words; word++) {
			if (GET(pointer, table[i] + word))
				keeps(keeper, pointer);
		}
	}
	if (selection && GET(pointer, (const void *const *)selection))
		keeps(keeper, pointer);
	return complete;
}

void terminals_keep(struct keeper *keeper)
{
	keeper->steps = 0;
	keeper->holder.by = "tty";
	walked(keeper, "tty_driver", drivers_keep(keeper));
	keeper->holder.by = "console";
	walked(keeper, "console", consoles_keep(keeper));
}

/* The two ends go together: release_tty(). */
void bc_terminal_refers(const struct file *file, struct keeper *keeper)
{
	const struct tty_file_private *private = READ_ONCE(file->private_data);
	const struct tty_struct *tty, *link;
	int i;

	for (i = 0; READ_ONCE(file->f_op) != operations[i]; i++) {
		if (i == ARRAY_SIZE(operations) - 1)
			return;
	}
	if (!private || !GET(tty, &private->tty) || !tty)
		return;
	walked(keeper, "tty", terminal_keeps(keeper, tty));
	if (GET(link, &tty->link) && link)
		walked(keeper, "tty", terminal_keeps(keeper, link));
}
