#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/admission.hpp>

using namespace meshcache;
using namespace meshcache::http;

namespace {

struct examined {
    refusal why;
    body_framing framing;
    std::string host, path_query;
};

examined examine(const std::string& head_text, std::string_view behind = {}) {
    request_head head;
    REQUIRE(parse_request_head(head_text, {}, head).state == parse_state::complete);
    examined out;
    std::string buffer;
    request_uri uri;
    out.why = examine_request(head, behind, buffer, uri, out.framing);
    out.host = uri.host;
    out.path_query = uri.path_query;
    return out;
}

} // namespace

TEST_CASE("a request that is served has its framing and its URI") {
    const auto e = examine("POST /a?b HTTP/1.1\r\nHost: Shop.Example:80\r\nContent-Length: 5\r\n\r\n");
    CHECK_FALSE(e.why);
    CHECK(e.framing.kind == body_kind::length);
    CHECK(e.framing.length == 5);
    CHECK(e.host == "shop.example");
    CHECK(e.path_query == "/a?b");
}

TEST_CASE("a request that is refused has a status and words") {
    struct row {
        const char* text;
        const char* behind;
        int status;
        const char* why;
    };
    const row rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", "", 400, "Host is missing"},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "", 400, "malformed Content-Length"},
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "", 400, "request target is neither a path nor a URI"},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "", 501, "CONNECT is not supported"},
        {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "", 501, "TRACE is not supported"},
        {"TRACK / HTTP/1.1\r\nHost: a\r\n\r\n", "", 501, "TRACE is not supported"},
        {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200\r\n\r\n", "", 417, "unknown expectation"},
        {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n\r\n", "", 417,
         "unknown expectation"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\n", 400,
         "malformed chunked coding"},
    };
    for (const row& r : rows) {
        INFO(r.text);
        const auto e = examine(r.text, r.behind);
        CHECK(e.why.status == r.status);
        CHECK(e.why.why == r.why);
    }
}

TEST_CASE("content is looked at only where it is chunked, and only as far as it has come") {
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
    CHECK_FALSE(examine(head + "Content-Length: 5\r\n\r\n", "zzzzz").why);
    CHECK_FALSE(examine(head + "\r\n", "zzzzz").why);
    for (const char* behind : {"", "5", "5\r\nhel", "5\r\nhello\r\n0\r\n\r\nzzzzz"})
        CHECK_FALSE(examine(head + "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n", behind).why);
}
