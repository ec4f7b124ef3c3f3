#include "cgroup.hpp"

#include <meshcache/base/units.hpp>

#include <algorithm>
#include <optional>
#include <sched.h>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

namespace meshcache::app {
namespace {

/// A hierarchy as it is mounted: the group at `root` appears at `point`.
struct group_mount {
    bool v2 = false;
    std::string root;
    std::string point;
    std::string controllers; ///< version 1: comma-separated, among other mount options
};

/// Takes the text up to `separator` off the front of `rest`.
std::string_view take(std::string_view& rest, char separator) {
    const auto at = rest.find(separator);
    const auto out = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
    return out;
}

bool lists(std::string_view list, std::string_view wanted) {
    while (!list.empty())
        if (take(list, ',') == wanted) return true;
    return false;
}

/// Undoes mountinfo's octal escapes for blanks and backslashes (proc(5)).
std::string unescape(std::string_view text) {
    const auto octal = [](char c) { return c >= '0' && c <= '7'; };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
            octal(text[i + 3])) {
            out +=
                static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// `36 35 98:0 /root /point options [tags...] - type source super-options` (proc(5)).
std::vector<group_mount> read_mounts(std::string_view mountinfo) {
    std::vector<group_mount> out;
    while (!mountinfo.empty()) {
        auto line = take(mountinfo, '\n');
        const auto dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        auto tail = line.substr(dash + 3);
        const auto type = take(tail, ' ');
        if (type != "cgroup" && type != "cgroup2") continue;
        take(tail, ' ');
        for (int i = 0; i < 3; ++i) take(line, ' ');
        group_mount m;
        m.v2 = type == "cgroup2";
        m.root = unescape(take(line, ' '));
        m.point = unescape(take(line, ' '));
        m.controllers = tail;
        out.push_back(std::move(m));
    }
    return out;
}

/// The group of this process for a controller, from /proc/self/cgroup: `4:memory:/path`, and `0::/path`
/// for version 2 (cgroups(7)).
std::optional<std::string> group_path(std::string_view page, bool v2, std::string_view controller) {
    while (!page.empty()) {
        auto line = take(page, '\n');
        const auto hierarchy = take(line, ':');
        const auto controllers = take(line, ':');
        if (v2 ? hierarchy == "0" && controllers.empty() : lists(controllers, controller))
            return std::string(line);
    }
    return std::nullopt;
}

/// The folders of the process's group and of its ancestors, as far as the mount shows them.
std::vector<std::string> group_folders(const group_mount& mount, std::string path) {
    // In a container the mount may begin at our own group, and the path be as the host sees it.
    if (mount.root != "/")
        path = path.starts_with(mount.root) ? path.substr(mount.root.size()) : std::string{};
    if (path.find("..") != std::string::npos) path.clear(); // outside our cgroup namespace
    std::vector<std::string> out;
    while (!path.empty() && path != "/") {
        out.push_back(mount.point + path);
        path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
    out.push_back(mount.point);
    return out;
}

/// A page's only number, or nothing: no such page, `max`, `-1`.
std::optional<std::uint64_t> read_number(const file_reader& read, const std::string& path) {
    const auto page = read(path);
    if (!page) return std::nullopt;
    std::string_view rest = *page;
    const auto number = parse_count(take(rest, '\n'));
    return number ? number.value : std::nullopt;
}

std::optional<unsigned> whole_cpus(std::uint64_t quota, std::uint64_t period) {
    if (period == 0 || quota == 0 || quota / period > 100'000) return std::nullopt;
    return static_cast<unsigned>((quota + period - 1) / period);
}

std::optional<unsigned> read_quota(const file_reader& read, const group_mount& mount,
                                   const std::string& folder) {
    if (!mount.v2) {
        const auto quota = read_number(read, folder + "/cpu.cfs_quota_us");
        const auto period = read_number(read, folder + "/cpu.cfs_period_us");
        return quota && period ? whole_cpus(*quota, *period) : std::nullopt;
    }
    const auto page = read(folder + "/cpu.max"); // `quota period` or `max period`
    if (!page) return std::nullopt;
    std::string_view line = *page;
    line = take(line, '\n');
    const auto quota = parse_count(take(line, ' '));
    const auto period = parse_count(line);
    return quota && period ? whole_cpus(*quota, *period) : std::nullopt;
}

} // namespace

machine_facts this_machine() {
    machine_facts out;
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page_size = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_size > 0)
        out.memory = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size);
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (::sched_getaffinity(0, sizeof mask, &mask) == 0)
        out.cpus = static_cast<unsigned>(CPU_COUNT(&mask));
    else // more CPUs than a cpu_set_t holds
        out.cpus = std::thread::hardware_concurrency();
    out.cpus = std::max(out.cpus, 1U);
    return out;
}

machine_grant read_grant(const file_reader& read, const machine_facts& machine) {
    machine_grant out;
    out.memory = machine.memory;
    out.cpus = std::max(machine.cpus, 1U);
    const auto mountinfo = read("/proc/self/mountinfo");
    const auto groups = read("/proc/self/cgroup");
    if (!mountinfo || !groups) return out;

    for (const auto& mount : read_mounts(*mountinfo)) {
        const char* const source = mount.v2 ? "cgroup v2" : "cgroup v1";
        const auto memory_group = mount.v2 || lists(mount.controllers, "memory")
                                      ? group_path(*groups, mount.v2, "memory")
                                      : std::nullopt;
        if (memory_group) {
            for (const auto& folder : group_folders(mount, *memory_group)) {
                const auto limit =
                    read_number(read, folder + (mount.v2 ? "/memory.max" : "/memory.limit_in_bytes"));
                if (limit && *limit != 0 && (out.memory == 0 || *limit < out.memory)) {
                    out.memory = *limit;
                    out.memory_source = source;
                }
            }
        }
        const auto cpu_group =
            mount.v2 || lists(mount.controllers, "cpu") ? group_path(*groups, mount.v2, "cpu") : std::nullopt;
        if (cpu_group) {
            for (const auto& folder : group_folders(mount, *cpu_group)) {
                const auto cpus = read_quota(read, mount, folder);
                if (cpus && *cpus < out.cpus) {
                    out.cpus = *cpus;
                    out.cpu_source = source;
                }
            }
        }
    }
    return out;
}

} // namespace meshcache::app
