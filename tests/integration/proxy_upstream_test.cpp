// Where the upstream and the listener are, and what becomes of connections that are kept.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <netdb.h>
#include <sys/socket.h>

using namespace meshcache::test;

namespace {

/// The families that this machine's resolver has for localhost.
std::vector<int> families_of_localhost() {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    std::vector<int> families;
    if (::getaddrinfo("localhost", nullptr, &hints, &found) == 0)
        for (const addrinfo* a = found; a; a = a->ai_next) families.push_back(a->ai_family);
    ::freeaddrinfo(found);
    return families;
}

void say_ok(turn& t) { t.ok("ok", "no-store"); }

} // namespace

TEST_CASE("the upstream may be given by name, whichever of its addresses it listens at") {
    const auto families = families_of_localhost();
    REQUIRE_FALSE(families.empty());
    for (const int family : families) {
        INFO((family == AF_INET6 ? "IPv6" : "IPv4"));
        scripted_upstream upstream(say_ok, {family == AF_INET6 ? "::1" : "127.0.0.1", 0, {}});
        proxy p("localhost:" + std::to_string(upstream.address().port));
        CHECK(p.get("/").body == "ok");
    }
}

TEST_CASE("an upstream whose name does not resolve is a 502 that says so") {
    proxy p("no-such-host.invalid:80");
    const response r = p.get("/");
    CHECK(r.status == 502);
    CHECK(r.cached().detail() == "upstream-resolve-failed");
}

TEST_CASE("the upstream may be at an IPv6 address or at a unix socket") {
    const temporary_directory directory;
    for (const meshcache::endpoint& where :
         {meshcache::endpoint{"::1", 0, {}}, meshcache::endpoint{{}, 0, directory.path() + "/app.sock"},
          meshcache::endpoint{{}, 0, "@meshcache-test-" + std::to_string(::getpid())}}) {
        INFO(where.to_string());
        scripted_upstream upstream(say_ok, where);
        proxy p(upstream);
        CHECK(p.get("/").body == "ok");
        CHECK(upstream.last().field("host") == "shop.example");
    }
}

TEST_CASE("clients may come by IPv6 or by a unix socket") {
    const temporary_directory directory;
    scripted_upstream upstream(say_ok);
    {
        proxy p(upstream, {"--listen", "[::1]:0"});
        CHECK(p.address().host == "::1");
        CHECK(p.get("/").body == "ok");
        CHECK(upstream.last().field("x-forwarded-for") == "::1");
        CHECK(upstream.last().field("forwarded").find("for=\"[::1]\"") != std::string::npos);
    }
    {
        const std::string path = directory.path() + "/listen.sock";
        proxy p(upstream, {"--listen", "unix:" + path});
        CHECK(p.get("/").body == "ok");
        CHECK(p.stop() == 0);
        // A socket file that a killed process left behind is in nobody's way.
        proxy killed(upstream, {"--listen", "unix:" + path});
        CHECK(killed.get("/").body == "ok");
        killed.kill();
        proxy again(upstream, {"--listen", "unix:" + path});
        CHECK(again.get("/").body == "ok");
    }
}

TEST_CASE("an upstream connection is kept and used again") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--threads", "1"});
    client c = p.connect();
    for (int i = 0; i < 20; ++i) CHECK(c.get("/").body == "ok");
    for (int i = 0; i < 5; ++i) CHECK(p.get("/").body == "ok");
    CHECK(upstream.connections() == 1);
}

TEST_CASE("an idle upstream connection that was closed is not used again") {
    gate idle;
    scripted_upstream upstream([&](turn& t) {
        say_ok(t);
        if (t.target() == "/first") {
            t.wait(idle);
            t.close();
        }
    });
    proxy p(upstream, {"--threads", "1"});
    CHECK(p.get("/first").body == "ok");
    idle.open();
    CHECK(eventually([&] { return upstream.open_connections() == 0; }));
    const response r = p.ask("POST", "/second", {}, "body");
    CHECK(r.body == "ok");
    CHECK(upstream.connections() == 2);
}

