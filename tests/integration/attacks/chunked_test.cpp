// A5 to A7: the chunked coding, its extensions, and its trailer section.
#include "support/attack.hpp"
#include "support/catch.hpp"

using namespace meshcache::test;
using namespace std::string_literals;

namespace {

const std::string after(smuggled);
const std::string last = "0\r\n\r\n";

refused_attack chunks(const std::string& name, const std::string& body) {
    return {name, post_chunked(body + after)};
}

} // namespace

TEST_CASE("A5 a chunk that can be read in two ways is refused") {
    attack_stage stage;
    std::vector<refused_attack> rows;
    for (const char* size : {"0x5",
                             "0X5",
                             "x5",
                             "+5",
                             "-5",
                             "-0",
                             "5_",
                             "_5",
                             "1_0",
                             " 5",
                             "\t5",
                             "5 ",
                             "5\t",
                             "5  ",
                             "",
                             " ",
                             "g",
                             "5g",
                             "5h",
                             "5.",
                             "5,",
                             "5:",
                             "5=",
                             "#5",
                             "\"5\"",
                             "5L",
                             "5u",
                             "10000000000000005",
                             "ffffffffffffffff",
                             "8000000000000000",
                             "fffffffffffffffb",
                             "00000000000000005",
                             "5\v",
                             "5\f",
                             "\xef\xbc\x95",
                             "5\x7f",
                             "5\\"}) {
        std::string shown;
        for (const char c : std::string(size)) shown += c >= 0x20 && c < 0x7f ? c : '?';
        rows.push_back(chunks("A5 size '" + shown + "'", std::string(size) + "\r\nhello\r\n" + last));
    }
    for (const auto& [name, body] : std::vector<std::pair<std::string, std::string>>{
             {"NUL behind the size", "5\0\r\nhello\r\n"s + last},
             {"NUL before the size", "\0"
                                     "5\r\nhello\r\n"s +
                                         last},
             {"more data than announced", "5\r\nhello!\r\n" + last},
             {"more data than announced, a whole chunk", "5\r\nhello5\r\nhello\r\n" + last},
             {"less data than announced", "8\r\nhello\r\n" + last},
             {"no CRLF after the data", "5\r\nhello" + last},
             {"two CRLF after the data", "5\r\nhello\r\n\r\n" + last},
             {"LF CR after the data", "5\r\nhello\n\r" + last},
             {"bare LF after the data", "5\r\nhello\n" + last},
             {"bare CR after the data", "5\r\nhello\r" + last},
             {"any two bytes after the data", "5\r\nhelloXX" + last},
             {"bare LF after the size", "5\nhello\r\n" + last},
             {"bare CR after the size", "5\rhello\r\n" + last},
             {"CR CR LF after the size", "5\r\r\nhello\r\n" + last},
             {"LF CR after the size", "5\n\rhello\r\n" + last},
             {"bare LF after the last size", "5\r\nhello\r\n0\n\r\n"},
             {"bare LF at the end", "5\r\nhello\r\n0\r\n\n"},
             {"LF LF at the end", "5\r\nhello\r\n0\n\n"},
             {"bare CR at the end", "5\r\nhello\r\n0\r\n\r"},
             {"CR CR LF at the end", "5\r\nhello\r\n0\r\n\r\r\n"},
             {"bare CR after the last size", "5\r\nhello\r\n0\r\r\n\r\n"},
             {"blank behind the last size", "5\r\nhello\r\n0 \r\n\r\n"},
             {"0x0 at the end", "5\r\nhello\r\n0x0\r\n\r\n"},
             {"-0 at the end", "5\r\nhello\r\n-0\r\n\r\n"},
             {"an empty line first", "\r\n5\r\nhello\r\n" + last},
             {"no last chunk, but a request", "5\r\nhello\r\n"},
             {"a length instead of chunks", "hello"},
         }) {
        rows.push_back(chunks("A5 " + name, body));
    }
    stage.check_all(rows);
}

