// The clean stop: SIGTERM ends what is idle, lets what runs finish, and the process exits with 0.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

using namespace meshcache::test;

namespace {

/// SIGTERM was understood once nobody new is let in.
bool stops_accepting(proxy& p) {
    return eventually([&] { return !connection::try_to(p.address()); });
}

} // namespace

TEST_CASE("an exchange in flight is finished before the process exits") {
    const std::string first = noise(10'000, 1), second = noise(500'000, 2);
    for (const char* cache_control : {"no-store", "max-age=60"}) {
        for (const int signal : {SIGTERM, SIGINT}) {
            INFO(cache_control << " signal " << signal);
            gate head, rest;
            scripted_upstream upstream([&](turn& t) {
                t.wait(head);
                t.send("HTTP/1.1 200 OK\r\nCache-Control: " + std::string(cache_control) +
                       "\r\nContent-Length: 510000\r\n\r\n" + first);
                t.wait(rest);
                t.send(second);
            });
            proxy p(upstream);
            client waits = p.connect(), streams = p.connect(), idle = p.connect();
            REQUIRE(streams.send(request_text("GET", "/streams")));
            upstream.wait_for_requests(1);
            REQUIRE(waits.send(request_text("GET", "/waits")));
            upstream.wait_for_requests(2);
            p.process().signal(signal);
            CHECK(stops_accepting(p));
            CHECK(idle.wait_for_end() != ending::none);
            CHECK(p.process().running());
            head.open();
            response r = streams.read_top();
            body_reader body(streams.raw(), r.framed);
            client::read_until(body, r, first.size());
            CHECK(p.process().running());
            rest.open();
            client::read_until(body, r, 510'001);
            CHECK((r.body == first + second));
            CHECK(r.complete);
            CHECK(r.field("connection") == "close");
            const response other = waits.read();
            CHECK((other.body == first + second));
            CHECK(streams.wait_for_end() != ending::none);
            CHECK(p.process().wait() == 0);
        }
    }
}

TEST_CASE("idle kept connections are closed at once, those with a stored hit behind them too") {
    scripted_upstream upstream([](turn& t) { t.ok("x"); });
    proxy p(upstream);
    std::vector<client> clients;
    for (int i = 0; i < 10; ++i) {
        clients.push_back(p.connect());
        CHECK(clients.back().get("/").body == "x");
    }
    CHECK(p.stop() == 0);
    for (client& c : clients) CHECK(c.wait_for_end() == ending::closed);
}

TEST_CASE("readiness ends before liveness") {
    gate go_on;
    scripted_upstream upstream([&](turn& t) {
        t.wait(go_on);
        t.ok("x");
    });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send(request_text("GET", "/")));
    upstream.wait_for_requests(1);
    p.process().signal(SIGTERM);
    CHECK(eventually([&] { return p.ask_admin("/readyz").status == 503; }));
    CHECK(p.ask_admin("/healthz").status == 200);
    go_on.open();
    CHECK(c.read().body == "x");
    CHECK(p.process().wait() == 0);
}

TEST_CASE("what does not finish is cut off at --drain-timeout") {
    gate never;
    scripted_upstream upstream([&](turn& t) { t.wait(never); });
    proxy p(upstream, {"--drain-timeout", "500ms", "--access-log", "all"});
    client c = p.connect();
    REQUIRE(c.send(request_text("GET", "/")));
    upstream.wait_for_requests(1);
    client tunnel = p.connect();
    REQUIRE(tunnel.send(request_text("GET", "/ws", "Connection: Upgrade\r\nUpgrade: x\r\n")));
    upstream.wait_for_requests(2);
    client post = p.connect();
    REQUIRE(post.send(request_text("POST", "/post")));
    upstream.wait_for_requests(3);
    p.stop(); // comes back: that is the point
    // It was not the client that went.
    CHECK(p.log().find(" POST shop.example /post 503 ") != std::string::npos);
    CHECK(p.log().find("client-gone") == std::string::npos);
    // The client may have been told, or have been cut; it does not hang.
    int status = 0;
    try {
        status = c.read().status;
    } catch (const std::exception&) {
    }
    CHECK((status >= 500 || c.raw().ended() != ending::none));
}

TEST_CASE("a second SIGTERM does not wait for --drain-timeout") {
    gate never;
    scripted_upstream upstream([&](turn& t) { t.wait(never); });
    proxy p(upstream, {"--drain-timeout", "10m"});
    client c = p.connect();
    REQUIRE(c.send(request_text("GET", "/")));
    upstream.wait_for_requests(1);
    p.process().signal(SIGTERM);
    CHECK(stops_accepting(p));
    CHECK(p.process().running());
    p.stop();
}

TEST_CASE("a stop does not wait for a name that is being resolved") {
    if (sanitized()) return; // nothing can be loaded before a sanitizer's runtime
    scripted_upstream upstream([](turn& t) {
        t.ok("x", "no-store");
        t.close(); // so that the next request needs a new connection, and the address
    });
    proxy p("upstream.test:" + std::to_string(upstream.address().port),
            {"--upstream-resolve-interval", "100ms", "--threads", "1"},
            {"LD_PRELOAD=" MESHCACHE_SLOW_RESOLVER});
    CHECK(eventually([&] {
        CHECK(p.get("/").body == "x");
        return p.log().find("the resolver does not answer") != std::string::npos;
    }));
    CHECK(p.stop() == 0);
    CHECK(p.log().find(" stopped\n") != std::string::npos);
}

TEST_CASE("a stop under load loses no answer that was begun") {
    scripted_upstream upstream(
        [](turn& t) { t.ok(noise(5000), t.target() == "/no" ? "no-store" : "max-age=1"); });
    const std::string expected = noise(5000);
    for (int round = 0; round < 3; ++round) {
        proxy p(upstream, {"--threads", "4"});
        std::atomic<int> good{0};
        std::mutex mutex;
        std::vector<std::string> bad;
        std::atomic<bool> done{false};
        std::vector<std::thread> threads;
        for (int i = 0; i < 6; ++i)
            threads.emplace_back([&, i] {
                while (!done) {
                    try {
                        connection to = connection::try_to(p.address());
                        if (!to) break;
                        // One request per connection: whether a kept one was closed before or after the proxy
                        // saw the next request is a race that HTTP does not settle.
                        if (!to.send(request_text("GET", i % 2 ? "/no" : "/yes", "Connection: close\r\n")))
                            continue;
                        const auto top = read_head(to);
                        if (!top) continue; // closed in the listener's queue
                        body_reader body(to, response_framing(*top, false));
                        std::string got;
                        while (body.next(got)) {
                        }
                        if (body.complete() && got == expected) {
                            ++good;
                        } else {
                            const std::lock_guard lock(mutex);
                            bad.push_back(top->raw + std::to_string(got.size()) + " bytes");
                        }
                    } catch (const std::exception& e) {
                        const std::lock_guard lock(mutex);
                        bad.emplace_back(e.what());
                    }
                }
            });
        CHECK(eventually([&] { return good > 50; }));
        CHECK(p.stop() == 0);
        done = true;
        for (auto& t : threads) t.join();
        CHECK(bad == std::vector<std::string>{});
    }
}
