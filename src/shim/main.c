// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading, in this order and the reverse. Nothing is touched before every hook and layout has been found.
 */
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/memblock.h>

#include "shim.h"

static bool old_file = true;
module_param(old_file, bool, 0444);
MODULE_PARM_DESC(old_file, "make /proc/user_beancounters (default 1); some tools take its presence for an OpenVZ guest");

static unsigned int max_containers = 4096;
module_param(max_containers, uint, 0444);
MODULE_PARM_DESC(max_containers, "containers with a row of their own, 1 to 65000 (default 4096: 288 KiB of tables); further ones share the row 'overflow'");

static unsigned int settle_ms = 12000;
module_param(settle_ms, uint, 0444);
MODULE_PARM_DESC(settle_ms, "longest wait for the verdict on a stopped container, in ms, 100 to 600000 (default 12000: 6.1's kfree_rcu took up to 8 s)");

static unsigned int ledger_mb;
module_param(ledger_mb, uint, 0444);
MODULE_PARM_DESC(ledger_mb, "most memory for the ledger in MiB (default 0: no limit); above it objects are not charged and count as missed");

static unsigned int flat_mb = 64;
module_param(flat_mb, uint, 0444);
MODULE_PARM_DESC(flat_mb, "most memory in MiB for the ledger as one table of 0.2 % of the memory, made when loading (default 64: machines of up to 32 GiB); larger ones, and such as memory may be added to, get it in pieces as needed");

static char *default_limits = "";
module_param(default_limits, charp, 0444);
MODULE_PARM_DESC(default_limits, "bounds of new containers, RESOURCE=BARRIER:LIMIT,... with K, M, G or unlimited (default none), e.g. kmemsize=8M:9M,numproc=200:200");

static bool stacks;
module_param(stacks, bool, 0444);
MODULE_PARM_DESC(stacks, "keep the whole stack of each allocation of containers that start after the module (default 0); `stacks ID on` in /proc/beancounter/control does it for one");

static bool search = true;
module_param(search, bool, 0444);
MODULE_PARM_DESC(search, "search the kernel's memory for who has the address of what a stopped container left and somebody refers to (default 1)");

static bool references = true;
module_param(references, bool, 0444);
MODULE_PARM_DESC(references, "watch who takes and gives back references of user_structs and ucounts (default 1): /proc/beancounter/ID/references");

static unsigned int atomic_slack_kb = 512;
module_param(atomic_slack_kb, uint, 0444);
MODULE_PARM_DESC(atomic_slack_kb, "KiB above a container's limit that GFP_ATOMIC allocations may go before they are refused, too (default 512)");

/* The ledger covers all memory there is now, and what the firmware says may be added. */
static u64 ledger_pages(void)
{
	unsigned long possible = bc_lookup("max_possible_pfn"), now = bc_lookup("max_pfn");
	u64 pages = 0;

	if (now)
		pages = *(unsigned long *)now;
	if (possible)
		pages = max_t(u64, pages, *(unsigned long *)possible);
	return pages;
}

static int __init beancounter_init(void)
{
	struct bc_config config;
	int ret;

	if (max_containers < 1 || max_containers > 65000 || settle_ms < 100 || settle_ms > 600000) {
		pr_err("max_containers is 1 to 65000, settle_ms 100 to 600000\n");
		return -EINVAL;
	}
	ret = bc_symbols_init();
	if (ret)
		return ret;
	ret = bc_layout_check();
	if (ret)
		return ret;
	ret = bc_must_have_init();
	if (ret)
		return ret;
	bc_probe_tables_init();
	bc_places_init();
	bc_census_init();
	bc_keepers_init();
	bc_memory_init();
	bc_thread_stacks_init();
	ret = bc_hooks_resolve();
	if (ret)
		return ret;

	config = (struct bc_config){
		.pages = ledger_pages(),
		.ram_pages = totalram_pages(),
		.flat_most = (u64)flat_mb << 20,
		.ledger_most = (u64)ledger_mb << 20,
		.cpus = nr_cpu_ids,
		.max_containers = max_containers,
		.settle_ms = settle_ms,
		.hooks = bc_hooks_expected(),
		.atomic_slack = (u64)atomic_slack_kb << 10,
		.default_limits = default_limits,
		.stacks = stacks,
		.no_search = !search,
	};
	if (!config.pages) {
		pr_err("the kernel does not say how much memory it has (max_pfn)\n");
		return -ENOENT;
	}
	ret = bc_pool_init();
	if (ret)
		return ret;
	ret = bc_core_init(&config);
	if (ret == -EINVAL) {
		pr_err("default_limits=%s is not RESOURCE=BARRIER:LIMIT,... of charged resources, each once, no barrier above its limit\n",
		       default_limits);
		goto fail_pool;
	}
	if (ret) {
		pr_err("no memory for the ledger of %llu pages\n", config.pages);
		goto fail_pool;
	}
	ret = bc_worker_init();
	if (ret)
		goto fail_core;
	ret = bc_proc_init(old_file);
	if (ret)
		goto fail_proc;
	ret = bc_hooks_attach();
	if (ret)
		goto fail_hooks;
	ret = bc_events_init();
	if (ret)
		goto fail_hooks;
	if (references) {
		ret = bc_references_init();
		if (ret)
			goto fail_references;
	}
	bc_worker_start();
	pr_info("%u hooks in place\n", bc_hooks_in_place());
	return 0;

fail_references:
	bc_references_exit();
	bc_events_exit();
fail_hooks:
	if (bc_hooks_detach()) {
		/* The kernel still calls our text: it has to stay. */
		bc_core_switch_off();
		pr_err("a hook is stuck: the module stays loaded, refuses nothing, and its numbers say nothing\n");
		__module_get(THIS_MODULE);
		return 0;
	}
fail_proc:
	bc_worker_stop();
	bc_proc_exit();
	bc_worker_exit();
fail_core:
	bc_core_exit();
fail_pool:
	bc_pool_exit();
	return ret;
}

static void __exit beancounter_exit(void)
{
	if (bc_hooks_detach()) {
		/*
		 * ftrace has given up (ftrace_kill() after a bug of its own) and our trampolines are still called. Returning
		 * would free their text under the CPUs' feet: stay here for ever instead. Idle: nobody is to take it for hung.
		 */
		bc_core_switch_off();
		pr_crit("a hook is stuck: rmmod cannot end, but nothing is refused any more. Reboot when it suits\n");
		for (;;)
			schedule_timeout_idle(MAX_SCHEDULE_TIMEOUT);
	}
	bc_references_exit();
	bc_events_exit();
	bc_worker_stop();
	bc_proc_exit();
	bc_worker_exit();
	bc_core_exit();
	bc_pool_exit();
	pr_info("unloaded\n");
}

module_init(beancounter_init);
module_exit(beancounter_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("User beancounters: every slab object charged to its container, zero at stop, the leak named");
