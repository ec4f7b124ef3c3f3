// Redis as it is in the field: what it answers when it is unwell, what networks do to it, and what operators
// do to its data. Whatever it was, replicas agree once it is over, and nobody waits for it meanwhile.
#include "keys.hpp"
#include "link_support.hpp"
#include "support/golden.hpp"
#include "support/relay.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace meshcache;
using namespace meshcache::replica;
using meshcache::test::eventually;
using meshcache::test::redis_server;
using meshcache::test::relay;
using meshcache::test::replica_under_test;
using meshcache::test::settings_for;

namespace {

const key_names names("default");

bool complains(replica_under_test& r, std::string_view of) {
    return eventually([&] { return r.redis.stats().last_error.find(of) != std::string::npos; });
}

/// A command on a connection of its own, for when that of the server is waiting.
void aside(const redis_server& server, std::string_view command) {
    auto c = test::connection::to(server.tcp_address());
    REQUIRE(c.send(command));
    REQUIRE(c.fill());
}

/// Impatient, so that tests of hung connections end.
link_settings impatient(const endpoint& address) {
    auto s = settings_for(address);
    s.lookup_timeout = milliseconds{100};
    s.command_timeout = milliseconds{test::sanitized() ? 2000 : 400};
    return s;
}

} // namespace

TEST_CASE("A Redis that loads its data is waited for, and nothing of the queue is lost", "[redis][field]") {
    // Keys that were saved take 20 ms each to load, so that there is time to meet it.
    redis_server server({"--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"});
    server.command(
        {"EVAL", "for n = 1, 100 do redis.call('SET', 'k' .. n, string.rep('x', 2000)) end return 0", "0"});
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    bool seen = false;
    std::thread client([&] {
        seen = complains(a, "LOADING");
        a.fill("key", "x");
    });
    server.restart_with_data();
    client.join();
    CHECK(seen);
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 1);
    REQUIRE(eventually([&] { return a.redis.stats().state == link_state::ready; }));
}

TEST_CASE("A Redis that cannot save, and so refuses writes, keeps what waits until it can",
          "[redis][field]") {
    redis_server server({"--save", "3600 1", "--dbfilename", "held.rdb"});
    const std::filesystem::path folder = server.command({"CONFIG", "GET", "dir"}).elements.at(1).text;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    // A folder at the file's name cannot be replaced.
    std::filesystem::create_directory(folder / "held.rdb");
    server.command({"SET", "x", "y"});
    server.command({"BGSAVE"});
    REQUIRE(eventually([&] {
        return server.command({"INFO", "persistence"}).text.find("rdb_last_bgsave_status:err") !=
               std::string::npos;
    }));
    a.fill("key", "x");
    REQUIRE(complains(a, "MISCONF"));
    CHECK(a.redis.stats().queue_depth == 1);
    const auto found = a.look_up("other"); // reading goes on
    CHECK(found);
    server.command({"CONFIG", "SET", "save", ""}); // or it would not end
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 1);
}

TEST_CASE("What Redis has is not used while a newer version of it waits to be written", "[redis][field]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    a.fill("key", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"CONFIG", "SET", "maxmemory", "1"});
    const store::version newer = a.fill("key", "two");
    REQUIRE(complains(a, "OOM"));
    REQUIRE(a.local.erase(a.local.view("key"), newer)); // as if it had been evicted
    auto found = a.look_up("key");
    REQUIRE(found);
    CHECK(*found == nullptr);
    server.command({"CONFIG", "SET", "maxmemory", "0"});
    REQUIRE(eventually([&] { return a.idle(); }));
    found = a.look_up("key");
    REQUIRE((found && *found));
    CHECK((*found)->content() == "two");
}

TEST_CASE("A Redis that wants a password is asked again until it does not", "[redis][field]") {
    redis_server server;
    server.command({"CONFIG", "SET", "requirepass", "secret"});
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start();
    a.fill("key", "x");
    REQUIRE(complains(a, "NOAUTH"));
    CHECK_FALSE(a.redis.stats().following);
    CHECK_FALSE(a.look_up("key"));
    server.command({"CONFIG", "SET", "requirepass", ""});
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 1);
}

