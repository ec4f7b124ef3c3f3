#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/trailers.hpp>

using namespace meshcache;
using namespace meshcache::http;

namespace {

field_list fields(std::string_view lines) {
    field_list out;
    std::size_t size = 0;
    REQUIRE(parse_field_lines(lines, {}, out, size).state == parse_state::complete);
    return out;
}

} // namespace

TEST_CASE("which fields may stand in a trailer section") {
    for (const char* name : {"grpc-status", "Grpc-Message", "Server-Timing", "Content-Digest", "Repr-Digest",
                             "X-Checksum", "Digest", "X_Y"}) {
        INFO(name);
        CHECK(may_trail(name));
    }
    for (const char* name : {"Content-Length",
                             "Transfer-Encoding",
                             "Host",
                             "Authorization",
                             "Cache-Control",
                             "Content-Type",
                             "Content-Encoding",
                             "Content-Range",
                             "Content-Location",
                             "Content-Disposition",
                             "Set-Cookie",
                             "Cookie",
                             "Trailer",
                             "TE",
                             "Connection",
                             "Upgrade",
                             "Expect",
                             "Max-Forwards",
                             "Range",
                             "If-Match",
                             "If-Something",
                             "Age",
                             "Date",
                             "Expires",
                             "Vary",
                             "Location",
                             "Retry-After",
                             "Warning",
                             "WWW-Authenticate",
                             "Proxy-Authenticate",
                             "Proxy-Anything",
                             "X-Forwarded-For",
                             "X-Forwarded-User",
                             "X-Original-URL",
                             "X-HTTP-Method-Override",
                             "X-Real-IP",
                             "Via",
                             "ETag",
                             "Cache-Status",
                             "Access-Control-Allow-Origin",
                             "Sec-WebSocket-Accept",
                             "HTTP2-Settings",
                             "Content_Length",
                             "content_type",
                             "Set_Cookie",
                             "X_Forwarded_For",
                             "X-Remote-Addr",
                             "X-Script-Name",
                             "X_Script_Name",
                             "Request-URI",
                             "Base-Url",
                             "X-Backend-Host",
                             "X-Envoy-External-Address",
                             "X-Azure-ClientIP",
                             "X-Accel-Redirect",
                             "Content_Digest",
                             "Strict-Transport-Security"}) {
        INFO(name);
        CHECK_FALSE(may_trail(name));
    }
}

TEST_CASE("whether a client takes trailers") {
    const auto accepts = [](const std::string& text) {
        request_head head;
        REQUIRE(parse_request_head(text, {}, head).state == parse_state::complete);
        return accepts_trailers(head);
    };
    CHECK(accepts("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"));
    CHECK(accepts("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip;q=0.5, Trailers\r\n\r\n"));
    CHECK(accepts("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip\r\nTE: trailers\r\n\r\n"));
    CHECK_FALSE(accepts("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip\r\n\r\n"));
    CHECK_FALSE(accepts("GET / HTTP/1.1\r\nHost: a\r\nTE: xtrailers\r\n\r\n"));
    CHECK_FALSE(accepts("GET / HTTP/1.1\r\nHost: a\r\nTE:\r\n\r\n"));
    CHECK_FALSE(accepts("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_FALSE(accepts("GET / HTTP/1.0\r\nHost: a\r\nTE: trailers\r\n\r\n"));
}

TEST_CASE("the lines of a trailer section that pass") {
    const std::string section = "X-A: 1\r\nContent-Length: 5\r\nX-B:2\r\nSet-Cookie: x\r\nX-C: 3 \r\n";
    std::string out;
    trailer_filter().append(section, out);
    CHECK(out.empty());
    trailer_filter::of_response(fields("\r\n")).append(section, out);
    CHECK(out == "X-A: 1\r\nX-B: 2\r\nX-C: 3\r\n");
    out.clear();
    trailer_filter::of_response(fields("Connection: close, x-b\r\nConnection: X-C\r\n\r\n"))
        .append(section, out);
    CHECK(out == "X-A: 1\r\n");
    out.clear();
    trailer_filter::of_request(fields("\r\n")).append(section, out);
    CHECK(out.empty());
    trailer_filter::of_request(
        fields("Trailer: x-a, Content-Length\r\nTrailer: X-C\r\nConnection: X-C\r\n\r\n"))
        .append(section, out);
    CHECK(out == "X-A: 1\r\n");
    out.clear();
    trailer_filter::of_response(fields("\r\n")).append("", out);
    CHECK(out.empty());
}

TEST_CASE("only so many names of Trailer and Connection count, since each line is held against all of them") {
    std::string names;
    for (int i = 0; i < 64; ++i) names += "x-" + std::to_string(i) + ", ";
    std::string out;
    trailer_filter::of_request(fields("Trailer: " + names + "X-Late\r\n\r\n"))
        .append("X-0: 1\r\nX-63: 2\r\nX-Late: 3\r\n", out);
    CHECK(out == "X-0: 1\r\nX-63: 2\r\n");
    out.clear();
    append_trailer_field(fields("Trailer: " + names + "X-Late\r\n\r\n"), out);
    CHECK(out.find("x-63\r\n") != std::string::npos);
    CHECK(out.find("X-Late") == std::string::npos);
    out.clear();
    trailer_filter::of_response(fields("Connection: " + names + "X-Late\r\n\r\n"))
        .append("X-63: 1\r\nX-Late: 2\r\n", out);
    CHECK(out == "X-Late: 2\r\n");
}

TEST_CASE("what is said of the trailers to come") {
    const auto written = [](std::string_view lines) {
        std::string out;
        append_trailer_field(fields(lines), out);
        return out;
    };
    CHECK(written("\r\n").empty());
    CHECK(written("Trailer: X-A\r\n\r\n") == "Trailer: X-A\r\n");
    CHECK(written("Trailer: X-A, Content-Length, (x)\r\nTrailer: X-B, X-C\r\nConnection: x-c\r\n\r\n") ==
          "Trailer: X-A, X-B\r\n");
    CHECK(written("Trailer: Set-Cookie\r\n\r\n").empty());
}
