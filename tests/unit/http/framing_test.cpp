#include "authority.hpp"
#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/framing.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache::http;
using test::shown;

namespace {

struct accepted {
    std::string lines;
    body_kind kind;
    std::uint64_t length;
};

struct refused {
    std::string lines;
    framing_error error;
};

const std::vector<refused> refused_anywhere = {
    {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", framing_error::length_and_transfer_encoding},
    {"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", framing_error::length_and_transfer_encoding},
    {"Transfer-Encoding: x\r\nContent-Length: \r\n", framing_error::length_and_transfer_encoding},
    {"Content-Length: 3\r\nContent-Length: 4\r\n", framing_error::repeated_content_length},
    {"Content-Length: 3\r\nContent-Length: 3\r\n", framing_error::repeated_content_length},
    {"Content-Length: 3\r\nX: y\r\ncontent-length:\r\n", framing_error::repeated_content_length},
    {"Content-Length:\r\n", framing_error::bad_content_length},
    {"Content-Length: 3, 3\r\n", framing_error::bad_content_length},
    {"Content-Length: 3,4\r\n", framing_error::bad_content_length},
    {"Content-Length: ,3\r\n", framing_error::bad_content_length},
    {"Content-Length: +3\r\n", framing_error::bad_content_length},
    {"Content-Length: -3\r\n", framing_error::bad_content_length},
    {"Content-Length: -0\r\n", framing_error::bad_content_length},
    {"Content-Length: 0x3\r\n", framing_error::bad_content_length},
    {"Content-Length: 03\r\n", framing_error::bad_content_length},
    {"Content-Length: 00\r\n", framing_error::bad_content_length},
    {"Content-Length: 1_0\r\n", framing_error::bad_content_length},
    {"Content-Length: 1 0\r\n", framing_error::bad_content_length},
    {"Content-Length: 3a\r\n", framing_error::bad_content_length},
    {"Content-Length: 3;x\r\n", framing_error::bad_content_length},
    {"Content-Length: 3.0\r\n", framing_error::bad_content_length},
    {"Content-Length: \"3\"\r\n", framing_error::bad_content_length},
    {"Content-Length: 1e3\r\n", framing_error::bad_content_length},
    {"Content-Length: \xd9\xa3\r\n", framing_error::bad_content_length},
    {"Content-Length: 9223372036854775808\r\n", framing_error::bad_content_length},
    {"Content-Length: 18446744073709551619\r\n", framing_error::bad_content_length},
    {"Content-Length: 100000000000000000000000000000\r\n", framing_error::bad_content_length},
    {"Transfer-Encoding:\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: identity\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: xchunked\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunkedx\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: gzip\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: gzip, chunked\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunked, gzip\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunked, identity\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunked, chunked\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: ,chunked\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunked,\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunked;a=b\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: \"chunked\"\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: 'chunked'\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunked chunked\r\n", framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
     framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
     framing_error::transfer_encoding_not_chunked},
    {"Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", framing_error::transfer_encoding_not_chunked},
};

} // namespace

TEST_CASE("a request's content is framed by its fields") {
    const std::vector<accepted> rows = {
        {"", body_kind::none, 0},
        {"Content-Length: 0\r\n", body_kind::length, 0},
        {"Content-Length: 7\r\n", body_kind::length, 7},
        {"content-length:\t 42 \r\n", body_kind::length, 42},
        {"Content-Length: 9223372036854775807\r\n", body_kind::length, 9223372036854775807ULL},
        {"Transfer-Encoding: chunked\r\n", body_kind::chunked, 0},
        {"TRANSFER-ENCODING: CHUNKED\r\n", body_kind::chunked, 0},
        {"Transfer-Encoding: Chunked \t\r\n", body_kind::chunked, 0},
        {"X-Content-Length: 3\r\nContent-Lengths: 4\r\n", body_kind::none, 0},
    };
    for (const accepted& row : rows) {
        INFO(shown(row.lines));
        const test::request r("POST / HTTP/1.1\r\nHost: a\r\n" + row.lines + "\r\n");
        body_framing framing;
        CHECK(request_framing(r.head, framing) == framing_error::none);
        CHECK(framing.kind == row.kind);
        CHECK(framing.length == row.length);
    }
}

TEST_CASE("ambiguous framing is refused in requests and responses") {
    for (const refused& row : refused_anywhere) {
        INFO(shown(row.lines));
        body_framing framing{body_kind::length, 99};
        const test::request request("POST / HTTP/1.1\r\nHost: a\r\n" + row.lines + "\r\n");
        CHECK(describe(request_framing(request.head, framing)) == describe(row.error));
        CHECK(framing.length == 99);
        for (const char* status : {"200", "204", "304", "100"}) {
            const test::response response("HTTP/1.1 " + std::string(status) + " x\r\n" + row.lines + "\r\n");
            CHECK(describe(response_framing(response.head, method::get, framing)) == describe(row.error));
            CHECK(describe(response_framing(response.head, method::head, framing)) == describe(row.error));
        }
    }
}

TEST_CASE("chunked has no place in HTTP/1.0") {
    body_framing framing;
    const test::request request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    CHECK(request_framing(request.head, framing) == framing_error::transfer_encoding_in_http10);
    const test::response response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    CHECK(response_framing(response.head, method::get, framing) ==
          framing_error::transfer_encoding_in_http10);
}

TEST_CASE("names that look like framing fields to a gateway are refused in requests") {
    body_framing framing;
    for (const char* line : {"Content_Length: 3", "CONTENT_LENGTH: 3", "Transfer_Encoding: chunked"}) {
        INFO(line);
        const test::request r("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(line) + "\r\n\r\n");
        CHECK(request_framing(r.head, framing) != framing_error::none);
    }
}

TEST_CASE("a response's content is framed by its status, its request and its fields") {
    struct row {
        const char* status;
        method verb;
        const char* lines;
        body_kind kind;
        std::uint64_t length;
    };
    const std::vector<row> rows = {
        {"200", method::get, "Content-Length: 5\r\n", body_kind::length, 5},
        {"200", method::get, "Content-Length: 0\r\n", body_kind::length, 0},
        {"200", method::get, "Transfer-Encoding: chunked\r\n", body_kind::chunked, 0},
        {"200", method::get, "", body_kind::until_close, 0},
        {"500", method::post, "", body_kind::until_close, 0},
        {"200", method::head, "Content-Length: 5\r\n", body_kind::none, 0},
        {"200", method::head, "Transfer-Encoding: chunked\r\n", body_kind::none, 0},
        {"200", method::head, "", body_kind::none, 0},
        {"204", method::get, "", body_kind::none, 0},
        {"204", method::get, "Content-Length: 0\r\n", body_kind::none, 0},
        {"304", method::get, "Content-Length: 5\r\n", body_kind::none, 0},
        {"304", method::get, "Transfer-Encoding: chunked\r\n", body_kind::none, 0},
        {"100", method::post, "", body_kind::none, 0},
        {"103", method::get, "", body_kind::none, 0},
        {"101", method::get, "", body_kind::none, 0},
        {"205", method::get, "Content-Length: 0\r\n", body_kind::length, 0},
    };
    for (const row& r : rows) {
        INFO(r.status << ' ' << shown(r.lines));
        const test::response response("HTTP/1.1 " + std::string(r.status) + " x\r\n" + r.lines + "\r\n");
        body_framing framing{body_kind::length, 99};
        CHECK(response_framing(response.head, r.verb, framing) == framing_error::none);
        CHECK(framing.kind == r.kind);
        CHECK(framing.length == r.length);
    }
}

TEST_CASE(
    "an unknown transfer coding of a response is read until the connection closes, where that is wanted") {
    struct row {
        const char* lines;
        bool taken;
    };
    const std::vector<row> rows = {
        {"Transfer-Encoding: identity\r\n", true},
        {"Transfer-Encoding: gzip\r\n", true},
        {"Transfer-Encoding:\r\n", true},
        {"Transfer-Encoding: a\r\nTransfer-Encoding: b\r\n", true},
        {"Transfer-Encoding: gzip, chunked\r\n", false},
        {"Transfer-Encoding: chunked, gzip\r\n", false},
        {"Transfer-Encoding: xChunkedx\r\n", false},
        {"Transfer-Encoding: identity\r\nTransfer-Encoding: \"chunked\"\r\n", false},
        {"Transfer-Encoding: identity\r\nContent-Length: 3\r\n", false},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        const test::response response(test::ok(r.lines));
        body_framing framing;
        const bool taken = response_framing(response.head, method::get, framing,
                                            unknown_coding::until_close) == framing_error::none;
        CHECK(taken == r.taken);
        if (taken) CHECK(framing.kind == body_kind::until_close);
        CHECK(response_framing(response.head, method::get, framing) != framing_error::none);
    }
}

TEST_CASE("a 204 that says that content follows is refused") {
    for (const char* lines :
         {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n"}) {
        for (const method verb : {method::get, method::head, method::delete_}) {
            INFO(shown(lines));
            const test::response response("HTTP/1.1 204 x\r\n" + std::string(lines) + "\r\n");
            body_framing framing;
            CHECK(response_framing(response.head, verb, framing, unknown_coding::until_close) ==
                  framing_error::content_in_204);
        }
    }
}

TEST_CASE("connections stay open by version and Connection") {
    struct row {
        int minor;
        const char* lines;
        bool open;
    };
    const std::vector<row> rows = {
        {1, "", true},
        {0, "", false},
        {1, "Connection: close\r\n", false},
        {1, "Connection: Close\r\n", false},
        {1, "Connection: upgrade, close\r\n", false},
        {1, "Connection: upgrade\r\nConnection: close\r\n", false},
        {1, "Connection: keep-alive\r\n", true},
        {1, "Connection: x\r\n", true},
        {0, "Connection: keep-alive\r\n", true},
        {0, "Connection: Keep-Alive, X\r\n", true},
        {0, "Connection: keep-alive, close\r\n", false},
        {0, "Connection: x\r\n", false},
        {0, "Proxy-Connection: keep-alive\r\n", false},
    };
    for (const row& r : rows) {
        INFO(r.minor << ' ' << shown(r.lines));
        const test::request request(test::get(r.lines));
        CHECK(keeps_alive(r.minor, request.head.fields) == r.open);
    }
}

TEST_CASE("Host is there once and well-formed") {
    struct row {
        const char* head;
        framing_error error;
    };
    const std::vector<row> rows = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", framing_error::none},
        {"GET / HTTP/1.1\r\n\r\n", framing_error::host_missing},
        {"GET / HTTP/1.0\r\n\r\n", framing_error::none},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", framing_error::none},
        {"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", framing_error::host_malformed},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", framing_error::host_repeated},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", framing_error::host_repeated},
        {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", framing_error::host_repeated},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", framing_error::host_malformed},
        {"GET http://a/ HTTP/1.1\r\n\r\n", framing_error::host_missing},
    };
    for (const row& r : rows) {
        INFO(shown(r.head));
        const test::request request(r.head);
        CHECK(describe(check_host(request.head)) == describe(r.error));
    }
}

TEST_CASE("an authority is a host and perhaps a port") {
    for (const std::string& s :
         {std::string("a"), std::string("example.org"), std::string("EXAMPLE.org."), std::string("a_b-c~d"),
          std::string("127.0.0.1"), std::string("127.0.0.1:8080"), std::string("a:1"), std::string("a:65535"),
          std::string("[::1]"), std::string("[::]"), std::string("[1:2:3:4:5:6:7:8]"),
          std::string("[2001:DB8::1]:443"), std::string("[::ffff:10.0.0.1]"), std::string("[1::]"),
          std::string("[1:2:3:4:5:6:1.2.3.4]"), std::string("[1:2:3:4:5:6:7::]"), std::string(254, 'a')}) {
        INFO(s);
        CHECK(is_authority(s));
    }
    const std::vector<std::string> bad = {
        "",
        " ",
        ".",
        "..",
        ".a",
        "a..b",
        "a...",
        "a b",
        "a,b",
        "a, a",
        "a/b",
        "a/",
        "a?b",
        "a#b",
        "a@b",
        "u:p@a",
        "a\\b",
        "a;b",
        "a%2eb",
        "a!b",
        "a(b)",
        "a'b",
        "a&b=c",
        "a|b",
        "\"a\"",
        "\xc3\xa9.org",
        std::string("a\0b", 3),
        "a:",
        ":80",
        ":",
        "a:0",
        "a:080",
        "a:65536",
        "a:100000",
        "a:8o",
        "a:+80",
        "a:-1",
        "a: 80",
        "a:80:80",
        "a::80",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[::1]x",
        "[::1]:",
        "[::1]80",
        "[::1]:0",
        "[[::1]]",
        "[:::1]",
        "[1::2::3]",
        "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:8:9]",
        "[1:2:3:4:5:6:7:8::]",
        "[12345::]",
        "[g::]",
        "[:1]",
        "[1:]",
        "[::1%25eth0]",
        "[fe80::1%eth0]",
        "[v1.a]",
        "[1.2.3.4]",
        "[::1.2.3]",
        "[::1.2.3.256]",
        "[::01.2.3.4]",
        "[::1.2.3.4:5]",
        "[1:2:3:4:5:6:7:1.2.3.4]",
        "a[::1]",
        std::string(255, 'a'),
    };
    for (const std::string& s : bad) {
        INFO(s);
        CHECK_FALSE(is_authority(s));
    }
}

TEST_CASE("an authority is normalised") {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"a", "a"},
        {"EXAMPLE.Org", "example.org"},
        {"a.", "a"},
        {"a.:80", "a"},
        {"a:80", "a"},
        {"a:8080", "a:8080"},
        {"a.:81", "a:81"},
        {"[2001:DB8::1]:80", "[2001:db8::1]"},
        {"[::1]:443", "[::1]:443"},
    };
    for (const auto& [in, expected] : rows) {
        std::string out = "old";
        normalise_authority(in, out);
        CHECK(out == expected);
        CHECK(is_authority(out));
        std::string again;
        normalise_authority(out, again);
        CHECK(again == out);
    }
}
