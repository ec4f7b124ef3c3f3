// The stage itself: what the other integration tests rely on when they say that something did not happen.
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/process.hpp"
#include "support/upstream.hpp"

#include <csignal>

using namespace meshcache::test;

TEST_CASE("the stage tells whole answers from answers that were cut short") {
    struct row {
        const char* name;
        std::string bytes;
        bool reset;
        bool complete;
        std::string body;
    };
    const row rows[] = {
        {"by length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, true, "hello"},
        {"by length, short", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", false, false, "hello"},
        {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false,
         true, "hello"},
        {"chunked with extension and trailer",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n", false,
         true, "hello"},
        {"chunked, no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
         false, false, "hello"},
        {"chunked, short chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello", false,
         false, "hello"},
        {"chunked, no chunk end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", false,
         false, "hello"},
        {"chunked, malformed", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false, false,
         ""},
        {"until close", "HTTP/1.1 200 OK\r\n\r\nhello", false, true, "hello"},
        {"until close, reset", "HTTP/1.1 200 OK\r\n\r\nhello", true, false, "hello"},
    };
    for (const row& r : rows) {
        INFO(r.name);
        gate read;
        scripted_upstream upstream([&](turn& t) {
            t.send(r.bytes);
            t.wait(read);
            r.reset ? t.reset() : t.close();
        });
        client c(upstream.address());
        c.send(request_text("GET", "/"));
        response got = c.read_top();
        if (!r.reset) read.open();
        body_reader body(c.raw(), got.framed);
        client::read_until(body, got, r.body.size());
        read.open();
        client::read_until(body, got, r.body.size() + 1);
        CHECK(got.status == 200);
        CHECK(got.body == r.body);
        CHECK(got.complete == r.complete);
    }
}

TEST_CASE("the stage reads pipelined requests one by one, keeps what came, and answers by script") {
    scripted_upstream upstream([](turn& t) {
        const std::string body = t.read_body();
        t.respond(200, "", t.target() + " " + body);
    });
    client c(upstream.address());
    std::string all;
    for (int i = 0; i < 10; ++i)
        all +=
            request_text("POST", "/" + std::to_string(i), {}, std::string(static_cast<std::size_t>(i), 'x'));
    all += "POST /chunked HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    REQUIRE(c.send(all));
    for (int i = 0; i < 10; ++i)
        CHECK(c.read().body == "/" + std::to_string(i) + " " + std::string(static_cast<std::size_t>(i), 'x'));
    CHECK(c.read().body == "/chunked abc");
    CHECK(upstream.connections() == 1);
    CHECK(upstream.requests() == 11);
    CHECK(eventually([&] { return upstream.last().complete; }));
    CHECK(upstream.last().body == "abc");
}

TEST_CASE("the stage sees how a connection ends") {
    scripted_upstream upstream([](turn& t) { t.target() == "/reset" ? t.reset() : t.close(); });
    for (const auto& [target, how] :
         {std::pair{"/reset", ending::reset}, std::pair{"/close", ending::closed}}) {
        client c(upstream.address());
        c.send(request_text("GET", target));
        CHECK(c.wait_for_end() == how);
    }
}

TEST_CASE("a scripted upstream refuses while it is stopped, and listens at the same address afterwards") {
    scripted_upstream upstream([](turn& t) { t.ok("here"); });
    client first(upstream.address());
    CHECK(first.get("/").body == "here");
    upstream.stop();
    CHECK_FALSE(connection::try_to(upstream.address()));
    CHECK(first.wait_for_end() != ending::none);
    upstream.start();
    CHECK(client(upstream.address()).get("/").body == "here");
}

TEST_CASE("a scripted upstream is taken down although a script waits for a gate that never opens") {
    gate never;
    scripted_upstream upstream([&](turn& t) { t.wait(never); });
    client c(upstream.address());
    c.send(request_text("GET", "/"));
    upstream.wait_for_requests(1);
    upstream.stop();
    CHECK(c.wait_for_end() != ending::none);
}

TEST_CASE("Cache-Status is read member by member") {
    response r;
    r.top.fields.add("Cache-Status", "origin; fwd=uri-miss, meshcache; hit; ttl=42; detail=\"a; b, c\"");
    CHECK(r.cached().cache() == "meshcache");
    CHECK(r.cached().hit());
    CHECK(r.cached().ttl() == 42);
    CHECK(r.cached().detail() == "a; b, c");
    CHECK(r.cached().fwd().empty());
}

TEST_CASE("a child process is watched to its end") {
    child_process ends({"/bin/sh", "-c", "echo one; echo two >&2; exit 3"});
    CHECK(ends.wait_for_line("on").value() == "e");
    CHECK(ends.wait() == 3);
    CHECK(ends.output() == "one\ntwo\n");
    child_process stays({"/bin/sh", "-c", "echo up; exec tail -f /dev/null"});
    CHECK(stays.wait_for_output("up"));
    CHECK(stays.running());
    CHECK(eventually([&] { return stays.resident() > 0; }));
    stays.signal(SIGTERM);
    CHECK(stays.wait() == 128 + SIGTERM);
    child_process fails({"/no/such/program"});
    CHECK(fails.wait() == 127);
    CHECK(fails.output().empty());
    CHECK_FALSE(fails.wait_for_output("x"));
}
