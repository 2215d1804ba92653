// SPDX-License-Identifier: GPL-2.0
// Parsers and formats.
#include "each.h"
#include "error.h"
#include "files.h"
#include "hook.h"
#include "job.h"
#include "junit.h"
#include "kernel_log.h"
#include "limit.h"
#include "records.h"
#include "report.h"
#include "symbols.h"
#include "table.h"
#include "top_rows.h"
#include "units.h"

#include <gtest/gtest.h>

#include <climits>

using namespace beanctl;

namespace
{

std::string error_of(auto &&action)
{
	try {
		action();
	} catch (const Error &error) {
		return error.what();
	}
	return "no error";
}

bool contains(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

TEST(Records, ColumnsAreFoundByName)
{
	const Records records =
	    Records::parse("  id name  held\n   7 web    12\n   8 -  9223372036854775807\n", "file");
	ASSERT_EQ(records.size(), 2u);
	EXPECT_EQ(records.text(0, "name"), "web");
	EXPECT_EQ(records.number(0, "held"), 12);
	EXPECT_EQ(records.text(1, "name"), "");
	EXPECT_EQ(records.number(1, "held"), LLONG_MAX);
	EXPECT_EQ(records.where("name", "web"), 0u);
	EXPECT_EQ(records.where("name", "nobody"), std::nullopt);
	EXPECT_TRUE(records.has("id"));
	EXPECT_FALSE(records.has("state"));
}

TEST(Records, OrderDoesNotMatterAndColumnsMayBeAdded)
{
	const Records records = Records::parse("new held id\nx 5 1\n", "file");
	EXPECT_EQ(records.number(0, "id"), 1);
	EXPECT_EQ(records.number(0, "held"), 5);
}

TEST(Records, KeepAsksForEveryRowBeforeItDropsOne)
{
	Records records = Records::parse("id held\n1 5\n2 0\n3 7\n", "file");
	records.keep([&](size_t row) { return records.number(row, "held") != 0; });
	ASSERT_EQ(records.size(), 2u);
	EXPECT_EQ(records.number(0, "id"), 1);
	EXPECT_EQ(records.number(1, "id"), 3);
}

TEST(Records, WhatIsNotThereIsAnError)
{
	const Records records = Records::parse("id held\n1 many\n", "file");
	EXPECT_TRUE(contains(error_of([&] { (void)records.text(0, "state"); }), "no column state"));
	EXPECT_TRUE(contains(error_of([&] { (void)records.number(0, "held"); }), "'many'"));
	EXPECT_TRUE(contains(error_of([] { Records::parse("", "file"); }), "no header"));
	EXPECT_TRUE(contains(error_of([] { Records::parse("id held\n1\n", "file"); }), "1 fields, the header 2"));
}

TEST(Records, Unlimited)
{
	const Records records = Records::parse("barrier limit\n4096 unlimited\n", "file");
	EXPECT_EQ(records.bound(0, "barrier"), 4096);
	EXPECT_EQ(records.bound(0, "limit"), std::nullopt);
}

TEST(Unescape, OctalAndNothingElse)
{
	EXPECT_EQ(unescape("a\\040b\\011c\\012d\\134e"), "a b\tc\nd\\e");
	EXPECT_EQ(unescape("\\0"), "\\0");
	EXPECT_EQ(unescape("\\04"), "\\04");
	EXPECT_EQ(unescape("\\099"), "\\099");
	EXPECT_EQ(unescape("\\134040"), "\\040");
	EXPECT_EQ(unescape("\\377"), "\xff");
	EXPECT_EQ(unescape("\\777"), "\\777");
}

TEST(HumanSize, OneDecimal)
{
	EXPECT_EQ(human_size(0), "0B");
	EXPECT_EQ(human_size(78), "78B");
	EXPECT_EQ(human_size(1023), "1023B");
	EXPECT_EQ(human_size(1024), "1K");
	EXPECT_EQ(human_size(1536), "1.5K");
	EXPECT_EQ(human_size(1024 * 1024 - 1), "1M");
	EXPECT_EQ(human_size(9437184), "9M");
	EXPECT_EQ(human_size(-128), "-128B");
	EXPECT_EQ(human_size(LLONG_MAX), "8E");
	EXPECT_EQ(human_size(LLONG_MIN), "-8E");
}

TEST(ParseAmount, NumbersUnitsAndUnlimited)
{
	EXPECT_EQ(parse_amount("0"), 0);
	EXPECT_EQ(parse_amount("4096"), 4096);
	EXPECT_EQ(parse_amount("8K"), 8192);
	EXPECT_EQ(parse_amount("8M"), 8ll << 20);
	EXPECT_EQ(parse_amount("2g"), 2ll << 30);
	EXPECT_EQ(parse_amount("unlimited"), kUnlimited);
	EXPECT_EQ(parse_amount("9223372036854775807"), kUnlimited);
	for (const char *bad :
	     {"", "K", "-1", "1T", "1.5M", "8 M", "0x10", "9223372036854775808", "9007199254740992K", "+1"})
		EXPECT_EQ(parse_amount(bad), std::nullopt) << bad;
}

TEST(Limits, AsOnTheCommandLine)
{
	const Limit limit = parse_limit("kmemsize=8M:9M");
	EXPECT_EQ(limit.resource, "kmemsize");
	EXPECT_EQ(limit.barrier, 8 << 20);
	EXPECT_EQ(limit.limit, 9 << 20);
	const Limit both = parse_limit("numproc=100");
	EXPECT_EQ(both.barrier, 100);
	EXPECT_EQ(both.limit, 100);
	EXPECT_EQ(limits_text({limit, both, parse_limit("numfile=5:unlimited")}),
		  "kmemsize 8388608 9437184\nnumproc 100 100\nnumfile 5 unlimited\n");
}

TEST(Limits, WhyOneIsRefused)
{
	EXPECT_TRUE(contains(error_of([] { parse_limit("kmemsize"); }), "RESOURCE=BARRIER:LIMIT"));
	EXPECT_TRUE(contains(error_of([] { parse_limit("=5"); }), "RESOURCE=BARRIER:LIMIT"));
	EXPECT_TRUE(contains(error_of([] { parse_limit("kmemsize=9M:8M"); }), "barrier must not be above"));
	EXPECT_TRUE(contains(error_of([] { parse_limit("kmemsize=unlimited:8M"); }), "barrier must not be above"));
	EXPECT_TRUE(contains(error_of([] { parse_limit("kmemsize=8X"); }), "'8X' is no amount"));
	EXPECT_TRUE(contains(error_of([] { parse_limit("kmemsize=1:"); }), "'' is no amount"));
	EXPECT_TRUE(contains(error_of([] { parse_limits({"numproc=1", "numproc=2"}); }), "twice"));
	const Records known = Records::parse("resource held\nkmemsize 0\nphyspages 0\n", "file");
	EXPECT_EQ(error_of([&] { check_limits({parse_limit("kmemsize=1")}, known); }), "no error");
	EXPECT_TRUE(contains(error_of([&] { check_limits({parse_limit("physpages=1")}, known); }), "not charged"));
	EXPECT_TRUE(contains(error_of([&] { check_limits({parse_limit("beans=1")}, known); }), "no resource beans"));
}

Table small_table()
{
	Table table({"id", "name", "held"}, {"id", "name"});
	table.row();
	table.cell("id", 7LL);
	table.cell("name", "web", Colour::bad);
	table.cell("held", 5LL);
	table.row();
	table.cell("id", 1234LL);
	table.cell("name", "");
	return table;
}

TEST(Table, AlignsNumbersToTheRight)
{
	EXPECT_EQ(small_table().text({}, false), "  ID NAME\n   7 web\n1234 -\n");
	EXPECT_EQ(small_table().text({.columns = "", .noheadings = true}, false), "   7 web\n1234 -\n");
	EXPECT_EQ(small_table().text({.columns = "name,HELD"}, false), "NAME HELD\nweb     5\n-       -\n");
	EXPECT_EQ(small_table().text({.columns = "+held"}, false), "  ID NAME HELD\n   7 web     5\n1234 -       -\n");
	EXPECT_EQ(small_table().text({.columns = "all"}, false), "  ID NAME HELD\n   7 web     5\n1234 -       -\n");
}

TEST(Table, LinesBelowARowAreForTheEye)
{
	Table table = small_table();
	table.below("and\033 more");
	table.below("");
	EXPECT_EQ(table.text({}, false), "  ID NAME\n   7 web\n1234 -\n    and\\x1b more\n    \n");
	EXPECT_EQ(table.text({.columns = "", .noheadings = true}, false), "   7 web\n1234 -\n");
	EXPECT_EQ(table.text({.columns = "id"}, false), "  ID\n   7\n1234\n");
}

TEST(Table, ColourIsAroundTheTextOnly)
{
	EXPECT_EQ(small_table().text({.columns = "name,id"}, true), "NAME   ID\n\033[31mweb\033[0m     7\n-    1234\n");
}

TEST(Table, AnUnknownColumnNamesTheOthers)
{
	const std::string error = error_of([] { (void)small_table().text({.columns = "id,foo"}, false); });
	EXPECT_TRUE(contains(error, "no column FOO")) << error;
	EXPECT_TRUE(contains(error, "ID NAME HELD")) << error;
	EXPECT_TRUE(contains(error_of([] { (void)small_table().text({.columns = ","}, false); }), "-o wants"));
}

TEST(Printable, WhatMovesTheCursorDoesNot)
{
	EXPECT_EQ(printable("a\033[2Jb\n"), "a\\x1b[2Jb\\x0a");
	EXPECT_EQ(printable("grün"), "grün");
}

TEST(Site, FunctionOffsetModule)
{
	const SiteName site = parse_site("alloc_pid+0x2d");
	EXPECT_EQ(site.function, "alloc_pid");
	EXPECT_EQ(site.offset, 0x2du);
	EXPECT_EQ(site.module, "");
	for (const char *text : {"leak_one_lost+0xf[leak_one]", "leak_one_lost+0xf [leak_one]"}) {
		EXPECT_EQ(parse_site(text).function, "leak_one_lost");
		EXPECT_EQ(parse_site(text).offset, 0xfu);
		EXPECT_EQ(parse_site(text).module, "leak_one");
	}
	EXPECT_EQ(parse_site("copy_process.part.0+0x1").function, "copy_process.part.0");
	EXPECT_EQ(parse_site("__d_alloc").function, "__d_alloc");
	EXPECT_EQ(parse_site("").function, "");
}

TEST(Symbols, WhereThereIsNoDebugInformationNothingIsSaid)
{
	EXPECT_TRUE(Symbols({"/nonexistent/vmlinux", "/nonexistent"})
			.lines({"nobody_has_this+0x1", "", "x+0x1[nobody]"})
			.empty());
}

TEST(Junit, EscapesAndCounts)
{
	const std::string xml =
	    junit_text({{"a<b>&\"c\"", 1.5, "", "", ""}, {"f", 0, "bad", "", "x\033y"}, {"e", 0, "", "why", ""}});
	EXPECT_TRUE(contains(xml, "tests=\"3\" failures=\"1\" errors=\"1\"")) << xml;
	EXPECT_TRUE(contains(xml, "name=\"a&lt;b&gt;&amp;&quot;c&quot;\" time=\"1.500\"/>")) << xml;
	EXPECT_TRUE(contains(xml, "<failure message=\"bad\">x?y</failure>")) << xml;
	EXPECT_TRUE(contains(xml, "<error message=\"why\"></error>")) << xml;
}

TEST(Junit, SkippedAndWhatWasPrinted)
{
	const std::string xml =
	    junit_text({{.name = "s", .skipped = true}, {.name = "p", .failure = "bad", .output = "a<b"}});
	EXPECT_TRUE(contains(xml, "errors=\"0\" skipped=\"1\"")) << xml;
	EXPECT_TRUE(contains(xml, "time=\"0.000\">\n<skipped/>\n</testcase>")) << xml;
	EXPECT_TRUE(contains(xml, "</failure>\n<system-out>a&lt;b</system-out>\n</testcase>")) << xml;
}

TEST(Junit, WhatIsNoCharacterOfXmlIsNotThere)
{
	auto name = [](const std::string &text) {
		const std::string xml = junit_text({{.name = text}});
		const size_t at = xml.find(" name=\"", xml.find("<testcase")) + 7;
		return xml.substr(at, xml.find('"', at) - at);
	};
	for (const char *good : {"gr\xc3\xbcn", "\xe2\x82\xac", "\xf0\x9f\x90\x9b", "\xed\x9f\xbf", "\xef\xbf\xbd"})
		EXPECT_EQ(name(good), good);
	EXPECT_EQ(name("a\xff\xfe z"), "a?? z");
	EXPECT_EQ(name("\x80"), "?");
	EXPECT_EQ(name("\xc3"), "?");		     // cut
	EXPECT_EQ(name("\xc3z"), "?z");		     // cut, and it goes on
	EXPECT_EQ(name("\xc0\xaf"), "??");	     // overlong
	EXPECT_EQ(name("\xe0\x80\xaf"), "???");	     // overlong
	EXPECT_EQ(name("\xed\xa0\x80"), "???");	     // a surrogate
	EXPECT_EQ(name("\xef\xbf\xbf"), "???");	     // none at all
	EXPECT_EQ(name("\xf4\x90\x80\x80"), "????"); // past the last
}

TEST(Each, LinesOfAFile)
{
	const auto all = commands_of_lines("# nothing\n\n \t\n  echo a # b \r\nexit 1");
	ASSERT_EQ(all.size(), 2u);
	EXPECT_EQ(all[0].name, "echo a # b");
	EXPECT_EQ(all[0].words, (std::vector<std::string>{"sh", "-c", "echo a # b"}));
	EXPECT_EQ(all[1].name, "exit 1");
	EXPECT_TRUE(commands_of_lines("").empty());
}

TEST(Output, TheEndIsKeptFromALineOn)
{
	Output output("");
	output.take("short\n");
	EXPECT_EQ(output.text(), "short\n");
	std::string wanted;
	for (int i = 0; i < 50000; ++i) {
		const std::string line = fmt::format("line {}\n", i);
		output.take(line);
		wanted += line;
	}
	const std::string text = output.text();
	EXPECT_TRUE(text.starts_with("...\nline ")) << text.substr(0, 20);
	EXPECT_TRUE(wanted.ends_with(text.substr(4)));
	EXPECT_LE(text.size(), (64u << 10) + 4);
	EXPECT_GT(text.size(), (64u << 10) - 20);
	// Without a line to begin at.
	output.take(std::string(300000, 'x'));
	EXPECT_EQ(output.text(), "...\n" + std::string(64 << 10, 'x'));
}

TEST(Unmatched, FamilySiteCount)
{
	const auto all = parse_unmatched("pipe:alloc_pipe_info+0x27:1,user:f.part.0+0x1[m]:12,what");
	ASSERT_EQ(all.size(), 3u);
	EXPECT_EQ(all[0].family + "|" + all[0].site, "pipe|alloc_pipe_info+0x27");
	EXPECT_EQ(all[1].site, "f.part.0+0x1[m]");
	EXPECT_EQ(all[1].count, 12);
	EXPECT_EQ(all[2].family + "|" + all[2].site, "what|");
	EXPECT_TRUE(parse_unmatched("").empty());
}

TEST(Hook, StateOfTheRuntime)
{
	const OciState state =
	    parse_oci_state(R"({"ociVersion":"1.0.2","id":"web","status":"created","pid":42,"bundle":"/b"})");
	EXPECT_EQ(state.id, "web");
	EXPECT_EQ(state.pid, 42);
	for (const char *bad : {"", "[]", "{", R"({"id":"web"})", R"({"id":5,"pid":1})", R"({"id":"web","pid":0})"})
		EXPECT_NE(error_of([&] { parse_oci_state(bad); }), "no error") << bad;
}

TEST(Hook, NamesThatTheModuleTakes)
{
	EXPECT_EQ(name_from_id("web-1.a_b"), "web-1.a_b");
	EXPECT_EQ(name_from_id("a/b:c d"), "a_b_c_d");
	EXPECT_EQ(name_from_id(std::string(64, 'a')), std::string(12, 'a'));
	EXPECT_EQ(name_from_id(std::string(70, 'x')), std::string(63, 'x'));
	EXPECT_TRUE(is_name(name_from_id("\xc3\xbc")));
}

TEST(Module, IdsAndNames)
{
	EXPECT_EQ(parse_id("1"), 1u);
	EXPECT_EQ(parse_id("999999999"), 999999999u);
	for (const char *bad : {"", "0", "1000000000", "-1", "1x", "x", "0000000001"})
		EXPECT_EQ(parse_id(bad), std::nullopt) << bad;
	EXPECT_TRUE(is_name("a-B_9."));
	EXPECT_FALSE(is_name(""));
	EXPECT_FALSE(is_name("a b"));
	EXPECT_FALSE(is_name("ü"));
	EXPECT_TRUE(is_name(std::string(63, 'a')));
	EXPECT_FALSE(is_name(std::string(64, 'a')));
}

TEST(Module, BlindWhereALossRose)
{
	const Health before{{"missed", 5}, {"forced", 0}, {"sites", 10}, {"switched_off", 0}};
	EXPECT_TRUE(blind(before, {{"missed", 5}, {"forced", 9}, {"sites", 50}, {"switched_off", 0}}).empty());
	// What is short of rows then decides no verdict.
	EXPECT_TRUE(blind(before, {{"missed", 5}, {"references_lost", 3}}).empty());
	for (const char *key :
	     {"missed", "unknown", "stale", "sites_lost", "containers_lost", "clamped", "switched_off"}) {
		Health after = before;
		after[key] += 1;
		EXPECT_EQ(blind(before, after).size(), 1u) << key;
	}
}

TEST(KernelLog, ReportsAndOtherLines)
{
	EXPECT_TRUE(is_kernel_report("WARNING: CPU: 0 PID: 1 at mm/slub.c:1"));
	EXPECT_TRUE(is_kernel_report("BUG: kernel NULL pointer dereference, address: 0"));
	EXPECT_TRUE(is_kernel_report("Oops: 0000 [#1] PREEMPT SMP"));
	EXPECT_FALSE(is_kernel_report("beancounter: 9 hooks in place"));
	EXPECT_FALSE(
	    is_kernel_report("beancounter: container 7: 3 charges refused; last numfile of BUG: x[12] at f+0x1"))
	    << "anyone may call himself so";
	EXPECT_FALSE(is_kernel_report("systemd[1]: DEBUG: x"));
	EXPECT_FALSE(is_kernel_report("=====\nWARNING: The mand mount option has been deprecated and"));
}

TEST(Top, ALineIsCutBetweenCharacters)
{
	EXPECT_EQ(cut("abc", 2), "ab");
	EXPECT_EQ(cut("abc", 5), "abc");
	EXPECT_EQ(cut("abc", 0), "");
	EXPECT_EQ(cut("\u00e4\u00f6\u00fc", 2), "\u00e4\u00f6");
	EXPECT_EQ(split_lines("a\n\nb"), (std::vector<std::string>{"a", "", "b"}));
	EXPECT_TRUE(split_lines("").empty());
}

TEST(Top, GrowthIsByTheSecond)
{
	auto sample = [](double seconds, std::vector<std::pair<unsigned, long long>> held) {
		TopSample s;
		s.seconds = seconds;
		for (const auto &[id, bytes] : held) {
			TopRow row;
			row.container.id = id;
			row.container.held = bytes;
			s.rows.push_back(row);
		}
		return s;
	};
	const TopSample before = sample(10, {{1, 1000}, {2, 500}, {3, 0}});
	TopSample now = sample(14, {{2, 100}, {1, 1400}, {4, 9}});
	compare(now, before);
	EXPECT_EQ(now.rows[0].growth, -100);
	EXPECT_EQ(now.rows[1].growth, 100);
	EXPECT_EQ(now.rows[2].growth, std::nullopt);
	sort(now, TopKey::growth);
	EXPECT_EQ(now.rows[0].container.id, 1u);
	EXPECT_EQ(now.rows[1].container.id, 4u);
	EXPECT_EQ(now.rows[2].container.id, 2u);
}

TEST(Files, OneWriteOrAnError)
{
	EXPECT_TRUE(contains(error_of([] { write_once("/dev/full", "x"); }), "/dev/full"));
	EXPECT_TRUE(contains(error_of([] { write_once("/nonexistent/file", "x"); }), "No such file"));
	EXPECT_TRUE(contains(error_of([] { read_whole("/nonexistent/file"); }), "No such file"));
	EXPECT_NO_THROW(write_once("/dev/null", "x"));
}

} // namespace
