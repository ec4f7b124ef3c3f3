// Replays a recorded trace through the real store, and beside it through LRU and Belady's optimum. A response
// takes the same in all three, with its part of the tables that find it; ghosts and what the store has of
// fixed size come out of the store's room alone.
//
//   replay [--content BYTES] [--shards N] PERCENT... <TRACE    prints one line of JSON for each size
//
// TRACE: one request a line, its key and, where there is one, the size of its content (otherwise BYTES, 1024
// unless set). A key that comes with another size than before is a new version: a miss, and takes the place
// of the old one. PERCENT: the bound, as a part of what the responses of all distinct keys take in memory,
// the largest of each.
#include <meshcache/store/cache.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

namespace store = meshcache::store;

struct request {
    std::uint64_t key;
    std::size_t content; ///< bytes
    std::size_t charge;  ///< what its response takes in memory, with its part of the tables
};

constexpr std::string_view head =
    "HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 00:00:00 GMT\r\n"
    "Last-Modified: Wed, 25 Nov 2026 00:00:00 GMT\r\nETag: \"0123456789abcdef\"\r\n"
    "Cache-Control: public, max-age=86400\r\nContent-Type: text/plain\r\n"
    "Via: 1.1 meshcache\r\nContent-Length: 1024\r\n";

std::string key_text(std::uint64_t key) { return "4:http13:bench.example3:GET9:/" + std::to_string(key); }

store::response_ptr make_response(const store::cache& cache, const request& r, std::string_view bytes,
                                  std::uint64_t stamp) {
    const auto key = key_text(r.key);
    store::response_meta meta;
    meta.version.stamp = stamp;
    meta.status = 200;
    const std::string_view content[] = {bytes.substr(0, r.content)};
    return store::stored_response::make(meta, key, cache.hash(key), head, content);
}

struct trace {
    std::vector<request> requests;
    std::size_t largest = 0; ///< content
    std::size_t whole = 0;   ///< charge of all distinct responses, the largest of each key
};

/// What the store's tables take for each of `keys` responses that it holds.
std::size_t table_bytes(const std::unordered_map<std::uint64_t, std::size_t>& keys) {
    store::cache_settings settings;
    settings.bytes = std::max<std::size_t>(4096 * keys.size(), 16u << 20);
    settings.shards = 1;
    store::cache cache(settings);
    const std::size_t before = cache.stats().bytes;
    std::size_t charges = 0;
    for (const auto& [key, largest] : keys) {
        auto response = make_response(cache, {key, 0, 0}, {}, 1);
        charges += response->charge();
        const auto version = response->meta().version;
        cache.insert(std::move(response), version);
    }
    return (cache.stats().bytes - before - charges) / keys.size();
}

trace read_trace(std::istream& in, std::size_t content) {
    trace t;
    std::string line;
    while (std::getline(in, line)) {
        char* end = nullptr;
        const auto key = std::strtoull(line.c_str(), &end, 10);
        const auto size = static_cast<std::size_t>(std::strtoull(end, nullptr, 10));
        t.requests.push_back({key, size == 0 ? content : size, 0});
        t.largest = std::max(t.largest, t.requests.back().content);
    }
    const std::string bytes(t.largest, 'x');
    const store::cache any({});
    std::map<std::pair<std::uint64_t, std::size_t>, std::size_t> charges;
    std::unordered_map<std::uint64_t, std::size_t> largest; // charge
    for (auto& r : t.requests) {
        auto [at, fresh] = charges.emplace(std::pair(r.key, r.content), 0);
        if (fresh) at->second = make_response(any, r, bytes, 1)->charge();
        r.charge = at->second;
        largest[r.key] = std::max(largest[r.key], r.charge);
    }
    if (t.requests.empty()) return t;
    const std::size_t tables = table_bytes(largest);
    for (auto& r : t.requests) r.charge += tables;
    for (const auto& [key, charge] : largest) t.whole += charge + tables;
    return t;
}

/// Counts of one run.
struct tally {
    std::size_t hits = 0, hit_bytes = 0, requests = 0, bytes = 0;

    void count(const request& r, bool hit) {
        ++requests;
        bytes += r.content;
        if (!hit) return;
        ++hits;
        hit_bytes += r.content;
    }
};

