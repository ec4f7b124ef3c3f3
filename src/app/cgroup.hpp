#pragma once
// How much memory and how many CPUs this process may use: the machine's, less what control groups
// (version 1, version 2, or both side by side) and the affinity mask take away.
#include "options_reader.hpp"

#include <cstdint>
#include <string>

namespace meshcache::app {

/// What the kernel says of the machine, without control groups.
struct machine_facts {
    std::uint64_t memory = 0; ///< bytes; 0 when unknown
    unsigned cpus = 1;        ///< in the affinity mask
};

machine_facts this_machine();

/// What the process may use, and who says so: "cgroup v2", "cgroup v1" or "the machine".
struct machine_grant {
    std::uint64_t memory = 0; ///< bytes; 0 when unknown
    std::string memory_source = "the machine";
    unsigned cpus = 1; ///< at least 1; a quota of 1.5 CPUs counts as 2
    std::string cpu_source = "the machine";
};

/// Follows /proc/self/cgroup and /proc/self/mountinfo to the groups of this process and of their
/// ancestors; the tightest limit counts. A page that is missing or makes no sense limits nothing.
machine_grant read_grant(const file_reader& read, const machine_facts& machine);

} // namespace meshcache::app
