// What a replica has missed of the change log, or Redis has lost of it.
#include "change_log.hpp"
#include "codec.hpp"
#include "keys.hpp"
#include "link_support.hpp"
#include "script_support.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/relay.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>

#include <algorithm>
#include <chrono>
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

/// For a replica that comes to Redis as a user of its own, who can be shut out.
link_settings settings_of_b(redis_server& server) {
    server.command({"ACL", "SETUSER", "b", "on", ">pw", "~*", "&*", "+@all"});
    auto settings = settings_for(server.tcp_address());
    settings.user = "b";
    settings.password = "pw";
    return settings;
}

} // namespace

TEST_CASE("What was trimmed before it was read is noticed with the next entry", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    replica_under_test b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    b.fill("key", "old");
    REQUIRE(eventually([&] { return b.idle() && a.redis.stats().log_position != "0-0"; }));
    const auto end = [&] {
        return server.command({"XREVRANGE", names.log(), "+", "-", "COUNT", "1"})
            .elements.at(0)
            .elements.at(0)
            .text;
    };
    // The position was looked for a moment ago, and is not looked for again at once.
    a.fill("another", "x");
    REQUIRE(eventually([&] { return a.idle() && b.redis.stats().log_position == end(); }));
    REQUIRE(b.count(counter::log_gaps) == 0);
    // An invalidation, its trimming and another entry, between which nobody reads.
    constexpr const char* at_once = R"(
redis.call('XADD', KEYS[1], '*', 'i', ARGV[1], 's', redis.call('INCR', KEYS[2]), 'kkey', ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[3], 'kkey')
redis.call('DEL', KEYS[4])
redis.call('XTRIM', KEYS[1], 'MAXLEN', '0')
return redis.call('XADD', KEYS[1], '*', 'i', ARGV[1], 's', redis.call('INCR', KEYS[2]), 'kother', ARGV[2]))";
    const auto floor = a.now();
    const std::string last =
        server
            .command({"EVAL", at_once, "4", names.log(), names.entries(), names.floors(), names.record("key"),
                      replica_name(77), text_of(floor), position_text(floor)})
            .text;
    REQUIRE(eventually([&] { return b.redis.stats().log_position >= last; }));
    CHECK(b.count(counter::log_gaps) == 1);
    // What is held is compared, and Redis has put nothing of the kind.
    REQUIRE(eventually([&] { return b.redis.stats().state == link_state::ready; }));
    CHECK(eventually([&] { return b.content("key").empty(); }));
}

TEST_CASE("What was begun before a gap in the log is not stored, since its floor may have been missed",
          "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    replica_under_test b(2, settings_of_b(server));
    a.start_and_wait();
    b.start_and_wait();
    a.fill("some", "x"); // so that b has a place in the log
    REQUIRE(eventually([&] { return b.redis.stats().log_position != "0-0"; }));
    const auto in_flight = b.make("key", "old", b.now());
    server.command({"ACL", "SETUSER", "b", "off"});
    server.command({"CLIENT", "KILL", "USER", "b"});
    REQUIRE(eventually([&] { return !b.redis.stats().following; }));
    a.invalidate("key");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"XTRIM", key_names("default").log(), "MAXLEN", "0"});
    server.command({"ACL", "SETUSER", "b", "on"});
    REQUIRE(eventually([&] { return b.redis.stats().state == link_state::ready; }));
    CHECK(b.count(counter::log_gaps) == 1);
    CHECK(b.local.insert(in_flight, in_flight->meta().version).what == store::insert_result::invalidated);
    CHECK_FALSE(b.local.admits(b.local.view("key"), in_flight->meta().version));
    b.clock.shift(milliseconds{1000}); // Redis cannot take it for what a fast clock made before the purge
    b.fill("key", "new");
    CHECK(b.content("key") == "new");
}

