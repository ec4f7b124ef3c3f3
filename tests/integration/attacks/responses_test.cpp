// C: an upstream whose answers are cut, ambiguous, or more than was asked for.
#include "support/attack.hpp"
#include "support/catch.hpp"

using namespace meshcache::test;
using namespace std::string_literals;

namespace {

using outcome = answer_attack::outcome;

const std::string top = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
const std::string evil = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nevil";
const std::string last = "0\r\n\r\n";

answer_attack refused(const std::string& name, const std::string& bytes) { return {name, bytes}; }

} // namespace

TEST_CASE("C an answer whose length can be read in two ways is a 502") {
    answer_stage stage;
    std::vector<answer_attack> rows;
    for (const auto& [name, fields] : std::vector<std::pair<std::string, std::string>>{
             {"CL and TE", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"},
             {"TE and CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"},
             {"CL 0 and TE", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"},
             {"two lengths", "Content-Length: 4\r\nContent-Length: 5\r\n"},
             {"two equal lengths", "Content-Length: 4\r\nContent-Length: 4\r\n"},
             {"a list of lengths", "Content-Length: 4, 5\r\n"},
             {"a list of equal lengths", "Content-Length: 4, 4\r\n"},
             {"an empty length", "Content-Length:\r\n"},
             {"plus", "Content-Length: +4\r\n"},
             {"minus", "Content-Length: -4\r\n"},
             {"hex", "Content-Length: 0x4\r\n"},
             {"leading zero", "Content-Length: 04\r\n"},
             {"letters", "Content-Length: 4a\r\n"},
             {"inner blank", "Content-Length: 4 4\r\n"},
             {"overflow", "Content-Length: 18446744073709551620\r\n"},
             {"gzip", "Transfer-Encoding: gzip\r\n"},
             {"gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"},
             {"chunked twice", "Transfer-Encoding: chunked, chunked\r\n"},
             {"chunked in two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
             {"identity", "Transfer-Encoding: identity\r\n"},
             {"xchunked", "Transfer-Encoding: xchunked\r\n"},
             {"chunked not last", "Transfer-Encoding: chunked, identity\r\n"},
             {"empty TE", "Transfer-Encoding:\r\n"},
             {"parameter", "Transfer-Encoding: chunked;a=b\r\n"},
         }) {
        rows.push_back(refused("C " + name, top + fields + "\r\n4\r\ngood\r\n" + last));
    }
    rows.push_back(refused("C chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\n"
                                                    "Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n" +
                                                        last));
    stage.check_all(rows);
}

TEST_CASE("C a head that can be read in two ways is a 502") {
    answer_stage stage;
    std::vector<answer_attack> rows;
    for (const auto& [name, fields] : std::vector<std::pair<std::string, std::string>>{
             {"NUL in a value", "X-A: \0\r\n"s},
             {"control in a value", "X-A: \x01\r\n"},
             {"DEL in a value", "X-A: \x7f\r\n"},
             {"bare CR in a value", "X-A: a\rb\r\n"},
             {"bare LF in a value", "X-A: a\nX-B: b\r\n"},
             {"bare LF end", "X-A: a\n"},
             {"folded", "X-A: a\r\n b\r\n"},
             {"blank before the colon", "X-A : b\r\n"},
             {"blank before the first field", " X-A: b\r\n"},
             {"NUL in a name", "X\0A: b\r\n"s},
             {"no token in a name", "X(A): b\r\n"},
             {"empty name", ": b\r\n"},
             {"no colon", "X-A\r\n"},
             {"blank before the colon of TE", "Transfer-Encoding : chunked\r\n"},
             {"129 fields",
              [] {
                  std::string all;
                  for (int i = 0; i < 129; ++i) all += "X-" + std::to_string(i) + ": v\r\n";
                  return all;
              }()},
             {"a field of 64 KiB", "X-A: " + std::string(65536, 'x') + "\r\n"},
             {"a name of 64 KiB", std::string(65536, 'x') + ": b\r\n"},
         }) {
        rows.push_back(refused("C " + name, top + fields + "Content-Length: 4\r\n\r\ngood"));
        if (!name.starts_with("blank before the first"))
            rows.push_back(refused("C " + name + ", in 103", "HTTP/1.1 103 Early Hints\r\n" + fields +
                                                                 "\r\n" + top +
                                                                 "Content-Length: 4\r\n\r\ngood"));
    }
    for (const std::string line :
         {"HTTP/1.1  200 OK", "HTTP/1.1\t200 OK",    " HTTP/1.1 200 OK", "HTTP/1.1 20 OK",
          "HTTP/1.1 2000 OK", "HTTP/1.1 2xx OK",     "HTTP/1.1 +20 OK",  "HTTP/1.1 000 OK",
          "HTTP/1.1 099 OK",  "HTTP/1.1 OK",         "HTTP/1.1",         "HTTP/1.1200 OK",
          "HTTP/2.0 200 OK",  "HTTP/1.2 200 OK",     "HTTP/0.9 200 OK",  "HTTP/1 200 OK",
          "http/1.1 200 OK",  "ICY 200 OK",          "200 OK",           "<html>",
          "GET / HTTP/1.1",   "HTTP/1.1 200 O\x01K", "HTTP/1.1 200 O\rK"}) {
        rows.push_back(
            refused("C " + line, line + "\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood"));
    }
    rows.push_back(
        refused("C bare LF behind the status line", "HTTP/1.1 200 OK\nContent-Length: 4\r\n\r\ngood"));
    rows.push_back(refused("C an empty line first", "\r\n" + top + "Content-Length: 4\r\n\r\ngood"));
    rows.push_back(refused("C HTTP/2 frames", "\0\0\x12\4\0\0\0\0\0"s + std::string(18, '\0')));
    rows.push_back(
        {"C a head cut short", top + "Content-Le", outcome::bad_gateway, {}, "GET", {}, ending::closed});
    rows.push_back({"C a head cut short by reset",
                    top + "Content-Le",
                    outcome::bad_gateway,
                    {},
                    "GET",
                    {},
                    ending::reset});
    stage.check_all(rows);
}

TEST_CASE("C an answer that is cut short is not whole for the client either") {
    answer_stage stage;
    std::vector<answer_attack> rows;
    for (const std::string storable : {"max-age=60", "no-store"}) {
        const std::string head = "HTTP/1.1 200 OK\r\nCache-Control: " + storable + "\r\n";
        for (const ending how : {ending::closed, ending::reset}) {
            const std::string name = "C " + storable + (how == ending::closed ? ", closed: " : ", reset: ");
            const auto cut = [&](const std::string& what, const std::string& bytes) {
                rows.push_back({name + what, head + bytes, outcome::cut, {}, "GET", {}, how});
            };
            cut("by length", "Content-Length: 10\r\n\r\nhello");
            cut("by length, nothing of it", "Content-Length: 10\r\n\r\n");
            cut("by length, a byte too few", "Content-Length: 6\r\n\r\nhello");
            cut("by a length that overflows 32 bits", "Content-Length: 4294967301\r\n\r\nhello");
            cut("chunked, nothing", "Transfer-Encoding: chunked\r\n\r\n");
            cut("chunked, no last chunk", "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello"));
            cut("chunked, in a size", "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "0");
            cut("chunked, in a chunk", "Transfer-Encoding: chunked\r\n\r\n8\r\nhello");
            cut("chunked, before the CRLF", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello");
            cut("chunked, before the empty line",
                "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "0\r\n");
            cut("chunked, in the empty line",
                "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "0\r\n\r");
            cut("chunked, in a trailer",
                "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "0\r\nX-A: b\r\n");
            if (how == ending::reset) cut("to the end of the connection", "\r\nhello");
        }
    }
    stage.check_all(rows);
}

TEST_CASE("C an answer whose chunks are malformed is not whole for the client either") {
    answer_stage stage;
    std::vector<answer_attack> rows;
    for (const std::string storable : {"max-age=60", "no-store"}) {
        for (const auto& [name, body] : std::vector<std::pair<std::string, std::string>>{
                 {"hex prefix", "0x5\r\nhello\r\n" + last},
                 {"sign", "+5\r\nhello\r\n" + last},
                 {"blank", "5 \r\nhello\r\n" + last},
                 {"empty size", "\r\nhello\r\n" + last},
                 {"overflow", "10000000000000005\r\nhello\r\n" + last},
                 {"more than announced", "5\r\nhello!\r\n" + last},
                 {"less than announced", "8\r\nhello\r\n" + last + evil},
                 {"no CRLF", "5\r\nhello" + last},
                 {"bare LF", "5\nhello\n0\n\n"},
                 {"bare LF at the end", "5\r\nhello\r\n0\r\n\n"},
                 {"bare LF in an extension", "5;a\nb\r\nhello\r\n" + last},
                 {"long extension", "5;a=" + std::string(300, 'x') + "\r\nhello\r\n" + last},
                 {"malformed trailer", "5\r\nhello\r\n0\r\nX : y\r\n\r\n"},
                 {"folded trailer", "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"},
                 {"a response as a trailer", "5\r\nhello\r\n0\r\n" + evil},
                 {"long trailers", "5\r\nhello\r\n0\r\nX-A: " + std::string(9000, 'x') + "\r\n\r\n"},
             }) {
            rows.push_back({"C " + storable + ": " + name,
                            "HTTP/1.1 200 OK\r\nCache-Control: " + storable +
                                "\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
                            outcome::cut});
        }
    }
    stage.check_all(rows);
}

TEST_CASE("C bytes behind an answer are nobody's answer, and make it one that is not stored") {
    answer_stage stage;
    std::vector<answer_attack> rows;
    for (const std::string storable : {"max-age=60", "no-store"}) {
        const std::string head = "HTTP/1.1 200 OK\r\nCache-Control: " + storable + "\r\n";
        for (const std::string& more : {evil, std::string("x"), std::string("\r\n"), std::string("\0", 1)}) {
            const std::string name = "C " + storable + ", " + std::to_string(more.size()) + " bytes behind ";
            rows.push_back(
                {name + "a length", head + "Content-Length: 4\r\n\r\ngood" + more, outcome::whole, "good"});
            rows.push_back(
                {name + "length 0", head + "Content-Length: 0\r\n\r\n" + more, outcome::whole, ""});
            rows.push_back({name + "chunks",
                            head + "Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n" + more,
                            outcome::whole, "good"});
            rows.push_back({name + "a long answer",
                            head + "Content-Length: 200000\r\n\r\n" + noise(200'000) + more, outcome::whole,
                            noise(200'000)});
            rows.push_back(
                {name + "HEAD", head + "Content-Length: 4\r\n\r\n" + more, outcome::whole, "", "HEAD"});
            rows.push_back({name + "204",
                            "HTTP/1.1 204 No Content\r\nCache-Control: " + storable + "\r\n\r\n" + more,
                            outcome::whole, ""});
            for (const std::string length : {"Content-Length: 4", "Transfer-Encoding: chunked"}) {
                rows.push_back(refused(name + "204, " + length, "HTTP/1.1 204 No Content\r\n" + length +
                                                                    "\r\nCache-Control: " + storable +
                                                                    "\r\n\r\n" + more));
            }
            rows.push_back({name + "304, chunked",
                            "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nCache-Control: " +
                                storable + "\r\n\r\n" + more,
                            outcome::whole, "", "HEAD", "If-None-Match: \"x\"\r\n"});
            rows.push_back({name + "304",
                            "HTTP/1.1 304 Not Modified\r\nCache-Control: " + storable + "\r\n\r\n" + more,
                            outcome::whole, "", "HEAD", "If-None-Match: \"x\"\r\n"});
        }
    }
    stage.check_all(rows);
}

TEST_CASE("C an answer to what was not asked is a 502") {
    answer_stage stage;
    std::vector<answer_attack> rows;
    for (const std::string& range :
         {std::string("Content-Range: bytes 0-3/8\r\n"), std::string("Content-Range: bytes 0-3/*\r\n"),
          std::string(), std::string("Content-Range: bytes */8\r\n")}) {
        rows.push_back(refused("C 206 unasked, " + range,
                               "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\n" + range +
                                   "Content-Length: 4\r\n\r\ngood"));
    }
    rows.push_back(refused("C 304 unasked",
                           "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nETag: \"x\"\r\n\r\n"));
    rows.push_back({"C 304 to POST",
                    "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n",
                    outcome::bad_gateway,
                    {},
                    "POST"});
    rows.push_back(
        refused("C 101 unasked",
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + evil));
    rows.push_back(refused("C 101 unasked, after 103",
                           "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching "
                           "Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"));
    stage.check_all(rows);
}

TEST_CASE("C a part of a representation is not stored as the whole") {
    scripted_upstream upstream([](turn& t) {
        if (t.asked().field("x-part").empty())
            t.ok("whole");
        else
            t.respond(206,
                      "Cache-Control: max-age=60\r\nContent-Range: " + t.asked().field("x-part") + "\r\n",
                      "part");
    });
    proxy p(upstream);
    int row = 0;
    for (const std::string range : {"bytes 0-3/8", "bytes 4-7/8", "bytes 0-3/*", "bytes 0-9/4", "bytes 3-0/8",
                                    "bytes */8", "items 0-3/8", "x"}) {
        INFO("C Content-Range: " << range);
        const std::string target = "/206/" + std::to_string(++row);
        (void)p.get(target, "Range: bytes=0-3\r\nX-Part: " + range + "\r\n");
        const response whole = p.get(target);
        CHECK(whole.status == 200);
        CHECK(whole.body == "whole");
        CHECK_FALSE(whole.cached().hit());
    }
}

TEST_CASE("C interim answers pass as they come, and are neither stored nor endless") {
    answer_stage stage;
    std::string sixteen, seventeen;
    for (int i = 0; i < 16; ++i)
        sixteen += "HTTP/1.1 103 Early Hints\r\nLink: </" + std::to_string(i) + ">\r\n\r\n";
    seventeen = sixteen + "HTTP/1.1 102 Processing\r\n\r\n";
    const std::string good = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\ngood";
    std::vector<answer_attack> rows;
    for (const auto& [name, bytes] : std::vector<std::pair<std::string, std::string>>{
             {"17 of them", seventeen + good},
             {"a thousand",
              [&] {
                  std::string all;
                  for (int i = 0; i < 60; ++i) all += seventeen;
                  return all;
              }()},
             {"with a length", "HTTP/1.1 103 Early Hints\r\nContent-Length: " + std::to_string(evil.size()) +
                                   "\r\n\r\n" + evil + good},
             {"chunked", "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + good},
             {"with content", "HTTP/1.1 103 Early Hints\r\n\r\ncontent" + good},
             {"100 with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 4\r\n\r\n" + good},
         }) {
        rows.push_back(refused("C 1xx: " + name, bytes));
    }
    stage.check_all(rows);

    // What is in bounds: the client sees it all, whatever the number.
    scripted_upstream upstream([&](turn& t) {
        std::string hints = sixteen;
        hints.replace(hints.find("103 Early Hints"), 15, "199 Strange");
        t.send(hints);
        t.ok("good");
    });
    proxy p(upstream);
    client c = p.connect();
    const response r = c.get("/hints");
    REQUIRE(r.interim.size() == 16);
    CHECK(r.interim[0].part(1) == "199");
    for (std::size_t i = 0; i < 16; ++i)
        CHECK(r.interim[i].fields.get("link") == "</" + std::to_string(i) + ">");
    CHECK(r.body == "good");
    const response hit = c.get("/hints");
    CHECK(hit.cached().hit());
    CHECK(hit.interim.empty());
}

TEST_CASE("C a client that goes away while its answer is fetched leaves nothing behind that is not whole") {
    gate go_on;
    scripted_upstream upstream([&](turn& t) {
        t.send(top + "Content-Length: 100000\r\n\r\n" + noise(50'000));
        if (t.target() == "/cut") {
            t.wait(go_on);
            t.close();
            return;
        }
        t.wait(go_on);
        t.send(noise(100'000).substr(50'000));
    });
    proxy p(upstream);
    for (const char* target : {"/cut", "/whole"}) {
        client c = p.connect();
        REQUIRE(c.send(request_text("GET", target)));
        (void)c.read_top();
        c.raw().reset();
    }
    go_on.open();
    CHECK(eventually([&] { return upstream.open_connections() <= 1; }));
    for (const char* target : {"/cut", "/whole"}) {
        client c = p.connect();
        REQUIRE(c.send(request_text("GET", target)));
        response r = c.read_top();
        CHECK(r.cached().hit() == (target == std::string("/whole")));
        if (target != std::string("/whole")) continue;
        body_reader body(c.raw(), r.framed);
        client::read_until(body, r, 100'000);
        CHECK((r.body == noise(100'000)));
    }
}
