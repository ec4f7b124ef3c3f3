// Every bound has a flag and a metric that says that it was reached.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <exception>
#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

void say_ok(turn& t) {
    t.read_body();
    t.ok("ok", "no-store");
}

long timeouts(const proxy& p, const std::string& at) {
    return metric(p, "meshcache_timeouts_total{at=\"" + at + "\"}");
}

/// The status of a GET, or 0 if the connection was closed instead.
int status_of(client& c) {
    if (!c.send(request_text("GET", "/"))) return 0;
    try {
        return c.read().status;
    } catch (const std::exception&) {
        return 0;
    }
}

} // namespace

TEST_CASE("each limit of a head is counted for itself") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--max-header-size", "4KiB", "--max-header-count", "20", "--max-target", "200"});
    const std::string host = "Host: a\r\n";
    std::string many;
    for (int i = 0; i < 20; ++i) many += "X-" + std::to_string(i) + ": v\r\n";
    struct row {
        const char* reason;
        std::string bytes;
        int status;
    };
    const row rows[] = {
        {"head-too-large", "GET / HTTP/1.1\r\n" + host + "X: " + std::string(5000, 'x') + "\r\n\r\n", 431},
        {"too-many-fields", "GET / HTTP/1.1\r\n" + host + many + "\r\n", 431},
        {"target-too-long", "GET /" + std::string(200, 'x') + " HTTP/1.1\r\n" + host + "\r\n", 414},
        {"malformed", "GET / HTTP/1.1\r\n\r\n", 400},
        {"malformed", "GET / HTTP/1.1\r\n" + host + "X : y\r\n\r\n", 400},
        {"malformed", "GET / HTTP/2.0\r\n" + host + "\r\n", 505},
        {"malformed", "CONNECT a:1 HTTP/1.1\r\n" + host + "\r\n", 501},
        {"malformed", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1, 1\r\n\r\n", 400},
    };
    for (const row& r : rows) {
        INFO(r.bytes.substr(0, 60));
        const std::string line = std::string("meshcache_requests_refused_total{reason=\"") + r.reason + "\"}";
        const long before = metric(p, line);
        client c = p.connect();
        c.send(r.bytes);
        CHECK(c.read().status == r.status);
        CHECK(c.wait_for_end() != ending::none);
        CHECK(metric(p, line) == before + 1);
    }
    long all = 0;
    for (const char* reason : {"head-too-large", "too-many-fields", "target-too-long", "malformed"})
        all += metric(p, std::string("meshcache_requests_refused_total{reason=\"") + reason + "\"}");
    CHECK(all == static_cast<long>(std::size(rows)));
    CHECK(upstream.requests() == 0);
}

TEST_CASE("connections beyond --max-connections are closed and counted") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--max-connections", "3"});
    std::vector<client> open;
    for (int i = 0; i < 3; ++i) {
        open.push_back(p.connect());
        CHECK(status_of(open.back()) == 200);
    }
    for (int i = 0; i < 4; ++i) {
        client c = p.connect();
        CHECK(status_of(c) == 0);
    }
    CHECK(metric(p, "meshcache_connections_refused_total{reason=\"max-connections\"}") == 4);
    CHECK(metric(p, "meshcache_connections_refused_total{reason=\"max-connections-per-client\"}") == 0);
    CHECK(metric(p, "meshcache_connections") == 3);
}

TEST_CASE("--max-connections-per-client holds for all loops together, and gives places back") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--max-connections-per-client", "3", "--threads", "4"});
    std::vector<client> open;
    for (int i = 0; i < 3; ++i) {
        open.push_back(p.connect());
        CHECK(status_of(open.back()) == 200);
    }
    for (int i = 0; i < 8; ++i) {
        client c = p.connect();
        CHECK(status_of(c) == 0);
    }
    CHECK(metric(p, "meshcache_connections_refused_total{reason=\"max-connections-per-client\"}") == 8);
    CHECK(metric(p, "meshcache_connections") == 3);
    for (client& c : open) CHECK(status_of(c) == 200);
    for (int round = 0; round < 5; ++round) {
        open.pop_back();
        CHECK(eventually([&] { return metric(p, "meshcache_connections") == 2; }));
        open.push_back(p.connect());
        CHECK(status_of(open.back()) == 200);
    }
}

TEST_CASE("another client has places of its own, and the neighbours of an IPv6 address have none") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--listen", "[::]:0", "--max-connections-per-client", "1"});
    const auto at = [&](const char* address) {
        return client(parse_address(std::string(address) + ":" + std::to_string(p.address().port)));
    };
    client one = at("127.0.0.1");
    CHECK(status_of(one) == 200);
    client same = at("127.0.0.1");
    CHECK(status_of(same) == 0);
    client six = at("[::1]");
    CHECK(status_of(six) == 200);
    client six_again = at("[::1]");
    CHECK(status_of(six_again) == 0);
    CHECK(status_of(one) == 200);
}

