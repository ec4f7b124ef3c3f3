// The admin port: liveness, readiness, metrics and statistics.
#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/proxy.hpp"

#include <atomic>
#include <map>
#include <regex>
#include <set>
#include <sstream>

using namespace meshcache::test;

namespace {

void say_ok(turn& t) { t.ok("ok"); }

/// Samples of a Prometheus text page by `name{labels}`; every line must be one of the format's.
std::map<std::string, double> parse_metrics(const std::string& page) {
    static const std::regex comment(
        R"(# (HELP [a-zA-Z_:][a-zA-Z0-9_:]* .+|TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram|summary|untyped)))");
    static const std::regex sample(
        R"(([a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="[^"]*",?)*\})?) ([-+0-9.eE]+|NaN|[+-]?Inf))");
    std::map<std::string, double> samples;
    std::set<std::string> types;
    std::istringstream in(page);
    for (std::string line; std::getline(in, line);) {
        if (line.empty()) continue;
        INFO(line);
        std::smatch match;
        if (line.starts_with('#')) {
            CHECK(std::regex_match(line, comment));
            if (line.starts_with("# TYPE")) CHECK(types.insert(line.substr(7, line.find(' ', 7) - 7)).second);
            continue;
        }
        REQUIRE(std::regex_match(line, match, sample));
        CHECK(samples.emplace(match[1].str(), std::stod(match[4].str())).second);
    }
    return samples;
}

} // namespace

TEST_CASE("liveness and readiness are 200 for a proxy that runs") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    for (const char* path : {"/healthz", "/readyz"}) {
        const response r = p.ask_admin(path);
        INFO(r.summary());
        CHECK(r.status == 200);
        CHECK(r.complete);
    }
}

TEST_CASE("readiness does not hang on the upstream") {
    proxy p(unused_port().to_string());
    CHECK(p.ask_admin("/healthz").status == 200);
    CHECK(p.ask_admin("/readyz").status == 200);
}

TEST_CASE("metrics are a Prometheus page whose counters follow what happens") {
    scripted_upstream upstream([](turn& t) { t.ok("ok", t.target() == "/no" ? "no-store" : "max-age=60"); });
    proxy p(upstream);
    client c = p.connect();
    c.get("/x");
    c.get("/x");
    c.get("/x");
    c.get("/no");
    c.ask("POST", "/y");
    client bad = p.connect();
    bad.send("GET / HTTP/1.1\r\n\r\n");
    CHECK(bad.read().status == 400);
    // An answer is counted when it has gone out, which its client may see a moment before.
    response page;
    CHECK(eventually([&] {
        page = p.ask_admin("/metrics");
        return page.body.find("meshcache_responses_total{code=\"4xx\"} 1\n") != std::string::npos;
    }));
    CHECK(page.status == 200);
    CHECK(page.field("content-type").starts_with("text/plain"));
    const auto samples = parse_metrics(page.body);
    const auto value = [&](const char* name) {
        INFO(name);
        const auto at = samples.find(name);
        REQUIRE(at != samples.end());
        return at->second;
    };
    CHECK(value("meshcache_requests_total{cache=\"hit\"}") == 2);
    CHECK(value("meshcache_requests_total{cache=\"uri-miss\"}") == 2);
    CHECK(value("meshcache_requests_total{cache=\"method\"}") == 1);
    CHECK(value("meshcache_requests_refused_total{reason=\"malformed\"}") == 1);
    CHECK(value("meshcache_responses_total{code=\"2xx\"}") == 5);
    CHECK(value("meshcache_responses_total{code=\"4xx\"}") == 1);
    CHECK(value("meshcache_connections_accepted_total") == 2);
    CHECK(value("meshcache_upstream_requests_total") == 3);
    CHECK(value("meshcache_stored_total") == 1);
    CHECK(value("meshcache_client_received_bytes_total") > 100);
    CHECK(value("meshcache_client_sent_bytes_total") > 100);
}

