// What the scripts in Redis take and refuse, whatever a replica thinks.
#include "change_log.hpp"
#include "codec.hpp"
#include "keys.hpp"
#include "link_support.hpp"
#include "script_support.hpp"
#include "scripts.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>
#include <meshcache/store/vary.hpp>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace meshcache;
using namespace meshcache::replica;
using meshcache::test::eventually;
using meshcache::test::put_directly;
using meshcache::test::redis_server;
using meshcache::test::replica_under_test;
using meshcache::test::settings_for;
using meshcache::test::text_of;

namespace {

store::version random_version(std::mt19937_64& random) {
    // Every byte value turns up, 0 and 255 more often than others.
    std::string bytes(16, '\0');
    for (char& c : bytes) {
        const auto pick = random() % 4;
        c = static_cast<char>(pick == 0 ? 0 : pick == 1 ? 255 : random() % 256);
    }
    // Not ahead of the clock of Redis, and above what a floor of zero would be.
    bytes[0] = 0;
    return *store::version::from_bytes(bytes);
}

} // namespace

TEST_CASE("The put script orders random versions as bytes, whatever the locale of Redis", "[redis]") {
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    redis_server server({}, {"LC_ALL=C.UTF-8", "LANG=C.UTF-8"});
    const key_names names("default");
    const std::string key("binary\0\xff\r\n key", 14);
    std::string highest;
    int taken = 0;
    for (int n = 0; n < 500; ++n) {
        std::string record = text_of(random_version(random));
        if (!highest.empty() && random() % 3 == 0) {
            // Close by: equal up to one byte.
            record = highest;
            record[1 + random() % 15] = static_cast<char>(random() % 3 == 0 ? 0 : random());
        }
        const bool above = highest.empty() || std::memcmp(record.data(), highest.data(), 16) > 0;
        const bool same = record == highest;
        const auto verdict =
            static_cast<put_verdict>('0' + put_directly(server, names, key, record + "tail"));
        if (verdict == put_verdict::ahead) continue;
        CAPTURE(n);
        REQUIRE(verdict == (above ? put_verdict::taken : same ? put_verdict::same : put_verdict::older));
        if (above) {
            highest = record;
            ++taken;
        }
        REQUIRE(server.command({"GET", names.record(key)}).text == highest + "tail");
    }
    CHECK(taken > 1);
    CHECK(server.number({"XLEN", names.log()}) == taken);
}

TEST_CASE("A record made by a fast clock in ignorance of a purge is refused within the skew", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.invalidate("key");
    REQUIRE(eventually([&] { return a.idle(); }));
    const auto ms = static_cast<std::int64_t>(floor.stamp >> 16);
    const std::string ahead = text_of({static_cast<std::uint64_t>(ms + 100) << 16, 9});
    CHECK(put_directly(server, names, "key", ahead + "x") == 2);
    CHECK(put_directly(server, names, "key", ahead + "x", {}, {{"kkey", floor}}) == 0);
    const std::string beyond = text_of({static_cast<std::uint64_t>(ms + 251) << 16, 9});
    CHECK(put_directly(server, names, "key", beyond + "x") == 0);
    CHECK(put_directly(server, names, "other", ahead + "x") == 0);
}

TEST_CASE("The put script holds a variant against the floor of its URI, with the skew", "[redis]") {
    redis_server server;
    const key_names names("default");
    const std::string uri = "4:http1:h3:GET4:/;;a", part = ";6:accept1:x";
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.invalidate(uri);
    REQUIRE(eventually([&] { return a.idle(); }));
    const std::string ahead = text_of({floor.stamp + (100u << 16), 9});
    CHECK(put_directly(server, names, uri + part, ahead + "x") == 2);
    CHECK(put_directly(server, names, uri + part, ahead + "x", {}, {{"k" + uri, floor}}) == 0);
    const std::string beyond = text_of({floor.stamp + (251u << 16), 9});
    CHECK(put_directly(server, names, uri + ";6:accept1:y", beyond + "x") == 0);
    // Others of other URIs, and what is no key of this kind.
    CHECK(put_directly(server, names, uri + "5:https" + part, ahead + "x") == 0);
    CHECK(put_directly(server, names, "4:http1:h3:GET4:/;;b" + part, ahead + "x") == 0);
    CHECK(put_directly(server, names, "odd;key", ahead + "x") == 0);
}

