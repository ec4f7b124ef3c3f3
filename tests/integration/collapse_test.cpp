// Single flight: one request to the upstream for many that ask for the same absent thing at the same time.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <atomic>
#include <memory>

using namespace meshcache::test;

namespace {

constexpr std::size_t crowd = 50;

struct guest {
    client on;
    response got;
    std::unique_ptr<body_reader> body;
};

/// Connects `n` clients, and lets each ask for `target`.
std::vector<guest> ask_all(const proxy& p, std::size_t n, const std::string& target,
                           std::string_view fields = {}) {
    std::vector<guest> guests;
    for (std::size_t i = 0; i < n; ++i) {
        guests.push_back({p.connect(), {}, nullptr});
        if (!guests.back().on.send(request_text("GET", target, fields))) give_up("a request was not taken");
    }
    return guests;
}

/// Reads until each has `size` bytes of content.
void read_all(std::vector<guest>& guests, std::size_t size) {
    for (guest& g : guests) {
        if (!g.body) {
            g.got = g.on.read_top();
            g.body = std::make_unique<body_reader>(g.on.raw(), g.got.framed);
        }
        client::read_until(*g.body, g.got, size);
    }
}

/// Waits until all the requests that were sent are where they belong: one leads, the others wait for it.
void wait_for_waiters(const proxy& p, std::size_t connections) {
    if (!eventually([&] { return p.stats().at("connections").get<std::size_t>() >= connections; }))
        give_up("not all clients were accepted: " + p.stats().dump());
}

const std::string top = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";

} // namespace

