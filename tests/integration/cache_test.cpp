// What is stored, what it is served for, and for how long (RFC 9111), seen from outside.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

using namespace meshcache::test;

namespace {

/// Numbers its answers, so that one can tell a stored answer from a new one.
struct counting {
    std::shared_ptr<std::atomic<int>> n = std::make_shared<std::atomic<int>>(0);
    std::string fields;
    void operator()(turn& t) const {
        t.read_body();
        t.respond(200, fields, "answer " + std::to_string(++*n));
    }
};

} // namespace

TEST_CASE("the first request is a miss that is stored, the second a hit that the upstream does not see") {
    scripted_upstream upstream(counting{.fields = "Cache-Control: max-age=60\r\nX-Kept: yes\r\n"});
    proxy p(upstream);
    const response miss = p.get("/a?b=c");
    INFO(miss.summary());
    CHECK(miss.cached().cache() == "meshcache");
    CHECK(miss.cached().fwd() == "uri-miss");
    CHECK(miss.cached().parameter("fwd-status") == "200");
    CHECK(miss.cached().stored());
    CHECK_FALSE(miss.cached().hit());
    CHECK(miss.body == "answer 1");

    const response hit = p.get("/a?b=c");
    INFO(hit.summary());
    CHECK(hit.cached().hit());
    CHECK_FALSE(hit.cached().has("fwd"));
    CHECK(hit.cached().ttl() > 0);
    CHECK(hit.cached().ttl() <= 60);
    CHECK(hit.body == "answer 1");
    CHECK(hit.field("x-kept") == "yes");
    CHECK(hit.field("content-length") == "8");
    REQUIRE(hit.top.fields.count("age") == 1);
    CHECK(std::stol(hit.field("age")) >= 0);
    CHECK(std::stol(hit.field("age")) <= 60);
    CHECK(hit.top.fields.count("date") == 1);
    CHECK(hit.top.fields.count("via") == 1);
    CHECK(upstream.requests() == 1);

    const auto stats = p.stats();
    CHECK(stats.at("hits").get<int>() == 1);
    CHECK(stats.at("stored").get<int>() == 1);
    CHECK(stats.at("objects").get<int>() == 1);
}

TEST_CASE("an Age that the upstream sent is carried on, and the time it says is gone") {
    scripted_upstream upstream(counting{.fields = "Cache-Control: max-age=60\r\nAge: 50\r\n"});
    proxy p(upstream);
    const response miss = p.get("/");
    CHECK(std::stol(miss.field("age")) >= 50);
    const response hit = p.get("/");
    CHECK(hit.cached().hit());
    CHECK(hit.top.fields.count("age") == 1);
    CHECK(std::stol(hit.field("age")) >= 50);
    CHECK(hit.cached().ttl() <= 10);
}

TEST_CASE("what a shared cache may not store is not stored, and the detail says why") {
    struct row {
        const char* request;
        const char* answer;
        bool stored;
    };
    const row rows[] = {
        {"", "Cache-Control: no-store\r\n", false},
        {"", "Cache-Control: private, max-age=60\r\n", false},
        {"", "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n", false},
        {"", "Cache-Control: max-age=0\r\n", false},
        {"", "Cache-Control: s-maxage=0, max-age=60\r\n", false},
        {"", "Expires: 0\r\n", false},
        {"", "", false},
        {"", "Cache-Control: max-age=60\r\nVary: *\r\n", false},
        {"Authorization: Bearer x\r\n", "Cache-Control: max-age=60\r\n", false},
        {"Cache-Control: no-store\r\n", "Cache-Control: max-age=60\r\n", false},
        {"", "Cache-Control: max-age=60\r\n", true},
        {"", "Cache-Control: s-maxage=60, max-age=0\r\n", true},
        {"", "Cache-Control: MAX-AGE=60\r\n", true},
        {"", "Expires: Fri, 01 Jan 2100 00:00:00 GMT\r\n", true},
        {"Cookie: a=b\r\n", "Cache-Control: max-age=60\r\n", true},
        {"Authorization: Bearer x\r\n", "Cache-Control: public, max-age=60\r\n", true},
        {"Authorization: Bearer x\r\n", "Cache-Control: s-maxage=60\r\n", true},
        {"", "CDN-Cache-Control: max-age=60\r\nCache-Control: no-store\r\n", true},
        {"", "Meshcache-Cache-Control: no-store\r\nCDN-Cache-Control: max-age=60\r\n", false},
    };
    for (const row& r : rows) {
        INFO("request " << r.request << " answer " << r.answer);
        scripted_upstream upstream(counting{.fields = r.answer});
        proxy p(upstream);
        const response first = p.get("/", r.request);
        INFO(first.summary());
        CHECK(first.cached().stored() == r.stored);
        if (!r.stored) CHECK_FALSE(first.cached().detail().empty());
        const response second = p.get("/", r.request);
        CHECK(second.cached().hit() == r.stored);
        CHECK(second.body == (r.stored ? "answer 1" : "answer 2"));
        CHECK(upstream.requests() == (r.stored ? 1u : 2u));
        CHECK(p.stats().at("objects").get<int>() == (r.stored ? 1 : 0));
    }
}

