#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/head.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache::http;
using test::shown;

namespace {

using namespace std::string_literals;

struct refused {
    std::string text;
    head_error error;
};

const std::vector<std::string> valid_requests = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET / HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    "GET http://a/b?c HTTP/1.1\r\nHost:a\r\nX:\r\nY:\t \r\nZ: \ta b\t \r\n\r\n",
    "!#$%&'*+-.^_`|~ /%2f%00\\\"<>{}|^`[] HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Text: caf\xc3\xa9 \xff\x80\r\n\r\n",
    "GET / HTTP/1.1\r\nA: 0123456701234567\t0123456701234567 0123456\r\n\r\n",
};

} // namespace

TEST_CASE("a request head is taken apart") {
    const std::string text = "\r\nPUT /a/b?c=d HTTP/1.1\r\nHost:  example.org \t\r\nX-Empty:\r\n\r\nbody";
    request_head head;
    const parse_result r = parse_request_head(text, head_limits{}, head);
    REQUIRE(r.state == parse_state::complete);
    CHECK(head.verb == method::put);
    CHECK(head.method_text == "PUT");
    CHECK(head.target == "/a/b?c=d");
    CHECK(head.minor == 1);
    CHECK(head.size == text.size() - 4);
    REQUIRE(head.fields.size() == 2);
    CHECK(head.fields[0].name == "Host");
    CHECK(head.fields[0].value == "example.org");
    CHECK(head.fields[0].id == field_id::host);
    CHECK(head.fields[1].name == "X-Empty");
    CHECK(head.fields[1].value.empty());
}

TEST_CASE("methods are recognised, and only in upper case") {
    const std::vector<std::pair<std::string, method>> rows = {
        {"GET", method::get},         {"HEAD", method::head},      {"POST", method::post},
        {"PUT", method::put},         {"DELETE", method::delete_}, {"CONNECT", method::connect},
        {"OPTIONS", method::options}, {"TRACE", method::trace},    {"PATCH", method::patch},
        {"get", method::other},       {"QUERY", method::query},    {"PURGE", method::other},
        {"GETX", method::other},      {"PROPFIND", method::other},
    };
    for (const auto& [text, verb] : rows) {
        INFO(text);
        const test::request r(text + " / HTTP/1.1\r\n\r\n");
        CHECK(r.head.verb == verb);
        CHECK(r.head.method_text == text);
    }
}

TEST_CASE("safe and idempotent methods are those of RFC 9110, and QUERY") {
    for (const method m : {method::get, method::head, method::options, method::trace, method::query}) {
        CHECK(is_safe(m));
        CHECK(is_idempotent(m));
    }
    for (const method m : {method::put, method::delete_}) {
        CHECK_FALSE(is_safe(m));
        CHECK(is_idempotent(m));
    }
    for (const method m : {method::post, method::patch, method::connect, method::other}) {
        CHECK_FALSE(is_safe(m));
        CHECK_FALSE(is_idempotent(m));
    }
}

TEST_CASE("valid requests are complete with their last byte and incomplete with any fewer") {
    for (const std::string& text : valid_requests) {
        INFO(shown(text));
        request_head head;
        REQUIRE(parse_request_head(text, head_limits{}, head).state == parse_state::complete);
        CHECK(head.size == text.size());
        for (std::size_t size = 0; size < text.size(); ++size) {
            INFO("prefix of " << size);
            REQUIRE(parse_request_head(std::string_view(text).substr(0, size), head_limits{}, head).state ==
                    parse_state::incomplete);
        }
        REQUIRE(parse_request_head(text + "GET", head_limits{}, head).state == parse_state::complete);
        CHECK(head.size == text.size());
    }
}

