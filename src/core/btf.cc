// SPDX-License-Identifier: GPL-2.0
// A reader of the kernel's BTF: include/uapi/linux/btf.h has the format. Every index is checked: the data is the
// kernel's own, but the fuzzer feeds it to us as well.
#include <beancounter/btf.h>

#include "text.h"

namespace bc
{

namespace
{

struct Header {
	u16 magic;
	u8 version, flags;
	u32 header_length, types_at, types_length, strings_at, strings_length;
};

struct Type {
	u32 name, info, size;
};

struct Member {
	u32 name, type, offset;
};

enum Kind : u32 {
	kInt = 1,
	kArray = 3,
	kStruct = 4,
	kUnion = 5,
	kEnum = 6,
	kFuncProto = 13,
	kVar = 14,
	kDatasec = 15,
	kDeclTag = 17,
	kEnum64 = 19,
	kKinds = 20
};

u32 kind_of(const Type &t) { return t.info >> 24 & 0x1f; }
u32 members_of(const Type &t) { return t.info & 0xffff; }

// Bytes that follow a type's three words.
u32 tail_of(const Type &t)
{
	switch (kind_of(t)) {
	case kInt:
	case kVar:
	case kDeclTag:
		return 4;
	case kArray:
		return 12;
	case kStruct:
	case kUnion:
	case kDatasec:
	case kEnum64:
		return 12 * members_of(t);
	case kEnum:
	case kFuncProto:
		return 8 * members_of(t);
	default:
		return 0;
	}
}

class Btf
{
      public:
	Btf(const void *data, u64 size)
	{
		if (size < sizeof(Header))
			return;
		const auto *h = static_cast<const Header *>(data);
		const auto *base = static_cast<const char *>(data) + h->header_length;
		if (h->magic != 0xeb9f || h->header_length > size || h->strings_length == 0 ||
		    u64{h->types_at} + h->types_length > size - h->header_length ||
		    u64{h->strings_at} + h->strings_length > size - h->header_length ||
		    (h->header_length + u64{h->types_at}) % 4 != 0)
			return;
		types_ = base + h->types_at;
		types_length_ = h->types_length;
		strings_ = base + h->strings_at;
		strings_length_ = h->strings_length;
		valid_ = strings_[strings_length_ - 1] == 0;
	}
	bool valid() const { return valid_; }
	const char *string(u32 at) const { return at < strings_length_ ? strings_ + at : ""; }

	// Calls visit(type, id) in order until it returns true.
	template <class Visit> const Type *find(Visit &&visit) const
	{
		u32 id = 1;
		for (u64 at = 0; at + sizeof(Type) <= types_length_; ++id) {
			const auto *t = reinterpret_cast<const Type *>(types_ + at);
			const u64 next = at + sizeof(Type) + tail_of(*t);
			if (kind_of(*t) >= kKinds || next > types_length_)
				return nullptr;
			if (visit(*t, id))
				return t;
			at = next;
		}
		return nullptr;
	}

	bool member(const Type &type, const char *name, u32 base, u32 depth, u32 &offset) const
	{
		const auto *m = reinterpret_cast<const Member *>(&type + 1);
		const bool bitfields = type.info >> 31 != 0;
		for (u32 i = 0; i < members_of(type); ++i) {
			const u32 bits = bitfields ? m[i].offset & 0xffffff : m[i].offset;
			const char *own = string(m[i].name);
			if (same_text(own, name)) {
				if ((bitfields && m[i].offset >> 24 != 0) || bits % 8 != 0)
					return false;
				offset = base + bits / 8;
				return true;
			}
			if (*own != 0 || depth == 0)
				continue;
			const u32 wanted = m[i].type;
			const Type *inner = find([&](const Type &, u32 id) { return id == wanted; });
			if (inner != nullptr && (kind_of(*inner) == kStruct || kind_of(*inner) == kUnion) &&
			    member(*inner, name, base + bits / 8, depth - 1, offset))
				return true;
		}
		return false;
	}

      private:
	const char *types_ = nullptr;
	u64 types_length_ = 0;
	const char *strings_ = nullptr;
	u64 strings_length_ = 0;
	bool valid_ = false;
};

} // namespace

} // namespace bc

extern "C" bool bc_btf_member(const void *data, unsigned long size, const char *type, const char *member,
			      bc_u32 *offset)
{
	using namespace bc;
	const Btf btf{data, size};
	if (!btf.valid())
		return false;
	const Type *found = btf.find([&](const Type &t, u32) {
		return kind_of(t) == kStruct && members_of(t) != 0 && same_text(btf.string(t.name), type);
	});
	return found != nullptr && btf.member(*found, member, 0, 4, *offset);
}
