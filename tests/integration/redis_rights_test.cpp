// The Redis user that docs/operations.md gives: it may do all that meshcache does, and nothing else.
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <algorithm>
#include <ctime>
#include <future>
#include <sstream>

using namespace meshcache::test;

namespace {

/// The words of the `ACL SETUSER` in the manual.
std::vector<std::string> documented_user() {
    const std::string manual = read_whole_file(source_dir() / "docs" / "operations.md");
    const auto begin = manual.find("ACL SETUSER meshcache ");
    REQUIRE(begin != std::string::npos);
    std::istringstream in(manual.substr(begin, manual.find("```", begin) - begin));
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word == ">PASSWORD" ? ">pw" : word);
    return words;
}

} // namespace

TEST_CASE("the user in the manual has the rights that meshcache needs, and no more") {
    const auto user = documented_user();
    redis_server redis;
    REQUIRE(redis.command(user).ok());
    // So many purges that the oldest make way for the next one.
    redis.command({"EVAL", "for i = 1, 100000 do redis.call('ZADD', KEYS[1], ARGV[1] + i, 't' .. i) end", "1",
                   "mc:{shop:0}:groups", std::to_string(std::time(nullptr) * 1000 - 200'000)});
    gate slow;
    scripted_upstream upstream([&](turn& t) {
        t.read_body();
        if (t.target() == "/slow" && !t.wait(slow)) return;
        t.respond(200, "Cache-Control: max-age=600\r\nSurrogate-Key: red\r\n", t.target());
    });
    const std::vector<std::string> flags{"--redis",
                                         "redis://meshcache:pw@" + redis.tcp_address().to_string(),
                                         "--namespace",
                                         "shop",
                                         "--collapse",
                                         "global",
                                         "--collapse-timeout",
                                         "60s",
                                         "--redis-timeout",
                                         sanitized() ? "2s" : "500ms",
                                         "--redis-backoff-max",
                                         "200ms"};
    const auto purge = [](const proxy& p, const std::string& query) {
        client c(p.admin());
        return c.ask("POST", "/purge?" + query, "Host: localhost\r\n").status;
    };
    const auto was_called = [&](const std::string& command) {
        return redis.command({"INFO", "commandstats"}).text.find("\r\ncmdstat_" + command + ":calls=") !=
               std::string::npos;
    };
    {
        proxy a(upstream, flags), b(upstream, flags);
        REQUIRE(a.wait_for_redis("ready"));
        REQUIRE(b.wait_for_redis("ready"));
        CHECK(a.get("/1").status == 200);
        CHECK(eventually([&] { return b.get("/1").cached().hit(); }));
        // A lease that another replica waits for, and that its holder renews.
        auto first = std::async(std::launch::async, [&] { return a.get("/slow").status; });
        CHECK(eventually([&] { return upstream.requests_for("/slow") == 1; }));
        auto second = std::async(std::launch::async, [&] { return b.get("/slow").status; });
        CHECK(eventually([&] { return was_called("pttl") && was_called("pexpire"); }));
        slow.open();
        CHECK(first.get() == 200);
        CHECK(second.get() == 200);
        for (const char* what : {"url=http://shop.example/1", "tag=red", "prefix=/1", "host=shop.example",
                                 "all=1", "url=http://shop.example/1&soft=1"}) {
            INFO(what);
            CHECK(purge(a, std::string(what) + "&wait=replicas&timeout=20s") == 200);
        }
        CHECK(eventually([&] { return a.stats().at("replicas").size() == 2; }));
        CHECK(a.ask_admin("/inspect?url=http://shop.example/1").status == 200);
        // A cut, and what was written meanwhile; a lost log, and so a reconciliation.
        CHECK(a.get("/2").status == 200);
        CHECK(a.wait_for_flush());
        redis.command({"ACL", "SETUSER", "meshcache", "off"});
        redis.command({"CLIENT", "KILL", "USER", "meshcache"});
        REQUIRE(a.wait_for_redis("connecting"));
        REQUIRE(b.wait_for_redis("connecting"));
        redis.command({"DEL", "mc:{shop:0}:log"});
        redis.command({"ACL", "LOG", "RESET"});
        redis.command({"ACL", "SETUSER", "meshcache", "on"});
        REQUIRE(a.wait_for_redis("ready"));
        REQUIRE(b.wait_for_redis("ready"));
        CHECK(eventually([&] {
            return a.ask_admin("/metrics").body.find("meshcache_reconciliations_total 1\n") !=
                   std::string::npos;
        }));
        CHECK(purge(b, "tag=blue&wait=replicas&timeout=20s") == 200);
        proxy c(upstream, flags);
        CHECK(eventually([&] { return was_called("strlen") && was_called("scan"); }));
    }
    // Attempts to log in while the user was off are refused; nothing else was.
    for (const auto& entry : redis.command({"ACL", "LOG"}).elements) {
        std::string all;
        for (const auto& field : entry.elements) all += field.text + " ";
        INFO(all);
        CHECK(all.find("reason auth ") != std::string::npos);
    }
    for (const std::string& right : user) {
        if (!right.starts_with('+')) continue;
        INFO(right);
        CHECK(was_called(right.substr(1)));
    }
}