TEST_CASE("who waits for a fetch does not wait for its leader to read informational answers") {
    const temporary_directory directory;
    gate go_on;
    // More than a unix socket takes that nobody reads from.
    constexpr int hints = 12;
    const std::string hint = "HTTP/1.1 103 Early Hints\r\nLink: " + std::string(30'000, 'x') + "\r\n\r\n";
    scripted_upstream upstream([&](turn& t) {
        t.wait(go_on);
        for (int i = 0; i < hints; ++i) t.send(hint);
        t.ok("shared");
    });
    proxy p(upstream, {"--listen", "unix:" + directory.path() + "/listen.sock", "--collapse-timeout", "10m"});
    client leader = p.connect();
    REQUIRE(leader.send(request_text("GET", "/")));
    upstream.wait_for_requests(1);
    client follower = p.connect();
    REQUIRE(follower.send(request_text("GET", "/")));
    wait_for_waiters(p, 2);
    go_on.open();
    CHECK(follower.read().body == "shared");
    const response led = leader.read();
    CHECK(led.body == "shared");
    CHECK(led.interim.size() < hints);
    CHECK(upstream.requests() == 1);
}

TEST_CASE("fifty clients on one absent key are one request upstream, and all stream along with it") {
    const std::string first = noise(20'000, 1), second = noise(20'000, 2);
    for (const bool chunked : {false, true}) {
        INFO((chunked ? "chunked" : "by length"));
        gate head, half;
        scripted_upstream upstream([&](turn& t) {
            t.wait(head);
            if (chunked)
                t.send(top + "Transfer-Encoding: chunked\r\n\r\n" + chunk(first));
            else
                t.send(top + "Content-Length: 40000\r\n\r\n" + first);
            t.wait(half);
            t.send(chunked ? chunk(second) + "0\r\n\r\n" : second);
        });
        proxy p(upstream, {"--threads", "4"});
        auto guests = ask_all(p, crowd, "/x");
        wait_for_waiters(p, crowd);
        upstream.wait_for_requests(1);
        head.open();
        read_all(guests, first.size()); // all have the first half before the second exists
        for (guest& g : guests) CHECK((g.got.body == first));
        // Who comes late joins too.
        auto late = ask_all(p, 5, "/x");
        read_all(late, first.size());
        half.open();
        read_all(guests, first.size() + second.size() + 1);
        read_all(late, first.size() + second.size() + 1);
        std::size_t collapsed = 0;
        for (auto* group : {&guests, &late}) {
            for (guest& g : *group) {
                CHECK((g.got.body == first + second));
                CHECK(g.got.complete);
                CHECK(g.got.cached().fwd() == "uri-miss");
                collapsed += g.got.cached().has("collapsed");
            }
        }
        CHECK(collapsed == crowd + 5 - 1);
        CHECK(upstream.requests() == 1);
        CHECK(p.get("/x").cached().hit());
    }
}

TEST_CASE("the fetcher's client goes away, and all the others still get the whole answer") {
    const std::string first = noise(20'000, 1), second = noise(20'000, 2);
    for (const bool before_head : {true, false}) {
        INFO((before_head ? "before the head" : "in the middle"));
        gate head, half;
        scripted_upstream upstream([&](turn& t) {
            t.wait(head);
            t.send(top + "Content-Length: 40000\r\n\r\n" + first);
            t.wait(half);
            t.send(second);
        });
        proxy p(upstream);
        auto leader = ask_all(p, 1, "/x");
        upstream.wait_for_requests(1);
        auto guests = ask_all(p, 10, "/x");
        wait_for_waiters(p, 11);
        if (before_head) leader[0].on.raw().reset();
        head.open();
        if (!before_head) {
            read_all(leader, 1000);
            read_all(guests, first.size());
            leader[0].on.raw().reset();
        }
        CHECK(eventually([&] { return p.stats().at("connections").get<std::size_t>() <= 10; }));
        half.open();
        read_all(guests, 40'001);
        for (guest& g : guests) {
            CHECK((g.got.body == first + second));
            CHECK(g.got.complete);
        }
        CHECK(upstream.requests() == 1);
        CHECK(p.get("/x").cached().hit());
    }
}

TEST_CASE("the fetcher's client does not read, and nobody waits for it") {
    const std::size_t size = 900'000; // within --max-object, beyond what the fetcher's sockets hold
    const std::string body = noise(size);
    gate begin;
    scripted_upstream upstream([&](turn& t) {
        t.wait(begin);
        t.ok(body);
    });
    proxy p(upstream);
    client leader(p.address(), 4096);
    REQUIRE(leader.send(request_text("GET", "/x")));
    upstream.wait_for_requests(1);
    auto guests = ask_all(p, 10, "/x");
    wait_for_waiters(p, 11);
    begin.open();
    read_all(guests, size + 1);
    for (guest& g : guests) {
        CHECK((g.got.body == body));
        CHECK(g.got.complete);
    }
    const response hit = p.get("/x");
    CHECK(hit.cached().hit());
    CHECK((hit.body == body));
    const response own = leader.read(); // and it gets all of it when it reads at last
    CHECK((own.body == body));
    CHECK(own.complete);
    CHECK(upstream.requests() == 1);
}

TEST_CASE("an answer beyond --max-object goes to all who joined, too, although it cannot be stored") {
    const std::string body = noise(3'000'000);
    gate begin;
    std::atomic<bool> chunked{false};
    scripted_upstream upstream([&](turn& t) {
        t.wait(begin);
        t.send(top + "Transfer-Encoding: chunked\r\n\r\n" + chunk(body) + "0\r\n\r\n");
    });
    proxy p(upstream, {"--max-object", "256KiB"});
    std::vector<std::string> got(8);
    std::vector<std::thread> readers;
    std::vector<client> clients;
    for (std::size_t i = 0; i < got.size(); ++i) {
        clients.push_back(p.connect());
        REQUIRE(clients.back().send(request_text("GET", "/x")));
    }
    wait_for_waiters(p, got.size());
    upstream.wait_for_requests(1);
    for (std::size_t i = 0; i < got.size(); ++i)
        readers.emplace_back([&, i] {
            try {
                const response r = clients[i].read();
                got[i] = r.complete ? r.body : "incomplete";
            } catch (const std::exception& e) {
                got[i] = e.what();
            }
        });
    begin.open();
    for (auto& r : readers) r.join();
    for (const auto& g : got) CHECK((g == body));
    CHECK_FALSE(p.get("/x").cached().hit());
}

TEST_CASE("answers that may not be shared go each to its own client") {
    gate begin;
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        t.wait(begin);
        t.respond(200, "Cache-Control: private, max-age=60\r\nSet-Cookie: who=" + std::to_string(n) + "\r\n",
                  "for " + t.asked().field("x-who") + " alone");
        ++n;
    });
    proxy p(upstream, {"--threads", "4"});
    std::vector<client> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(p.connect());
        REQUIRE(clients.back().send(request_text("GET", "/x", "X-Who: " + std::to_string(i) + "\r\n")));
    }
    wait_for_waiters(p, 20);
    upstream.wait_for_requests(1);
    begin.open();
    for (int i = 0; i < 20; ++i) {
        const response r = clients[static_cast<std::size_t>(i)].read();
        CHECK(r.body == "for " + std::to_string(i) + " alone");
        CHECK_FALSE(r.cached().has("collapsed"));
    }
    CHECK(upstream.requests() == 20);
}

