#include "group_floors.hpp"
#include "store_support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/reuse.hpp>

#include <random>
#include <string>
#include <vector>

namespace {

using namespace meshcache;
using namespace meshcache::store;
using meshcache::store::test::nth;

std::string key_of(std::string_view host, std::string_view path, std::string_view variant = {}) {
    std::string key;
    http::build_key({"http", host, path}, "GET", key);
    return key.append(variant);
}

selector prefix(std::string host, std::string path, bool soft = false) {
    return {selector_kind::prefix, soft, std::move(host), std::move(path)};
}
selector tag(std::string text, bool soft = false) { return {selector_kind::tag, soft, {}, std::move(text)}; }

/// A store with responses that have tags.
struct fixture {
    explicit fixture(std::size_t bytes = 16u << 20) : cache({.bytes = bytes, .seed = 7}) {}

    response_ptr make(const std::string& key, std::uint64_t n, const std::string& tags = {},
                      std::size_t size = 10) const {
        response_meta meta;
        meta.version = nth(n);
        meta.status = 200;
        meta.life.response_time = wall_time{milliseconds{n}};
        meta.life.fresh_until = meta.life.response_time + seconds{1000};
        meta.life.stale_until = meta.life.fresh_until + seconds{50};
        meta.life.error_until = meta.life.fresh_until + seconds{100};
        const std::string content(size, 'c');
        const std::string_view pieces[] = {content};
        return stored_response::make(meta, key, cache.hash(key),
                                     "HTTP/1.1 200 OK\r\nSurrogate-Key: " + tags + "\r\n", pieces);
    }
    insert_result put(const std::string& key, std::uint64_t n, const std::string& tags = {}) {
        return cache.insert(make(key, n, tags), nth(n)).what;
    }
    bool has(const std::string& key) const { return cache.lookup(cache.view(key)) != nullptr; }
    void purge(const selector& s, std::uint64_t n) { cache.raise_group(s, floor_bound::same(nth(n))); }

