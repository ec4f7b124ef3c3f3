#include "shard.hpp"
#include "store_support.hpp"
#include "support/catch.hpp"

#include <meshcache/store/cache.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace meshcache::store;
using namespace meshcache::store::test;
using meshcache::http::key_view;

/// A cache, and keys by number whose text it keeps.
struct fixture {
    explicit fixture(std::size_t bytes = 4u << 20, std::size_t max_object = 64u << 10, std::size_t shards = 0)
        : store({.bytes = bytes, .max_object = max_object, .shards = shards, .seed = 42}) {}

    key_view key(std::uint64_t n) {
        auto& text = texts[n];
        if (text.empty()) text = "key-" + std::to_string(n);
        return store.view(text);
    }
    insert_outcome put(std::uint64_t n, const version& v, std::size_t size = 100) {
        return store.insert(make_response(key(n), v, size), v);
    }

    cache store;
    std::map<std::uint64_t, std::string> texts;
};

TEST_CASE("what was inserted is found by its key alone") {
    fixture f;
    CHECK(!f.store.lookup(f.key(1)));
    CHECK(f.put(1, nth(1)).what == insert_result::stored);
    const auto r = f.store.lookup(f.key(1));
    REQUIRE(r);
    CHECK(r->key() == "key-1");
    CHECK(is_intact(*r));
    CHECK(f.store.peek(f.key(1)) == r);
    CHECK(!f.store.lookup(f.key(2)));
    CHECK(f.store.stats().objects == 1);
}

/// A cache of a few variants, made by http::append_variant's rules.
struct variants {
    cache store{{.bytes = 4u << 20, .max_object = 64u << 10, .max_variants = 3, .seed = 42}};

    static std::string text(const std::string& path, std::uint64_t n) {
        const std::string digits = std::to_string(n);
        return "4:http1:a3:GET" + std::to_string(path.size()) + ":" + path + ";1:v" +
               std::to_string(digits.size()) + ":" + digits;
    }
    insert_outcome put(const std::string& path, std::uint64_t n, std::uint64_t at,
                       meshcache::wall_time fresh_until = {}) {
        const std::string key = text(path, n);
        response_meta meta;
        meta.version = nth(at);
        meta.life.response_time = meshcache::wall_time(meshcache::milliseconds(at));
        meta.life.fresh_until = fresh_until;
        const std::string_view content = "x";
        return store.insert(
            stored_response::make(meta, key, store.hash(key), "HTTP/1.1 200 OK\r\n", {&content, 1}), nth(at));
    }
    bool has(const std::string& path, std::uint64_t n) {
        const std::string key = text(path, n);
        return store.peek(store.view(key)) != nullptr;
    }
    void use(const std::string& path, std::uint64_t n) {
        const std::string key = text(path, n);
        REQUIRE(store.lookup(store.view(key)) != nullptr);
    }
};

TEST_CASE("one primary key has no more than max_variants, and the least used one makes way") {
    variants v;
    const meshcache::wall_time late(meshcache::milliseconds(1'000'000));
    for (std::uint64_t n = 1; n <= 3; ++n) CHECK_FALSE(v.put("/", n, n, late).displaced);
    v.use("/", 1);
    v.use("/", 3);
    auto out = v.put("/", 4, 4, late);
    CHECK(out.what == insert_result::stored);
    CHECK(out.displaced);
    CHECK_FALSE(v.has("/", 2));
    CHECK(v.put("/", 5, 5, late).displaced);
    CHECK_FALSE(v.has("/", 4));
    // One that is there is replaced, and displaces nothing; other URIs have their own.
    CHECK_FALSE(v.put("/", 1, 6, late).displaced);
    for (std::uint64_t n = 1; n <= 3; ++n) CHECK_FALSE(v.put("/x", n, n, late).displaced);
    CHECK(v.store.stats().objects == 6);
    for (std::uint64_t n : {1U, 3U, 5U}) CHECK(v.has("/", n));
}

