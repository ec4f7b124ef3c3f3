// The commands for operators, as they are typed: what they print and how they exit.
#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <csignal>

using namespace meshcache::test;

namespace {

void say_ok(turn& t) {
    t.read_body();
    t.respond(
        200,
        "Cache-Control: max-age=600\r\nSurrogate-Key: red books\r\nVary: Accept-Encoding\r\nETag: \"v\"\r\n",
        "content");
}

/// A Redis that hangs is found out soon.
std::vector<std::string> with_impatience(const redis_server& redis) {
    return with_redis(redis, {"--redis-command-timeout", sanitized() ? "5s" : "1s"});
}

/// Runs a command at the admin port of `p`.
finished run(const proxy& p, std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--admin", p.admin().to_string()});
    return run_meshcache(arguments);
}

bool says(const finished& f, const std::string& what) { return f.output.find(what) != std::string::npos; }

bool stored(const proxy& p, const std::string& target) {
    return p.get(target, "Cache-Control: only-if-cached\r\n").status == 200;
}

} // namespace

TEST_CASE("purge takes away what it names, and exits with 0") {
    struct row {
        std::vector<std::string> flags;
        bool other_stays;
    };
    const auto [flags, other_stays] = GENERATE(values<row>({
        {{"--url", "http://shop.example/a"}, true},
        {{"--tag", "red"}, false},
        {{"--prefix", "http://shop.example/a"}, true},
        {{"--prefix", "/a"}, true},
        {{"--host", "shop.example"}, false},
        {{"--all"}, false},
    }));
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    CHECK(p.get("/a").status == 200);
    CHECK(p.get("/other").status == 200);
    std::vector<std::string> command{"purge"};
    command.insert(command.end(), flags.begin(), flags.end());
    const finished f = run(p, command);
    INFO(f.output);
    CHECK(f.code == 0);
    CHECK(says(f, "purged here; there is no Redis"));
    CHECK_FALSE(stored(p, "/a"));
    CHECK(stored(p, "/other") == other_stays);
}

