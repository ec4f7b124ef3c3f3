// Warm start, and what becomes of what other replicas store: --on-change and --replicate.
#include "codec.hpp"
#include "keys.hpp"
#include "link_support.hpp"

#include <string>

using namespace meshcache;
using namespace meshcache::replica;
using meshcache::test::eventually;
using meshcache::test::redis_server;
using meshcache::test::replica_under_test;
using meshcache::test::settings_for;

namespace {

link_settings warm(const redis_server& server) {
    auto s = settings_for(server.unix_address());
    s.warm_start = true;
    return s;
}

link_settings all(const redis_server& server) {
    auto s = settings_for(server.unix_address());
    s.replicate_all = true;
    return s;
}

bool warmed(replica_under_test& r) {
    return eventually([&] { return r.redis.stats().warm == warm_state::done; });
}

std::string key(int i) { return "key" + std::to_string(i); }

} // namespace

TEST_CASE("A new replica loads what was stored before it was there", "[redis][warm]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    constexpr int count = 500;
    for (int i = 0; i < count; ++i) a.fill(key(i), "old" + std::to_string(i));
    const std::string long_key(1000, 'k'), large(1u << 20, 'z'), binary("\0\r\n*\xff{", 6);
    a.fill(long_key, "long");
    a.fill("large", large);
    a.fill(binary, "binary");
    a.fill(key(7), "new7");
    a.invalidate(key(8));
    REQUIRE(eventually([&] { return a.idle(); }));
    // Of somebody else, in the same Redis.
    server.command({"SET", "mc:{other:0}:r:key9", "x"});
    server.command({"HSET", names.record("hash"), "a", "b"});
    const bool by_scan = GENERATE(false, true);
    CAPTURE(by_scan);
    if (by_scan) server.command({"XTRIM", names.log(), "MAXLEN", "1"});

    replica_under_test b(2, warm(server));
    CHECK(b.redis.stats().warm == warm_state::waiting);
    b.start_and_wait();
    REQUIRE(warmed(b));
    for (int i = 0; i < count; ++i) {
        CAPTURE(i);
        CHECK(b.content(key(i)) == (i == 8 ? "" : (i == 7 ? "new" : "old") + std::to_string(i)));
    }
    CHECK(b.content(long_key) == "long");
    CHECK(b.content("large") == large);
    CHECK(b.content(binary) == "binary");
    const link_stats s = b.redis.stats();
    CHECK(s.warm_end == "complete");
    CHECK(s.warm_loaded == count + 2);
    CHECK(s.warm_bytes > large.size());
    CHECK(b.count(counter::warm_loaded) == s.warm_loaded);
    CHECK(b.count(counter::warm_unusable) == 0);
    CHECK(b.count(counter::redis_lookups) == 0);
    CHECK(b.local.stats().objects == count + 2);
    // From now on the log keeps it up to date.
    a.fill(key(1), "newer");
    CHECK(eventually([&] { return b.content(key(1)) == "newer"; }));
}

