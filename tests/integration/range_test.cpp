// Ranges (RFC 9110, section 14): cut from what is stored or still coming, and passed on where nothing is.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/wait.hpp"

#include <atomic>
#include <string>

using namespace meshcache::test;

namespace {

constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";
constexpr const char* stored_fields =
    "Cache-Control: max-age=60\r\nETag: \"abc\"\r\nContent-Type: text/plain\r\n"
    "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\n";

/// An upstream that knows ranges of the form `bytes=A-B`.
void partial_upstream(turn& t, std::string_view content, const char* fields = stored_fields) {
    const std::string range = t.asked().field("range");
    if (range.empty()) {
        t.respond(200, fields, content);
        return;
    }
    const auto dash = range.find('-');
    const auto first = std::stoul(range.substr(6, dash - 6));
    const auto last = dash + 1 < range.size() ? std::stoul(range.substr(dash + 1)) : content.size() - 1;
    t.respond(206,
              std::string(fields) + "Content-Range: bytes " + std::to_string(first) + "-" +
                  std::to_string(last) + "/" + std::to_string(content.size()) + "\r\n",
              content.substr(first, last - first + 1));
}

} // namespace

TEST_CASE("ranges are cut from a stored response") {
    struct row {
        const char* fields;
        int status;
        const char* content_range;
        const char* body;
    };
    const row rows[] = {
        {"Range: bytes=0-4\r\n", 206, "bytes 0-4/26", "abcde"},
        {"Range: bytes=20-\r\n", 206, "bytes 20-25/26", "uvwxyz"},
        {"Range: bytes=-3\r\n", 206, "bytes 23-25/26", "xyz"},
        {"Range: bytes=0-999\r\n", 206, "bytes 0-25/26", "abcdefghijklmnopqrstuvwxyz"},
        {"Range: bytes=26-\r\n", 416, "bytes */26", ""},
        {"Range: lines=0-4\r\n", 200, "", "abcdefghijklmnopqrstuvwxyz"},
        {"Range: bytes=4-0\r\n", 200, "", "abcdefghijklmnopqrstuvwxyz"},
        {"Range: bytes=0-4\r\nIf-Range: \"abc\"\r\n", 206, "bytes 0-4/26", "abcde"},
        {"Range: bytes=0-4\r\nIf-Range: \"other\"\r\n", 200, "", "abcdefghijklmnopqrstuvwxyz"},
        {"Range: bytes=0-4\r\nIf-Range: W/\"abc\"\r\n", 200, "", "abcdefghijklmnopqrstuvwxyz"},
        {"Range: bytes=0-4\r\nIf-Range: Sat, 01 Jan 2000 00:00:00 GMT\r\n", 206, "bytes 0-4/26", "abcde"},
        {"Range: bytes=0-4\r\nIf-None-Match: \"abc\"\r\n", 304, "", ""},
    };
    scripted_upstream upstream([](turn& t) { t.respond(200, stored_fields, letters); });
    proxy p(upstream);
    p.get("/");
    client c = p.connect();
    for (const row& r : rows) {
        INFO(r.fields);
        const response got = c.get("/", r.fields);
        INFO(got.summary());
        CHECK(got.status == r.status);
        CHECK(got.field("content-range") == r.content_range);
        CHECK(got.body == r.body);
        CHECK(got.complete);
        CHECK(got.cached().hit());
        CHECK(got.top.fields.count("content-length") == (r.status == 304 ? 0 : 1));
    }
    CHECK(upstream.requests() == 1);
}

TEST_CASE("several ranges of a stored response come as multipart/byteranges") {
    scripted_upstream upstream([](turn& t) { t.respond(200, stored_fields, noise(4096)); });
    proxy p(upstream);
    const std::string whole = p.get("/").body;
    client c = p.connect();
    const response r = c.get("/", "Range: bytes=0-9,1000-1009,-5\r\n");
    INFO(r.summary());
    CHECK(r.status == 206);
    const std::string type = r.field("content-type");
    REQUIRE(type.rfind("multipart/byteranges; boundary=", 0) == 0);
    const std::string boundary = type.substr(type.find('=') + 1);
    std::string expected;
    for (const auto& [first, last] : {std::pair{0, 9}, {1000, 1009}, {4091, 4095}}) {
        expected += (expected.empty() ? "--" : "\r\n--") + boundary +
                    "\r\nContent-Type: text/plain\r\nContent-Range: bytes " + std::to_string(first) + "-" +
                    std::to_string(last) + "/4096\r\n\r\n" +
                    whole.substr(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first + 1));
    }
    expected += "\r\n--" + boundary + "--\r\n";
    CHECK(r.body == expected);
    CHECK(r.complete);
    const response again = c.get("/", "Range: bytes=0-9,1000-1009,-5\r\n");
    CHECK(again.field("content-type") != type);
    CHECK(c.get("/").body == whole);
}

TEST_CASE("ranges that would make a small request into a large answer get the whole, once") {
    std::string many = "Range: bytes=";
    for (int i = 0; i < 60; ++i) many += (i == 0 ? "" : ",") + std::string("0-");
    std::string tiny = "Range: bytes=";
    for (int i = 0; i < 60; ++i)
        tiny += (i == 0 ? "" : ",") + std::to_string(i * 1000) + "-" + std::to_string(i * 1000);
    scripted_upstream upstream([](turn& t) { t.respond(200, stored_fields, noise(65536)); });
    proxy p(upstream);
    p.get("/");
    for (const auto& fields : {many, tiny}) {
        const response r = p.get("/", fields + "\r\n");
        CHECK(r.status == 200);
        CHECK(r.body.size() == 65536);
    }
}

