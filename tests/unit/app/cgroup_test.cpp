#include "cgroup.hpp"
#include "support/catch.hpp"

#include <map>
#include <string>

using namespace meshcache;
using namespace meshcache::app;

namespace {

using pages = std::map<std::string, std::string>;

machine_grant grant_of(const pages& files, machine_facts machine = {std::uint64_t{8} << 30U, 8}) {
    return read_grant(
        [&](const std::string& path) {
            const auto it = files.find(path);
            if (it == files.end()) return parsed<std::string>::failure("No such file or directory");
            return parsed<std::string>(it->second);
        },
        machine);
}

constexpr std::uint64_t GiB = 1ULL << 30U;

const std::string v2_mount =
    "24 1 0:22 / /proc rw - proc proc rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

const std::string v1_mounts =
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "36 31 0:33 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n";

} // namespace

TEST_CASE("without control groups the machine is granted whole") {
    const auto grant = grant_of({});
    CHECK(grant.memory == 8 * GiB);
    CHECK(grant.memory_source == "the machine");
    CHECK(grant.cpus == 8);
    CHECK(grant.cpu_source == "the machine");
}

TEST_CASE("version 2: a container sees its own limits at the root of the mount") {
    const auto grant = grant_of({{"/proc/self/mountinfo", v2_mount},
                                 {"/proc/self/cgroup", "0::/\n"},
                                 {"/sys/fs/cgroup/memory.max", "1073741824\n"},
                                 {"/sys/fs/cgroup/cpu.max", "150000 100000\n"}});
    CHECK(grant.memory == GiB);
    CHECK(grant.memory_source == "cgroup v2");
    CHECK(grant.cpus == 2);
    CHECK(grant.cpu_source == "cgroup v2");
}

TEST_CASE("version 2: the tightest limit of the group and its ancestors counts") {
    const auto grant = grant_of({{"/proc/self/mountinfo", v2_mount},
                                 {"/proc/self/cgroup", "0::/kubepods.slice/pod1/app\n"},
                                 {"/sys/fs/cgroup/kubepods.slice/pod1/app/memory.max", "max\n"},
                                 {"/sys/fs/cgroup/kubepods.slice/pod1/memory.max", "536870912\n"},
                                 {"/sys/fs/cgroup/kubepods.slice/memory.max", "4294967296\n"},
                                 {"/sys/fs/cgroup/kubepods.slice/pod1/app/cpu.max", "400000 100000\n"},
                                 {"/sys/fs/cgroup/kubepods.slice/pod1/cpu.max", "max 100000\n"},
                                 {"/sys/fs/cgroup/kubepods.slice/cpu.max", "100000 100000\n"}});
    CHECK(grant.memory == GiB / 2);
    CHECK(grant.cpus == 1);
}

TEST_CASE("version 2: the mount may begin at the process's own group") {
    const auto grant =
        grant_of({{"/proc/self/mountinfo", "31 23 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"},
                  {"/proc/self/cgroup", "0::/docker/abc/inner\n"},
                  {"/sys/fs/cgroup/inner/memory.max", "268435456\n"},
                  {"/sys/fs/cgroup/memory.max", "max\n"}});
    CHECK(grant.memory == GiB / 4);
}

TEST_CASE("version 2: a group outside the namespace does not lead outside the mount") {
    const auto grant = grant_of({{"/proc/self/mountinfo", v2_mount},
                                 {"/proc/self/cgroup", "0::/../../other\n"},
                                 {"/sys/fs/cgroup/memory.max", "1073741824\n"},
                                 {"/sys/fs/cgroup/../../other/memory.max", "1\n"}});
    CHECK(grant.memory == GiB);
}

TEST_CASE("version 1: each controller has a hierarchy of its own") {
    const auto grant =
        grant_of({{"/proc/self/mountinfo", v1_mounts},
                  {"/proc/self/cgroup", "9:name=systemd:/\n4:memory:/a/b\n3:cpuset:/x\n2:cpu,cpuacct:/c\n"},
                  {"/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"},
                  {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2147483648\n"},
                  {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
                  {"/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "250000\n"},
                  {"/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n"},
                  {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"},
                  {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"}});
    CHECK(grant.memory == 2 * GiB);
    CHECK(grant.memory_source == "cgroup v1");
    CHECK(grant.cpus == 3);
    CHECK(grant.cpu_source == "cgroup v1");
}

TEST_CASE("version 1: Docker shows the host's path and mounts the group itself") {
    const auto grant =
        grant_of({{"/proc/self/mountinfo",
                   "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup memory rw,memory\n"},
                  {"/proc/self/cgroup", "4:memory:/docker/abc\n"},
                  {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"}});
    CHECK(grant.memory == GiB / 8);
    CHECK(grant.cpus == 8);
}

TEST_CASE("both versions side by side: each limit counts where it stands") {
    const auto grant =
        grant_of({{"/proc/self/mountinfo",
                   v1_mounts + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"},
                  {"/proc/self/cgroup", "4:memory:/pod\n2:cpu,cpuacct:/\n0::/\n"},
                  {"/sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "1073741824\n"},
                  {"/sys/fs/cgroup/unified/cpu.max", "200000 100000\n"}});
    CHECK(grant.memory == GiB);
    CHECK(grant.memory_source == "cgroup v1");
    CHECK(grant.cpus == 2);
    CHECK(grant.cpu_source == "cgroup v2");
}

TEST_CASE("a mount point with a blank in its name is found") {
    const auto grant =
        grant_of({{"/proc/self/mountinfo", "31 23 0:28 / /odd\\040place rw - cgroup2 cgroup2 rw\n"},
                  {"/proc/self/cgroup", "0::/\n"},
                  {"/odd place/memory.max", "1073741824"}});
    CHECK(grant.memory == GiB);
}

TEST_CASE("limits that make no sense limit nothing") {
    for (const std::string memory :
         {"", "\n", "max\n", "-1\n", "0\n", "1073741824 bytes\n", "99999999999999999999999\n"}) {
        for (const std::string cpu : {"", "max\n", "max 100000\n", "0 100000\n", "100000 0\n", "100000\n",
                                      "x y\n", "9000000000000 1\n"}) {
            INFO("memory '" << memory << "', cpu '" << cpu << "'");
            const auto grant = grant_of({{"/proc/self/mountinfo", v2_mount},
                                         {"/proc/self/cgroup", "0::/\n"},
                                         {"/sys/fs/cgroup/memory.max", memory},
                                         {"/sys/fs/cgroup/cpu.max", cpu}});
            CHECK(grant.memory == 8 * GiB);
            CHECK(grant.cpus == 8);
        }
    }
}

TEST_CASE("pages that are cut off or foreign are survived") {
    for (const std::string mounts :
         {"", "\n\n", "31", "31 23 0:28 / /x rw", " - cgroup2", "31 23 - cgroup2 a b\n", " - \n"})
        for (const std::string groups : {"", ":", "0:", "0::", "::\n", "4:memory"}) {
            INFO("mounts '" << mounts << "', groups '" << groups << "'");
            CHECK(grant_of({{"/proc/self/mountinfo", mounts}, {"/proc/self/cgroup", groups}}).memory ==
                  8 * GiB);
        }
}

TEST_CASE("this machine grants something") {
    const auto grant = read_grant(read_small_file, this_machine());
    CHECK(grant.cpus >= 1);
    CHECK(grant.memory > 0);
}