TEST_CASE("bytes that come unasked on a kept connection are never taken for an answer") {
    gate poisoned;
    scripted_upstream upstream([&](turn& t) {
        if (t.target() == "/first") {
            t.ok("first", "no-store");
            t.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
            poisoned.open();
            return;
        }
        t.ok("second", "no-store");
    });
    proxy p(upstream, {"--threads", "1"});
    CHECK(p.get("/first").body == "first");
    poisoned.wait();
    CHECK(p.get("/second").body == "second");
    CHECK(upstream.connections() == 2);
}

TEST_CASE("an upstream that is started again is found again") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream);
    CHECK(p.get("/").body == "ok");
    upstream.stop();
    const response down = p.get("/");
    CHECK(down.status == 502);
    CHECK(down.cached().detail() == "upstream-refused");
    upstream.start();
    CHECK(p.get("/").body == "ok");
    CHECK(p.ask("POST", "/", {}, "x").body == "ok");
}

TEST_CASE("a kept connection that dies under a request is retried once, for idempotent methods only") {
    struct row {
        const char* method;
        const char* body;
        int status;
        std::size_t requests; ///< that the upstream saw, the first one not counted
    };
    const row rows[] = {
        {"GET", "", 200, 2},    {"HEAD", "", 200, 2}, {"OPTIONS", "", 200, 2},
        {"DELETE", "", 200, 2}, {"POST", "", 502, 1}, {"PATCH", "x", 502, 1},
    };
    for (const row& r : rows) {
        INFO(r.method);
        scripted_upstream upstream([](turn& t) {
            t.read_body();
            if (t.asked().connection == 0 && t.number() == 1) {
                t.close(); // without a byte of an answer
                return;
            }
            say_ok(t);
        });
        proxy p(upstream, {"--threads", "1"});
        REQUIRE(p.get("/").status == 200);
        const response got = p.ask(r.method, "/", {}, r.body);
        CHECK(got.status == r.status);
        if (r.status == 502) CHECK(got.cached().detail() == "upstream-reset");
        CHECK(upstream.requests() == 1 + r.requests);
    }
}

TEST_CASE("a request is retried once and no more, and not on a fresh connection") {
    scripted_upstream upstream([](turn& t) {
        if (t.target() == "/good")
            say_ok(t);
        else
            t.close();
    });
    proxy p(upstream, {"--threads", "1"});
    CHECK(p.get("/bad").status == 502);
    CHECK(upstream.requests() == 1);
    CHECK(p.get("/good").status == 200);
    CHECK(p.get("/bad").status == 502);
    CHECK(upstream.requests() == 4); // on the kept connection, and once more on a fresh one
}

TEST_CASE("the number of upstream connections is bounded, and who finds none free waits") {
    gate go_on;
    scripted_upstream upstream([&](turn& t) {
        t.wait(go_on);
        say_ok(t);
    });
    proxy p(upstream, {"--threads", "1", "--upstream-connections", "3"});
    std::vector<client> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(p.connect());
        REQUIRE(clients.back().send(request_text("POST", "/" + std::to_string(i))));
    }
    upstream.wait_for_requests(3);
    CHECK(p.stats().at("connections").get<int>() >= 8);
    CHECK(upstream.open_connections() == 3);
    CHECK(upstream.requests() == 3);
    go_on.open();
    for (client& c : clients) CHECK(c.read().body == "ok");
    CHECK(upstream.connections() == 3);
}

TEST_CASE("one client that asks without end does not keep another from the upstream's connections") {
    scripted_upstream upstream(say_ok);
    proxy p(upstream, {"--threads", "1", "--upstream-connections", "1", "--upstream-connect-timeout", "5s"});
    client greedy = p.connect(), modest = p.connect();
    constexpr int many = 300;
    std::string asked;
    for (int i = 0; i < many; ++i) asked += request_text("GET", "/greedy/" + std::to_string(i));
    REQUIRE(greedy.send(asked));
    upstream.wait_for_requests(3);
    CHECK(modest.get("/modest").status == 200);
    // Asked for in turn, it was answered long before the other had all that it wanted.
    CHECK(upstream.requests() < many);
    for (int i = 0; i < many; ++i) REQUIRE(greedy.read().status == 200);
}