TEST_CASE("A gap in the log is not forgotten when the connection goes before it is made good", "[redis]") {
    redis_server server;
    const key_names names("default");
    test::relay way(server.tcp_address());
    const std::string key = "4:http1:h3:GET2:/a";
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(way.address()));
    a.start_and_wait();
    b.start_and_wait();
    a.fill(key, "old");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up(key));
    REQUIRE(b.content(key) == "old");
    REQUIRE(eventually([&] { return b.redis.stats().log_position != "0-0"; }));
    const std::string nowhere = GENERATE("\r\nXREVRANGE\r\n", "\r\nZREVRANGE\r\n");
    INFO(nowhere);
    way.cut_at(nowhere);
    // Nobody listens there, so that it is away while the others go on.
    const redis_server absent{redis_server::not_started{}};
    way.lead_to(absent.tcp_address());
    REQUIRE(eventually([&] { return !b.redis.stats().following; }));
    a.redis.purge({*store::selector::parse("uh/")}, a.now(), {});
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.groups()}) == 1 && a.idle(); }));
    a.fill("other", "x"); // an entry that is there when the log is looked at again
    REQUIRE(eventually([&] { return server.number({"EXISTS", names.record("other")}) == 1; }));
    server.command({"XTRIM", names.log(), "MAXLEN", "1"});
    way.lead_to(server.tcp_address());
    REQUIRE(eventually([&] {
        return b.count(counter::log_gaps) >= 1 && way.has_cut() && b.redis.stats().state == link_state::ready;
    }));
    CHECK(b.content(key).empty());
    const auto found = b.look_up(key);
    REQUIRE(found);
    CHECK(*found == nullptr);
}

TEST_CASE("A gap that the first entry of a new log tells of outlives the connection that told", "[redis]") {
    redis_server server;
    const key_names names("default");
    test::relay way(server.tcp_address());
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(way.address()));
    a.start_and_wait();
    b.start_and_wait();
    b.fill("key", "x");
    REQUIRE(eventually([&] { return b.idle() && b.redis.stats().log_position != "0-0"; }));
    way.cut_at("\r\nXREVRANGE\r\n");
    server.command({"FLUSHALL"});
    a.fill("other", "x");
    // Only who knows of the gap puts again what Redis has lost.
    CHECK(eventually([&] { return server.number({"EXISTS", names.record("key")}) == 1; }));
    CHECK(way.has_cut());
}

TEST_CASE("A Redis that has lost what was purged is told by the first entry of its new log", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    const store::version floor = a.now();
    std::vector<store::selector> all;
    for (const char* name : {"sa", "tred", "stred", "uh/img"}) {
        all.push_back(*store::selector::parse(name));
        a.local.raise_group(all.back(), store::floor_bound::own(floor, milliseconds{250}));
    }
    a.redis.purge(all, floor, {});
    a.invalidate("key");
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.groups()}) == 4; }));
    // Apart from the others, which it would make superfluous where they wait together.
    a.redis.purge({{}}, floor, {});
    REQUIRE(eventually([&] { return a.idle() && server.number({"ZCARD", names.groups()}) == 5; }));
    const auto followed = [&] {
        const auto last = server.command({"XREVRANGE", names.log(), "+", "-", "COUNT", "1"});
        const std::string end = last.elements.at(0).elements.at(0).text;
        return a.redis.stats().log_position == end && b.redis.stats().log_position == end;
    };
    REQUIRE(eventually(followed));
    server.command({"FLUSHALL"});
    b.fill("other", "x");
    // Where both tell it at once, it lies a step higher.
    CHECK(eventually([&] {
        const auto told = version_at_score(server.command({"ZSCORE", names.groups(), "a"}).text);
        return told && told->stamp >= floor.stamp;
    }));
    CHECK(a.count(counter::log_gaps) == 1);
    const auto first = server.command({"XRANGE", names.log(), "-", "+", "COUNT", "1"});
    REQUIRE(first.elements.size() == 1);
    const auto& fields = first.elements.at(0).elements.at(1).elements;
    CHECK(std::any_of(fields.begin(), fields.end(), [](const auto& f) { return f.text == "n"; }));
}