TEST_CASE("statistics are JSON with the fields that are promised") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--memory", "64MiB"});
    client c = p.connect();
    c.get("/x");
    c.get("/x");
    const response r = p.ask_admin("/stats");
    CHECK(r.field("content-type").starts_with("application/json"));
    const auto stats = nlohmann::json::parse(r.body);
    for (const char* name :
         {"hits", "misses", "collapsed", "stored", "evicted", "bytes", "bytes_limit", "objects",
          "queue_depth", "queue_bytes", "batches", "redis_state", "log_position", "propagation_ms",
          "replica_id", "connections", "fills", "reconciliation", "warm_start"}) {
        INFO(name);
        CHECK(stats.contains(name));
    }
    CHECK(stats.at("hits") == 1);
    CHECK(stats.at("misses") == 1);
    CHECK(stats.at("stored") == 1);
    CHECK(stats.at("objects") == 1);
    CHECK(stats.at("bytes_limit") == (64 << 20));
    CHECK(stats.at("connections") == 1);
    CHECK(stats.at("fills") == 0);
    CHECK(stats.at("propagation_ms").is_object());
    CHECK(stats.at("redis_state").is_string());
}

TEST_CASE("statistics count stale hits as hits") {
    gate held;
    std::atomic<int> asked{0};
    scripted_upstream upstream([&](turn& t) {
        if (asked++ > 0) held.wait(); // what is fetched behind the stale answer
        t.ok("x", "max-age=600, stale-while-revalidate=600");
    });
    proxy p(upstream);
    CHECK(p.get("/x").status == 200);
    CHECK(p.get("/x").cached().hit());
    {
        client c(p.admin());
        CHECK(c.ask("POST", "/purge?all=1&soft=1", "Host: localhost\r\n").status == 200);
    }
    // It counts as stale as soon as that can be seen in whole seconds.
    int hits = 1;
    CHECK(eventually([&] {
        const response r = p.get("/x");
        hits += r.cached().hit() ? 1 : 0;
        return r.cached().ttl() < 0;
    }));
    CHECK(hits > 1);
    CHECK(eventually([&] { return p.stats().at("hits") == hits; }));
    CHECK(p.stats().at("misses") == 1);
    CHECK(p.ask_admin("/metrics").body.find("meshcache_requests_total{cache=\"hit-stale\"} 0\n") ==
          std::string::npos);
    held.open();
}

TEST_CASE("replicas have different ids") {
    scripted_upstream upstream(say_ok);
    proxy a(upstream), b(upstream);
    CHECK(a.stats().at("replica_id") != b.stats().at("replica_id"));
}

TEST_CASE("with --admin-token everything but the probes needs it") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--admin-token", "s3cret-token"});
    for (const char* path : {"/healthz", "/readyz"}) CHECK(p.ask_admin(path).status == 200);
    for (const char* path : {"/metrics", "/stats"}) {
        INFO(path);
        CHECK(p.ask_admin(path).status == 401);
        CHECK(p.ask_admin(path).top.fields.has("www-authenticate"));
        CHECK(p.ask_admin(path, "Authorization: Bearer wrong\r\n").status == 401);
        CHECK(p.ask_admin(path, "Authorization: Bearer s3cret-toke\r\n").status == 401);
        CHECK(p.ask_admin(path, "Authorization: Basic s3cret-token\r\n").status == 401);
        CHECK(p.ask_admin(path, "Authorization: Bearer s3cret-token\r\n").status == 200);
        CHECK(p.ask_admin(path, "Authorization: bearer s3cret-token\r\n").status == 200);
        // Who has it is no page in a browser, and may use whatever name leads here.
        CHECK(p.ask_admin(path, "Authorization: Bearer s3cret-token\r\nHost: pod.example\r\n").status == 200);
    }
    CHECK(p.log().find("s3cret-token") == std::string::npos);
}

