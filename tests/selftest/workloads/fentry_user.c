// SPDX-License-Identifier: GPL-2.0
/*
 * A BPF program of type fentry on a function of the kernel, as bpftrace's kfunc: and every BPF
 * tracer makes them, without their libraries: it does nothing, and stays until standard
 * input ends.
 *
 *   fentry_user FUNCTION     prints `attached`, or the error's name and exits with 1
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* What follows a type: include/uapi/linux/btf.h */
static size_t tail_of(const struct btf_type *type)
{
	size_t n = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return n * 3 * sizeof(uint32_t);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	default:
		return 0;
	}
}

/* The number of a function's type, 0 where there is none. */
static uint32_t btf_id(const char *function)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY);
	const struct btf_header *header;
	const char *at, *end, *names;
	size_t have = 0, room = 0;
	char *text = NULL;
	uint32_t id = 1;
	ssize_t got;

	do {
		if (room - have < (1 << 20))
			text = realloc(text, room += 1 << 22);
		got = text && fd >= 0 ? read(fd, text + have, room - have) : -1;
		have += got > 0 ? got : 0;
	} while (got > 0);
	close(fd);
	if (got < 0 || have < sizeof(*header))
		return 0;
	header = (const void *)text;
	at = text + header->hdr_len + header->type_off;
	end = at + header->type_len;
	names = text + header->hdr_len + header->str_off;
	for (; at < end; id++) {
		const struct btf_type *type = (const void *)at;

		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC && !strcmp(names + type->name_off, function))
			return id;
		at += sizeof(*type) + tail_of(type);
	}
	return 0;
}

static int failed(const char *what)
{
	printf("%s: %s\n", what, strerrorname_np(errno));
	return 1;
}

int main(int argc, char **argv)
{
	static const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_TRACING }, attach = {};
	int loaded;
	char byte;

	if (argc != 2)
		return 2;
	load.expected_attach_type = BPF_TRACE_FENTRY;
	load.insns = (uintptr_t)program;
	load.insn_cnt = sizeof(program) / sizeof(program[0]);
	load.license = (uintptr_t)"GPL";
	load.attach_btf_id = btf_id(argv[1]);
	if (!load.attach_btf_id) {
		printf("no such function in BTF\n");
		return 2;
	}
	loaded = bpf(BPF_PROG_LOAD, &load);
	if (loaded < 0)
		return failed("load");
	attach.raw_tracepoint.prog_fd = loaded;
	if (bpf(BPF_RAW_TRACEPOINT_OPEN, &attach) < 0)
		return failed("attach");
	printf("attached\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