TEST_CASE("A5 chunks that are read alike by all pass, in a coding of our own") {
    attack_stage stage;
    stage.check_all<accepted_attack>({
        {"A5 one chunk", post_chunked("5\r\nhello\r\n" + last + after), {"POST $T hello", "GET $S "}},
        {"A5 none", post_chunked(last + after), {"POST $T ", "GET $S "}},
        {"A5 hex, lower case", post_chunked("a\r\n0123456789\r\n" + last), {"POST $T 0123456789"}},
        {"A5 hex, upper case", post_chunked("A\r\n0123456789\r\n" + last), {"POST $T 0123456789"}},
        {"A5 leading zeros",
         post_chunked("0005\r\nhello\r\n000\r\n\r\n" + after),
         {"POST $T hello", "GET $S "},
         false,
         "0005\r\n"},
        {"A5 chunks inside a chunk",
         post_chunked("f\r\n0\r\n\r\nGET / HTTP\r\n" + last + after),
         {"POST $T 0\r\n\r\nGET / HTTP", "GET $S "}},
        {"A5 CRLF alone as content",
         post_chunked("2\r\n\r\n\r\n" + last + after),
         {"POST $T \r\n", "GET $S "}},
        {"A5 a request as content",
         post_chunked(chunk("GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n") + last + after),
         {"POST $T GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n", "GET $S "}},
    });
}

TEST_CASE("A6 a chunk extension that can be read in two ways is refused") {
    attack_stage stage;
    std::vector<refused_attack> rows;
    for (const auto& [name, extension] : std::vector<std::pair<std::string, std::string>>{
             {"bare LF", ";a\nb"},
             {"bare LF in a value", ";a=b\nc"},
             {"bare LF at once", ";\n"},
             {"bare LF in quotes", ";a=\"b\nc\""},
             {"bare CR", ";a\rb"},
             {"bare CR in a value", ";a=b\rc"},
             {"bare CR in quotes", ";a=\"b\rc\""},
             {"CRLF in quotes", ";a=\"b\r\nc\""},
             {"CR CR LF", ";a\r"},
             {"NUL", ";a\0b"s},
             {"NUL in quotes", ";a=\"\0\""s},
             {"VT", ";a\v"},
             {"DEL", ";a\x7f"},
             {"bare semicolon", ";"},
             {"two semicolons", ";;a"},
             {"semicolon at the end", ";a=b;"},
             {"no name", ";=b"},
             {"no value", ";a="},
             {"blank before", " ;a=b"},
             {"tab before", "\t;a=b"},
             {"blank behind the semicolon", "; a=b"},
             {"blank around equals", ";a = b"},
             {"blank behind", ";a=b "},
             {"invalid token", ";a(b)"},
             {"invalid token in a value", ";a=b@c"},
             {"comma", ";a,b"},
             {"unclosed quotes", ";a=\"b"},
             {"bytes behind quotes", ";a=\"b\"c"},
             {"no ASCII", ";\xc3\xa4"},
             {"257 bytes", ";a=" + std::string(254, 'x')},
         }) {
        rows.push_back(chunks("A6 " + name, "5" + extension + "\r\nhello\r\n" + last));
        rows.push_back(chunks("A6 " + name + ", last chunk", "5\r\nhello\r\n0" + extension + "\r\n\r\n"));
    }
    stage.check_all(rows);
}

TEST_CASE("A6 valid chunk extensions are read and not forwarded") {
    attack_stage stage;
    std::vector<accepted_attack> rows;
    for (const std::string extension :
         {";a", ";a=b", ";a=\"b\"", ";a=\"b;c\\\"\"", ";a;b=c;d=\"e\"", ";a=\"\""}) {
        rows.push_back({"A6 5" + extension,
                        post_chunked("5" + extension + "\r\nhello\r\n" + last + after),
                        {"POST $T hello", "GET $S "},
                        false,
                        "5;a"});
        rows.push_back({"A6 0" + extension,
                        post_chunked("5\r\nhello\r\n0" + extension + "\r\n\r\n" + after),
                        {"POST $T hello", "GET $S "},
                        false,
                        "0;a"});
    }
    stage.check_all(rows);
}

TEST_CASE("A7 a malformed trailer section is refused") {
    attack_stage stage;
    std::vector<refused_attack> rows;
    for (const auto& [name, trailers] : std::vector<std::pair<std::string, std::string>>{
             {"bare LF end of a line", "X-A: b\n\r\n"},
             {"bare LF at the end", "X-A: b\r\n\n"},
             {"bare CR end of a line", "X-A: b\r\r\n"},
             {"CR CR LF at the end", "X-A: b\r\n\r\r\n"},
             {"no colon", "X-A\r\n\r\n"},
             {"blank before the colon", "X-A : b\r\n\r\n"},
             {"empty name", ": b\r\n\r\n"},
             {"folded", "X-A: b\r\n c\r\n\r\n"},
             {"blank first", " X-A: b\r\n\r\n"},
             {"no token", "X(A): b\r\n\r\n"},
             {"NUL in a value", "X-A: \0\r\n\r\n"s},
             {"NUL in a name", "X\0A: b\r\n\r\n"s},
             {"control in a value", "X-A: \x01\r\n\r\n"},
             {"bare CR in a value", "X-A: a\rb\r\n\r\n"},
             {"a request line", "GET /x HTTP/1.1\r\nHost: shop.example\r\n\r\n"},
         }) {
        rows.push_back(chunks("A7 " + name, "5\r\nhello\r\n0\r\n" + trailers));
    }
    stage.check_all(rows);
}

