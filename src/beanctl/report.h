// SPDX-License-Identifier: GPL-2.0
// What the files of one container hold, as one JSON object and as tables. The JSON's keys are a promise to scripts.
#pragma once

#include "module.h"
#include "symbols.h"
#include "table.h"

#include <nlohmann/json_fwd.hpp>

namespace beanctl
{

using Json = nlohmann::ordered_json;

// {"version":1,"containers":[...],"health":{...}}
Json document(Json containers, const Health &health);
// One line of text, whatever bytes a container put into its names.
std::string json_text(const Json &json);

Json container_json(const Container &container);			  // with "held" by resource
Json leaks_json(const Container &container, const Symbols &symbols);	  // with "leaks" and "handed_over"
Json resources_json(const Container &container);			  // with "resources" and "refusals"
Json objects_json(const Container &container, const Symbols &symbols);	  // with "live"
Json references_json(const Container &container, const Symbols &symbols); // with "references"

Table containers_table(const std::vector<Container> &all, const Look &look);
Table resources_table(const Records &resources, const Look &look);
Table refusals_table(const Records &refusals, const Look &look);
Table objects_table(const Records &objects, const Look &look, const Symbols &symbols);
// Which lines of ID/leaks: all, those without what was handed over to the host.
enum class LeakRows {
	all,
	left,
	leaked // alone
};
// One line a leak, and with all rows the container's number before it.
Table leaks_table(const std::vector<Container> &containers, LeakRows rows, const Look &look, const Symbols &symbols);
// The columns of the file, and source lines where it has sites.
Table references_table(const Records &references, const Symbols &symbols);

// References taken at a site for which no put was seen.
struct Unmatched {
	std::string family;
	std::string site;
	long long count = 0;
};
// family:site:count,...
std::vector<Unmatched> parse_unmatched(std::string_view field);
// Everything with a source line: the sites, and where there are stacks every call above them.
std::map<std::string, std::string> source_lines(const std::vector<const Records *> &files, const Symbols &symbols);

// The last refusals; nothing where this module has no such file.
std::optional<Records> refusals_of(const Container &container);

Colour state_colour(const std::string &state);

} // namespace beanctl
