// SPDX-License-Identifier: GPL-2.0
// What the core does on the real machine: per-CPU words, slab pages, the linear map, symbols. Part of unit.cc, so that
// every name of the core is in reach. The rest of the core is tested on the host (tests/host).
#include "cases_charge.cc"
#include "cases_ledger.cc"
#include "cases_machine.cc"
#include "cases_text.cc"

namespace bc
{

namespace
{

struct Case {
	const char *name;
	const char *(*run)(Container &c);
};

#define BCT_CASE(name)                                                                                                 \
	{                                                                                                              \
#name, name                                                                                            \
	}
constexpr Case kCases[] = {
    BCT_CASE(birth_is_the_kernels_clock),
    BCT_CASE(percpu_words_add_up),
    BCT_CASE(cells_are_folded),
    BCT_CASE(counts_without_cells),
    BCT_CASE(sections_nest),
    BCT_CASE(the_linear_map),
    BCT_CASE(ledger_places_are_unique),
    BCT_CASE(ledger_misses_strangers),
    BCT_CASE(ledger_whole_pages),
    BCT_CASE(ledger_reports_stale_slots),
    BCT_CASE(ledger_claims_exclude_frees),
    BCT_CASE(ledger_gives_back_what_is_empty),
    BCT_CASE(charge_and_free),
    BCT_CASE(sites_are_interned_once),
    BCT_CASE(sites_of_a_destroyed_cache),
    BCT_CASE(sites_of_text_that_goes),
    BCT_CASE(unowned_functions_charge_nobody),
    BCT_CASE(containers_are_found),
    BCT_CASE(containers_come_and_go),
    BCT_CASE(survivors_are_judged),
    BCT_CASE(text_golden_rows),
    BCT_CASE(text_objects_of_a_container),
};

} // namespace

} // namespace bc

extern "C" {

unsigned int bct_cases(void) { return sizeof(kCases) / sizeof(kCases[0]); }
const char *bct_case_name(unsigned int index) { return kCases[index].name; }

const char *bct_case_run(unsigned int index, bc_u32 id)
{
	Container *c = containers.find_id(ContainerId{id});
	return c == nullptr ? "the container is there" : kCases[index].run(*c);
}

} // extern "C"