TEST_CASE("A7 trailer fields are never merged, and those that could do harm go nowhere") {
    attack_stage stage;
    std::vector<accepted_attack> rows;
    for (const char* line : {"Content-Length: 50",
                             "transfer-encoding: chunked",
                             "Transfer-Encoding: identity",
                             "Host: evil.example",
                             "Authorization: Basic evil",
                             "Proxy-Authorization: Basic evil",
                             "Content-Type: text/evil",
                             "Content-Encoding: gzip",
                             "Content-Range: bytes 0-1/2",
                             "Cookie: evil=1",
                             "Set-Cookie: evil=1",
                             "Cache-Control: no-store",
                             "Connection: close",
                             "Keep-Alive: timeout=1",
                             "TE: trailers",
                             "Trailer: X-A",
                             "Upgrade: websocket",
                             "Expect: 100-continue",
                             "Max-Forwards: 0",
                             "Range: bytes=0-1",
                             "If-Match: \"x\"",
                             "If-None-Match: *",
                             "X-Forwarded-For: 6.6.6.6",
                             "X-Forwarded-Host: evil.example",
                             "Forwarded: for=evil",
                             "Via: 1.1 evil",
                             "X-Original-URL: /admin",
                             "X-Rewrite-URL: /admin",
                             "X-HTTP-Method-Override: DELETE",
                             "X-Real-IP: 6.6.6.6",
                             "Content_Length: 50",
                             "Transfer_Encoding: chunked",
                             "X_Forwarded_For: 6.6.6.6",
                             "Pragma: no-cache",
                             "Vary: *",
                             "Age: 5",
                             "Date: x",
                             "Expires: 0",
                             "Location: /evil"}) {
        rows.push_back({"A7 " + std::string(line),
                        post_chunked("5\r\nhello\r\n0\r\n" + std::string(line) + "\r\n\r\n" + after),
                        {"POST $T hello", "GET $S "},
                        false,
                        std::string(line) + "\r\n"});
    }
    rows.push_back({"A7 lines that look like a request",
                    post_chunked("5\r\nhello\r\n0\r\nGET: /x HTTP/1.1\r\nX-Y: b\r\n\r\n" + after),
                    {"POST $T hello", "GET $S "},
                    false,
                    {}});
    stage.check_all(rows);
}

TEST_CASE("A5 to A7 what comes out as malformed after the head went on never becomes a whole request") {
    attack_stage stage;
    const std::string large = chunk(noise(100'000));
    for (const auto& [name, body] : std::vector<std::pair<std::string, std::string>>{
             {"A5 bad size", large + "zz\r\n" + after},
             {"A5 more than announced", large + "5\r\nhello!\r\n" + last},
             {"A5 bare LF", large + "5\nhello\r\n" + last},
             {"A6 extension of 64 KiB", "5;a=" + std::string(65536, 'x') + "\r\nhello\r\n" + last},
             {"A6 bare LF in an extension", large + "5;a\nb\r\nhello\r\n" + last},
             {"A7 malformed trailer", large + "0\r\nX : y\r\n\r\n" + after},
             {"A7 trailer of 64 KiB", large + "0\r\nX-A: " + std::string(65536, 'x') + "\r\n\r\n"},
             {"A7 endless trailers", large + "0\r\n" +
                                         [] {
                                             std::string all;
                                             for (int i = 0; i < 2000; ++i) all += "X-A: b\r\n";
                                             return all;
                                         }() +
                                         "\r\n"},
         }) {
        INFO(name);
        client c = stage.front().connect();
        c.send("POST /large HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
        const response got = c.read();
        CHECK(got.status == 400);
        CHECK(got.field("connection") == "close");
        CHECK(c.wait_for_end() != ending::none);
    }
    CHECK(eventually([&] { return stage.upstream().open_connections() == 0; }));
    for (const request& seen : stage.upstream().seen()) {
        CHECK_FALSE(seen.complete);
        CHECK(seen.target() == "/large");
    }
}