TEST_CASE("a URI's family is its note and its variants, without those that were purged") {
    variants v;
    const meshcache::wall_time late(meshcache::milliseconds(1'000'000));
    for (std::uint64_t n = 1; n <= 3; ++n) {
        (void)v.put("/", n, n + 1, late);
        (void)v.put("/x", n, n + 1, late);
    }
    const std::string primary = "4:http1:a3:GET1:/";
    const auto keys = [&] {
        std::vector<std::string> out;
        for (const auto& r : v.store.family(v.store.view(primary))) out.emplace_back(r->key());
        std::sort(out.begin(), out.end());
        return out;
    };
    CHECK(keys() == std::vector{v.text("/", 1), v.text("/", 2), v.text("/", 3)});
    CHECK(v.store.insert(make_response(v.store.view(primary), nth(9)), nth(9)).took());
    CHECK(keys() == std::vector{primary, v.text("/", 1), v.text("/", 2), v.text("/", 3)});
    CHECK(v.store.family(v.store.view(primary)).front()->key() == primary);
    v.store.raise_group({}, floor_bound::same(nth(4)));
    CHECK(keys() == std::vector{primary, v.text("/", 3)});
    CHECK(v.store.family(v.store.view("4:http1:b3:GET1:/")).empty());
}

TEST_CASE("a floor at a primary key holds for its variants, also those of a clock that runs ahead") {
    variants v;
    CHECK(v.put("/", 1, 5).took());
    CHECK(v.put("/", 2, 9).took());
    CHECK(v.put("/x", 1, 5).took());
    const std::string primary = "4:http1:a3:GET1:/";
    // Made at 6 by another replica; here it means what lies below 8.
    const version floor{nth(6).stamp, 7};
    CHECK(v.store.raise_floor(v.store.view(primary), floor_bound::heard(floor, nth(8))));
    CHECK(!v.has("/", 1));
    CHECK(v.has("/", 2));
    CHECK(v.has("/x", 1));
    CHECK(v.put("/", 3, 7).what == insert_result::invalidated);
    CHECK(v.put("/", 3, 8).took());
    CHECK(v.put("/x", 3, 7).took());
    CHECK(!v.store.raise_floor(v.store.view(primary), floor_bound::heard(floor, nth(8))));
}

TEST_CASE("a variant that can no longer be used makes way first, however much it was used") {
    variants v;
    const auto at = [](std::uint64_t ms) { return meshcache::wall_time(meshcache::milliseconds(ms)); };
    (void)v.put("/", 1, 1, at(1'000'000));
    (void)v.put("/", 2, 2, at(100));
    (void)v.put("/", 3, 3, at(1'000'000));
    for (int i = 0; i < 5; ++i) v.use("/", 2);
    CHECK(v.put("/", 4, 200, at(1'000'000)).displaced);
    CHECK_FALSE(v.has("/", 2));
}

TEST_CASE("a flood of variants keeps their number and the count of bytes") {
    variants v;
    const meshcache::wall_time late(meshcache::milliseconds(1'000'000));
    for (std::uint64_t n = 1; n <= 2000; ++n) CHECK(v.put("/", n, n, late).displaced == (n > 3));
    CHECK(v.store.stats().objects == 3);
    CHECK(v.store.stats().evicted == 0);
    for (std::uint64_t n = 1; n <= 2000; ++n) CHECK(v.has("/", n) == (n > 1997));
}

TEST_CASE("keys with one hash are kept apart") {
    fixture f;
    const key_view a{"a", 5}, b{"b", 5}, c{"c", 5};
    CHECK(f.store.insert(make_response(a, nth(1)), nth(1)).took());
    CHECK(f.store.insert(make_response(b, nth(2)), nth(2)).took());
    CHECK(f.store.lookup(a)->key() == "a");
    CHECK(f.store.lookup(b)->key() == "b");
    CHECK(!f.store.lookup(c));
    CHECK(f.store.erase(a, nth(1)));
    CHECK(!f.store.lookup(a));
    CHECK(f.store.lookup(b)->key() == "b");
}

TEST_CASE("only a newer version takes the place of another") {
    fixture f;
    CHECK(f.put(1, nth(5)).what == insert_result::stored);
    CHECK(f.put(1, nth(4)).what == insert_result::older);
    CHECK(f.put(1, nth(5)).what == insert_result::older);
    CHECK(f.store.lookup(f.key(1))->meta().version == nth(5));
    CHECK(f.put(1, nth(6)).what == insert_result::replaced);
    CHECK(f.store.lookup(f.key(1))->meta().version == nth(6));
    CHECK(f.put(1, version{nth(6).stamp, 2}).what == insert_result::replaced); // the replica's id decides
    CHECK(f.store.stats().objects == 1);
}

