// Replays recorded traces through the eviction policy, and holds its hit ratio against figures measured for
// S3-FIFO as published. Deterministic. The traces are not part of the source: MESHCACHE_TRACES names their
// folder, `../shared/traces` beside the source is the default, and without them the test is skipped.
//
// The method is that of the figures, and of bench/replay.cpp: a key that comes with another size than before
// is a new version, a miss, which takes the place of the old one.
#include "ghosts.hpp"
#include "policy_nodes.hpp"
#include "s3fifo.hpp"
#include "support/catch.hpp"
#include "support/source_dir.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using namespace meshcache::store;
using meshcache::store::test::policy_nodes;

struct request {
    std::uint64_t key;
    std::size_t size;
};

std::filesystem::path traces_folder() {
    if (const char* named = std::getenv("MESHCACHE_TRACES")) return named;
    return meshcache::test::source_dir() / "../shared/traces";
}

/// One request a line: its key, and its size where there is one.
std::optional<std::vector<request>> read_trace(const std::string& name) {
    const auto path = traces_folder() / (name + ".txt.gz");
    if (!std::filesystem::exists(path)) return std::nullopt;
    const std::string command = "gzip -dc '" + path.string() + "'";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(::popen(command.c_str(), "r"), ::pclose);
    if (!in) return std::nullopt;
    std::vector<request> trace;
    char line[64];
    while (std::fgets(line, sizeof line, in.get()) != nullptr) {
        char* end = nullptr;
        const auto key = std::strtoull(line, &end, 10);
        const auto size = std::strtoull(end, nullptr, 10);
        trace.push_back({key, size == 0 ? 1 : static_cast<std::size_t>(size)});
    }
    return trace;
}

struct ratios {
    double objects;
    double bytes;
};

/// Runs the trace through a cache of `percent` of the sum of its distinct objects, the largest of each key.
ratios replay(const std::vector<request>& trace, std::size_t percent) {
    std::unordered_map<std::uint64_t, std::size_t> largest;
    for (const auto& r : trace) largest[r.key] = std::max(largest[r.key], r.size);
    std::size_t total = 0;
    for (const auto& [key, size] : largest) total += size;
    const std::size_t whole = total * percent / 100;

    policy_nodes nodes;
    s3fifo order;
    ghosts recent(s3fifo::ghosts_per_node * largest.size());
    std::unordered_map<std::uint64_t, std::uint32_t> in;
    const auto print_of = [](std::uint64_t key) {
        return static_cast<std::uint32_t>(key * 0x9e37'79b9'7f4a'7c15 >> 32);
    };
    const auto make_room = [&](std::size_t size) {
        while (order.charge() + size > whole) {
            const auto& gone = nodes[order.evict(nodes, whole)];
            in.erase(gone.key);
            recent.push(print_of(gone.key), order.ghost_capacity());
        }
    };
    std::size_t hits = 0, hit_bytes = 0, bytes = 0;
    for (const auto& r : trace) {
        bytes += r.size;
        const auto at = in.find(r.key);
        if (at != in.end()) {
            const auto id = at->second;
            s3fifo::use(nodes, id); // the look-up, whatever it finds
            if (nodes[id].size == r.size) {
                ++hits;
                hit_bytes += r.size;
                continue;
            }
            // As the store replaces a response: where it is if there is room, else while others make some.
            const auto before = nodes[id].size;
            if (r.size > whole / 2) {
                order.unlink(nodes, id);
                in.erase(at);
            } else if (order.charge() - before + r.size <= whole) {
                nodes[id].size = r.size;
                order.recharge(nodes, id, before);
            } else {
                order.unlink(nodes, id);
                make_room(r.size);
                nodes[id].size = r.size;
                order.link(nodes, id);
            }
            continue;
        }
        if (r.size > whole / 2) continue;
        const bool seen_lately = recent.take(print_of(r.key));
        make_room(r.size);
        const auto id = nodes.add(r.size, r.key);
        in.emplace(r.key, id);
        order.push(nodes, id, seen_lately);
    }
    return {static_cast<double>(hits) / static_cast<double>(trace.size()),
            static_cast<double>(hit_bytes) / static_cast<double>(bytes)};
}

TEST_CASE("the hit ratio on recorded traces is that of S3-FIFO or better") {
    struct row {
        const char* trace;
        std::size_t percent;
        double objects;
        double bytes;
    };
    // Measured for S3-FIFO with the parameters of the paper, three digits; the objects of cdn, whose sizes
    // differ, are what the greater need of larger ones brought.
    const row rows[] = {
        {"web07", 1, .432, 0},  {"web07", 5, .541, 0},  {"web07", 10, .584, 0},
        {"web12", 1, .413, 0},  {"web12", 5, .645, 0},  {"web12", 10, .719, 0},
        {"cdn", 1, .237, .253}, {"cdn", 5, .310, .304}, {"cdn", 10, .331, .319},
    };
    for (const auto& r : rows) {
        const auto trace = read_trace(r.trace);
        if (!trace) {
            WARN("skipped: no trace " << r.trace << " in " << traces_folder() << "; set MESHCACHE_TRACES");
            continue;
        }
        const auto got = replay(*trace, r.percent);
        INFO(r.trace << " at " << r.percent << " %: objects " << got.objects << ", bytes " << got.bytes);
        CHECK(got.objects >= r.objects);
        CHECK(got.bytes >= r.bytes);
    }
}

} // namespace