TEST_CASE("A Redis that is busy with somebody's script is waited for", "[redis][field]") {
    redis_server server({"--busy-reply-threshold", "10"});
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    std::thread script([&] { server.command({"EVAL", "while true do end", "0"}); });
    const bool seen = eventually([&] {
        a.fill("key", "x");
        return a.redis.stats().last_error.find("BUSY") != std::string::npos;
    });
    aside(server, "SCRIPT KILL\r\n");
    script.join();
    CHECK(seen);
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 1);
}

TEST_CASE("After a failover to a replica that lagged, what it lacks is put again, and purges hold",
          "[redis][field]") {
    redis_server first, second;
    second.command({"REPLICAOF", "127.0.0.1", std::to_string(first.tcp_address().port)});
    relay name(first.tcp_address());
    replica_under_test a(1, settings_for(name.address())), b(2, settings_for(name.address()));
    a.start_and_wait();
    b.start_and_wait();
    a.fill("old", "one");
    a.fill("purged", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE((b.look_up("old") && b.look_up("purged")));
    REQUIRE(eventually([&] { return second.number({"EXISTS", names.record("purged")}) == 1; }));
    // From here on it lags.
    second.command({"REPLICAOF", "NO", "ONE"});
    a.fill("old", "two");
    a.fill("new", "one");
    a.invalidate("purged");
    REQUIRE(eventually([&] { return a.idle() && b.content("purged").empty() && b.content("old") == "two"; }));
    // All followers have read all that there is.
    const std::string end =
        first.command({"XREVRANGE", names.log(), "+", "-", "COUNT", "1"}).elements.at(0).elements.at(0).text;
    REQUIRE(eventually(
        [&] { return a.redis.stats().log_position == end && b.redis.stats().log_position == end; }));

    name.lead_to(second.tcp_address());
    CHECK(eventually([&] { return second.number({"EXISTS", names.record("new")}) == 1; }));
    CHECK(eventually([&] { return second.number({"ZCARD", names.floors()}) == 1; }));
    const auto version_of_old = [&](redis_server& s) {
        return s.command({"GETRANGE", names.record("old"), "0", "15"}).text;
    };
    CHECK(eventually([&] { return version_of_old(second) == version_of_old(first); }));
    REQUIRE(eventually([&] {
        return a.redis.stats().state == link_state::ready && b.redis.stats().state == link_state::ready;
    }));
    CHECK(a.count(counter::log_gaps) + b.count(counter::log_gaps) == 2);
    for (auto* r : {&a, &b}) {
        CHECK(r->content("old") == "two");
        const auto found = r->look_up("purged");
        REQUIRE(found);
        CHECK(*found == nullptr);
    }
}

TEST_CASE("A Redis that evicts records has misses, and nothing worse", "[redis][field]") {
    redis_server server({"--maxmemory", "4mb", "--maxmemory-policy", "volatile-lru"});
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    constexpr int count = 2000;
    for (int i = 0; i < count; ++i) a.fill("key" + std::to_string(i), std::string(5000, 'x'));
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(a.count(counter::redis_puts) == count);
    int found = 0;
    for (int i = 0; i < count; ++i) {
        const auto r = b.look_up("key" + std::to_string(i));
        REQUIRE(r);
        found += *r ? 1 : 0;
    }
    CHECK(found > 0);
    CHECK(found < count);
    CHECK(a.count(counter::log_gaps) + b.count(counter::log_gaps) == 0);
    CHECK(b.redis.stats().last_error.empty());
}

TEST_CASE("A connection that is half open is given up by a command's deadline", "[redis][field]") {
    redis_server server;
    relay way(server.tcp_address());
    replica_under_test a(1, impatient(way.address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    a.fill("before", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    way.freeze();
    a.fill("key", "x");
    CHECK(complains(a, "no answer in time"));
    CHECK(eventually([&] { return !a.redis.stats().following; }));
    CHECK_FALSE(a.look_up("anything"));
    b.fill("before", "newer"); // which a cannot hear of
    REQUIRE(eventually([&] { return b.idle(); }));
    way.thaw();
    REQUIRE(eventually([&] { return a.idle() && a.redis.stats().following; }));
    CHECK(eventually([&] { return a.content("before") == "newer"; }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 1);
}

TEST_CASE("A Redis that answers slower than a look-up may take costs look-ups, and no write",
          "[redis][field]") {
    redis_server server;
    relay way(server.tcp_address());
    auto settings = settings_for(way.address());
    settings.lookup_timeout = milliseconds{20};
    replica_under_test a(1, settings);
    a.start_and_wait();
    way.delay(milliseconds{50});
    a.fill("key", "x");
    // Each is answered, if by nothing, and after some of them the breaker spares the others the wait.
    REQUIRE(eventually([&] {
        const auto found = a.look_up("key");
        if (found) CHECK(*found == nullptr);
        return a.redis.stats().breaker_open;
    }));
    CHECK(a.count(counter::redis_lookup_timeouts) >= 5);
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(a.redis.stats().following);
    CHECK(server.number({"EXISTS", names.record("key")}) == 1);
    way.delay(milliseconds{0});
    CHECK(eventually([&] {
        const auto found = a.look_up("key");
        return found && *found != nullptr;
    }));
    CHECK_FALSE(a.redis.stats().breaker_open);
}

TEST_CASE("A Redis that answers after seconds is as good as none, until it is faster", "[redis][field]") {
    redis_server server;
    relay way(server.tcp_address());
    replica_under_test a(1, impatient(way.address()));
    a.start_and_wait();
    way.delay(milliseconds{5000});
    a.fill("key", "x");
    CHECK(complains(a, "no answer in time"));
    CHECK(eventually([&] { return !a.redis.stats().following; }));
    CHECK_FALSE(a.look_up("key"));
    way.delay(milliseconds{0});
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 1);
}

TEST_CASE("A Redis that accepts and never answers holds up neither look-ups nor the end", "[redis][field]") {
    const test::listening_socket silent(endpoint{"127.0.0.1", 0, {}});
    replica_under_test a(1, impatient(silent.address()));
    a.start();
    a.fill("key", "x");
    CHECK(complains(a, "no answer in time"));
    CHECK_FALSE(a.look_up("key"));
    CHECK(a.redis.stats().state != link_state::ready);
    CHECK(a.redis.drain(a.clock.steady() + milliseconds{50}) == 1);
    CHECK(a.redis.stats().state == link_state::stopped);
}

namespace {

/// The least rights, as an operator copies them from docs/operations.md: one line, the namespace replaced.
std::vector<std::string> documented_rights() {
    const std::string page = test::read_whole_file(test::source_dir() / "docs" / "operations.md");
    const std::size_t at = page.find("ACL SETUSER meshcache");
    REQUIRE(at != std::string::npos);
    std::istringstream in(page.substr(at, page.find("```", at) - at));
    std::vector<std::string> words;
    for (std::string word; in >> word;) {
        if (word == ">PASSWORD") word = ">pw";
        if (const auto ns = word.find("shop"); ns != std::string::npos) word.replace(ns, 4, "default");
        words.push_back(word);
    }
    return words;
}

} // namespace

TEST_CASE("The rights that the documents ask for are enough", "[redis][field]") {
    redis_server server;
    auto rights = documented_rights();
    const bool enough = GENERATE(true, false);
    CAPTURE(enough);
    if (!enough) std::erase(rights, "+zadd"); // so that it is seen that a lack is noticed
    REQUIRE(server.command(rights).ok());
    auto settings = settings_for(server.unix_address());
    settings.user = "meshcache";
    settings.password = "pw";
    settings.warm_start = settings.replicate_all = true;
    replica_under_test a(1, settings), b(2, settings);
    a.start_and_wait();
    for (int i = 0; i < 10; ++i) a.fill("key" + std::to_string(i), "x");
    a.invalidate("key1");
    if (!enough) {
        CHECK(eventually([&] { return !a.redis.stats().last_error.empty(); }));
        CHECK(a.redis.stats().queue_depth > 0);
        return;
    }
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"XTRIM", names.log(), "MAXLEN", "1"}); // so that the warm start has to scan
    b.start_and_wait();
    REQUIRE(eventually([&] { return b.redis.stats().warm == warm_state::done && b.content("key2") == "x"; }));
    CHECK(b.redis.stats().warm_end == "complete");
    CHECK(b.look_up("absent"));
    b.invalidate("key2");
    CHECK(eventually([&] { return b.idle() && a.content("key2").empty(); }));
    // A gap, and with it a reconciliation.
    server.command({"FLUSHALL"});
    CHECK(eventually([&] {
        a.fill("more", "x");
        return a.count(counter::reconciliations) > 0 && b.count(counter::reconciliations) > 0;
    }));
    CHECK(eventually([&] { return a.idle() && b.idle(); }));
    CHECK(a.redis.stats().last_error.empty());
    CHECK(b.redis.stats().last_error.empty());
}