TEST_CASE("the admin port refuses what it does not know, and survives nonsense") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    CHECK(p.ask_admin("/nothing").status == 404);
    {
        client c(p.admin());
        CHECK(c.ask("POST", "/metrics", "Host: localhost\r\n").status == 405);
    }
    for (const std::string& bytes : {std::string("nonsense\r\n\r\n"), std::string(1 << 20, 'x'),
                                     std::string("GET /stats HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
                                     std::string("\x16\x03\x01\x02\x00", 5)}) {
        client c(p.admin());
        c.send(bytes);
        c.raw().finish();
        while (c.raw().fill()) {
        }
        CHECK(c.raw().buffer().size() < 10'000);
    }
    CHECK(p.ask_admin("/healthz").status == 200);
    CHECK(upstream.requests() == 0); // nothing of it is for the application
}

TEST_CASE("what is too large for the admin port is told so") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    struct row {
        std::string method, target, fields, body;
        int status;
    };
    const row rows[] = {
        {"POST", "/purge", "Content-Type: application/json\r\n",
         "{\"tag\":\"" + std::string(80'000, 'x') + "\"}", 413},
        {"POST", "/purge", "Content-Type: application/json\r\n", std::string(60'000, ' ') + "{\"all\":true}",
         200},
        {"GET", "/stats?" + std::string(17 * 1024, 'x'), {}, {}, 431},
        {"GET", "/stats", "X-Long: " + std::string(17 * 1024, 'x') + "\r\n", {}, 431},
    };
    for (const row& r : rows) {
        client c(p.admin());
        const response answer = c.ask(r.method, r.target, "Host: localhost\r\n" + r.fields, r.body);
        INFO(answer.summary());
        CHECK(answer.status == r.status);
        CHECK(answer.complete);
    }
}

TEST_CASE("who waits to be asked for the content of a purge is asked for it, or told why not") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream), closed(upstream, {"--admin-token", "s3cret-token"});
    const std::string content = "{\"all\":true}";
    const auto head = [&content](const std::string& fields, std::size_t size) {
        return "POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + fields +
               "Content-Length: " + std::to_string(size) + "\r\n\r\n";
    };
    const std::string expects = "Expect: 100-Continue\r\n";
    {
        client c(p.admin());
        for (int i = 0; i < 2; ++i) {
            REQUIRE(c.send(head(expects, content.size())));
            const std::string asked = "HTTP/1.1 100 Continue\r\n\r\n";
            while (c.raw().buffer().size() < asked.size() && c.raw().fill()) {
            }
            REQUIRE(c.raw().buffer() == asked);
            REQUIRE(c.send(content));
            const response r = c.read();
            INFO(r.summary());
            CHECK(r.status == 200);
            CHECK(r.interim.size() == 1);
        }
    }
    struct row {
        const proxy& to;
        std::string bytes;
        int status;
    };
    const row rows[] = {
        {p, head(expects, 70'000), 413},
        {p, head("Host: evil.example\r\n" + expects, content.size()), 400},
        {closed, head(expects, content.size()), 401},
        // It is there already.
        {p, head(expects, content.size()) + content, 200},
        {p, head("Expect: more\r\n", content.size()) + content, 417},
        {p, head(expects + expects, content.size()) + content, 417},
        {p, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + expects + "\r\n", 200},
        {p, "GET /healthz HTTP/1.0\r\nExpect: more\r\n\r\n", 200},
    };
    for (const row& r : rows) {
        INFO(r.bytes);
        client c(r.to.admin());
        REQUIRE(c.send(r.bytes));
        const response answer = c.read();
        INFO(answer.summary());
        CHECK(answer.status == r.status);
        CHECK(answer.interim.empty());
    }
}

TEST_CASE("without a token the admin port answers to addresses and localhost, and probes to any name") {
    const temporary_directory directory;
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    for (const char* path : {"/metrics", "/stats", "/nothing"}) {
        INFO(path);
        const int known = path == std::string("/nothing") ? 404 : 200;
        for (const std::string& host :
             {std::string("localhost"), p.admin().to_string(), std::string("[::1]:1")})
            CHECK(p.ask_admin(path, "Host: " + host + "\r\n").status == known);
        CHECK(p.ask_admin(path, "Host: evil.example\r\n").status == 421);
    }
    for (const char* path : {"/healthz", "/readyz"})
        CHECK(p.ask_admin(path, "Host: evil.example\r\n").status == 200);
    // Of two, nobody can say which is meant.
    client twice(p.admin());
    CHECK(twice.ask("GET", "/stats", "Host: localhost\r\nHost: evil.example\r\n").status == 400);
    // No browser comes by a unix socket.
    proxy by_file(upstream, {"--admin", "unix:" + directory.path() + "/admin.sock"});
    CHECK(by_file.ask_admin("/stats", "Host: any.example\r\n").status == 200);
}

TEST_CASE("connections to the admin port that say nothing keep nobody out") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    client kept(p.admin());
    std::vector<connection> silent;
    for (int i = 0; i < 100; ++i) {
        silent.push_back(connection::to(p.admin()));
        if (i % 2 == 0) REQUIRE(silent.back().send("GET /healthz HTTP/1.1\r\nHost: "));
        // Who asks now and then stays, however many come.
        CHECK(kept.get("/healthz").status == 200);
    }
    for (int i = 0; i < 3; ++i) CHECK(p.ask_admin("/readyz").status == 200);
    // The first to come had to go.
    CHECK(silent.front().wait_for_end() != ending::none);
}

TEST_CASE("many probes on one kept connection are answered") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    client c(p.admin());
    for (int i = 0; i < 20; ++i) CHECK(c.get("/healthz").status == 200);
}
