// SPDX-License-Identifier: GPL-2.0
#include "text.h"

#include <host.h>

#include <gtest/gtest.h>

#include <climits>
#include <string>

namespace bc
{
namespace
{

class TextTest : public ::testing::Test
{
      protected:
	void TearDown() override
	{
		bc_text_free(&text_);
		EXPECT_EQ(host::live(host::Kind::big), 0);
	}
	std::string taken()
	{
		std::string s(text_.data == nullptr ? "" : text_.data, text_.length);
		text_.length = 0;
		return s;
	}
	bc_text text_{};
	Text out_{text_};
};

TEST_F(TextTest, Numbers)
{
	out_.number(0).put(' ').number(-1).put(' ').number(LONG_MAX).put(' ').number(LONG_MIN);
	EXPECT_EQ(taken(), "0 -1 9223372036854775807 -9223372036854775808");
	out_.hex(0).put(' ').hex(0xdeadbeef).put(' ').hex(~u64{0});
	EXPECT_EQ(taken(), "0 deadbeef ffffffffffffffff");
}

TEST_F(TextTest, Columns)
{
	out_.right("ab", 4).put('|').right(s64{12}, 4).put('|').left("ab", 4).put('|').right("abcde", 4);
	EXPECT_EQ(taken(), "  ab|  12|ab  |abcde");
	out_.field("ab", 4).field(s64{7}, 3).field("", 2).field("abcdef", 4).end_line();
	EXPECT_EQ(taken(), "ab     7 -  abcdef\n");
}

TEST_F(TextTest, AFieldHasNoWhiteSpace)
{
	out_.field("a b\tc\nd\\e", 1);
	EXPECT_EQ(taken(), "a\\040b\\011c\\012d\\134e ");
	out_.field("\x01\x7f\x1b[31m", 1);
	EXPECT_EQ(taken(), "\\001\\177\\033[31m ");
	out_.field("\xc3\xbc\xff", 1);
	EXPECT_EQ(taken(), "\xc3\xbc\xff ") << "bytes above are left alone";
	out_.field("-", 1);
	EXPECT_EQ(taken(), "- ");
	out_.field("a b", 8).put('|');
	EXPECT_EQ(taken(), "a\\040b   |") << "padding counts what was written";
}

TEST_F(TextTest, GrowsAndKeepsWhatIsThere)
{
	std::string expected;
	for (int i = 0; i < 5000; ++i) {
		out_.number(i).put('\n');
		expected += std::to_string(i) + "\n";
	}
	EXPECT_EQ(taken(), expected);
	EXPECT_EQ(host::live(host::Kind::big), 1);
}

TEST_F(TextTest, WithoutMemoryItFailsForGood)
{
	host::fail(host::Kind::big, 2);
	for (int i = 0; i < 5000; ++i)
		out_.put('x');
	EXPECT_TRUE(out_.failed());
	EXPECT_EQ(text_.length, 4096u);
	out_.put("more").field("x", 100).end_line();
	EXPECT_LE(text_.length, 4096u);
	host::reset();
}

TEST_F(TextTest, EndLineOnAnEmptyText)
{
	out_.end_line();
	EXPECT_EQ(taken(), "\n");
}

TEST(Words, Copying)
{
	char to[4];
	copy_text(to, sizeof(to), "abcdef");
	EXPECT_STREQ(to, "abc");
	copy_text(to, sizeof(to), "");
	EXPECT_STREQ(to, "");
	copy_text(to, 1, "x");
	EXPECT_STREQ(to, "");
	to[0] = 'k';
	copy_text(to, 0, "x");
	EXPECT_EQ(to[0], 'k');
}

TEST(Words, Comparing)
{
	EXPECT_TRUE(same_text("", "") && same_text("ab", "ab"));
	EXPECT_FALSE(same_text("ab", "a") || same_text("a", "ab") || same_text("", "a"));
	EXPECT_TRUE(starts_with("abc", "ab") && starts_with("abc", "") && starts_with("abc", "abc"));
	EXPECT_FALSE(starts_with("ab", "abc") || starts_with("", "a"));
	EXPECT_EQ(length_of("abc"), 3u);
}

} // namespace
} // namespace bc
