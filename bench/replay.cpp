// Replays a trace through the real store, and beside it through LRU, SIEVE and Belady's optimum. A response
// takes the same in all of them, with its part of the tables that find it; ghosts and what the store has of
// fixed size come out of the store's room alone.
//
//   replay [--content BYTES] [--shards N] [--bound BYTES]... [PERCENT...] <TRACE
//
// Prints one line of JSON for each PERCENT and each --bound.
//
// TRACE: one request a line, its key and, where there is one, the size of its content (otherwise BYTES, 1024
// unless set). A key that comes with another size than before is a new version: a miss, and takes the place
// of the old one. PERCENT: the bound, as a part of what the responses of all distinct keys take in memory,
// the largest of each.
#include "policies.hpp"

#include <meshcache/store/cache.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

namespace store = meshcache::store;
using bench::request;
using bench::tally;

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

void print(const char* name, const tally& t, const char* after) {
    std::printf("\"%s\":{\"hits\":%zu,\"objects\":%.4f,\"bytes\":%.4f}%s", name, t.hits,
                static_cast<double>(t.hits) / static_cast<double>(t.requests),
                static_cast<double>(t.hit_bytes) / static_cast<double>(t.bytes), after);
}

} // namespace

int main(int argc, char** argv) {
    std::size_t content = 1024, shards = 1;
    std::vector<double> percents;
    std::vector<std::size_t> bounds;
    bool usable = true;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const auto number = [&] { return i + 1 < argc ? std::strtoul(argv[++i], nullptr, 10) : 0; };
        if (word == "--content") {
            content = number();
        } else if (word == "--shards") {
            shards = number();
        } else if (word == "--bound") {
            bounds.push_back(number());
            usable = usable && bounds.back() > 0;
        } else {
            percents.push_back(std::strtod(argv[i], nullptr));
            usable = usable && percents.back() > 0;
        }
    }
    if (!usable || content == 0 || shards == 0 || (percents.empty() && bounds.empty())) {
        std::fputs("usage: replay [--content BYTES] [--shards N] [--bound BYTES]... [PERCENT...] <TRACE\n",
                   stderr);
        return 2;
    }
    std::ios::sync_with_stdio(false);
    const auto t = read_trace(std::cin, content);
    if (t.requests.empty()) {
        std::fputs("replay: the trace is empty\n", stderr);
        return 1;
    }
    const auto whole = static_cast<double>(t.whole);
    const auto replay = [&](double percent, std::size_t limit) {
        std::printf("{\"percent\":%g,\"limit\":%zu,\"requests\":%zu,", percent, limit, t.requests.size());
        print("meshcache", replay_store(t, limit, shards), ",");
        print("lru", bench::replay_queue<bench::lru>(t.requests, limit), ",");
        print("sieve", bench::replay_queue<bench::sieve>(t.requests, limit), ",");
        print("belady", bench::replay_belady(t.requests, limit), "}\n");
    };
    for (const double percent : percents) replay(percent, static_cast<std::size_t>(whole * percent / 100));
    for (const auto bound : bounds) replay(100 * static_cast<double>(bound) / whole, bound);
}