TEST_CASE("A record made in a floor's own millisecond, and after it, is taken", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.invalidate("key");
    REQUIRE(eventually([&] { return a.idle(); }));
    const std::string same = text_of(floor), next = text_of({floor.stamp + 1, 1});
    CHECK(put_directly(server, names, "key", same + "x", {}, {{"kkey", floor}}) == 2);
    CHECK(put_directly(server, names, "key", next + "x", {}, {{"kkey", floor}}) == 0);
}

TEST_CASE("Redis refuses records that a purge of a group covers", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const std::string key = "4:http12:shop.example3:GET6:/img/a", variant = key + "6:accept-";
    const auto put = [&](const std::string& at, const store::version& v,
                         const std::vector<std::string>& tags = {},
                         const std::map<std::string, store::version>& known = {}) {
        server.command({"DEL", names.record(at)});
        return put_directly(server, names, at, text_of(v) + "x", tags, known);
    };
    const std::string name = GENERATE("tred", "ushop.example/im", "ushop.example", "w/img/", "a",
                                      "x4:http12:shop.example3:GET6:/img/a");
    INFO(name);
    const store::version before = a.now();
    const store::version floor = a.now();
    const bool by_tag = name == "tred";
    const std::vector<std::string> tags =
        by_tag ? std::vector<std::string>{"blue", "red"} : std::vector<std::string>{};
    CHECK(put(key, before, tags) == 0);
    a.redis.purge({*store::selector::parse(name), *store::selector::parse("stgreen")}, floor, {});
    // One for everything says all that the soft one does.
    const int floors = name == "a" ? 1 : 2;
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.groups()}) == floors; }));
    CHECK(put(key, before, tags) == 2);
    CHECK(put(variant, before, tags) == 2);
    CHECK(put(key, {floor.stamp + 1, 2}, tags) == 2); // its clock may run ahead
    CHECK(put(key, {floor.stamp + 1, 2}, tags, {{name, floor}}) == 0);
    const store::version beyond{floor.stamp + (251u << 16), 2};
    CHECK(put(key, beyond, tags) == 0);
    if (by_tag) CHECK(put(key, before, {"blue", "green"}) == 0);
    if (name != "a" && !by_tag) CHECK(put("4:http1:h3:GET2:/x", before) == 0);
}

TEST_CASE("Too many floors of keys in Redis merge into one for everything", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const auto base = a.now();
    const auto nth = [&](std::uint64_t n) {
        return store::version{((base.stamp >> 16) - 1000 + n) << 16, 9};
    };
    const auto purge = [&](std::uint64_t n, const std::string& most) {
        const std::string key = "key" + std::to_string(n);
        const auto reply = server.command({"EVAL",
                                           purge_script().text,
                                           "6",
                                           names.log(),
                                           names.floors(),
                                           names.groups(),
                                           names.lengths(),
                                           names.entries(),
                                           names.record(key),
                                           "1000",
                                           replica_name(77),
                                           "60000",
                                           "0",
                                           std::to_string(floor_retention.count()),
                                           std::to_string(group_retention.count()),
                                           "100",
                                           most,
                                           "k" + key,
                                           text_of(nth(n)),
                                           "",
                                           "0"});
        if (!reply.ok()) test::give_up(reply.text);
    };
    for (std::uint64_t n = 1; n <= 4; ++n) purge(n, "4");
    CHECK(server.number({"ZCARD", names.floors()}) == 4);
    CHECK(server.number({"ZCARD", names.groups()}) == 0);
    purge(5, "3");
    CHECK(server.number({"ZCARD", names.floors()}) == 3);
    CHECK(server.command({"ZSCORE", names.groups(), "a"}).text == position_text(nth(2)));
    // What the floors held back is held back, and so is a note that would let older variants be valid. All is
    // put in the knowledge of the floors, so that the skew does not come into it.
    const auto put = [&](const std::string& key, const std::string& record) {
        return put_directly(server, names, key, record, {}, {{"a", nth(2)}, {"k" + key, nth(2)}});
    };
    CHECK(put("key1", text_of(nth(1)) + "x") == 2);
    CHECK(put("key2", text_of(nth(2)) + "x") == 2);
    CHECK(put("key2", text_of(nth(3)) + "x") == 0);
    store::response_meta meta;
    meta.version = nth(1);
    const auto first = store::make_vary_note(meta, "note", a.local.hash("note"), "accept", nullptr);
    meta.version = nth(9);
    const auto second = store::make_vary_note(meta, "note", a.local.hash("note"), "accept", first.get());
    const auto fresh = store::make_vary_note(meta, "note", a.local.hash("note"), "accept", nullptr);
    CHECK(put("note", encode(*second)) == 2);
    CHECK(put("note", encode(*fresh)) == 0);
}

