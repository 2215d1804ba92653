// SPDX-License-Identifier: GPL-2.0
#include "symbols.h"

#include "files.h"
#include "subprocess.h"

#include <fmt/core.h>

#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

namespace beanctl
{

namespace
{

namespace fs = std::filesystem;

std::string release()
{
	struct utsname name;
	return uname(&name) == 0 ? name.release : "";
}

// Modules are told apart by their names with - and _ taken for the same.
std::string module_name(std::string file)
{
	file.resize(std::min(file.find(".ko"), file.size()));
	std::replace(file.begin(), file.end(), '-', '_');
	return file;
}

// Below `folder`, NAME.ko or NAME.ko.debug; not a compressed one, which binutils do not read.
std::string module_below(const fs::path &folder, const std::string &module)
{
	std::error_code error;
	fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
	for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
		const std::string name = at->path().filename();
		if ((name.ends_with(".ko") || name.ends_with(".ko.debug")) && module_name(name) == module)
			return at->path();
	}
	return "";
}

// Where a module lies below the folder of its kernel's modules, as depmod wrote it down: to look through that folder
// takes minutes where it comes over a network.
std::string listed_module(const std::string &version, const std::string &module)
{
	const std::string file = "/lib/modules/" + version + "/modules.dep";
	if (!exists(file))
		return "";
	const std::string list = read_whole(file);
	for (size_t at = 0; at < list.size();) {
		const size_t end = std::min(list.find('\n', at), list.size());
		std::string path = list.substr(at, std::min(list.find(':', at), end) - at);
		at = end + 1;
		if (module_name(fs::path(path).filename()) == module)
			return path;
	}
	return "";
}

struct Address {
	std::string section;
	unsigned long value = 0;
};

struct Symbol {
	Address address;
	unsigned long size = 0;
};

// Functions of these names. Where a name is used more than once there is more than one.
std::multimap<std::string, Symbol> symbols_of(const std::string &file, const std::set<std::string> &wanted)
{
	std::multimap<std::string, Symbol> found;
	const auto table = output_of({"objdump", "-t", file});
	if (!table)
		return found;
	// ffffffff810a1b20 l     F .text	0000000000000035 alloc_pid
	for (size_t at = 0; at < table->size();) {
		const size_t end = std::min(table->find('\n', at), table->size());
		const std::string_view line(table->data() + at, end - at);
		at = end + 1;
		const size_t tab = line.find('\t');
		if (tab == std::string_view::npos || tab < 25 || line.size() < tab + 18)
			continue;
		const std::string name(line.substr(line.rfind(' ') + 1));
		if (wanted.count(name) == 0)
			continue;
		Symbol symbol;
		const std::string_view before = line.substr(0, tab);
		symbol.address.section = std::string(before.substr(before.rfind(' ') + 1));
		std::from_chars(line.data(), line.data() + 16, symbol.address.value, 16);
		std::from_chars(line.data() + tab + 1, line.data() + tab + 17, symbol.size, 16);
		found.emplace(name, symbol);
	}
	return found;
}

// What addr2line says without what is of no use here; empty for "??:0".
std::string clean_line(std::string_view line)
{
	line = line.substr(0, std::min(line.find(" (discriminator"), line.size()));
	if (line.empty() || line.starts_with("??") || line.ends_with(":?") || line.ends_with(":0"))
		return "";
	return fs::path(std::string(line)).lexically_normal().string();
}

// Every address of one section with its line: where several functions were inlined into each other, that in the
// function whose name the site has, which comes last. In a module, which is not linked, addresses count from their
// section.
std::map<unsigned long, std::string> lines_of(const std::string &file, const std::string &section,
					      const std::set<unsigned long> &addresses)
{
	std::vector<std::string> command{"addr2line", "-a", "-i", "-e", file};
	if (!section.empty())
		command.insert(command.end(), {"-j", section});
	for (const unsigned long address : addresses)
		command.push_back(fmt::format("{:#x}", address));
	std::map<unsigned long, std::string> lines;
	const auto output = output_of(command);
	unsigned long address = 0;
	for (size_t at = 0; output && at < output->size();) {
		const size_t end = std::min(output->find('\n', at), output->size());
		const std::string_view line = std::string_view(*output).substr(at, end - at);
		at = end + 1;
		if (line.starts_with("0x"))
			std::from_chars(line.data() + 2, line.data() + line.size(), address, 16);
		else
			lines[address] = clean_line(line);
	}
	return lines;
}

// The folder in which the kernel was built, to be left out: where init/main.c, start_kernel()'s file, was.
std::string build_folder(const std::string &line)
{
	const size_t at = line.find("init/main.c:");
	return at == std::string::npos ? "" : line.substr(0, at);
}

void resolve(const std::string &file, bool linked, const std::vector<std::pair<std::string, SiteName>> &sites,
	     std::map<std::string, std::string> &lines)
{
	static const std::string first = "start_kernel";
	std::set<std::string> names{first};
	for (const auto &[text, site] : sites)
		names.insert(site.function);
	const auto symbols = symbols_of(file, names);

	// The offset is that of the return address: the call is before it.
	std::map<std::string, Address> wanted;
	for (const auto &[text, site] : sites) {
		const auto [begin, end] = symbols.equal_range(site.function);
		unsigned fits = 0;
		for (auto symbol = begin; symbol != end; ++symbol) {
			if (site.offset == 0 || site.offset > symbol->second.size)
				continue;
			++fits;
			wanted[text] = {symbol->second.address.section, symbol->second.address.value + site.offset - 1};
		}
		if (fits != 1)
			wanted.erase(text); // better no line than that of a namesake
	}
	std::map<std::string, std::set<unsigned long>> by_section;
	for (const auto &[text, address] : wanted)
		by_section[linked ? "" : address.section].insert(address.value);
	const auto start = linked && !wanted.empty() ? symbols.find(first) : symbols.end();
	if (start != symbols.end())
		by_section[""].insert(start->second.address.value);

	for (const auto &[section, addresses] : by_section) {
		const auto found = lines_of(file, section, addresses);
		std::string folder;
		if (start != symbols.end() && found.count(start->second.address.value) != 0)
			folder = build_folder(found.at(start->second.address.value));
		for (const auto &[text, address] : wanted) {
			const auto line = found.find(address.value);
			if ((!linked && address.section != section) || line == found.end() || line->second.empty())
				continue;
			const bool inside = !folder.empty() && line->second.starts_with(folder);
			lines[text] = inside ? line->second.substr(folder.size()) : line->second;
		}
	}
}

} // namespace