TEST_CASE("statuses are stored as RFC 9111 allows, and errors only when the upstream says for how long") {
    struct row {
        int status;
        const char* fields;
        bool stored;
    };
    const row rows[] = {
        {200, "Cache-Control: max-age=60\r\n", true},
        {404, "Cache-Control: max-age=60\r\n", true},
        {301, "Cache-Control: max-age=60\r\n", true},
        {503, "Cache-Control: max-age=60\r\n", true},
        {500, "", false},
        {404, "", false},
        {502, "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\n", false},
    };
    for (const row& r : rows) {
        INFO(r.status << " " << r.fields);
        scripted_upstream upstream([&](turn& t) { t.respond(r.status, r.fields, "x"); });
        proxy p(upstream);
        CHECK(p.get("/").status == r.status);
        const response second = p.get("/");
        CHECK(second.status == r.status);
        CHECK(second.cached().hit() == r.stored);
    }
}

TEST_CASE("a stored answer expires, and is fetched anew") {
    scripted_upstream upstream(counting{.fields = "Cache-Control: max-age=1\r\n"});
    proxy p(upstream);
    CHECK(p.get("/").body == "answer 1");
    response again;
    CHECK(eventually([&] {
        again = p.get("/");
        return again.body == "answer 2";
    }));
    CHECK_FALSE(again.cached().hit());
    CHECK(again.cached().fwd() == "stale");
    CHECK(again.cached().stored());
}

TEST_CASE("host, port, path, query and scheme part keys; what is the same URI shares one") {
    std::shared_ptr<std::atomic<int>> n = std::make_shared<std::atomic<int>>(0);
    scripted_upstream upstream(counting{n, "Cache-Control: max-age=60\r\n"});
    proxy p(upstream);
    struct row {
        const char* target;
        const char* host;
        bool hit;
    };
    const row rows[] = {
        {"/p", "a.example", false},
        {"/p", "b.example", false},
        {"/p", "a.example:8080", false},
        {"/p?", "a.example", false},
        {"/p?x=1", "a.example", false},
        {"/p?x=2", "a.example", false},
        {"/P", "a.example", false},
        {"/p/", "a.example", false},
        {"//p", "a.example", false},
        {"/%70", "a.example", false},
        {"/p;x", "a.example", false},
        {"/p?x=1&", "a.example", false},
        {"/p", "a.example", true},
        {"/p", "A.EXAMPLE", true},
        {"/p", "a.example.", true},
        {"/p", "a.example:80", true},
        {"http://a.example/p", "b.example", true},
    };
    for (const row& r : rows) {
        INFO(r.target << " at " << r.host);
        CHECK(p.get(r.target, "Host: " + std::string(r.host) + "\r\n").cached().hit() == r.hit);
    }
}

TEST_CASE("what is not in the key does not change what others get") {
    // The application reflects fields that a client may send; the proxy must not let them through,
    // or it would serve one client's reflection to all.
    scripted_upstream upstream([](turn& t) {
        std::string reflected;
        for (const char* name :
             {"x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "forwarded", "x-original-url",
              "x-rewrite-url", "x-http-method-override", "x-forwarded-prefix"})
            reflected += t.asked().top.fields.joined(name) + "|";
        t.ok(reflected);
    });
    proxy p(upstream);
    const response r =
        p.get("/", "X-Forwarded-Host: evil\r\nX-Forwarded-Proto: evil\r\nX-Forwarded-Port: evil\r\n"
                   "Forwarded: host=evil\r\nX-Original-URL: evil\r\nX-Rewrite-URL: evil\r\n"
                   "X-HTTP-Method-Override: evil\r\nX-Forwarded-Prefix: evil\r\n");
    CHECK(r.cached().stored());
    CHECK(r.body.find("evil") == std::string::npos);
    CHECK(p.get("/").body == r.body);
}