TEST_CASE("Of a batch, the log tells of what Redis took", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const std::string long_key(700, 'k');
    const store::version old = a.now(), floor = a.invalidate("purged"), now = a.now();
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(put_directly(server, names, "older", text_of(now) + "x") == 0);
    const store::version ahead{now.stamp + (std::uint64_t{120'000} << 16), 9};
    const std::string verdicts = put_directly(server, names,
                                              {{long_key, text_of(now) + "x"},
                                               {"older", text_of(old) + "x"},
                                               {"", text_of(now) + "x"},
                                               {"ahead", text_of(ahead) + "x"},
                                               {"purged", text_of(old) + "x"},
                                               {"later", text_of(now) + "x", {"red"}, {{"klater", floor}}},
                                               {"older", text_of(now) + "x"}});
    CHECK(verdicts == "0103204");
    const auto told = [&] {
        const auto entry = server.command({"XREVRANGE", names.log(), "+", "-", "COUNT", "1"}).elements.at(0);
        std::vector<std::string_view> fields;
        for (const auto& field : entry.elements.at(1).elements) fields.push_back(field.text);
        std::size_t skipped = 0;
        const auto read = read_entry(fields, skipped);
        REQUIRE(read);
        CHECK(skipped == 0);
        std::string keys;
        for (const change& c : read->changes) {
            CHECK(c.kind == change_kind::put);
            CHECK(c.version == now);
            keys += std::string(c.key) + ",";
        }
        return keys;
    };
    CHECK(told() == long_key + ",,later,");
    const auto entries = server.number({"XLEN", names.log()});
    CHECK(put_directly(server, names, {{"older", text_of(old) + "x"}, {"later", text_of(old) + "x"}}) ==
          "11");
    CHECK(server.number({"XLEN", names.log()}) == entries);
}

TEST_CASE("Entries of the log are numbered, whichever script writes them", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    const auto numbers = [&] {
        std::vector<std::uint64_t> all;
        for (const auto& item : server.command({"XRANGE", names.log(), "-", "+"}).elements) {
            std::vector<std::string_view> fields;
            for (const auto& field : item.elements.at(1).elements) fields.push_back(field.text);
            std::size_t skipped = 0;
            all.push_back(read_entry(fields, skipped).value().number);
            CHECK(skipped == 0);
        }
        return all;
    };
    const store::version old = a.now(), now = a.now();
    REQUIRE(put_directly(server, names, "key", text_of(now) + "x") == 0);
    CHECK(put_directly(server, names, "key", text_of(old) + "x") == 1); // tells nothing, and takes no number
    a.start_and_wait();
    a.invalidate("other");
    REQUIRE(eventually([&] { return a.idle(); }));
    const std::string token = text_of(a.now());
    server.command({"SET", names.lease("key"), token});
    REQUIRE(server.number({"EVAL", end_lease_script().text, "3", names.lease("key"), names.log(),
                           names.entries(), token, "over", "1000", replica_name(77), "key", "0"}) == 1);
    REQUIRE(put_directly(server, names, "key", text_of(a.now()) + "x") == 0);
    CHECK(numbers() == std::vector<std::uint64_t>{1, 2, 3, 4});
    // What is no number makes way.
    server.command({"DEL", names.entries()});
    server.command({"LPUSH", names.entries(), "x"});
    REQUIRE(put_directly(server, names, "key", text_of(a.now()) + "x") == 0);
    CHECK(numbers().back() == 1);
}

TEST_CASE("What lies above all floors of groups is put without looking them up", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.now();
    a.redis.purge({*store::selector::parse("tred"), *store::selector::parse("uh/x")}, floor, {});
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.groups()}) == 2 && a.idle(); }));
    const auto looked_up = [&](const store::version& v, int verdict) {
        server.command({"CONFIG", "RESETSTAT"});
        const std::string key = "4:http1:h3:GET4:/x/" + std::to_string(verdict);
        CHECK(put_directly(server, names, key, text_of(v) + "x", {"red"}) == verdict);
        return server.command({"INFO", "commandstats"}).text.find("cmdstat_zmscore") != std::string::npos;
    };
    CHECK(looked_up({floor.stamp + (250u << 16), 9}, 2));
    CHECK_FALSE(looked_up({floor.stamp + (251u << 16), 9}, 0));
}