SiteName parse_site(std::string_view site)
{
	SiteName name;
	if (const size_t bracket = site.find('['); bracket != std::string_view::npos) {
		std::string_view module = site.substr(bracket + 1);
		if (module.ends_with(']'))
			module.remove_suffix(1);
		name.module = module;
		site = site.substr(0, bracket);
		while (site.ends_with(' '))
			site.remove_suffix(1);
	}
	const size_t plus = site.rfind("+0x");
	name.function = site.substr(0, plus);
	if (plus != std::string_view::npos)
		std::from_chars(site.data() + plus + 3, site.data() + site.size(), name.offset, 16);
	return name;
}

std::string Symbols::kernel_file() const
{
	const std::string version = release();
	std::error_code error;
	for (const std::string &path : paths_) {
		if (fs::is_directory(path, error)) {
			for (const std::string &name : {std::string("vmlinux"), "vmlinux-" + version}) {
				const fs::path file = fs::path(path) / name;
				if (exists(file))
					return file;
			}
		} else if (fs::path(path).filename().string().starts_with("vmlinux")) {
			return path;
		}
	}
	for (const std::string &path :
	     {"/usr/lib/debug/boot/vmlinux-" + version, "/usr/lib/debug/lib/modules/" + version + "/vmlinux",
	      "/lib/modules/" + version + "/build/vmlinux", "/boot/vmlinux-" + version}) {
		if (exists(path))
			return path;
	}
	return "";
}

std::string Symbols::module_file(const std::string &module) const
{
	std::error_code error;
	for (const std::string &path : paths_) {
		std::string file;
		if (fs::is_directory(path, error))
			file = module_below(path, module);
		else if (path.ends_with(".ko") || path.ends_with(".ko.debug"))
			file = module_name(fs::path(path).filename()) == module ? path : "";
		if (!file.empty())
			return file;
	}
	const std::string version = release();
	const std::string listed = listed_module(version, module);
	if (!listed.ends_with(".ko")) // compressed ones are not read by binutils
		return "";
	const std::string place = fmt::format("/lib/modules/{}/{}", version, listed);
	for (const std::string &file :
	     {fmt::format("/usr/lib/debug{}.debug", place), "/usr/lib/debug" + place, place}) {
		if (exists(file))
			return file;
	}
	return "";
}

std::map<std::string, std::string> Symbols::lines(const std::vector<std::string> &sites) const
{
	std::map<std::string, std::string> lines;
	if (find_program("addr2line").empty() || find_program("objdump").empty())
		return lines;
	std::map<std::string, std::vector<std::pair<std::string, SiteName>>> by_module;
	for (const std::string &text : sites) {
		SiteName site = parse_site(text);
		if (!site.function.empty())
			by_module[site.module].emplace_back(text, std::move(site));
	}
	for (const auto &[module, here] : by_module) {
		const std::string file = module.empty() ? kernel_file() : module_file(module);
		if (!file.empty())
			resolve(file, module.empty(), here, lines);
	}
	return lines;
}

} // namespace beanctl