TEST_CASE("Vary: each variant is stored beside the others, and found again") {
    scripted_upstream upstream([n = std::make_shared<std::atomic<int>>(0)](turn& t) {
        t.respond(200, "Cache-Control: max-age=60\r\nVary: Accept-Language, X-Kind\r\n",
                  t.asked().top.fields.joined("accept-language") + "/" +
                      t.asked().top.fields.joined("x-kind") + " " + std::to_string(++*n));
    });
    proxy p(upstream);
    struct row {
        const char* fields;
        const char* body;
        bool hit;
    };
    const row rows[] = {
        {"Accept-Language: de\r\n", "de/ 1", false},
        {"Accept-Language: en\r\n", "en/ 2", false},
        {"", "/ 3", false},
        {"Accept-Language: de\r\nX-Kind: a\r\n", "de/a 4", false},
        {"Accept-Language: de\r\nX-Kind:\r\n", "de/ 5", false}, // present and empty is not absent
        {"Accept-Language: de\r\n", "de/ 1", true},
        {"accept-language:   de  \r\n", "de/ 1", true},
        {"Accept-Language: en\r\nX-Other: x\r\n", "en/ 2", true},
        {"", "/ 3", true},
        {"X-Kind: a\r\nAccept-Language: de\r\n", "de/a 4", true},
    };
    for (const row& r : rows) {
        INFO(r.fields);
        const response got = p.get("/", r.fields);
        INFO(got.summary());
        CHECK(got.body == r.body);
        CHECK(got.cached().hit() == r.hit);
    }
    CHECK(upstream.requests() == 5);
    CHECK(p.get("/", "Accept-Language: fr\r\n").cached().fwd() == "vary-miss");
}

TEST_CASE("HEAD is answered from a stored GET, and stores nothing itself") {
    scripted_upstream upstream(counting{.fields = "Cache-Control: max-age=60\r\n"});
    proxy p(upstream);
    CHECK_FALSE(p.ask("HEAD", "/").cached().hit());
    CHECK(p.get("/").body == "answer 2");
    client c = p.connect();
    const response head = c.ask("HEAD", "/");
    CHECK(head.cached().hit());
    CHECK(head.field("content-length") == "8");
    CHECK(c.get("/").body == "answer 2"); // nothing of a body came before it
    CHECK(upstream.requests() == 2);
}

TEST_CASE("an unsafe method that succeeds invalidates its URI, one that fails does not") {
    scripted_upstream upstream([n = std::make_shared<std::atomic<int>>(0)](turn& t) {
        t.read_body();
        if (t.method() == "GET")
            t.ok("answer " + std::to_string(++*n));
        else
            t.respond(t.asked().field("x-status").empty() ? 200 : std::stoi(t.asked().field("x-status")), "",
                      "");
    });
    proxy p(upstream);
    int expected = 1;
    CHECK(p.get("/x").body == "answer 1");
    for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "UNKNOWN"}) {
        INFO(method);
        CHECK(p.ask(method, "/x", "X-Status: 403\r\n").status == 403);
        CHECK(p.ask(method, "/x", "X-Status: 500\r\n").status == 500);
        CHECK(p.ask(method, "/other").status == 200);
        CHECK(p.ask(method, "/x", "Host: other.example\r\n").status == 200);
        CHECK(p.get("/x").body == "answer " + std::to_string(expected));
        CHECK(p.ask(method, "/x").status == 200);
        const response r = p.get("/x");
        CHECK_FALSE(r.cached().hit());
        CHECK(r.body == "answer " + std::to_string(++expected));
    }
    CHECK(p.ask("OPTIONS", "/x").status == 200);
    CHECK(p.get("/x").cached().hit());
}

TEST_CASE("an unsafe method invalidates all variants of its URI") {
    scripted_upstream upstream([n = std::make_shared<std::atomic<int>>(0)](turn& t) {
        t.respond(200, "Cache-Control: max-age=60\r\nVary: X-V\r\n", std::to_string(++*n));
    });
    proxy p(upstream);
    p.get("/", "X-V: 1\r\n");
    p.get("/", "X-V: 2\r\n");
    CHECK(p.get("/", "X-V: 1\r\n").cached().hit());
    CHECK(p.get("/", "X-V: 2\r\n").cached().hit());
    p.ask("DELETE", "/");
    CHECK_FALSE(p.get("/", "X-V: 1\r\n").cached().hit());
    CHECK_FALSE(p.get("/", "X-V: 2\r\n").cached().hit());
    CHECK(p.get("/", "X-V: 1\r\n").cached().hit());
    CHECK(p.get("/", "X-V: 2\r\n").cached().hit());
}

TEST_CASE("an answer that was asked for before an unsafe method is not stored after it") {
    gate asked, changed;
    scripted_upstream upstream([&](turn& t) {
        if (t.method() == "PUT") {
            t.respond(204, "", "");
            return;
        }
        if (asked.is_open()) {
            t.ok("new");
            return;
        }
        asked.open();
        t.wait(changed);
        t.ok("old");
    });
    proxy p(upstream);
    client slow = p.connect();
    REQUIRE(slow.send(request_text("GET", "/x")));
    asked.wait();
    upstream.wait_for_requests(1);
    CHECK(p.ask("PUT", "/x").status == 204);
    changed.open();
    CHECK(slow.read().body == "old"); // it had asked before
    const response after = p.get("/x");
    CHECK_FALSE(after.cached().hit());
    CHECK(after.body == "new");
}