TEST_CASE("What a warm start reads is held against what is known, as every record is", "[redis][warm]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    a.fill("good", "good");
    a.fill("purged", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    const auto other = a.make("another key", "x", a.now());
    const auto expired = a.make("expired", "x", a.now(), milliseconds{-1});
    const auto ahead = a.now();
    const auto future = a.make("future", "x", {ahead.stamp + (std::uint64_t{120'000} << 16), 1});
    std::string forged = encode(*a.make("forged", "x", a.now()));
    forged.back() = 'y';
    server.command({"SET", names.record("alias"), encode(*other)});
    server.command({"SET", names.record("expired"), encode(*expired)});
    server.command({"SET", names.record("future"), encode(*future)});
    server.command({"SET", names.record("forged"), forged});
    server.command({"SET", names.record("cut"), encode(*other).substr(0, 95)});
    server.command({"SET", names.record("junk"), "junk"});

    replica_under_test b(2, warm(server));
    b.invalidate("purged"); // before it has met Redis
    b.start_and_wait();
    REQUIRE(warmed(b));
    CHECK(b.content("good") == "good");
    CHECK(b.content("purged").empty());
    CHECK(b.local.stats().objects == 1);
    CHECK(b.redis.stats().warm_loaded == 1);
    CHECK(b.count(counter::warm_unusable) >= 6);
    CHECK(b.count(counter::versions_refused) >= 1);
    CHECK(b.count(counter::redis_records_checksum) == 1);
}

TEST_CASE("A warm start fills its share of the memory and no more", "[redis][warm]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const std::string content(10'000, 'x');
    constexpr int count = 800; // of 8 MB, in a store of 16 MiB
    for (int i = 0; i < count; ++i) a.fill(key(i), content);
    REQUIRE(eventually([&] { return a.idle(); }));

    auto settings = warm(server);
    settings.warm_percent = 25;
    replica_under_test b(2, settings);
    b.start_and_wait();
    REQUIRE(warmed(b));
    CHECK(b.redis.stats().warm_end == "memory");
    const std::size_t share = b.local.settings().bytes / 4;
    CHECK(b.local.stats().bytes >= share - 20'000);
    CHECK(b.local.stats().bytes < share + (600u << 10)); // a batch more at the most
    CHECK(b.content(key(count - 1)) == content);         // what was written last comes first
    CHECK(b.content(key(0)).empty());
}

TEST_CASE("A warm start ends by its time-out", "[redis][warm]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    a.fill("key", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    auto settings = warm(server);
    settings.warm_timeout = milliseconds{0};
    replica_under_test b(2, settings);
    b.start_and_wait();
    REQUIRE(warmed(b));
    CHECK(b.redis.stats().warm_end == "time");
    CHECK(b.redis.stats().warm_loaded == 0);
}

TEST_CASE("A warm start that was cut off goes on where it was", "[redis][warm]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const std::string content(2'000, 'x');
    constexpr int count = 3000;
    for (int i = 0; i < count; ++i) a.fill(key(i), content);
    REQUIRE(eventually([&] { return a.idle(); }));
    auto settings = warm(server);
    settings.warm_percent = 100;
    replica_under_test b(2, settings);
    b.start();
    REQUIRE(eventually([&] { return b.redis.stats().warm_loaded > 0; }));
    server.command({"CLIENT", "KILL", "TYPE", "normal"});
    REQUIRE(warmed(b));
    CHECK(b.redis.stats().warm_end == "complete");
    CHECK(b.local.stats().objects == count);
}

TEST_CASE("Without the right to scan, a warm start has what the log names", "[redis][warm]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    a.fill("key", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"ACL", "SETUSER", "b", "on", ">pw", "~*", "&*", "+@all", "-scan"});
    auto settings = warm(server);
    settings.user = "b";
    settings.password = "pw";
    replica_under_test b(2, settings);
    b.start_and_wait();
    REQUIRE(warmed(b));
    CHECK(b.content("key") == "x");
    CHECK(b.redis.stats().warm_end == "refused");
    CHECK(b.redis.stats().last_error.find("NOPERM") != std::string::npos);
    CHECK(b.redis.stats().state == link_state::ready);
}

TEST_CASE("With --replicate all every replica has what one of them stores", "[redis][replicate]") {
    redis_server server;
    replica_under_test a(1, all(server)), b(2, all(server));
    a.start_and_wait();
    b.start_and_wait();
    for (int i = 0; i < 100; ++i) a.fill(key(i), "one");
    b.fill("of b", "b");
    CHECK(eventually([&] { return b.local.stats().objects == 101; }));
    CHECK(eventually([&] { return a.content("of b") == "b"; }));
    a.fill(key(3), "two");
    CHECK(eventually([&] { return b.content(key(3)) == "two"; }));
    a.invalidate(key(4));
    CHECK(eventually([&] { return b.content(key(4)).empty(); }));
    CHECK(b.count(counter::redis_lookups) == 0);
    CHECK(b.count(counter::refreshes_stored) >= 101);
}

TEST_CASE("With --replicate all a replica that was cut off loads what it has missed", "[redis][replicate]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    server.command({"ACL", "SETUSER", "b", "on", ">pw", "~*", "&*", "+@all"});
    auto settings = all(server);
    settings.user = "b";
    settings.password = "pw";
    replica_under_test b(2, settings);
    a.start_and_wait();
    b.start_and_wait();
    a.fill("before", "x");
    REQUIRE(eventually([&] { return b.content("before") == "x"; }));
    server.command({"ACL", "SETUSER", "b", "off"});
    server.command({"CLIENT", "KILL", "USER", "b"});
    REQUIRE(eventually([&] { return !b.redis.stats().following; }));
    for (int i = 0; i < 10; ++i) a.fill(key(i), "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"XTRIM", names.log(), "MAXLEN", "1"});
    a.fill("last", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"XTRIM", names.log(), "MAXLEN", "1"});
    server.command({"ACL", "SETUSER", "b", "on"});
    REQUIRE(eventually([&] { return b.local.stats().objects == 12; }));
    CHECK(b.count(counter::log_gaps) == 1);
}

TEST_CASE("Without it a replica has what it was asked for", "[redis][replicate]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    a.fill("held", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up("held"));
    a.fill("other", "one");
    a.fill("held", "two");
    REQUIRE(eventually([&] { return b.content("held") == "two"; }));
    CHECK(b.content("other").empty());
    CHECK(b.local.stats().objects == 1);
}

TEST_CASE("With --on-change drop what was changed elsewhere is only dropped", "[redis][replicate]") {
    redis_server server;
    auto settings = settings_for(server.unix_address());
    settings.refresh = false;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings);
    a.start_and_wait();
    b.start_and_wait();
    a.fill("key", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up("key"));
    a.fill("key", "two");
    REQUIRE(eventually([&] { return b.content("key").empty(); }));
    CHECK(b.count(counter::refreshes_stored) + b.count(counter::refreshes_unusable) == 0);
    REQUIRE(b.look_up("key"));
    CHECK(b.content("key") == "two");
}
