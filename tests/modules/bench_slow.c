// SPDX-License-Identifier: GPL-2.0
/*
 * How often functions are entered: insmod bench_slow.ko functions=SYMBOL,SYMBOL,...; /proc/bench_slow has a line for each, with
 * its entries since loading. By kprobes of its own: tracefs refuses functions that are not traced, as the core's are.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#define MOST 64

static char *functions[MOST];
static int given;
module_param_array(functions, charp, &given, 0444);

static struct kprobe probes[MOST];
static DEFINE_PER_CPU(u64[MOST], entries);

static int entered(struct kprobe *probe, struct pt_regs *regs)
{
	this_cpu_inc(entries[probe - probes]);
	return 0;
}
NOKPROBE_SYMBOL(entered);

static int show(struct seq_file *m, void *unused)
{
	int i, cpu;

	for (i = 0; i < given; i++) {
		u64 sum = probes[i].nmissed;

		for_each_possible_cpu(cpu)
			sum += per_cpu(entries[i], cpu);
		seq_printf(m, "%s %llu\n", functions[i], sum);
	}
	return 0;
}

static void detach(int count)
{
	while (count--)
		unregister_kprobe(&probes[count]);
}

static int __init slow_init(void)
{
	int i, error;

	for (i = 0; i < given; i++) {
		probes[i].symbol_name = functions[i];
		probes[i].pre_handler = entered;
		error = register_kprobe(&probes[i]);
		if (error) {
			pr_err("bench_slow: %s: %d\n", functions[i], error);
			detach(i);
			return error;
		}
	}
	if (proc_create_single("bench_slow", 0444, NULL, show))
		return 0;
	detach(given);
	return -ENOMEM;
}

static void __exit slow_exit(void)
{
	remove_proc_entry("bench_slow", NULL);
	detach(given);
}

module_init(slow_init);
module_exit(slow_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Counts entries of functions");