TEST_CASE("a key whose answers cannot be shared is not waited for the next time") {
    gate stuck;
    scripted_upstream upstream([&](turn& t) {
        if (t.asked().field("x-slow").empty()) {
            t.ok("quick", "no-store");
        } else {
            t.wait(stuck);
            t.ok("slow", "no-store");
        }
    });
    proxy p(upstream);
    CHECK(p.get("/x").body == "quick");
    client slow = p.connect();
    REQUIRE(slow.send(request_text("GET", "/x", "X-Slow: 1\r\n")));
    upstream.wait_for_requests(2);
    CHECK(p.get("/x").body == "quick"); // while the slow one is still on its way
    stuck.open();
    CHECK(slow.read().body == "slow");
}

TEST_CASE("waiters of another variant are not given this one") {
    gate begin;
    scripted_upstream upstream([&](turn& t) {
        t.wait(begin);
        t.respond(200, "Cache-Control: max-age=60\r\nVary: X-V\r\n", "variant " + t.asked().field("x-v"));
    });
    proxy p(upstream);
    std::vector<client> clients;
    for (int i = 0; i < 12; ++i) {
        clients.push_back(p.connect());
        REQUIRE(clients.back().send(request_text("GET", "/x", "X-V: " + std::to_string(i % 3) + "\r\n")));
    }
    wait_for_waiters(p, 12);
    begin.open();
    for (int i = 0; i < 12; ++i) {
        const response r = clients[static_cast<std::size_t>(i)].read();
        CHECK(r.body == "variant " + std::to_string(i % 3));
        CHECK(r.complete);
    }
    for (int i = 0; i < 3; ++i) {
        // Variants that are stored at the same moment as the first note of their kind may lie below its
        // epoch; that costs one more fetch.
        const std::string fields = "X-V: " + std::to_string(i) + "\r\n";
        p.get("/x", fields);
        const response r = p.get("/x", fields);
        CHECK(r.cached().hit());
        CHECK(r.body == "variant " + std::to_string(i));
    }
}