TEST_CASE("A Redis that was restarted empty is filled again, and floors are not forgotten", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    for (int i = 0; i < 1000; ++i) a.fill("key" + std::to_string(i), "x");
    const auto old = a.make("gone", "old", a.now());
    a.fill("gone", "x");
    b.invalidate("gone");
    REQUIRE(eventually([&] { return a.idle() && b.idle() && a.content("gone").empty(); }));
    server.restart_empty();
    const key_names names("default");
    REQUIRE(eventually([&] { return server.number({"EXISTS", names.record("key999")}) == 1; }));
    REQUIRE(eventually([&] {
        return a.count(counter::reconciliations) >= 1 && a.idle() && a.count(counter::reconcile_put) >= 1000;
    }));
    CHECK(a.count(counter::log_gaps) >= 1);
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.floors()}) == 1; }));
    CHECK(put_directly(server, names, "gone", encode(*old)) == 2);
    REQUIRE(eventually([&] { return b.redis.stats().state == link_state::ready; }));
    REQUIRE(b.look_up("key5"));
    CHECK(b.content("key5") == "x");
}

TEST_CASE("A replica that was cut off while the log was trimmed reconciles", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    replica_under_test b(2, settings_of_b(server));
    a.start_and_wait();
    b.start_and_wait();
    for (const char* key : {"same", "newer", "purged", "lost"}) a.fill(key, "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    for (const char* key : {"same", "newer", "purged", "lost"}) REQUIRE(b.look_up(key));
    server.command({"ACL", "SETUSER", "b", "off"});
    server.command({"CLIENT", "KILL", "USER", "b"});
    REQUIRE(eventually([&] { return !b.redis.stats().following; }));
    REQUIRE(eventually([&] { return b.redis.stats().last_error.find("WRONGPASS") != std::string::npos; }));
    CHECK(b.redis.stats().last_error.find("pw") == std::string::npos);

    a.fill("newer", "two");
    a.invalidate("purged");
    REQUIRE(eventually([&] { return a.idle(); }));
    const key_names names("default");
    server.command({"DEL", names.record("lost")});
    server.command({"XTRIM", names.log(), "MAXLEN", "1"});
    a.fill("unrelated", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"ACL", "SETUSER", "b", "on"});
    REQUIRE(eventually([&] { return b.content("newer") == "two" && b.content("purged").empty(); }));
    CHECK(b.content("same") == "one");
    CHECK(b.content("lost") == "one");
    REQUIRE(eventually([&] { return b.redis.stats().state == link_state::ready; }));
    CHECK_FALSE(b.redis.stats().reconciling);
    CHECK(b.redis.stats().reconcile_total == 4);
    CHECK(b.redis.stats().reconcile_done == 4);
    CHECK(eventually([&] { return server.number({"EXISTS", names.record("lost")}) == 1; }));
    CHECK(server.number({"EXISTS", names.record("purged")}) == 0);
    CHECK(b.count(counter::log_gaps) == 1);
    REQUIRE(eventually([&] { return b.count(counter::reconciliations) == 1; }));
    CHECK(b.count(counter::reconcile_dropped) == 2);
}

TEST_CASE("A flushed Redis is noticed while the connection stands", "[redis][slow]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    for (int i = 0; i < 10; ++i) a.fill("key" + std::to_string(i), "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    // The follower has read its own entries, so it has a position to check.
    REQUIRE(eventually([&] {
        const std::string at = a.redis.stats().log_position;
        return at != "0-0" &&
               server.command({"XRANGE", key_names("default").log(), "(" + at, "+"}).elements.empty();
    }));
    server.command({"FLUSHALL"});
    CHECK(eventually([&] { return server.number({"EXISTS", key_names("default").record("key9")}) == 1; }));
    CHECK(a.count(counter::log_gaps) == 1);
}

