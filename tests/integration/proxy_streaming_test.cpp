// Bodies of any size pass through bounded memory: nothing is kept that the slower side has not taken.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <atomic>
#include <string>
#include <thread>

using namespace meshcache::test;

namespace {

constexpr std::size_t MiB = std::size_t{1} << 20;

/// Beyond 4 GiB in release, so that no 32-bit counter hides.
std::size_t huge() { return volume((std::size_t{4} << 30) + 4097, 512 * MiB + 4097, 64 * MiB + 4097); }

/// What the proxy may hold at most while a body streams through. Sanitizers keep freed memory back.
std::size_t flat() { return sanitized() ? 512 * MiB : 24 * MiB; }

/// Sends `total` bytes in pieces of noise; returns how many went.
std::size_t pour(connection& to, std::size_t total, milliseconds bound) {
    const std::string piece = noise(256 * 1024);
    std::size_t sent = 0;
    while (sent < total) {
        const std::size_t n = std::min(piece.size(), total - sent);
        const std::size_t went = to.send_within(std::string_view(piece).substr(0, n), bound);
        sent += went;
        if (went < n) break;
    }
    return sent;
}

} // namespace

TEST_CASE("a download of several GiB streams through flat memory") {
    const std::size_t size = huge();
    for (const char* framing : {"length", "chunked", "close"}) {
        INFO(framing);
        scripted_upstream upstream([&](turn& t) {
            const std::string top = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
            if (framing == std::string("length")) {
                t.send(top + "Content-Length: " + std::to_string(size) + "\r\n\r\n");
                pour(t.raw(), size, patience());
            } else if (framing == std::string("chunked")) {
                t.send(top + "Transfer-Encoding: chunked\r\n\r\n");
                const std::string piece = chunk(noise(MiB));
                for (std::size_t sent = 0; sent < size / MiB && t.send(piece); ++sent) {
                }
                t.send(chunk(noise(size % MiB)) + "0\r\n\r\n");
            } else {
                t.send(top + "\r\n");
                pour(t.raw(), size / 8, patience());
                t.close();
            }
        });
        proxy p(upstream);
        p.get("/warm");
        p.process().reset_peak();
        const std::size_t before = p.process().resident();
        client c = p.connect();
        REQUIRE(c.send(request_text("GET", "/big")));
        const response r = c.read_top();
        CHECK(r.status == 200);
        body_reader body(c.raw(), r.framed);
        CHECK(body.skip() == (framing == std::string("close") ? size / 8 : size));
        CHECK(body.complete());
        const std::size_t peak = p.process().peak_resident();
        INFO("resident before " << before / MiB << " MiB, peak " << peak / MiB << " MiB");
        CHECK(peak < before + flat());
        CHECK(p.stats().at("objects").get<std::size_t>() == 0); // too large to be stored
    }
}

TEST_CASE("an upload of several GiB streams through flat memory") {
    const std::size_t size = huge();
    std::atomic<std::size_t> arrived{0};
    scripted_upstream upstream([&](turn& t) {
        arrived = t.body().skip();
        t.ok(t.body().complete() ? "whole" : "cut", "no-store");
    });
    proxy p(upstream);
    p.get("/warm");
    p.process().reset_peak();
    const std::size_t before = p.process().resident();
    client c = p.connect();
    SECTION("by length") {
        REQUIRE(
            c.send("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n"));
        REQUIRE(pour(c.raw(), size, patience()) == size);
    }
    SECTION("chunked") {
        REQUIRE(c.send("POST /big HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
        const std::string piece = chunk(noise(MiB));
        for (std::size_t sent = 0; sent < size / MiB; ++sent) REQUIRE(c.send(piece));
        REQUIRE(c.send(chunk(noise(size % MiB)) + "0\r\n\r\n"));
    }
    const response r = c.read();
    CHECK(r.body == "whole");
    CHECK(arrived == size);
    const std::size_t peak = p.process().peak_resident();
    INFO("resident before " << before / MiB << " MiB, peak " << peak / MiB << " MiB");
    CHECK(peak < before + flat());
}

TEST_CASE("a client that does not read holds the upstream back") {
    // Socket buffers of the kernel hold some MiB on each side; what the proxy adds must be small.
    constexpr std::size_t size = 256 * MiB;
    for (const char* cache_control : {"no-store", "max-age=60"}) {
        INFO(cache_control);
        std::atomic<std::size_t> first{0};
        gate stopped;
        scripted_upstream upstream([&](turn& t) {
            t.send("HTTP/1.1 200 OK\r\nCache-Control: " + std::string(cache_control) +
                   "\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
            const std::size_t sent = pour(t.raw(), size, milliseconds{1500});
            first = sent;
            stopped.open();
            // The rest, as the client takes it. A piece that was cut goes on where it was: all bytes count
            // alike.
            pour(t.raw(), size - sent, patience());
        });
        proxy p(upstream, {"--threads", "1"});
        client c(p.address(), 64 * 1024);
        REQUIRE(c.send(request_text("GET", "/")));
        stopped.wait();
        CHECK(first < 64 * MiB);
        const std::size_t resident = p.process().resident();
        INFO("resident " << resident / MiB << " MiB");
        CHECK(resident < (sanitized() ? 1024 : 64) * MiB);
        const response r = c.read_top();
        body_reader body(c.raw(), r.framed);
        CHECK(body.skip() == size);
        CHECK(body.complete());
    }
}

TEST_CASE("an upstream that does not read holds the client back") {
    constexpr std::size_t size = 256 * MiB;
    gate go_on;
    std::atomic<std::size_t> arrived{0};
    scripted_upstream upstream([&](turn& t) {
        t.wait(go_on);
        arrived = t.body().skip();
        t.ok("whole", "no-store");
    });
    proxy p(upstream, {"--threads", "1"});
    client c = p.connect();
    REQUIRE(c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n"));
    const std::size_t first = pour(c.raw(), size, milliseconds{1500});
    CHECK(first < 64 * MiB);
    CHECK(p.process().resident() < (sanitized() ? 1024 : 64) * MiB);
    go_on.open();
    CHECK(pour(c.raw(), size - first, patience()) == size - first);
    CHECK(c.read().body == "whole");
    CHECK(arrived == size);
}