TEST_CASE(
    "a range of what is not stored is passed on as it is, with its If-Range, and its answer is not stored") {
    scripted_upstream upstream([](turn& t) { partial_upstream(t, noise(4096)); });
    proxy p(upstream);
    const response r = p.get("/", "Range: bytes=100-199\r\nIf-Range: \"abc\"\r\n");
    INFO(r.summary());
    CHECK(r.status == 206);
    CHECK(r.field("content-range") == "bytes 100-199/4096");
    CHECK(r.body == noise(4096).substr(100, 100));
    CHECK_FALSE(r.cached().stored());
    CHECK(r.cached().detail() == "request-range");
    CHECK(upstream.last().field("range") == "bytes=100-199");
    CHECK(upstream.last().field("if-range") == "\"abc\"");
    CHECK(p.stats().at("objects").get<int>() == 0);
    CHECK(p.get("/").body.size() == 4096);
    CHECK(upstream.requests() == 2);
}

TEST_CASE("a 200 to a range request is the whole, and is stored") {
    scripted_upstream upstream([](turn& t) { t.respond(200, stored_fields, letters); });
    proxy p(upstream);
    const response r = p.get("/", "Range: bytes=0-4\r\n");
    INFO(r.summary());
    CHECK(r.cached().stored());
    CHECK(r.status == 206);
    CHECK(r.body == "abcde");
    CHECK(p.get("/").cached().hit());
    CHECK(p.get("/").body == letters);
}

TEST_CASE("a large part that could be stored has the whole fetched behind it, a small one has not") {
    scripted_upstream upstream([](turn& t) { partial_upstream(t, noise(4096)); });
    proxy p(upstream);
    CHECK(p.get("/small", "Range: bytes=0-99\r\n").status == 206);
    CHECK(p.get("/large", "Range: bytes=0-\r\n").status == 206);
    CHECK(eventually([&] { return p.stats().at("objects").get<int>() == 1; }));
    const response part = p.get("/large", "Range: bytes=5-9\r\n");
    CHECK(part.cached().hit());
    CHECK(part.body == noise(4096).substr(5, 5));
    CHECK(upstream.requests_for("/large") == 2);
    CHECK(upstream.requests_for("/small") == 1);
}

TEST_CASE("nothing is fetched behind a part of what may not be stored, or is too large") {
    scripted_upstream upstream([](turn& t) {
        partial_upstream(t, noise(4096),
                         t.target() == "/private" ? "Cache-Control: private\r\n" : stored_fields);
    });
    proxy p(upstream, {"--max-object", "2KiB"});
    for (const char* target : {"/private", "/large"})
        CHECK(p.get(target, "Range: bytes=0-\r\n").status == 206);
    // Fetches are begun in their order, so that one of these would have been seen by now.
    CHECK(p.get("/last").status == 200);
    CHECK(upstream.requests() == 3);
}

TEST_CASE("a range of a stale response validates it, and is cut from it") {
    scripted_upstream upstream([](turn& t) {
        if (t.asked().field("if-none-match") == "\"abc\"") {
            t.send("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n");
        } else {
            t.respond(200, std::string(stored_fields) + "Age: 60\r\n", letters);
        }
    });
    proxy p(upstream);
    p.get("/");
    const response r = p.get("/", "Range: bytes=0-4\r\n");
    INFO(r.summary());
    CHECK(r.status == 206);
    CHECK(r.body == "abcde");
    CHECK(upstream.last().field("range").empty());
    CHECK(upstream.requests() == 2);
}

TEST_CASE("a range of what is just being fetched is cut from it as it comes") {
    gate first_half;
    const std::string content = noise(10'000);
    scripted_upstream upstream([&](turn& t) {
        t.send("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n" + std::string(stored_fields) + "\r\n" +
               content.substr(0, 5000));
        t.wait(first_half);
        t.send(content.substr(5000));
    });
    proxy p(upstream);
    client whole = p.connect();
    REQUIRE(whole.send(request_text("GET", "/")));
    upstream.wait_for_requests(1);
    client early = p.connect();
    const response part = early.get("/", "Range: bytes=100-4999\r\n");
    INFO(part.summary());
    CHECK(part.status == 206);
    CHECK(part.field("content-range") == "bytes 100-4999/10000");
    CHECK(part.body == content.substr(100, 4900));
    CHECK(part.complete);
    CHECK(part.cached().has("collapsed"));

    client late = p.connect();
    REQUIRE(late.send(request_text("GET", "/", "Range: bytes=4000-6999\r\n")));
    const response known = early.get("/", "If-None-Match: \"abc\"\r\n");
    CHECK(known.status == 304);
    first_half.open();
    CHECK(late.read().body == content.substr(4000, 3000));
    CHECK(whole.read().body == content);
    CHECK(upstream.requests() == 1);
    // The connections are still in step.
    CHECK(early.get("/", "Range: bytes=0-0\r\n").body == content.substr(0, 1));
    CHECK(late.get("/").body == content);
}
