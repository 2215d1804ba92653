// SPDX-License-Identifier: GPL-2.0
/*
 * Compiled to assembly only: kbuild turns each DEFINE into a line of generated/offsets.h, which assembly and C++ include.
 */
#include <linux/kbuild.h>
#include <linux/cred.h>
#include <linux/gfp.h>
#include <linux/mm_types.h>
#include <linux/slab.h>
#include <linux/sched.h>
#include <linux/sched/user.h>
#include <linux/pid.h>
#include <linux/preempt.h>
#include <linux/hardirq.h>
#include <linux/user_namespace.h>

#include <beancounter/platform.h>

#include "compat.h"

int main(void)
{
	DEFINE(BC_KERNEL_6_12, BC_KERNEL_6_12);
	DEFINE(BC_HZ, HZ);
	OFFSET(BC_TASK_THREAD_PID, task_struct, thread_pid);
	OFFSET(BC_TASK_CRED, task_struct, cred);
	OFFSET(BC_CRED_USER, cred, user);
	OFFSET(BC_USER_COUNT, user_struct, __count);
	OFFSET(BC_UCOUNTS_COUNT, ucounts, count);
	OFFSET(BC_TASK_FLAGS, task_struct, flags);
	OFFSET(BC_TASK_JOURNAL, task_struct, journal_info);
	DEFINE(BC_PF_MUST_SUCCEED, PF_MEMALLOC | PF_EXITING);
	DEFINE(BC_PF_NOFS, PF_MEMALLOC_NOFS);
	DEFINE(BC_PF_NOIO, PF_MEMALLOC_NOIO);
	DEFINE(BC_PF_IO_FLUSHER, PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE);
	DEFINE(BC_GFP_HIGH, (__force unsigned int)__GFP_HIGH);
	DEFINE(BC_GFP_IO, (__force unsigned int)__GFP_IO);
	DEFINE(BC_GFP_FS, (__force unsigned int)__GFP_FS);
	DEFINE(BC_GFP_DIRECT_RECLAIM, (__force unsigned int)__GFP_DIRECT_RECLAIM);
	DEFINE(BC_GFP_NOFAIL, (__force unsigned int)__GFP_NOFAIL);
	DEFINE(BC_GFP_RECLAIMABLE, (__force unsigned int)__GFP_RECLAIMABLE);
	OFFSET(BC_PID_LEVEL, pid, level);
	DEFINE(BC_PID_NS1, offsetof(struct pid, numbers) + sizeof(struct upid) + offsetof(struct upid, ns));
	OFFSET(BC_CPU_IN_FLIGHT, bc_cpu, in_flight);
	OFFSET(BC_CPU_LAST, bc_cpu, last);
	DEFINE(BC_VMEMMAP, BC_VMEMMAP);
	DEFINE(BC_PAGE_STRUCT, sizeof(struct page));
	OFFSET(BC_PAGE_HEAD, page, compound_head);
	DEFINE(BC_SLAB_CACHE, BC_SLAB_CACHE_OFFSET);
	DEFINE(BC_MOST_IN_CACHE, KMALLOC_MAX_CACHE_SIZE);
	/* in_task() is false where one of these is set: include/linux/preempt.h */
	DEFINE(BC_NOT_TASK_MASK, NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET);
#ifdef CONFIG_PREEMPT_RT
	/* Softirqs run in tasks, marked in these: include/linux/preempt.h, kernel/softirq.c */
	OFFSET(BC_TASK_SOFTIRQS, task_struct, softirq_disable_cnt);
	DEFINE(BC_IN_SOFTIRQ, SOFTIRQ_OFFSET);
#endif
	DEFINE(BC_PREEMPT_RT, IS_ENABLED(CONFIG_PREEMPT_RT));
	DEFINE(BC_PREEMPT_COUNT, IS_ENABLED(CONFIG_PREEMPT_COUNT));
	DEFINE(BC_SLAB_BUCKETS, IS_ENABLED(CONFIG_SLAB_BUCKETS));
#if BC_KERNEL_6_12
	DEFINE(BC_HAVE_PCPU_HOT, 1);
	OFFSET(BC_HOT_CURRENT, pcpu_hot, current_task);
	OFFSET(BC_HOT_PREEMPT, pcpu_hot, preempt_count);
#else
	DEFINE(BC_HAVE_PCPU_HOT, 0);
#endif
	return 0;
}
