/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trace events, for who wants to see them as they happen: /sys/kernel/tracing/events/beancounter.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM beancounter

#if !defined(BC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define BC_TRACE_H

#include <linux/tracepoint.h>

#include "compat.h"

#if BC_KERNEL_6_12
#define bc_assign_str(field, from) __assign_str(field)
#else
#define bc_assign_str(field, from) __assign_str(field, from)
#endif

TRACE_EVENT(charge_refused,
	TP_PROTO(u32 id, const char *resource, const char *cause, u64 bytes, u64 site),
	TP_ARGS(id, resource, cause, bytes, site),
	TP_STRUCT__entry(
		__field(u32, id)
		__string(resource, resource)
		__string(cause, cause)
		__field(u64, bytes)
		__field(unsigned long, site)
	),
	TP_fast_assign(
		__entry->id = id;
		bc_assign_str(resource, resource);
		bc_assign_str(cause, cause);
		__entry->bytes = bytes;
		__entry->site = site;
	),
	TP_printk("id=%u resource=%s cause=%s bytes=%llu site=%pS", __entry->id, __get_str(resource), __get_str(cause),
		  __entry->bytes, (void *)__entry->site)
);

TRACE_EVENT(container_stop,
	TP_PROTO(u32 id, const char *name, const char *state, u64 objects, u64 bytes),
	TP_ARGS(id, name, state, objects, bytes),
	TP_STRUCT__entry(
		__field(u32, id)
		__string(name, name)
		__string(state, state)
		__field(u64, objects)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__entry->id = id;
		bc_assign_str(name, name);
		bc_assign_str(state, state);
		__entry->objects = objects;
		__entry->bytes = bytes;
	),
	TP_printk("id=%u name=%s state=%s objects=%llu bytes=%llu", __entry->id, __get_str(name), __get_str(state),
		  __entry->objects, __entry->bytes)
);

TRACE_EVENT(leak,
	TP_PROTO(u32 id, const char *verdict, const char *cache, const char *site, u64 objects, u64 bytes),
	TP_ARGS(id, verdict, cache, site, objects, bytes),
	TP_STRUCT__entry(
		__field(u32, id)
		__string(verdict, verdict)
		__string(cache, cache)
		__string(site, site)
		__field(u64, objects)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__entry->id = id;
		bc_assign_str(verdict, verdict);
		bc_assign_str(cache, cache);
		bc_assign_str(site, site);
		__entry->objects = objects;
		__entry->bytes = bytes;
	),
	TP_printk("id=%u verdict=%s cache=%s site=%s objects=%llu bytes=%llu", __entry->id, __get_str(verdict),
		  __get_str(cache), __get_str(site), __entry->objects, __entry->bytes)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