TEST_CASE("a response larger than the bound is refused, and what it outdates goes") {
    fixture f;
    CHECK(f.put(1, nth(1), 64u << 10).what == insert_result::stored);
    CHECK(f.put(2, nth(1), (64u << 10) + 1).what == insert_result::too_large);
    CHECK(!f.store.peek(f.key(2)));
    CHECK(f.put(1, nth(0), 1u << 20).what == insert_result::older);
    CHECK(f.store.peek(f.key(1)));
    CHECK(f.put(1, nth(2), 1u << 20).what == insert_result::too_large);
    CHECK(!f.store.peek(f.key(1)));
}

TEST_CASE("a floor drops what lies below it, and refuses it from then on") {
    fixture f;
    f.put(1, nth(5));
    f.put(2, nth(5));
    CHECK(!f.store.raise_floor(f.key(1), nth(5))); // equal is not below
    CHECK(f.store.peek(f.key(1)));
    CHECK(f.store.raise_floor(f.key(1), nth(6)));
    CHECK(!f.store.peek(f.key(1)));
    CHECK(f.store.peek(f.key(2)));
    CHECK(f.put(1, nth(5)).what == insert_result::invalidated);
    CHECK(f.store.insert(make_response(f.key(1), nth(5)), nth(100)).what == insert_result::invalidated);
    CHECK(f.put(1, nth(6)).what == insert_result::stored);
    CHECK(!f.store.raise_floor(f.key(1), nth(2))); // a lower floor changes nothing
    CHECK(f.put(2, nth(6)).what == insert_result::replaced);
}

TEST_CASE("a floor for an absent key holds too") {
    fixture f;
    CHECK(!f.store.raise_floor(f.key(9), nth(10)));
    CHECK(f.put(9, nth(9)).what == insert_result::invalidated);
    CHECK(f.put(9, nth(10)).what == insert_result::stored);
}

TEST_CASE("floors that were forgotten refuse what began before them, and nothing that began after") {
    fixture f(256u << 10, 16u << 10);
    f.put(1, nth(1));
    constexpr std::uint64_t floors = 100'000;
    for (std::uint64_t i = 0; i < floors; ++i) f.store.raise_floor(f.key(1000 + i), nth(1000 + i));
    CHECK(f.store.peek(f.key(1)));                                // held all the time
    CHECK(f.put(2, nth(500)).what == insert_result::invalidated); // nobody knows any more
    CHECK(f.put(1000, nth(999)).what == insert_result::invalidated);
    // an old record read from Redis after the floor: the reader has checked it against the floors there
    CHECK(f.store.insert(make_response(f.key(3), nth(500)), nth(floors * 2)).what == insert_result::stored);
    // the last floors are still known one by one
    CHECK(f.store.insert(make_response(f.key(999 + floors), nth(500)), nth(floors * 2)).what ==
          insert_result::invalidated);
}

TEST_CASE("erase takes exactly the version that is named") {
    fixture f;
    f.put(1, nth(5));
    CHECK(!f.store.erase(f.key(1), nth(4)));
    CHECK(!f.store.erase(f.key(1), nth(6)));
    CHECK(!f.store.erase(f.key(2), nth(5)));
    CHECK(f.store.erase(f.key(1), nth(5)));
    CHECK(!f.store.peek(f.key(1)));
    CHECK(f.put(1, nth(3)).what == insert_result::stored); // no floor was left behind
}

TEST_CASE("clear drops everything and keeps the floors") {
    fixture f;
    const auto empty = f.store.stats().bytes;
    for (std::uint64_t i = 0; i < 2000; ++i) f.put(i, nth(5));
    f.store.raise_floor(f.key(1), nth(9));
    f.store.clear();
    CHECK(f.store.stats().objects == 0);
    CHECK(f.store.stats().bytes == empty);
    CHECK(!f.store.peek(f.key(7)));
    CHECK(f.put(1, nth(8)).what == insert_result::invalidated);
    CHECK(f.put(7, nth(5)).what == insert_result::stored);
}