tally replay_store(const trace& t, std::size_t limit, std::size_t shards) {
    store::cache_settings settings;
    settings.bytes = limit;
    settings.max_object = limit / 2; // the store makes that half a shard
    settings.shards = shards;
    store::cache cache(settings);
    const std::string bytes(t.largest, 'x');
    tally out;
    std::uint64_t stamp = 0;
    for (const auto& r : t.requests) {
        const auto key = key_text(r.key);
        const auto stored = cache.lookup(cache.view(key));
        const bool hit = stored && stored->content().size() == r.content;
        out.count(r, hit);
        if (hit || r.content > cache.settings().max_object) continue;
        auto response = make_response(cache, r, bytes, ++stamp);
        const auto version = response->meta().version;
        cache.insert(std::move(response), version);
    }
    return out;
}

tally replay_lru(const trace& t, std::size_t limit) {
    std::list<request> order; // the latest in front
    std::unordered_map<std::uint64_t, decltype(order)::iterator> in;
    std::size_t used = 0;
    tally out;
    for (const auto& r : t.requests) {
        const auto at = in.find(r.key);
        const bool hit = at != in.end() && at->second->content == r.content;
        out.count(r, hit);
        if (hit) {
            order.splice(order.begin(), order, at->second);
            continue;
        }
        if (at != in.end()) {
            used -= at->second->charge;
            order.erase(at->second);
            in.erase(at);
        }
        if (r.charge > limit) continue;
        while (used + r.charge > limit) {
            used -= order.back().charge;
            in.erase(order.back().key);
            order.pop_back();
        }
        order.push_front(r);
        in[r.key] = order.begin();
        used += r.charge;
    }
    return out;
}

/// Keeps what is asked for again the soonest; a response that is asked for later than all that are kept does
/// not enter. The optimum where all are of one size.
tally replay_belady(const trace& t, std::size_t limit) {
    constexpr auto never = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> next(t.requests.size(), never);
    std::unordered_map<std::uint64_t, std::size_t> seen;
    for (auto i = t.requests.size(); i-- > 0;) {
        const auto [at, fresh] = seen.emplace(t.requests[i].key, i);
        if (fresh) continue;
        const auto later = std::exchange(at->second, i);
        if (t.requests[later].content == t.requests[i].content) next[i] = later;
    }
    struct kept {
        std::size_t next, charge;
    };
    std::unordered_map<std::uint64_t, kept> in;
    std::set<std::pair<std::size_t, std::uint64_t>> by_next; // of all that are in
    std::size_t used = 0;
    tally out;
    for (std::size_t i = 0; i < t.requests.size(); ++i) {
        const auto& r = t.requests[i];
        const auto at = in.find(r.key); // kept only until the same version is asked for
        out.count(r, at != in.end());
        if (at != in.end()) {
            by_next.erase({at->second.next, r.key});
            used -= at->second.charge;
            in.erase(at);
        }
        if (next[i] == never || r.charge > limit) continue;
        in[r.key] = {next[i], r.charge};
        by_next.insert({next[i], r.key});
        used += r.charge;
        while (used > limit) {
            const auto last = std::prev(by_next.end());
            used -= in[last->second].charge;
            in.erase(last->second);
            by_next.erase(last);
        }
    }
    return out;
}

void print(const char* name, const tally& t, const char* after) {
    std::printf("\"%s\":{\"objects\":%.4f,\"bytes\":%.4f}%s", name,
                static_cast<double>(t.hits) / static_cast<double>(t.requests),
                static_cast<double>(t.hit_bytes) / static_cast<double>(t.bytes), after);
}

} // namespace

int main(int argc, char** argv) {
    std::size_t content = 1024, shards = 1;
    std::vector<double> percents;
    bool usable = argc > 1;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if ((word == "--content" || word == "--shards") && i + 1 < argc) {
            (word == "--content" ? content : shards) = std::strtoul(argv[++i], nullptr, 10);
        } else {
            percents.push_back(std::strtod(argv[i], nullptr));
            usable = usable && percents.back() > 0;
        }
    }
    if (!usable || percents.empty()) {
        std::fputs("usage: replay [--content BYTES] [--shards N] PERCENT... <TRACE\n", stderr);
        return 2;
    }
    std::ios::sync_with_stdio(false);
    const auto t = read_trace(std::cin, content);
    if (t.requests.empty()) {
        std::fputs("replay: the trace is empty\n", stderr);
        return 1;
    }
    for (const double percent : percents) {
        const auto limit = static_cast<std::size_t>(static_cast<double>(t.whole) * percent / 100);
        std::printf("{\"percent\":%g,\"limit\":%zu,\"requests\":%zu,", percent, limit, t.requests.size());
        print("meshcache", replay_store(t, limit, shards), ",");
        print("lru", replay_lru(t, limit), ",");
        print("belady", replay_belady(t, limit), "}\n");
    }
}