TEST_CASE("A flushed Redis is noticed while writes go on", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    a.fill("key", "x");
    int more = 0;
    const auto write_on = [&] { a.fill("more" + std::to_string(more++), "x"); };
    // Until the log was asked for an entry once, which is what a later question is compared with.
    REQUIRE(eventually([&] {
        write_on();
        return more > 20 && a.redis.stats().log_position != "0-0";
    }));
    server.command({"FLUSHALL"});
    CHECK(eventually([&] {
        write_on();
        return server.number({"EXISTS", key_names("default").record("key")}) == 1;
    }));
    CHECK(a.count(counter::log_gaps) >= 1);
}

TEST_CASE("A replica that was cut off for longer than floors are kept trusts nothing that Redis lacks",
          "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.clock.shift(-std::chrono::hours{25});
    a.start_and_wait();
    const auto keep = [&](const std::string& key) {
        const auto v = a.now();
        const auto r = a.make(key, "x", v, std::chrono::hours{48});
        a.local.insert(r, v);
        a.redis.put(r);
        REQUIRE(eventually([&] { return a.idle(); }));
    };
    keep("lost");
    server.kill();
    REQUIRE(eventually([&] { return !a.redis.stats().following; }));
    const auto waiting = a.make("waiting", "x", a.now(), std::chrono::hours{48});
    a.local.insert(waiting, waiting->meta().version);
    a.redis.put(waiting);
    a.clock.shift(milliseconds{0});
    server.start();
    REQUIRE(eventually([&] { return a.count(counter::reconciliations) == 1; }));
    CHECK(a.content("lost").empty());
    CHECK(a.content("waiting").empty());
    CHECK(a.idle());
    CHECK(server.number({"DBSIZE"}) == 1); // the list of replicas
    // Later gaps are judged by themselves.
    keep("kept");
    server.restart_empty();
    CHECK(eventually([&] { return server.number({"DBSIZE"}) == 4; }));
    CHECK(a.content("kept") == "x");
}

TEST_CASE("A replica that was stopped for long, with its connections open, trusts nothing that Redis lacks",
          "[redis]") {
    redis_server server;
    const key_names names("default");
    test::relay way(server.tcp_address());
    replica_under_test a(1, settings_for(way.address()));
    a.clock.shift(-std::chrono::hours{25});
    a.start_and_wait();
    const auto v = a.now();
    const auto lost = a.make("lost", "x", v, std::chrono::hours{48});
    a.local.insert(lost, v);
    a.redis.put(lost);
    // It has read its own entry, which is what it will look for.
    REQUIRE(eventually([&] { return a.idle() && a.redis.stats().log_position != "0-0"; }));
    way.freeze();
    a.clock.shift(milliseconds{0});
    CHECK(put_directly(server, names, "other", text_of(a.now()) + "x") == 0);
    server.command({"XTRIM", names.log(), "MAXLEN", "1"});
    server.command({"DEL", names.record("lost")});
    way.thaw();
    REQUIRE(eventually([&] { return a.count(counter::reconciliations) == 1; }));
    CHECK(a.count(counter::log_gaps) == 1);
    CHECK(a.content("lost").empty());
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", names.record("lost")}) == 0);
}

TEST_CASE("A replica that never reached Redis for longer than floors are kept puts nothing that it holds",
          "[redis]") {
    redis_server server(redis_server::not_started{});
    replica_under_test a(1, settings_for(server.unix_address()));
    const auto v = a.now();
    const auto held = a.make("held", "x", v, std::chrono::hours{48});
    a.local.insert(held, v);
    a.redis.put(held);
    a.clock.shift(std::chrono::hours{24});
    a.start();
    server.start();
    REQUIRE(eventually([&] { return a.count(counter::reconciliations) == 1; }));
    CHECK(a.content("held").empty());
    CHECK(a.idle());
    CHECK(server.number({"EXISTS", key_names("default").record("held")}) == 0);
}