TEST_CASE("What lies above all floors of keys is put without looking them up", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.invalidate("another");
    a.invalidate("key");
    REQUIRE(eventually([&] { return a.idle(); }));
    const auto highest = version_at_score(server.command({"ZSCORE", names.floors(), "kkey"}).text);
    REQUIRE(highest);
    REQUIRE(*highest > floor);
    const auto looked_up = [&](const store::version& v, int verdict) {
        server.command({"CONFIG", "RESETSTAT"});
        CHECK(put_directly(server, names, "another", text_of(v) + "x") == verdict);
        return server.command({"INFO", "commandstats"}).text.find("cmdstat_zmscore") != std::string::npos;
    };
    CHECK(looked_up({floor.stamp, 9}, 2));
    CHECK_FALSE(looked_up({highest->stamp + (251u << 16), 9}, 0));
}

TEST_CASE("No record lives longer in Redis than the floors of groups are kept", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const auto v = a.now();
    a.redis.put(a.make("long", "x", v, std::chrono::hours{24 * 365}));
    a.redis.put(a.make("short", "x", v, std::chrono::minutes{10}));
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"PTTL", names.record("long")}) <= max_record_life.count());
    CHECK(server.number({"PTTL", names.record("long")}) > max_record_life.count() - 600'000);
    CHECK(max_record_life < group_retention);
    CHECK(server.number({"PTTL", names.record("short")}) <= 600'000);
}

TEST_CASE("A version far ahead of the clock of Redis is refused, and makes way where it got in", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address())),
        fast(2, settings_for(server.unix_address()));
    a.start_and_wait();
    fast.clock.shift(std::chrono::hours{1});
    fast.start_and_wait();
    fast.fill("key", "from the future");
    REQUIRE(eventually([&] { return fast.count(counter::versions_refused) == 1; }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 0);

    // A purge by that replica works all the same, and drags nobody along.
    a.fill("key", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    fast.invalidate("key");
    REQUIRE(eventually([&] { return a.content("key").empty(); }));
    CHECK(a.now().time() < a.clock.wall() + std::chrono::seconds{60});
    CHECK(a.count(counter::versions_refused) == 0);

    const auto future = a.make(
        "key2", "?",
        {static_cast<std::uint64_t>((a.clock.wall() + std::chrono::hours{2}).time_since_epoch().count())
             << 16,
         3});
    server.command({"SET", names.record("key2"), encode(*future)});
    auto found = a.look_up("key2");
    REQUIRE(found);
    CHECK(*found == nullptr);
    a.fill("key2", "now");
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(a.count(counter::redis_puts) == 2);
}

TEST_CASE("Whatever else stands at a record's name is a miss, and makes way", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const auto other = a.make("another key", "x", a.now());
    const auto expired = a.make("key", "x", a.now(), milliseconds{-1});
    for (const std::string& junk : {std::string(), std::string("short"), std::string(200, 'j'),
                                    encode(*other), encode(*expired), encode(*other).substr(0, 90)}) {
        CAPTURE(junk.size());
        server.command({"SET", names.record("key"), junk});
        auto found = a.look_up("key");
        REQUIRE(found);
        CHECK(*found == nullptr);
    }
    server.command({"DEL", names.record("key")});
    server.command({"HSET", names.record("key"), "a", "b"});
    auto found = a.look_up("key");
    REQUIRE(found);
    CHECK(*found == nullptr);
    a.fill("key", "right");
    REQUIRE(eventually([&] { return a.idle(); }));
    found = a.look_up("key");
    REQUIRE((found && *found));
    CHECK((*found)->content() == "right");
    CHECK(a.count(counter::redis_records_truncated) + a.count(counter::redis_records_checksum) +
              a.count(counter::redis_records_codec) + a.count(counter::redis_records_key) >=
          4);
    CHECK(!a.redis.stats().breaker_open);
}

TEST_CASE("Scripts that Redis has forgotten are loaded again", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    a.fill("one", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"SCRIPT", "FLUSH"});
    a.fill("two", "x");
    a.invalidate("one");
    REQUIRE(eventually([&] { return a.idle(); }));
    const key_names names("default");
    CHECK(server.number({"EXISTS", names.record("two")}) == 1);
    CHECK(server.number({"EXISTS", names.record("one")}) == 0);
    CHECK(a.count(counter::redis_connects) == 2);
}
