// SPDX-License-Identifier: GPL-2.0
// What the tests of bounds share: objects that may be refused, and bounds that are set as an administrator does.
#pragma once

#include "rig.h"

#include "bounds_text.h"

namespace rig
{

inline int set(u32 id, const std::string &text) { return bc_set_resources(id, text.data(), text.size()); }

class Bound : public Core
{
      protected:
	Bound()
	{
		host::add_symbol(kText, 0x100, "somebody");
		host::add_symbol(kText + 0x1000, 0x100, "copy_process");
		host::add_symbol(kText + 0x2000, 0x100, "__sigqueue_alloc");
		host::add_symbol(kText + 0x3000, 0x100, "alloc_empty_file");
		host::add_symbol(kText + 0x4000, 0x100, "alloc_tty_struct");
		host::add_symbol(kText + 0x5000, 0x100, "sk_prot_alloc");
	}
	// 0: refused
	u64 make(const Cache &cache, u64 caller = kText, u32 gfp = kGfpKernel, u64 n = 1)
	{
		const u64 object = slabs_.make(cache.key, cache.stride);
		if (allocated(ns(n), object, caller, cache.cache_key(), gfp))
			return object;
		slabs_.free(object);
		return 0;
	}
	void gone(u64 object)
	{
		freed(object);
		slabs_.free(object);
	}
	// Bounds in force, as a write to the file leaves them.
	void bound(const std::string &text, u32 id = 1)
	{
		ASSERT_EQ(set(id, text), 0);
		ASSERT_TRUE(bc_wait_for_frees(false));
	}
	std::map<std::string, std::string> resource(const char *name, u32 id = 1)
	{
		return row(render(BC_FILE_RESOURCES, id), name);
	}
	Cache k64_{64, false, "kmalloc-64"};
	Cache k8k_{8192, false, "kmalloc-8k"};
	Cache task_{9152, false, "task_struct"};
	Cache dentry_{192, true, "dentry"};
	Cache tcp_{2432, false, "TCPv6"};
	Cache unix_{1024, false, "UNIX-STREAM"};
};

} // namespace rig