TEST_CASE("without --max-connections-per-client one address may have them all") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    std::vector<client> open;
    for (int i = 0; i < 200; ++i) {
        open.push_back(p.connect());
        CHECK(status_of(open.back()) == 200);
    }
    CHECK(metric(p, "meshcache_connections_refused_total{reason=\"max-connections-per-client\"}") == 0);
}

TEST_CASE("a connection that has served --max-requests-per-connection is closed and counted once") {
    scripted_upstream upstream([](turn& t) { t.ok("ok"); });
    proxy p(upstream, {"--max-requests-per-connection", "3"});
    for (int round = 1; round <= 2; ++round) {
        client c = p.connect();
        for (int i = 0; i < 3; ++i) CHECK(c.get("/").body == "ok");
        CHECK(c.wait_for_end() == ending::closed);
        CHECK(metric(p, "meshcache_connections_used_up_total") == round);
    }
    // Who closes by itself has not used it up.
    client c = p.connect();
    (void)c.get("/");
    (void)c.get("/");
    (void)c.get("/", "Connection: close\r\n");
    CHECK(c.wait_for_end() == ending::closed);
    CHECK(metric(p, "meshcache_connections_used_up_total") == 2);
}

TEST_CASE("each time-out of a client is counted for itself") {
    scripted_upstream upstream([](turn& t) {
        if (t.target() == "/large") return void(t.ok(noise(64 << 20), "no-store"));
        t.read_body();
        t.asked().complete ? void(t.ok("ok", "no-store")) : t.close();
    });
    // One short time-out at a time, so that no other can come before it on a slow machine.
    {
        proxy p(upstream, {"--header-timeout", "200ms"});
        client c = p.connect();
        c.send("GET / HTTP/1.1\r\nHos");
        CHECK(c.read().status == 408);
        CHECK(timeouts(p, "header") == 1);
    }
    {
        proxy p(upstream, {"--body-timeout", "200ms"});
        client c = p.connect();
        c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
        CHECK(c.read().status == 408);
        CHECK(timeouts(p, "body") == 1);
    }
    {
        proxy p(upstream, {"--keepalive-timeout", "200ms"});
        client c = p.connect();
        CHECK(c.get("/").status == 200);
        CHECK(c.wait_for_end() == ending::closed);
        CHECK(timeouts(p, "keepalive") == 1);
    }
    {
        proxy p(upstream, {"--write-timeout", "200ms"});
        client c(p.address(), 4096);
        REQUIRE(c.send(request_text("GET", "/large")));
        CHECK(eventually([&] { return timeouts(p, "write") == 1; }));
    }
}

TEST_CASE("each time-out of the upstream is counted for itself") {
    scripted_upstream upstream([](turn& t) {
        if (t.target() == "/body") t.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        t.stall();
    });
    proxy p(upstream,
            {"--upstream-response-timeout", "200ms", "--upstream-idle-timeout", "200ms",
             "--upstream-connect-timeout", "300ms", "--threads", "1", "--upstream-connections", "1"});
    CHECK(p.get("/head").status == 504);
    CHECK(timeouts(p, "upstream-first-byte") == 1);
    client c = p.connect();
    REQUIRE(c.send(request_text("GET", "/body")));
    CHECK_FALSE(c.read().complete);
    CHECK(timeouts(p, "upstream-idle") == 1);
}

TEST_CASE("a request that waited in vain for one of --upstream-connections is counted") {
    scripted_upstream upstream([](turn& t) { t.stall(); });
    proxy p(upstream,
            {"--upstream-connect-timeout", "200ms", "--threads", "1", "--upstream-connections", "1"});
    client first = p.connect();
    REQUIRE(first.send(request_text("POST", "/")));
    upstream.wait_for_requests(1);
    CHECK(p.ask("POST", "/").status == 504);
    CHECK(timeouts(p, "upstream-busy") == 1);
}

TEST_CASE("an address that takes no connection is given up and counted") {
    // A listening socket whose backlog is full: what comes further is not answered.
    listening_socket deaf({"127.0.0.1", 0, {}}, 0);
    proxy p(deaf.address().to_string(),
            {"--upstream-connect-timeout", "200ms", "--upstream-response-timeout", "200ms"});
    std::vector<client> waiting;
    for (int i = 0; i < 6; ++i) {
        waiting.push_back(p.connect());
        REQUIRE(waiting.back().send(request_text("GET", "/" + std::to_string(i))));
    }
    for (client& c : waiting) CHECK(c.read().status == 504);
    CHECK(timeouts(p, "upstream-connect") >= 1);
}

TEST_CASE("a tunnel on which nothing moves is ended and counted") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
        t.stall();
    });
    proxy p(upstream, {"--tunnel-timeout", "200ms"});
    client c = p.connect();
    REQUIRE(c.send(request_text("GET", "/", "Connection: upgrade\r\nUpgrade: x\r\n")));
    CHECK(c.read_top().status == 101);
    CHECK(c.wait_for_end() != ending::none);
    CHECK(timeouts(p, "tunnel") == 1);
}