TEST_CASE("request directives are obeyed: no-cache, max-age, min-fresh, only-if-cached") {
    scripted_upstream upstream(counting{.fields = "Cache-Control: max-age=60\r\n"});
    proxy p(upstream);
    CHECK(p.get("/", "Cache-Control: only-if-cached\r\n").status == 504);
    CHECK(upstream.requests() == 0);
    CHECK(p.get("/").body == "answer 1");
    CHECK(p.get("/", "Cache-Control: only-if-cached\r\n").body == "answer 1");
    const response fresh = p.get("/", "Cache-Control: no-cache\r\n");
    CHECK(fresh.body == "answer 2");
    CHECK(fresh.cached().fwd() == "request");
    CHECK(p.get("/").body == "answer 2");
    CHECK(p.get("/", "Pragma: no-cache\r\n").body == "answer 3");
    CHECK(p.get("/", "Cache-Control: min-fresh=3600\r\n").body == "answer 4");
    CHECK(p.get("/", "Cache-Control: max-age=3600\r\n").cached().hit());
}

TEST_CASE("an answer larger than --max-object streams through and is not stored") {
    scripted_upstream upstream([](turn& t) {
        const std::size_t size = std::stoul(t.target().substr(1));
        if (t.asked().field("x-chunked").empty())
            t.ok(noise(size));
        else
            t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n" +
                   chunk(noise(size)) + "0\r\n\r\n");
    });
    proxy p(upstream, {"--max-object", "100KiB"});
    for (const char* fields : {"", "X-Chunked: 1\r\n"}) {
        INFO(fields);
        for (const std::size_t size : {50'000u, 90'000u, 102'401u, 200'000u, 5'000'000u}) {
            const std::string target = "/" + std::to_string(size) + (*fields ? "?chunked" : "");
            INFO(target);
            const response first = p.get(target, fields);
            CHECK((first.body == noise(size)));
            CHECK(first.complete);
            const response second = p.get(target, fields);
            CHECK((second.body == noise(size)));
            CHECK(second.cached().hit() == (size <= 100 * 1024));
        }
    }
}

TEST_CASE("a stored answer is the same bytes for every client, at the same time on every thread") {
    const std::string body = noise(200'000);
    scripted_upstream upstream([&](turn& t) { t.ok(body); });
    proxy p(upstream, {"--threads", "4"});
    REQUIRE(p.get("/").body == body);
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            try {
                client c = p.connect();
                for (int k = 0; k < 50; ++k)
                    if (const response r = c.get("/"); r.body == body && r.cached().hit()) ++good;
            } catch (const std::exception&) {
            }
        });
    for (auto& t : threads) t.join();
    CHECK(good == 400);
    CHECK(upstream.requests() == 1);
}

TEST_CASE("a flood of distinct keys stays within --memory, and what is asked for often survives it") {
    const std::size_t keys = volume(1'000'000, 100'000, 20'000);
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 256\r\n\r\n" +
               std::string(256, 'x'));
    });
    // Too small for all of them at every volume.
    proxy p(upstream, {"--memory", sanitized() ? "2MiB" : "16MiB", "--max-object", "64KiB"});
    client c = p.connect();
    for (int i = 0; i < 3; ++i) c.get("/popular");
    constexpr std::size_t batch = 100; // pipelined
    for (std::size_t at = 0; at < keys; at += batch) {
        std::string all;
        for (std::size_t i = at; i < at + batch; ++i)
            all += request_text("GET", "/flood/" + std::to_string(i));
        all += request_text("GET", "/popular");
        REQUIRE(c.send(all));
        for (std::size_t i = 0; i <= batch; ++i) {
            const response r = c.read();
            if (r.status != 200 || r.body.size() != 256) FAIL(r.summary());
        }
    }
    const auto stats = p.stats();
    INFO(stats.dump());
    const auto limit = stats.at("bytes_limit").get<std::size_t>();
    CHECK(limit == (sanitized() ? 2u : 16u) << 20);
    CHECK(stats.at("bytes").get<std::size_t>() <= limit);
    CHECK(stats.at("bytes").get<std::size_t>() >= limit / 2);
    CHECK(stats.at("evicted").get<std::size_t>() > 0);
    CHECK(c.get("/popular").cached().hit());
    const std::size_t resident = p.process().resident();
    INFO("resident " << (resident >> 20) << " MiB");
    if (!sanitized()) CHECK(resident < (std::size_t{64} << 20));
}