TEST_CASE("a request that another parser could read otherwise is refused") {
    const std::vector<refused> rows = {
        // the start line
        {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", head_error::bad_start_line},
        {"\nGET / HTTP/1.1\r\n\r\n", head_error::bad_start_line},
        {"\rGET / HTTP/1.1\r\n\r\n", head_error::bad_line_end},
        {" GET / HTTP/1.1\r\n\r\n", head_error::bad_method},
        {"\tGET / HTTP/1.1\r\n\r\n", head_error::bad_method},
        {"G@T / HTTP/1.1\r\n\r\n", head_error::bad_method},
        {"G(ET / HTTP/1.1\r\n\r\n", head_error::bad_method},
        {"GET\t/ HTTP/1.1\r\n\r\n", head_error::bad_method},
        {"G\0ET / HTTP/1.1\r\n\r\n"s, head_error::bad_method},
        {"\xffGET / HTTP/1.1\r\n\r\n", head_error::bad_method},
        {"GET  / HTTP/1.1\r\n\r\n", head_error::bad_start_line},
        {"GET /  HTTP/1.1\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTP/1.1 \r\n\r\n", head_error::bad_start_line},
        {"GET /\tHTTP/1.1\r\n\r\n", head_error::bad_target},
        {"GET /\vHTTP/1.1\r\n\r\n", head_error::bad_target},
        {"GET /a b HTTP/1.1\r\n\r\n", head_error::bad_start_line},
        {"GET /#a HTTP/1.1\r\n\r\n", head_error::bad_target},
        {"GET /\x7f HTTP/1.1\r\n\r\n", head_error::bad_target},
        {"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", head_error::bad_target},
        {"GET /\0 HTTP/1.1\r\n\r\n"s, head_error::bad_target},
        {"GET /\r HTTP/1.1\r\n\r\n", head_error::bad_start_line},
        {"GET\r\n\r\n", head_error::bad_start_line},
        {"GET /\r\n\r\n", head_error::bad_start_line},
        {"GET /\n", head_error::bad_start_line},
        {"GET \r\n\r\n", head_error::bad_start_line},
        // the version
        {"GET / HTTP/2.0\r\n\r\n", head_error::bad_version},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", head_error::bad_version},
        {"GET / HTTP/0.9\r\n\r\n", head_error::bad_version},
        {"GET / HTTP/1.2\r\n\r\n", head_error::bad_version},
        {"GET / HTTP/3.1\r\n\r\n", head_error::bad_version},
        {"GET / http/1.1\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTP/1\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTP/1.\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTP/11\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTP/1.10\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTP/01.1\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTP/1,1\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTP /1.1\r\n\r\n", head_error::bad_start_line},
        {"GET / HTTPS/1.1\r\n\r\n", head_error::bad_start_line},
        {"GET / ICY/1.1\r\n\r\n", head_error::bad_start_line},
        // line ends
        {"GET / HTTP/1.1\nHost: a\n\n", head_error::bad_line_end},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", head_error::bad_line_end},
        {"GET / HTTP/1.1\r\nHost: a\r\n\n", head_error::bad_line_end},
        {"GET / HTTP/1.1\rHost: a\r\n\r\n", head_error::bad_line_end},
        {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", head_error::bad_line_end},
        {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", head_error::bad_line_end},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", head_error::bad_line_end},
        {"GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", head_error::bad_line_end},
        // field names
        {"GET / HTTP/1.1\r\n: a\r\n\r\n", head_error::bad_field_name},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", head_error::bad_field_name},
        {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", head_error::bad_field_name},
        {"GET / HTTP/1.1\r\nHost\r\n\r\n", head_error::bad_field_name},
        {"GET / HTTP/1.1\r\nHo st: a\r\n\r\n", head_error::bad_field_name},
        {"GET / HTTP/1.1\r\nHost\0: a\r\n\r\n"s, head_error::bad_field_name},
        {"GET / HTTP/1.1\r\nHo\xc3\xb6st: a\r\n\r\n", head_error::bad_field_name},
        {"GET / HTTP/1.1\r\nContent-Length\v: 1\r\n\r\n", head_error::bad_field_name},
        {"GET / HTTP/1.1\r\n\"Host\": a\r\n\r\n", head_error::bad_field_name},
        {"GET / HTTP/1.1\r\nGET / HTTP/1.1\r\n\r\n", head_error::bad_field_name},
        // folding
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", head_error::obs_fold},
        {"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", head_error::obs_fold},
        {"GET / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", head_error::obs_fold},
        {"GET / HTTP/1.1\r\nHost: a\r\n\t\r\n\r\n", head_error::obs_fold},
        {"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", head_error::obs_fold},
        // field values
        {"GET / HTTP/1.1\r\nHost: \0\r\n\r\n"s, head_error::bad_field_value},
        {"GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", head_error::bad_field_value},
        {"GET / HTTP/1.1\r\nHost: a\x0b\r\n\r\n", head_error::bad_field_value},
        {"GET / HTTP/1.1\r\nHost: a\x0c\r\n\r\n", head_error::bad_field_value},
        {"GET / HTTP/1.1\r\nHost: a\x1b[0m\r\n\r\n", head_error::bad_field_value},
        {"GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n", head_error::bad_field_value},
        {"GET / HTTP/1.1\r\nX: 0123456789abcdef\x07 0123456789abcdef\r\n\r\n", head_error::bad_field_value},
    };
    for (const refused& row : rows) {
        INFO(shown(row.text));
        request_head head;
        const parse_result r = parse_request_head(row.text, head_limits{}, head);
        CHECK(r.state == parse_state::malformed);
        CHECK(describe(r.error) == describe(row.error));
    }
}

TEST_CASE("each byte that a field value may not hold is refused at each offset") {
    const std::string before = "GET / HTTP/1.1\r\nX:";
    for (std::size_t offset = 0; offset < 20; ++offset) {
        for (unsigned c = 0; c < 256; ++c) {
            std::string value(20, 'v');
            value[offset] = static_cast<char>(c);
            request_head head;
            const parse_state state =
                parse_request_head(before + value + "\r\n\r\n", head_limits{}, head).state;
            const bool allowed = c == '\t' || (c >= 0x20 && c != 0x7f);
            INFO("byte " << c << " at " << offset);
            REQUIRE(state == (allowed ? parse_state::complete : parse_state::malformed));
        }
    }
}

TEST_CASE("heads are bounded") {
    const head_limits limits{64, 2, 8};
    request_head head;
    const auto outcome = [&](const std::string& text) {
        const parse_result r = parse_request_head(text, limits, head);
        return r.state == parse_state::malformed  ? describe(r.error)
               : r.state == parse_state::complete ? std::string_view("complete")
                                                  : std::string_view("incomplete");
    };
    const std::string line = "GET / HTTP/1.1\r\n";
    CHECK(outcome(line + "A: " + std::string(64 - 16 - 7, 'x') + "\r\n\r\n") == "complete");
    CHECK(head.size == 64);
    CHECK(outcome(line + "A: " + std::string(64 - 16 - 6, 'x') + "\r\n\r\n") ==
          describe(head_error::too_large));
    CHECK(outcome(line + "A: " + std::string(64 - 16 - 4, 'x')) == "incomplete");
    CHECK(outcome(line + "A: " + std::string(64 - 16 - 3, 'x')) == describe(head_error::too_large));
    CHECK(outcome(line + std::string(100, 'x')) == describe(head_error::too_large));
    CHECK(outcome(line + "A: 1\r\nB: 2\r\n\r\n") == "complete");
    CHECK(outcome(line + "A: 1\r\nB: 2\r\nC: 3\r\n") == describe(head_error::too_many_fields));
    CHECK(outcome("GET /2345678 HTTP/1.1\r\n\r\n") == "complete");
    CHECK(outcome("GET /23456789 HTTP/1.1\r\n\r\n") == describe(head_error::target_too_long));
    CHECK(outcome("GET /23456789") == describe(head_error::target_too_long));
    CHECK(outcome("GET /2345678") == "incomplete");
    CHECK(outcome(std::string(70, 'M')) == describe(head_error::too_large));
}

TEST_CASE("refusals are answered with the status that fits") {
    CHECK(response_status(head_error::too_large) == 431);
    CHECK(response_status(head_error::too_many_fields) == 431);
    CHECK(response_status(head_error::target_too_long) == 414);
    CHECK(response_status(head_error::bad_version) == 505);
    for (const head_error e : {head_error::bad_start_line, head_error::bad_method, head_error::bad_target,
                               head_error::bad_status, head_error::bad_field_name,
                               head_error::bad_field_value, head_error::bad_line_end, head_error::obs_fold}) {
        CHECK(response_status(e) == 400);
        CHECK_FALSE(describe(e).empty());
    }
}

TEST_CASE("a response head is taken apart") {
    const std::string text = "HTTP/1.0 404 Not at all\r\nETag: \"x\"\r\n\r\nrest";
    response_head head;
    REQUIRE(parse_response_head(text, head_limits{}, head).state == parse_state::complete);
    CHECK(head.status == 404);
    CHECK(head.reason == "Not at all");
    CHECK(head.minor == 0);
    CHECK(head.size == text.size() - 4);
    CHECK(head.fields.value(field_id::etag) == "\"x\"");
}

TEST_CASE("valid responses are complete with their last byte and incomplete with any fewer") {
    for (const std::string& text : {"HTTP/1.1 200 OK\r\n\r\n"s, "HTTP/1.1 200 \r\nA: b\r\n\r\n"s,
                                    "HTTP/1.1 200\r\nA: b\r\n\r\n"s, "HTTP/1.1 999 \xc3\xa9 \t x\r\n\r\n"s,
                                    "HTTP/1.0 100 Continue\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n"s}) {
        INFO(shown(text));
        response_head head;
        REQUIRE(parse_response_head(text, head_limits{}, head).state == parse_state::complete);
        CHECK(head.size == text.size());
        for (std::size_t size = 0; size < text.size(); ++size) {
            INFO("prefix of " << size);
            REQUIRE(parse_response_head(std::string_view(text).substr(0, size), head_limits{}, head).state ==
                    parse_state::incomplete);
        }
    }
}

TEST_CASE("a malformed response is refused") {
    const std::vector<refused> rows = {
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", head_error::bad_start_line},
        {"HTTP/1.1  200 OK\r\n\r\n", head_error::bad_status},
        {"HTTP/1.1 20 OK\r\n\r\n", head_error::bad_status},
        {"HTTP/1.1 2000 OK\r\n\r\n", head_error::bad_status},
        {"HTTP/1.1 099 OK\r\n\r\n", head_error::bad_status},
        {"HTTP/1.1 -20 OK\r\n\r\n", head_error::bad_status},
        {"HTTP/1.1 2x0 OK\r\n\r\n", head_error::bad_status},
        {"HTTP/1.1 200\tOK\r\n\r\n", head_error::bad_status},
        {"HTTP/1.1\r\n\r\n", head_error::bad_start_line},
        {"HTTP/1.1 \r\n\r\n", head_error::bad_status},
        {"HTTP/2.0 200 OK\r\n\r\n", head_error::bad_version},
        {"HTTP/2 200 OK\r\n\r\n", head_error::bad_start_line},
        {"ICY 200 OK\r\n\r\n", head_error::bad_start_line},
        {"HTTP/1.1 200 O\0K\r\n\r\n"s, head_error::bad_start_line},
        {"HTTP/1.1 200 O\rK\r\n\r\n", head_error::bad_line_end},
        {"HTTP/1.1 200 OK\n\n", head_error::bad_line_end},
        {"HTTP/1.1 200\n\n", head_error::bad_line_end},
        {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", head_error::obs_fold},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", head_error::bad_field_name},
        {"HTTP/1.1 200 OK\r\nA: b\x02\r\n\r\n", head_error::bad_field_value},
        {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", head_error::bad_field_name},
    };
    for (const refused& row : rows) {
        INFO(shown(row.text));
        response_head head;
        const parse_result r = parse_response_head(row.text, head_limits{}, head);
        CHECK(r.state == parse_state::malformed);
        CHECK(describe(r.error) == describe(row.error));
    }
}

TEST_CASE("field lines are parsed by themselves") {
    field_list fields;
    std::size_t size = 0;
    const std::string text = "A: 1\r\nB: 2\r\n\r\nrest";
    REQUIRE(parse_field_lines(text, head_limits{}, fields, size).state == parse_state::complete);
    CHECK(size == text.size() - 4);
    CHECK(fields.size() == 2);
    REQUIRE(parse_field_lines("\r\n", head_limits{}, fields, size).state == parse_state::complete);
    CHECK(size == 2);
    CHECK(fields.empty());
    CHECK(parse_field_lines("A: 1\r\n", head_limits{}, fields, size).state == parse_state::incomplete);
    CHECK(parse_field_lines("", head_limits{}, fields, size).state == parse_state::incomplete);
    CHECK(parse_field_lines("A 1\r\n", head_limits{}, fields, size).state == parse_state::malformed);
}

TEST_CASE("a head that is parsed again forgets what it held") {
    request_head head;
    REQUIRE(parse_request_head("PUT /long HTTP/1.0\r\nA: b\r\n\r\n", head_limits{}, head).state ==
            parse_state::complete);
    REQUIRE(parse_request_head("G / HTTP/1.1\r\n\r\n", head_limits{}, head).state == parse_state::complete);
    CHECK(head.verb == method::other);
    CHECK(head.minor == 1);
    CHECK(head.fields.empty());
    head.clear();
    CHECK(head.target.empty());
    CHECK(head.size == 0);
}