TEST_CASE("purge waits for Redis and for the replicas, and exits with 3 when they are late") {
    redis_server redis;
    scripted_upstream upstream(say_ok);
    proxy a(upstream, with_impatience(redis)), b(upstream, with_impatience(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    REQUIRE(eventually([&] { return says(run(a, {"stats"}), "replicas   2;"); }));

    finished f = run(a, {"purge", "--tag", "red"});
    INFO(f.output);
    CHECK(f.code == 0);
    CHECK(says(f, "purged: Redis has it"));
    CHECK(says(f, ", in the change log at "));

    f = run(a, {"purge", "--tag", "red", "--wait", "replicas", "--timeout", "20s"});
    CHECK(f.code == 0);
    CHECK(says(f, "purged on 2 of 2 replicas\n"));
    f = run(a, {"purge", "--tag", "red", "--wait", "replicas", "--timeout", "20s", "--json"});
    CHECK(f.code == 0);
    CHECK(nlohmann::json::parse(f.output).at("replicas").at("applied") == 2);

    b.process().signal(SIGSTOP);
    f = run(a, {"purge", "--tag", "red", "--wait", "replicas", "--timeout", "200ms"});
    CHECK(f.code == 3);
    CHECK(says(f, "purged on 1 of 2 replicas"));
    b.process().signal(SIGCONT);

    redis.kill();
    REQUIRE(a.wait_for_redis("connecting"));
    f = run(a, {"purge", "--tag", "red", "--timeout", "20s"});
    CHECK(f.code == 3);
    CHECK(says(f, "purged here, and queued: Redis has not acknowledged it"));
    redis.start();
}

TEST_CASE("purge waits for a Redis that hangs no longer than its own time-out, and exits with 3") {
    redis_server redis;
    scripted_upstream upstream(say_ok);
    auto flags = with_impatience(redis);
    flags.insert(flags.end(), {"--redis-command-timeout", "1m"});
    proxy p(upstream, flags);
    REQUIRE(p.wait_for_redis("ready"));
    redis.pause();
    const finished f = run(p, {"purge", "--all", "--timeout", "200ms"});
    redis.resume();
    INFO(f.output);
    CHECK(f.code == 3);
    CHECK(says(f, "purged here, and queued: Redis has not acknowledged it"));
}

TEST_CASE("stats and replicas print pages for people, and JSON for machines") {
    redis_server redis;
    scripted_upstream upstream(say_ok);
    proxy a(upstream, with_impatience(redis)), b(upstream, with_impatience(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    a.get("/x");
    a.get("/x");
    finished f = run(a, {"stats"});
    INFO(f.output);
    CHECK(f.code == 0);
    CHECK(says(f, "1 hits (50 %), 1 misses"));
    CHECK(says(f, "redis      ready"));
    f = run(a, {"stats", "--json"});
    CHECK(f.code == 0);
    CHECK(nlohmann::json::parse(f.output).at("hits") == 1);

    const std::string other = b.stats().at("replica_id");
    CHECK(eventually([&] { return says(run(a, {"replicas"}), other); }));
    CHECK(eventually([&] {
        f = run(a, {"replicas"});
        return f.code == 0;
    }));
    CHECK(f.output.starts_with("REPLICA "));
    CHECK(says(f, b.address().to_string()));
    CHECK(says(f, "(asked)"));
    CHECK(eventually([&] {
        f = run(a, {"replicas", "--json"});
        return f.code == 0;
    }));
    CHECK(nlohmann::json::parse(f.output).size() == 2);
}

TEST_CASE("replicas of a cache without Redis is a failure that says so") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    const finished f = run(p, {"replicas"});
    CHECK(f.code == 1);
    CHECK(says(f, "has no Redis"));
    CHECK(run(p, {"stats"}).code == 0);
}

TEST_CASE("inspect says what is stored of a URL, here and in Redis") {
    redis_server redis;
    scripted_upstream upstream(say_ok);
    proxy a(upstream, with_impatience(redis)), b(upstream, with_impatience(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    finished f = run(a, {"inspect", "http://shop.example/books"});
    INFO(f.output);
    CHECK(f.code == 0);
    CHECK(says(f, "here: not stored"));
    CHECK(says(f, "in Redis: not stored"));

    CHECK(a.get("/books").status == 200);
    CHECK(a.get("/books", "Accept-Encoding: gzip\r\n").status == 200);
    REQUIRE(a.wait_for_flush());
    f = run(a, {"inspect", "--json", "http://SHOP.example:80/books"});
    CHECK(f.code == 0);
    const auto json = nlohmann::json::parse(f.output);
    CHECK(json.at("url") == "http://shop.example/books");
    REQUIRE(json.at("local").size() == 3); // a note and two variants
    CHECK(json.at("local").at(0).at("vary") == nlohmann::json::array({"accept-encoding"}));
    const auto one = json.at("local").at(1);
    CHECK(one.at("status") == 200);
    CHECK(one.at("tags") == nlohmann::json::array({"red", "books"}));
    CHECK(one.at("etag") == "\"v\"");
    CHECK(one.at("content_bytes") == 7);
    CHECK(one.at("made_here") == true);
    CHECK(one.at("fresh_for_s") > 500);
    CHECK(one.at("age_s") < 90);
    CHECK(one.at("memory_bytes") > 100);
    REQUIRE(json.at("redis").at("records").size() == 3);
    for (const auto& r : json.at("redis").at("records")) {
        CHECK(r.at("record_bytes") > 88);
        CHECK_FALSE(r.contains("problem"));
    }
    f = run(a, {"inspect", "http://shop.example/books"});
    CHECK(says(f, "the responses of this URL vary by accept-encoding"));
    CHECK(says(f, "tags     red, books"));

    // Another replica made it, and Redis has what a purge covers until it expires.
    CHECK(b.get("/books").cached().hit());
    CHECK_FALSE(nlohmann::json::parse(run(b, {"inspect", "--json", "http://shop.example/books"}).output)
                    .at("local")
                    .at(1)
                    .at("made_here")
                    .get<bool>());
    CHECK(run(a, {"purge", "--tag", "red"}).code == 0);
    const auto after =
        nlohmann::json::parse(run(a, {"inspect", "--json", "http://shop.example/books"}).output);
    for (const auto& r : after.at("local")) CHECK(r.contains("vary"));
    redis.kill();
    REQUIRE(a.wait_for_redis("connecting"));
    f = run(a, {"inspect", "http://shop.example/books"});
    CHECK(f.code == 0);
    CHECK(says(f, "in Redis: unknown"));
    redis.start();
}

TEST_CASE("inspect shows what a soft purge made stale as stale, also in Redis") {
    redis_server redis;
    scripted_upstream upstream(say_ok);
    proxy p(upstream, with_impatience(redis));
    REQUIRE(p.wait_for_redis("ready"));
    CHECK(p.get("/books").status == 200);
    REQUIRE(p.wait_for_flush());
    const auto all_of = [&](const auto& holds) {
        const finished f = run(p, {"inspect", "--json", "http://shop.example/books"});
        INFO(f.output);
        const auto json = nlohmann::json::parse(f.output);
        int responses = 0;
        for (const auto& list : {json.at("local"), json.at("redis").at("records")}) {
            for (const auto& r : list) {
                CHECK_FALSE(r.contains("problem"));
                if (!r.contains("fresh_for_s")) continue; // a note of what it varies by
                ++responses;
                CHECK(holds(r.at("fresh_for_s").template get<double>()));
            }
        }
        CHECK(responses == 2);
    };
    all_of([](double left) { return left > 0; });
    CHECK(run(p, {"purge", "--tag", "red", "--soft"}).code == 0);
    all_of([](double left) { return left <= 0; });
}

TEST_CASE("inspect sends no client's escape sequences to the terminal") {
    scripted_upstream upstream(
        [](turn& t) { t.respond(200, "Cache-Control: max-age=600\r\nVary: X-Kind\r\n", "x"); });
    proxy p(upstream);
    CHECK(p.get("/x", "X-Kind: a\xc2\x9b"
                      "31mred\r\n")
              .status == 200);
    CHECK(p.get("/x", "X-Kind: b\x9b"
                      "31mred\r\n")
              .status == 200);
    for (const char* form : {"--json=false", "--json"}) {
        const finished f = run(p, {"inspect", form, "http://shop.example/x"});
        INFO(f.output);
        CHECK(f.code == 0);
        CHECK(says(f, "31mred"));
        CHECK_FALSE(says(f, "\xc2\x9b"));
        CHECK_FALSE(says(f, "\x9b"));
    }
}

TEST_CASE("inspect finds what trusted fields are a part of the key of") {
    scripted_upstream upstream([](turn& t) { t.ok("x"); });
    proxy p(upstream, {"--trust-forwarded"});
    CHECK(p.get("/x", "X-Forwarded-Proto: https\r\n").status == 200);
    CHECK(p.get("/x", "X-Forwarded-Proto: http\r\n").status == 200);
    // So many that it takes several steps to find them.
    client c = p.connect();
    for (int i = 0; i < 2'000; ++i) REQUIRE(c.get("/y" + std::to_string(i)).status == 200);
    const finished f = run(p, {"inspect", "--json", "http://shop.example/x"});
    INFO(f.output);
    CHECK(nlohmann::json::parse(f.output).at("local").size() == 2);
}

TEST_CASE("a command that reaches no admin port exits with 1 and says which, and what to do") {
    const std::string nobody = unused_port().to_string();
    for (const auto& command :
         {std::vector<std::string>{"stats"}, {"replicas"}, {"purge", "--all"}, {"inspect", "http://h/"}}) {
        auto line = command;
        line.insert(line.end(), {"--admin", nobody});
        const finished f = run_meshcache(line);
        INFO(f.output);
        CHECK(f.code == 1);
        CHECK(says(f, "meshcache: " + nobody + ": cannot connect: Connection refused"));
        CHECK(says(f, "MESHCACHE_ADMIN"));
    }
    finished f = run_meshcache({"stats", "--admin", "unix:/nowhere/at/all"});
    CHECK(f.code == 1);
    CHECK(says(f, "unix:/nowhere/at/all: cannot connect: No such file"));
    f = run_meshcache({"stats", "--admin", "no-such-name.invalid:1"});
    CHECK(f.code == 1);
    CHECK(says(f, "cannot resolve 'no-such-name.invalid'"));
}

TEST_CASE("a command that reaches something else exits with 1, within its time") {
    scripted_upstream other([](turn& t) { t.ok("hello"); });
    finished f = run_meshcache({"stats", "--admin", other.flag()});
    INFO(f.output);
    CHECK(f.code == 1);
    CHECK(says(f, "is no admin port of meshcache"));
    scripted_upstream speaks_json([](turn& t) {
        t.read_body();
        t.respond(200, "Content-Type: application/json\r\n", R"({"ok":true})");
    });
    for (const auto& command :
         {std::vector<std::string>{"stats"}, {"replicas"}, {"purge", "--all"}, {"inspect", "http://h/"}}) {
        auto line = command;
        line.insert(line.end(), {"--admin", speaks_json.flag()});
        f = run_meshcache(line);
        INFO(f.output);
        CHECK(f.code == 1);
        CHECK(says(f, "is no admin port of meshcache"));
    }
    gate held;
    scripted_upstream silent([&](turn&) { held.wait(); });
    f = run_meshcache({"stats", "--admin", silent.flag(), "--timeout", "100ms"});
    CHECK(f.code == 1);
    CHECK(says(f, "no answer within 100ms\n"));
    held.open();
    scripted_upstream closing([](turn& t) { t.close(); });
    f = run_meshcache({"stats", "--admin", closing.flag()});
    CHECK(f.code == 1);
    CHECK(says(f, closing.flag() + ": "));
}

TEST_CASE("a command needs the token of the admin port, and takes it from the environment") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--admin-token", "s3cret-token"});
    const std::string at = "MESHCACHE_ADMIN=" + p.admin().to_string();
    finished f = run_meshcache({"stats"}, {at});
    INFO(f.output);
    CHECK(f.code == 1);
    CHECK(says(f, "asks for a token"));
    CHECK(says(f, "MESHCACHE_ADMIN_TOKEN"));
    f = run_meshcache({"purge", "--all", "--admin-token", "wrong"}, {at});
    CHECK(f.code == 1);
    CHECK(says(f, "does not know this token"));
    CHECK_FALSE(says(f, "wrong"));
    CHECK(run_meshcache({"stats"}, {at, "MESHCACHE_ADMIN_TOKEN=s3cret-token"}).code == 0);
    CHECK(run_meshcache({"purge", "--all", "--admin-token", "s3cret-token"}, {at}).code == 0);
}

TEST_CASE("an admin port at a unix socket is as good as any") {
    const temporary_directory directory;
    const std::string at = "unix:" + directory.path() + "/admin.sock";
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--admin", at});
    CHECK(run_meshcache({"stats", "--admin", at}).code == 0);
    CHECK(run_meshcache({"purge", "--all", "--admin", at}).code == 0);
    CHECK(run_meshcache({"inspect", "http://h/", "--json"}, {"MESHCACHE_ADMIN=" + at}).code == 0);
}

TEST_CASE("mistakes of usage exit with 2, also those that the admin port finds") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    finished f = run(p, {"purge"});
    CHECK(f.code == 2);
    CHECK(says(f, "purge needs what to purge"));
    CHECK(says(f, "Try 'meshcache purge --help'"));
    f = run(p, {"purge", "--url", "/a"});
    CHECK(f.code == 2);
    CHECK(says(f, "meshcache: '/a' is no URL of the form http://host/path"));
    f = run(p, {"inspect", "/a"});
    CHECK(f.code == 2);
    CHECK(says(f, "'/a' is no URL"));
    CHECK(run_meshcache({"purge", "--help"}).code == 0);
}
