// SPDX-License-Identifier: GPL-2.0
#include <beancounter/btf.h>

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace
{

// Writes BTF, type by type, as Documentation/bpf/btf.rst has it.
class Btf
{
      public:
	uint32_t name(const std::string &s)
	{
		if (s.empty())
			return 0;
		const auto at = static_cast<uint32_t>(strings_.size());
		strings_ += s + '\0';
		return at;
	}
	struct Member {
		std::string name;
		uint32_t type, bits;
	};
	uint32_t record(uint32_t kind, const std::string &named, const std::vector<Member> &members,
			bool bitfields = false)
	{
		words(
		    {name(named), kind << 24 | static_cast<uint32_t>(members.size()) | (bitfields ? 1u << 31 : 0), 64});
		for (const Member &m : members)
			words({name(m.name), m.type, m.bits});
		return next_++;
	}
	uint32_t integer(const std::string &named)
	{
		words({name(named), 1u << 24, 4, 32});
		return next_++;
	}
	uint32_t other(uint32_t kind, uint32_t vlen, uint32_t tail)
	{
		words({0, kind << 24 | vlen, 0});
		words(std::vector<uint32_t>(tail / 4, 0));
		return next_++;
	}
	std::vector<uint32_t> data() const // of words, so that it is aligned
	{
		std::string out;
		auto put = [&](uint32_t w) { out.append(reinterpret_cast<const char *>(&w), 4); };
		put(0xeb9f | 1u << 16);
		put(24);
		put(0);
		put(static_cast<uint32_t>(types_.size() * 4));
		put(static_cast<uint32_t>(types_.size() * 4));
		put(static_cast<uint32_t>(strings_.size()));
		for (uint32_t w : types_)
			put(w);
		out += strings_;
		size_ = out.size();
		std::vector<uint32_t> aligned((out.size() + 3) / 4);
		memcpy(aligned.data(), out.data(), out.size());
		return aligned;
	}
	size_t size() const { return size_; }

      private:
	void words(const std::vector<uint32_t> &w) { types_.insert(types_.end(), w.begin(), w.end()); }
	std::string strings_ = std::string(1, '\0');
	std::vector<uint32_t> types_;
	uint32_t next_ = 1;
	mutable size_t size_ = 0;
};

enum {
	kArray = 3,
	kStruct = 4,
	kUnion = 5,
	kEnum = 6,
	kProto = 13,
	kDatasec = 15,
	kEnum64 = 19
};

class BtfTest : public ::testing::Test
{
      protected:
	BtfTest()
	{
		const uint32_t u32 = btf_.integer("u32");
		btf_.other(kArray, 0, 12);
		btf_.other(kEnum, 2, 16);
		btf_.other(kProto, 1, 8);
		btf_.other(kDatasec, 1, 12);
		btf_.other(kEnum64, 1, 12);
		const uint32_t inner = btf_.record(kUnion, "", {{"a", u32, 0}, {"b", u32, 32}});
		const uint32_t named = btf_.record(kStruct, "named", {{"deep", u32, 64}});
		btf_.record(kStruct, "slab", {{"flags", u32, 0}, {"", inner, 128}, {"n", named, 256}, {"odd", u32, 3}});
		btf_.record(kStruct, "bits", {{"plain", u32, 64}, {"field", u32, 1u << 24 | 64}}, true);
		btf_.record(kStruct, "declared", {});
		btf_.record(kStruct, "declared", {{"x", u32, 8}});
		btf_.record(kUnion, "u", {{"x", u32, 0}});
	}
	int offset(const char *type, const char *member)
	{
		const auto data = btf_.data();
		uint32_t at = ~0u;
		return bc_btf_member(data.data(), btf_.size(), type, member, &at) ? static_cast<int>(at) : -1;
	}
	Btf btf_;
};

TEST_F(BtfTest, FindsMembers)
{
	EXPECT_EQ(offset("slab", "flags"), 0);
	EXPECT_EQ(offset("slab", "n"), 32);
	EXPECT_EQ(offset("named", "deep"), 8);
	EXPECT_EQ(offset("declared", "x"), 1) << "a forward declaration is no definition";
}

TEST_F(BtfTest, LooksIntoAnonymousOnesOnly)
{
	EXPECT_EQ(offset("slab", "a"), 16);
	EXPECT_EQ(offset("slab", "b"), 20);
	EXPECT_EQ(offset("slab", "deep"), -1);
}

TEST_F(BtfTest, RefusesWhatIsNoByteOffset)
{
	EXPECT_EQ(offset("bits", "plain"), 8);
	EXPECT_EQ(offset("bits", "field"), -1);
	EXPECT_EQ(offset("slab", "odd"), -1);
	EXPECT_EQ(offset("slab", "none"), -1);
	EXPECT_EQ(offset("none", "flags"), -1);
	EXPECT_EQ(offset("u", "x"), -1) << "structs only";
	EXPECT_EQ(offset("", "a"), -1);
}

TEST_F(BtfTest, AnyTruncationIsRefusedOrHarmless)
{
	const auto whole = btf_.data();
	for (size_t size = 0; size < btf_.size(); ++size) {
		std::vector<char> part(size); // of exactly this size, for AddressSanitizer
		memcpy(part.data(), whole.data(), size);
		uint32_t at = 0;
		EXPECT_FALSE(bc_btf_member(part.data(), size, "slab", "flags", &at)) << size;
	}
}

TEST_F(BtfTest, AnyOneByteWrongIsHarmless)
{
	const auto whole = btf_.data();
	for (size_t i = 0; i < btf_.size(); ++i) {
		for (int value : {0, 1, 0x7f, 0xff}) {
			auto data = whole;
			reinterpret_cast<unsigned char *>(data.data())[i] = static_cast<unsigned char>(value);
			uint32_t at = 0;
			bc_btf_member(data.data(), btf_.size(), "slab", "b", &at);
		}
	}
}

TEST(Btf, OfThisKernel)
{
	std::ifstream in("/sys/kernel/btf/vmlinux", std::ios::binary);
	const std::vector<char> data{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
	if (data.empty())
		GTEST_SKIP() << "this kernel has no /sys/kernel/btf/vmlinux";
	uint32_t pid = 0, none = 0, zero = 1;
	EXPECT_TRUE(bc_btf_member(data.data(), data.size(), "task_struct", "thread_pid", &pid));
	EXPECT_GT(pid, 0u);
	EXPECT_TRUE(bc_btf_member(data.data(), data.size(), "list_head", "next", &zero));
	EXPECT_EQ(zero, 0u);
	EXPECT_FALSE(bc_btf_member(data.data(), data.size(), "task_struct", "no_such_member", &none));
}

} // namespace