    store::cache cache;
};

TEST_CASE("a purge of a tag covers what bears it, and nothing else") {
    fixture f;
    const std::string a = key_of("h", "/a"), b = key_of("h", "/b"), c = key_of("h", "/c");
    f.put(a, 1, "red blue");
    f.put(b, 1, "Red");
    f.put(c, 1);
    f.purge(tag("red"), 5);
    CHECK_FALSE(f.has(a));
    CHECK(f.has(b));
    CHECK(f.has(c));
    CHECK(f.put(a, 4, "red") == insert_result::invalidated); // a fill that was in flight
    CHECK(f.put(a, 4, "blue") == insert_result::stored);
    CHECK(f.put(a, 6, "red") == insert_result::replaced);
    CHECK(f.has(a));
    CHECK(f.cache.take_purged() == 1);
    CHECK(f.cache.take_purged() == 0);
}

TEST_CASE("a purge of a prefix covers any string that a path begins with") {
    fixture f;
    const std::vector<std::string> paths{"/",      "/img",      "/img/", "/img/a", "/img/2024-05",
                                         "/image", "/x?y=/img/"};
    const auto fill = [&](std::uint64_t n) {
        for (const auto& host : {"h", "other"})
            for (const auto& p : paths) f.put(key_of(host, p), n);
    };
    const auto left = [&](std::string_view host) {
        std::vector<std::string> out;
        for (const auto& p : paths)
            if (f.has(key_of(host, p))) out.push_back(p);
        return out;
    };
    using strings = std::vector<std::string>;
    fill(1);
    f.purge(prefix("h", "/img/"), 5);
    CHECK(left("h") == strings{"/", "/img", "/image", "/x?y=/img/"});
    CHECK(left("other") == paths);
    fill(6);
    f.purge(prefix("h", "/img/2024-"), 10);
    CHECK(left("h") == strings{"/", "/img", "/img/", "/img/a", "/image", "/x?y=/img/"});
    fill(11);
    f.purge({selector_kind::anywhere, false, {}, "/im"}, 15);
    CHECK(left("h") == strings{"/", "/x?y=/img/"});
    CHECK(left("other") == strings{"/", "/x?y=/img/"});
    fill(16);
    f.purge(prefix("h", ""), 20);
    CHECK(left("h").empty());
    CHECK(left("other") == paths);
    fill(21);
    f.purge({}, 25);
    CHECK(left("h").empty());
    CHECK(left("other").empty());
    fill(26);
    CHECK(left("h") == paths);
}

TEST_CASE("a purge of a URI covers its variants, and no longer path") {
    fixture f;
    const std::string note = key_of("h", "/a"), variant = key_of("h", "/a", "15:accept-language2:de"),
                      longer = key_of("h", "/ab");
    for (const auto& key : {note, variant, longer}) f.put(key, 1);
    f.purge({selector_kind::url, false, {}, note}, 5);
    CHECK_FALSE(f.has(note));
    CHECK_FALSE(f.has(variant));
    CHECK(f.has(longer));
}

TEST_CASE("a soft purge makes stale, and leaves the stale windows") {
    fixture f;
    const std::string key = key_of("h", "/a");
    f.put(key, 1000, "red");
    f.purge(tag("red", true), 5000);
    const wall_time now{milliseconds{6000}};
    const auto r = f.cache.lookup(f.cache.view(key));
    REQUIRE(r);
    CHECK(r->content() == "cccccccccc");
    CHECK(r->meta().version == nth(1000));
    CHECK(http::decide_reuse(r->meta().life, {}, now) == http::reuse::stale_revalidate);
    CHECK(http::decide_reuse(r->meta().life, {}, wall_time{milliseconds{56'000}}) == http::reuse::stale);
    CHECK(http::usable_on_error(r->meta().life, {}, wall_time{milliseconds{104'000}}));
    CHECK_FALSE(http::usable_on_error(r->meta().life, {}, wall_time{milliseconds{106'000}}));
    // It is made once.
    CHECK(f.cache.lookup(f.cache.view(key)) == r);
    f.purge(tag("green"), 6000);
    CHECK(f.cache.lookup(f.cache.view(key)) == r);
    // What was fetched before and comes after is stale as well; what was fetched later is fresh.
    CHECK(f.put(key, 4000, "red") == insert_result::replaced);
    CHECK(http::decide_reuse(f.cache.peek(f.cache.view(key))->meta().life, {}, now) ==
          http::reuse::stale_revalidate);
    CHECK(f.put(key, 5001, "red") == insert_result::replaced);
    CHECK(http::decide_reuse(f.cache.peek(f.cache.view(key))->meta().life, {}, now) == http::reuse::fresh);
    CHECK(f.cache.take_purged() == 0);
}

TEST_CASE("a response read from elsewhere is held against purges") {
    fixture f;
    f.purge(tag("red"), 5000);
    f.purge(prefix("h", "/soft/", true), 5000);
    const auto soft = f.make(key_of("h", "/soft/x"), 4000);
    CHECK(f.cache.admit(f.make(key_of("h", "/a"), 4000, "red")) == nullptr);
    const auto fine = f.make(key_of("h", "/a"), 5000, "red");
    CHECK(f.cache.admit(fine) == fine);
    const auto stale = f.cache.admit(soft);
    REQUIRE(stale);
    CHECK(stale->meta().life.fresh_until == soft->meta().life.response_time);
    CHECK(f.cache.purged(key_of("h", "/a"), nth(4000), "HTTP/1.1 200 OK\r\nCache-Tag: red\r\n"));
    CHECK(f.cache.admits(f.cache.view(key_of("h", "/a")), nth(4000)));
    f.purge(prefix("h", ""), 6000);
    CHECK_FALSE(f.cache.admits(f.cache.view(key_of("h", "/a")), nth(5500)));
}

TEST_CASE("a floor's own maker is held against the floor, all others against more") {
    const auto heard = [](const version& made) { return floor_bound::heard(made, {made.stamp + 100, 9}); };
    floor_bound floor = heard({100, 1});
    CHECK(floor.covers({99, 1}));
    CHECK_FALSE(floor.covers({101, 1}));
    CHECK(floor.covers({150, 2}));
    CHECK_FALSE(floor.covers({201, 2}));
    SECTION("the same maker's later floor") {
        floor.raise(heard({120, 1}));
        CHECK(floor == heard({120, 1}));
        floor.raise(heard({110, 1}));
        CHECK(floor == heard({120, 1}));
    }
    SECTION("another maker's floor that may have been raised before or after in truth") {
        floor.raise(heard({150, 2}));
        CHECK(floor.covers({180, 1}));
        CHECK(floor.covers({180, 2}));
        CHECK_FALSE(floor.covers({251, 2}));
    }
    SECTION("another maker's floor that was certainly raised later") {
        floor.raise(heard({300, 2}));
        CHECK(floor == heard({300, 2}));
        floor.raise(heard({100, 1}));
        CHECK(floor == heard({300, 2}));
    }
}

TEST_CASE(
    "what this replica made in the knowledge of a floor is valid; what others may have made before is not") {
    const auto ms = [](std::uint64_t n) { return n << 16; };
    SECTION("its own floor") {
        const auto floor = floor_bound::own({ms(100), 9}, milliseconds{250});
        CHECK(floor.covers({ms(100) - 1, 9}));
        CHECK_FALSE(floor.covers({ms(100) + 1, 9}));
        CHECK(floor.covers({ms(350), 2}));
        CHECK_FALSE(floor.covers({ms(352), 2}));
    }
    SECTION("one that was found in Redis, whose maker is not known") {
        const auto floor = floor_bound::found({ms(100), 0}, {ms(120), 9}, milliseconds{250});
        CHECK(floor.covers({ms(119), 9}));
        CHECK_FALSE(floor.covers({ms(121), 9}));
        CHECK(floor.covers({ms(350), 2}));
        CHECK_FALSE(floor.covers({ms(352), 2}));
    }
    SECTION("its own, and another's that was raised at about the same time") {
        auto floor = floor_bound::own({ms(100), 9}, milliseconds{250});
        floor.raise(floor_bound::heard({ms(90), 2}, {ms(110), 9}));
        CHECK(floor.covers({ms(109), 9}));
        CHECK_FALSE(floor.covers({ms(111), 9}));
        CHECK(floor.covers({ms(350), 2}));
    }
}

TEST_CASE("what a floor took away is not followed by something older, whoever made that") {
    fixture f;
    const std::string key = key_of("h", "/a");
    const auto of = [&](std::uint64_t n, std::uint64_t replica) {
        const auto r = f.make(key, n);
        response_meta meta = r->meta();
        meta.version.replica = replica;
        const std::string_view content = r->content();
        return stored_response::make(meta, key, r->hash(), r->head(), std::span(&content, 1));
    };
    const auto maker = of(1010, 5), other = of(1020, 6), newer = of(1030, 5);
    REQUIRE(f.cache.insert(other, other->meta().version).took());
    // 5 made it; what others made is held against more.
    version floor = nth(1005);
    floor.replica = 5;
    const auto heard = floor_bound::heard(floor, nth(1025));
    REQUIRE(heard.covers(other->meta().version));
    REQUIRE_FALSE(heard.covers(maker->meta().version));
    SECTION("of its key") { CHECK(f.cache.raise_floor(f.cache.view(key), heard)); }
    SECTION("of a group, when it is asked for") {
        f.cache.raise_group(prefix("h", ""), heard);
        CHECK_FALSE(f.has(key));
    }
    SECTION("of a group, when the sweep comes by") {
        f.cache.raise_group(prefix("h", ""), heard);
        for (std::uint64_t at = f.cache.sweep(0, 100); at != 0;) at = f.cache.sweep(at, 100);
    }
    SECTION("of its key, which it had not reached yet") {
        f.cache.erase(f.cache.view(key), other->meta().version);
        f.cache.raise_floor(f.cache.view(key), heard);
        CHECK_FALSE(f.cache.insert(other, nth(1020)).took());
    }
    CHECK_FALSE(f.cache.insert(maker, nth(2000)).took());
    CHECK(f.cache.insert(newer, nth(2000)).took());
}

TEST_CASE("what began before floors may have been missed is refused, whatever its key") {
    fixture f;
    const std::string a = key_of("h", "/a"), b = key_of("h", "/b");
    f.put(a, 1);
    f.cache.raise_base(nth(10));
    CHECK(f.has(a)); // what is stored is compared, elsewhere
    CHECK(f.put(b, 9) == insert_result::invalidated);
    CHECK_FALSE(f.cache.admits(f.cache.view(b), nth(9)));
    // A record of any age that was read from Redis after that.
    CHECK(f.cache.insert(f.make(b, 9), nth(11)).what == insert_result::stored);
    CHECK(f.put(b, 12) == insert_result::replaced);
    // Who had asked for what was refused has been given it, and so nothing older may follow.
    const std::string d = key_of("h", "/d");
    CHECK(f.put(d, 8) == insert_result::invalidated);
    CHECK_FALSE(f.cache.insert(f.make(d, 7), nth(20)).took());
    CHECK(f.cache.insert(f.make(d, 8), nth(20)).took());
    // Nor may something older stay.
    CHECK(f.put(d, 9) == insert_result::invalidated);
    CHECK_FALSE(f.cache.peek(f.cache.view(d)));
    f.cache.raise_base(nth(3));
    CHECK(f.put(key_of("h", "/c"), 9) == insert_result::invalidated);
}

TEST_CASE("the sweep drops what purges have made invalid, in bounded steps") {
    fixture f;
    constexpr int n = 3000;
    for (int i = 0; i < n; ++i) f.put(key_of("h", "/" + std::to_string(i)), 1, i % 3 == 0 ? "red" : "blue");
    const auto before = f.cache.stats();
    f.purge(tag("red"), 5);
    CHECK(f.cache.stats().objects == before.objects); // nothing is done at once
    std::uint64_t cursor = 0;
    int steps = 0;
    do {
        const auto held = f.cache.stats().objects;
        cursor = f.cache.sweep(cursor, 64);
        CHECK(held - f.cache.stats().objects <= 64);
        ++steps;
    } while (cursor != 0);
    CHECK(steps >= n / 64);
    CHECK(f.cache.stats().objects == n - n / 3);
    CHECK(f.cache.take_purged() == n / 3);
}

TEST_CASE("floors that were forgotten hold for what was not held against them") {
    fixture f(1u << 20);
    const std::string seen = key_of("h", "/seen"), unseen = key_of("h", "/unseen");
    const std::size_t capacity = std::bit_floor((1u << 20) / 128 / group_floors::bytes_per_floor());
    f.put(seen, 1, "a");
    f.put(unseen, 1, "b");
    for (std::size_t i = 0; i < capacity; ++i) f.purge(tag("t" + std::to_string(i)), 10 + i);
    CHECK(f.has(seen)); // nothing is forgotten yet
    for (std::size_t i = 0; i < capacity; ++i) f.purge(tag("u" + std::to_string(i)), 10'000 + i);
    // It was held against all that could concern it; the other may have been covered by what is forgotten.
    CHECK(f.has(unseen) == false);
    CHECK(f.put(unseen, 2, "c") == insert_result::invalidated); // a fill that began before
    CHECK(
        f.cache.insert(f.make(unseen, 2, "c"), nth(1'000'000)).took()); // read from Redis, and checked there
    CHECK(f.cache.admit(f.make(unseen, 2, "c")) == nullptr);
    CHECK(f.cache.admit(f.make(unseen, 1'000'000, "c")) != nullptr);
    CHECK(f.has(unseen));
}

TEST_CASE("more lengths of prefixes than are looked up fall back on shorter ones") {
    group_floors floors(1024);
    const std::string path = "/" + std::string(200, 'x');
    for (std::size_t i = 1; i <= 150; ++i)
        floors.raise(prefix("h", path.substr(0, i + 20)), floor_bound::same(nth(10 + i)));
    // Whatever was purged is covered, exactly or by more.
    for (std::size_t i = 1; i <= 150; ++i) {
        INFO(i);
        CHECK(floors.judge({key_of("h", path.substr(0, i + 20)), nth(9 + i), {}}).invalid);
    }
    CHECK_FALSE(floors.judge({key_of("h", "/y"), nth(1000), {}}).invalid);
    CHECK_FALSE(floors.judge({key_of("g", path), nth(1), {}}).invalid);
}

TEST_CASE("group floors agree with a plain list of purges, whatever comes in whatever order") {
    std::mt19937 random(11);
    group_floors floors(4096);
    struct raised {
        selector s;
        version at;
    };
    std::vector<raised> all;
    const std::vector<std::string> hosts{"a", "b.example", ""};
    const std::vector<std::string> paths{"/", "/x", "/x/", "/x/y", "/x/y?z=1", "/long/er/path"};
    const std::vector<std::string> tags{"red", "blue", "x"};
    const auto pick = [&](const auto& list) { return list[random() % list.size()]; };
    for (int step = 0; step < 3000; ++step) {
        if (random() % 20 == 0) {
            selector s;
            s.soft = random() % 2 == 0;
            switch (random() % 8) {
            case 0:
                s.kind = selector_kind::everything;
                break;
            case 1:
            case 2:
                s = prefix(pick(hosts), pick(paths), s.soft);
                break;
            case 3:
                s = {selector_kind::anywhere, s.soft, {}, pick(paths)};
                break;
            case 4:
                s = {selector_kind::url, s.soft, {}, key_of(pick(hosts), pick(paths))};
                break;
            default:
                s = tag(pick(tags), s.soft);
            }
            all.push_back({s, nth(random() % 1000)});
            REQUIRE(selector::parse(s.name()) == s);
            floors.raise(s, floor_bound::same(all.back().at));
        }
        const std::string host = pick(hosts), path = pick(paths), uri = key_of(host, path),
                          key = random() % 2 ? uri : uri + "6:accept-";
        const std::string name = pick(tags);
        const version made = nth(random() % 1000);
        bool invalid = false, stale = false;
        for (const auto& [s, at] : all) {
            const bool covers =
                s.kind == selector_kind::everything || (s.kind == selector_kind::tag && s.text == name) ||
                (s.kind == selector_kind::url && s.text == uri) ||
                (s.kind == selector_kind::anywhere && path.starts_with(s.text)) ||
                (s.kind == selector_kind::prefix && s.host == host && path.starts_with(s.text));
            if (covers && made < at) (s.soft ? stale : invalid) = true;
        }
        const std::uint64_t hash = selector_hash(selector_kind::tag, {}, name);
        const auto got = floors.judge({key, made, std::span(&hash, 1)});
        INFO(step << " " << key);
        CHECK(got.invalid == invalid);
        if (!invalid) CHECK(got.stale_since.has_value() == stale);
    }
}

TEST_CASE("a selector's name says all, and what is none is refused") {
    for (const char* name : {"k4:http", "x4:http", "tred", "uh.example/x", "uh.example", "u/x", "u", "w/x",
                             "a", "sx4:http", "stred", "suh", "sw/", "sa"}) {
        INFO(name);
        const auto s = selector::parse(name);
        REQUIRE(s);
        CHECK(s->name() == name);
        CHECK(s->is_group() == (name[0] != 'k'));
    }
    for (const char* name : {"", "s", "k", "t", "x", "w", "ab", "sk4:http", "p4:http", "i", "z", "ss"}) {
        INFO(name);
        CHECK_FALSE(selector::parse(name));
    }
}

} // namespace