TEST_CASE("an upstream that fails fails for all who wait, and for nobody after them") {
    struct row {
        const char* name;
        const char* bytes; ///< sent before the connection ends
    };
    const row rows[] = {
        {"before the answer", ""},
        {"by a malformed answer", "HTP\r\n\r\n"},
        {"in the middle", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhello"},
    };
    for (const row& r : rows) {
        INFO(r.name);
        gate begin, streamed;
        std::atomic<int> turns{0};
        scripted_upstream upstream([&](turn& t) {
            if (turns++ > 0) {
                t.ok("good");
                return;
            }
            t.wait(begin);
            t.send(r.bytes);
            if (std::string_view(r.bytes).find("hello") != std::string_view::npos) t.wait(streamed);
            t.close();
        });
        proxy p(upstream, {"--threads", "4"});
        auto guests = ask_all(p, crowd, "/x");
        wait_for_waiters(p, crowd);
        upstream.wait_for_requests(1);
        begin.open();
        if (std::string_view(r.bytes).find("hello") != std::string_view::npos) {
            read_all(guests, 5);
            streamed.open();
        }
        read_all(guests, 1'000'000);
        for (guest& g : guests) {
            // A client that asked only after the failure had its own, good answer.
            const bool good = g.got.complete && g.got.status == 200 && g.got.body == "good";
            const bool failed = g.got.status == 502 || !g.got.complete;
            CHECK((good || failed));
        }
        CHECK_FALSE((guests[0].got.complete && guests[0].got.status == 200));
        CHECK(p.get("/x").body == "good");
    }
}

TEST_CASE("who waits longer than --collapse-timeout goes its own way") {
    gate never;
    std::atomic<int> turns{0};
    scripted_upstream upstream([&](turn& t) {
        if (turns++ == 0) {
            t.wait(never);
            t.ok("late");
        } else {
            t.ok("own");
        }
    });
    proxy p(upstream, {"--collapse-timeout", "200ms"});
    auto leader = ask_all(p, 1, "/x");
    upstream.wait_for_requests(1);
    auto guests = ask_all(p, 5, "/x");
    read_all(guests, 4);
    for (guest& g : guests) CHECK(g.got.body == "own");
    CHECK(upstream.requests() >= 2);
    never.open();
    read_all(leader, 5);
    CHECK(leader[0].got.body == "late");
    CHECK(p.get("/x").body == "own"); // asked for later, so it is the newer one
}

TEST_CASE("a small answer that comes in one piece is whole for all who wait for it, on whatever thread") {
    const std::string body = noise(3000);
    scripted_upstream upstream([&](turn& t) { t.ok(body); });
    proxy p(upstream, {"--threads", "4"});
    std::vector<client> clients;
    for (int i = 0; i < 24; ++i) clients.push_back(p.connect());
    const std::size_t rounds = volume(1000, 500, 100);
    for (std::size_t round = 0; round < rounds; ++round) {
        const std::string request = request_text("GET", "/" + std::to_string(round));
        for (client& c : clients) REQUIRE(c.send(request));
        for (client& c : clients) {
            const response r = c.read();
            if (!r.complete || r.body != body) FAIL(r.summary());
        }
    }
    CHECK(upstream.requests() == rounds);
}

TEST_CASE("an answer without content ends for all who wait for it as it begins, on whatever thread") {
    // Bytes too many or too few would show in what the same connection brings next.
    scripted_upstream upstream([](turn& t) {
        if (t.target().starts_with("/204"))
            t.send("HTTP/1.1 204 No Content\r\nCache-Control: max-age=60\r\n\r\n");
        else
            t.ok("");
    });
    proxy p(upstream, {"--threads", "4"});
    std::vector<client> clients;
    for (int i = 0; i < 24; ++i) clients.push_back(p.connect());
    const std::size_t rounds = volume(600, 300, 60);
    for (std::size_t round = 0; round < rounds; ++round) {
        const int status = round % 3 == 0 ? 200 : 204;
        const std::string target = "/" + std::to_string(status) + "/" + std::to_string(round);
        for (client& c : clients) REQUIRE(c.send(request_text("GET", target)));
        for (client& c : clients) {
            const response r = c.read();
            const bool framed = r.top.fields.has("content-length") == (status == 200) &&
                                !r.top.fields.has("transfer-encoding");
            if (r.status != status || !r.complete || !r.body.empty() || !framed) FAIL(r.summary());
        }
    }
    CHECK(upstream.requests() == rounds);
}

TEST_CASE("collapsing survives clients that come and go at random") {
    const std::string body = noise(50'000);
    std::atomic<int> turns{0};
    scripted_upstream upstream([&](turn& t) {
        ++turns;
        t.send(top.substr(0, top.find("max-age=60")) +
               "max-age=0, s-maxage=1\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (std::size_t at = 0; at < body.size(); at += 5000)
            if (!t.send(chunk(body.substr(at, 5000)))) return;
        t.send("0\r\n\r\n");
    });
    proxy p(upstream, {"--threads", "4"});
    std::atomic<int> bad{0}, whole{0};
    std::vector<std::thread> threads;
    const std::size_t rounds = volume(200, 100, 30);
    for (unsigned seed = 1; seed <= 8; ++seed)
        threads.emplace_back([&, seed] {
            unsigned x = seed;
            for (std::size_t i = 0; i < rounds; ++i) {
                x = x * 1664525u + 1013904223u;
                try {
                    client c = p.connect();
                    c.send(request_text("GET", "/" + std::to_string((x >> 8) % 3)));
                    if ((x >> 16) % 4 == 0) { // leaves somewhere in the middle
                        response r = c.read_top();
                        body_reader reader(c.raw(), r.framed);
                        client::read_until(reader, r, (x >> 20) % 50'000);
                        c.raw().reset();
                        continue;
                    }
                    const response r = c.read();
                    if (r.status == 200 && r.complete && r.body == body)
                        ++whole;
                    else
                        ++bad;
                } catch (const std::exception&) {
                    ++bad;
                }
            }
        });
    for (auto& t : threads) t.join();
    INFO(whole.load() << " whole answers, " << turns.load() << " fetches");
    CHECK(bad == 0);
    CHECK(eventually([&] { return p.stats().at("fills").get<int>() == 0; }));
}