TEST_CASE("a response outlives its eviction in the hands of its reader") {
    fixture f(128u << 10, 8u << 10);
    f.put(1, nth(1));
    const auto r = f.store.peek(f.key(1));
    for (std::uint64_t i = 2; i < 2000; ++i) f.put(i, nth(1));
    CHECK(!f.store.peek(f.key(1)));
    CHECK(is_intact(*r));
}

TEST_CASE("what is used stays while much else passes through") {
    fixture f(512u << 10, 8u << 10, 1);
    for (std::uint64_t i = 0; i < 20; ++i) f.put(i, nth(1));
    for (std::uint64_t i = 100; i < 20'000; ++i) {
        f.put(i, nth(1));
        if (i % 10 == 0)
            for (std::uint64_t k = 0; k < 20; ++k) f.store.lookup(f.key(k));
    }
    for (std::uint64_t k = 0; k < 20; ++k) CHECK(f.store.peek(f.key(k)));
    CHECK(f.store.stats().evicted > 10'000);
}

TEST_CASE("the number of shards fits the memory") {
    struct row {
        std::size_t bytes, max_object, asked, shards, bound;
    };
    const row rows[] = {
        {64u << 20, 1u << 20, 0, 8, 1u << 20},
        {8u << 20, 1u << 20, 0, 1, 1u << 20},
        {1u << 20, 1u << 20, 0, 1, 512u << 10},
        {std::size_t{4} << 30, 1u << 20, 0, 64, 1u << 20},
        {64u << 20, 1u << 20, 5, 4, 1u << 20},
        {4u << 20, 1u << 20, 16, 16, 128u << 10},
        {0, 1u << 20, 0, 1, 32u << 10},
        {64u << 20, 1u << 20, 1000, 64, 512u << 10},
        {64u << 20, 0, 0, 64, 0},
    };
    for (const auto& r : rows) {
        const cache c({.bytes = r.bytes, .max_object = r.max_object, .shards = r.asked, .seed = 1});
        INFO(r.bytes << " bytes, objects to " << r.max_object << ", asked for " << r.asked);
        CHECK(c.settings().shards == r.shards);
        CHECK(c.settings().max_object == r.bound);
        CHECK(c.stats().bytes <= c.stats().bytes_limit);
        CHECK(c.stats().bytes_limit <= c.settings().bytes);
    }
}

TEST_CASE("the smallest cache still works") {
    fixture f(0);
    for (std::uint64_t i = 0; i < 1000; ++i) {
        CHECK(f.put(i, nth(1), i * 7 % 3000).took());
        CHECK(f.store.stats().bytes <= f.store.stats().bytes_limit);
        CHECK(f.store.peek(f.key(i)));
    }
}

TEST_CASE("a scan sees all that is there from its beginning to its end, whatever else happens") {
    const std::uint32_t seed = GENERATE(41u, 42u, 43u);
    const std::size_t step = GENERATE(1u, 10u, 1000u);
    INFO("seed " << seed << ", step " << step);
    std::mt19937 random(seed);
    fixture f(16u << 20, 64u << 10, 4);
    std::set<std::string> stays, seen;
    for (std::uint64_t i = 0; i < 3000; ++i) f.put(i, nth(1));
    std::vector<response_ptr> out;
    std::uint64_t cursor = 0, steps = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) stays.insert(std::string(f.key(i).bytes));
    do {
        const auto before = out.size();
        cursor = f.store.scan(cursor, step, out);
        CHECK_FALSE(out.size() > before + step);
        // meanwhile others come, go and are replaced, and the index grows
        for (std::size_t i = 0; i < step; ++i) {
            const std::uint64_t n = 1000 + random() % 6000;
            if (random() % 2)
                f.put(n, nth(2 + steps));
            else
                f.store.raise_floor(f.key(n), nth(2 + steps));
            if (random() % 4 == 0) f.put(random() % 1000, nth(2 + steps));
        }
        REQUIRE(++steps < 100'000);
    } while (cursor != 0);
    for (const auto& r : out) {
        seen.insert(std::string(r->key()));
        if (!is_intact(*r)) FAIL("a response is not what was stored");
    }
    std::size_t missed = 0;
    for (const auto& key : stays) missed += !seen.contains(key);
    CHECK(missed == 0);
}

TEST_CASE("a scan of nothing ends, and so does one with a cursor that was never given") {
    fixture f;
    std::vector<response_ptr> out;
    std::uint64_t cursor = 0;
    int steps = 0;
    do cursor = f.store.scan(cursor, 10, out);
    while (cursor != 0 && ++steps < 100);
    CHECK(cursor == 0);
    CHECK(out.empty());
    CHECK(f.store.scan(std::uint64_t{1} << 60, 10, out) == 0);
    CHECK(f.store.scan(0xffff'fff0, 10, out) <= (std::uint64_t{1} << 32));
}

// Random operations on few keys, of sizes from nothing to the bound, against a model of what must hold. After
// each one the shard's bytes are within its limit.
TEST_CASE("a shard keeps its bound and never goes back, whatever is asked of it") {
    const std::uint32_t seed = GENERATE(take(6, random(1, 1'000'000)));
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const std::size_t limit = random() % 2 ? 64u << 10 : 512u << 10;
    const std::size_t max_object = limit / 4;
    const std::uint64_t keys = 50 + random() % 3000;
    INFO("limit " << limit << ", " << keys << " keys");
    const group_floors no_purges(16);
    shard s(limit, max_object, 64, no_purges);
    std::optional<shard::soft_purge> soft;
    std::vector<std::string> texts(keys);
    for (std::uint64_t i = 0; i < keys; ++i) texts[i] = "k" + std::to_string(i);
    const auto key = [&](std::uint64_t n) {
        return key_view{texts[n], n * 0x9e37'79b9'7f4a'7c15 & (seed % 3 == 0 ? 0xffff : UINT64_MAX)};
    };
    struct known {
        version held, floor;
    };
    std::vector<known> model(keys);
    std::uint64_t clock = 1000;
    std::size_t wrong = 0;
    std::string first_wrong;
    const auto expect = [&](bool good, const char* what) {
        if (good) return;
        if (wrong++ == 0) first_wrong = what;
    };
    for (int step = 0; step < 30'000; ++step) {
        const std::uint64_t n = random() % 4 ? random() % keys : random() % 20;
        auto& m = model[n];
        const auto before = s.lookup(key(n), random() % 2, soft);
        if (before) {
            expect(before->key() == key(n).bytes && is_intact(*before), "content");
            expect(before->meta().version == m.held, "the version last stored");
            expect(before->meta().version >= m.floor, "above the floor");
        }
        switch (random() % 12) {
        default: {
            const version v = nth(random() % 4 ? ++clock : clock - random() % 100);
            std::size_t size = random() % 600;
            if (random() % 40 == 0) size = random() % (max_object + max_object / 8);
            // the base floor holds against `begun`: as late as can be, it never refuses
            const auto got =
                s.insert(make_response(key(n), v, size), key(n).hash, nth(clock + 1), insert_for::use);
            if (before && before->meta().version >= v) {
                expect(got.what == insert_result::older, "older");
            } else if (v < m.floor && got.what != insert_result::invalidated) {
                // only if the floor has left the table, which needs more keys than it has room for
                expect(keys > 16, "the floor");
                m.held = v;
                m.floor = {};
            } else if (got.what != insert_result::invalidated && size > max_object) {
                expect(got.what == insert_result::too_large, "too large");
                expect(!s.lookup(key(n), false, soft), "the outdated one has gone");
            } else if (got.what != insert_result::invalidated) {
                expect(got.what == (before ? insert_result::replaced : insert_result::stored), "stored");
                const auto now = s.lookup(key(n), false, soft);
                expect(now && now->meta().version == v, "there after its insert");
                m.held = v;
            } else {
                expect(v < m.floor || seed % 3 == 0, "refused for no reason");
            }
            break;
        }
        case 0: {
            const version floor = nth(clock - random() % 50);
            const bool dropped = s.raise_floor(key(n), floor_bound::same(floor));
            expect(dropped == (before && before->meta().version < floor), "what a floor drops");
            if (m.floor < floor) m.floor = floor;
            break;
        }
        case 1: {
            const version v = random() % 2 ? m.held : nth(clock);
            expect(s.erase(key(n), v) == (before && before->meta().version == v), "what erase drops");
            break;
        }
        case 2:
            if (random() % 2000 == 0) s.clear();
            break;
        }
        cache_stats stats;
        s.add_stats(stats);
        expect(stats.bytes <= stats.bytes_limit, "within the limit");
    }
    INFO("first: " << first_wrong);
    CHECK(wrong == 0);
    cache_stats stats;
    s.add_stats(stats);
    std::size_t held = 0;
    for (std::uint64_t n = 0; n < keys; ++n) held += s.lookup(key(n), false, soft) != nullptr;
    CHECK(stats.objects == held);
}

TEST_CASE("the overhead of a stored response is below 200 bytes, all tables included") {
    constexpr std::size_t objects = 100'000, content = 1024;
    const bool turned_over = GENERATE(false, true); // freshly filled, or with all ghosts there can be
    std::vector<std::string> texts(turned_over ? 3 * objects : objects);
    for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = "http://example.org/path/" + std::to_string(i);
    const std::string body(content, 'x');
    const std::string_view pieces[] = {body};
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n";

    const auto before = heap_bytes();
    auto store = std::make_unique<cache>(
        cache_settings{.bytes = objects * (content + 256), .max_object = 1u << 20, .shards = 0, .seed = 7});
    for (const auto& text : texts) {
        const auto key = store->view(text);
        response_meta meta;
        meta.version = nth(1);
        store->insert(stored_response::make(meta, key.bytes, key.hash, head, pieces), nth(1));
    }
    const auto stats = store->stats();
    std::size_t payload = 0, kept = 0;
    for (const auto& text : texts)
        if (const auto r = store->peek(store->view(text))) {
            payload += r->key().size() + r->head().size() + r->content().size();
            ++kept;
        }
    CHECK(kept == stats.objects);
    CHECK(kept > objects * 9 / 10);
    const double each = static_cast<double>(stats.bytes - payload) / static_cast<double>(kept);
    INFO(each << " bytes a response, as the store counts");
    CHECK(each <= 200);
    if (!before) {
        WARN("not compared with malloc: a sanitizer has replaced it");
        return;
    }
    const double taken = static_cast<double>(*heap_bytes() - *before);
    INFO(taken << " bytes taken of malloc, " << stats.bytes << " counted");
    CHECK((taken - static_cast<double>(payload)) / static_cast<double>(kept) <= 200);
    CHECK(taken <= static_cast<double>(stats.bytes) * 1.001);
    CHECK(taken >= static_cast<double>(stats.bytes) * 0.98);
}

TEST_CASE("threads that do everything at once find what they stored, and never anything older") {
    constexpr std::size_t threads = 4, keys = 300;
    constexpr int steps = 6000;
    const std::uint32_t seed = 51;
    INFO("seed " << seed);
    cache store({.bytes = 256u << 10, .max_object = 16u << 10, .shards = 4, .seed = 3});
    std::vector<std::string> texts(keys);
    for (std::size_t i = 0; i < keys; ++i) texts[i] = "k" + std::to_string(i);
    hybrid_clock clock(1);
    std::atomic<std::size_t> wrong{0};
    std::vector<std::thread> running;
    for (std::size_t t = 0; t < threads; ++t)
        running.emplace_back([&, t] {
            std::mt19937 random(seed + static_cast<std::uint32_t>(t));
            std::vector<version> floors(keys);
            std::vector<response_ptr> out;
            for (int i = 0; i < steps; ++i) {
                const std::size_t n = random() % keys;
                const auto key = store.view(texts[n]);
                const auto what = random() % 20;
                if (what < 10) {
                    const auto r = store.lookup(key);
                    if (r && (!is_intact(*r) || r->key() != key.bytes || r->meta().version < floors[n]))
                        ++wrong;
                } else if (what < 17) {
                    const auto v = clock.next({});
                    store.insert(make_response(key, v, random() % 2000), v);
                } else if (what == 17) {
                    floors[n] = clock.next({});
                    store.raise_floor(key, floors[n]);
                } else if (what == 18) {
                    out.clear();
                    std::uint64_t cursor = 0;
                    do cursor = store.scan(cursor, 64, out);
                    while (cursor != 0);
                    for (const auto& r : out) wrong += !is_intact(*r);
                } else if (const auto r = store.peek(key)) {
                    store.erase(key, r->meta().version);
                }
                if (i % 64 == 0) {
                    const auto stats = store.stats();
                    wrong += stats.bytes > stats.bytes_limit;
                }
            }
        });
    for (auto& t : running) t.join();
    CHECK(wrong == 0);
    CHECK(store.stats().evicted > 0);
}

} // namespace
