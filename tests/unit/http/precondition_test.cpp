#include "support/catch.hpp"
#include "validation_support.hpp"

#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/validation.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;
using test::birth;
using test::date;
using test::line;
using test::shown;
using test::stored;
using test::today;

namespace {

const char* name(precondition p) {
    switch (p) {
    case precondition::proceed:
        return "proceed";
    case precondition::not_modified:
        return "304";
    case precondition::forward:
        return "forward";
    }
    return "?";
}

} // namespace

TEST_CASE("a cache evaluates the conditions that are for caches, in their order") {
    struct row {
        std::string stored_lines, request_lines;
        precondition expected;
    };
    const std::string lm = line("Last-Modified", date(0));
    const std::string both = "ETag: \"a\"\r\n" + lm;
    const auto since = [](std::int64_t s) { return line("If-Modified-Since", date(s)); };
    const auto p = precondition::proceed;
    const auto n = precondition::not_modified;
    const auto f = precondition::forward;
    const std::vector<row> rows = {
        {both, "", p},
        {both, "Range: bytes=0-1\r\nIf-Range: \"a\"\r\n", p},
        // If-None-Match: weak comparison
        {both, "If-None-Match: \"a\"\r\n", n},
        {both, "If-None-Match: W/\"a\"\r\n", n},
        {"ETag: W/\"a\"\r\n", "If-None-Match: \"a\"\r\n", n},
        {"ETag: W/\"a\"\r\n", "If-None-Match: W/\"a\"\r\n", n},
        {both, "If-None-Match: \"b\"\r\n", p},
        {both, "If-None-Match: \"b\", \"a\"\r\n", n},
        {both, "If-None-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n", n},
        {both, "If-None-Match: *\r\n", n},
        {"", "If-None-Match: *\r\n", n},
        {"", "If-None-Match: \"a\"\r\n", p},
        {lm, "If-None-Match: \"a\"\r\n", p},
        {"ETag: a\r\n", "If-None-Match: \"a\"\r\n", p},
        {"ETag: a\r\n", "If-None-Match: a\r\n", p},
        {"ETag: \"a\"\r\nETag: \"b\"\r\n", "If-None-Match: \"a\"\r\n", p},
        {both, "If-None-Match: a\r\n", p},
        {both, "If-None-Match:\r\n", p},
        {both, "If-None-Match: \"a\", *\r\n", p},
        {"ETag: \"\xc3\xbc\"\r\n", "If-None-Match: \"\xc3\xbc\"\r\n", n},
        // If-Modified-Since
        {lm, since(0), n},
        {lm, since(1), n},
        {lm, since(-1), p},
        {both, since(0), n},
        {lm, "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", n},
        {lm, "If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", n},
        {lm, "If-Modified-Since: Sun, 06 Nov 1994 08:49:37\r\n", p},
        {lm, "If-Modified-Since: tomorrow\r\n", p},
        {lm, "If-Modified-Since:\r\n", p},
        {lm, "If-Modified-Since: 0\r\n", p},
        {lm, "If-Modified-Since: \"a\"\r\n", p},
        {lm, since(0) + since(0), p},
        {lm, "If-Modified-Since: " + date(0) + ", " + date(0) + "\r\n", p},
        // without Last-Modified: Date, then the time of receipt, which is 100.5 s after birth here
        {line("Date", date(50)), since(49), p},
        {line("Date", date(50)), since(50), n},
        {"", since(99), p},
        {"", since(100), n},
        {"Date: x\r\n", since(99), p},
        {"Date: x\r\n", since(100), n},
        {"Last-Modified: x\r\n" + line("Date", date(50)), since(1000), p},
        {lm + lm + line("Date", date(50)), since(1000), p},
        {lm + line("Date", date(50)), since(10), n},
        // If-None-Match comes first, whatever it says
        {both, "If-None-Match: \"a\"\r\n" + since(-1), n},
        {both, "If-None-Match: \"b\"\r\n" + since(0), p},
        {both, "If-None-Match: b\r\n" + since(0), p},
        {both, "If-None-Match:\r\n" + since(0), p},
        {lm, "If-None-Match: \"a\"\r\n" + since(0), p},
        // the origin's conditions
        {both, "If-Match: \"a\"\r\n", f},
        {both, "If-Match: \"b\"\r\n", f},
        {both, "If-Match: *\r\n", f},
        {both, "If-Match:\r\n", f},
        {both, "If-Unmodified-Since: " + date(0) + "\r\n", f},
        {both, "If-Unmodified-Since: x\r\n", f},
        {both, "If-Match: \"a\"\r\nIf-None-Match: \"a\"\r\n", f},
        {both, "If-Unmodified-Since: " + date(0) + "\r\nIf-None-Match: \"a\"\r\n" + since(0), f},
    };
    const wall_time received = at(birth + 100) + milliseconds{500};
    for (const row& r : rows) {
        INFO(shown(r.stored_lines) << " for " << shown(r.request_lines));
        const stored s(r.stored_lines);
        const test::request request(test::get(r.request_lines));
        for (const method verb : {method::get, method::head})
            CHECK(std::string(name(evaluate_preconditions(request.head.fields, verb, s.head, received,
                                                          today))) == name(r.expected));
        CHECK(is_conditional(request.head.fields) == (request.head.fields.has(field_id::if_none_match) ||
                                                      request.head.fields.has(field_id::if_modified_since) ||
                                                      r.expected == f));
    }
}

TEST_CASE("conditions count for what would be a success, and for GET and HEAD") {
    const test::request request(test::get("If-None-Match: \"a\"\r\n"));
    const auto outcome = [&](method verb, std::string_view status) {
        const stored s("ETag: \"a\"\r\n", status);
        return evaluate_preconditions(request.head.fields, verb, s.head, today, today);
    };
    for (const std::string_view status : {"200 x", "203 x", "204 x", "299 x"})
        CHECK(outcome(method::get, status) == precondition::not_modified);
    for (const std::string_view status : {"301 x", "304 x", "400 x", "404 x", "410 x", "412 x", "500 x"})
        CHECK(outcome(method::get, status) == precondition::proceed);
    for (const method verb : {method::post, method::put, method::delete_, method::options, method::other})
        CHECK(outcome(verb, "200 x") == precondition::forward);
    const test::request plain(test::get(""));
    const stored s("ETag: \"a\"\r\n");
    CHECK(evaluate_preconditions(plain.head.fields, method::post, s.head, today, today) ==
          precondition::proceed);
}

TEST_CASE("a 304 has what updates the client's copy and nothing else") {
    const stored s(
        "Date: d\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Language: de\r\n"
        "ETag: \"a\"\r\nLast-Modified: m\r\nCache-Control: max-age=1\r\nCache-Control: public\r\n"
        "CDN-Cache-Control: max-age=2\r\nMeshcache-Cache-Control: max-age=3\r\nSurrogate-Control: x\r\n"
        "Expires: e\r\nVary: a\r\nVary: b\r\nContent-Location: /l\r\nSet-Cookie: c=1\r\nX-Other: o\r\n"
        "Accept-Ranges: bytes\r\nServer: s\r\nAccess-Control-Allow-Origin: *\r\n"
        "access-control-expose-headers: x\r\nTiming-Allow-Origin: *\r\nContent-Security-Policy: p\r\n"
        "Cross-Origin-Resource-Policy: same-site\r\nVia: 1.1 u\r\nVia: 1.1 meshcache\r\n"
        "Content-Length: 10\r\n");
    std::string out = "before;";
    write_not_modified_head(s.head, out);
    CHECK(
        shown(out) ==
        shown(
            "before;HTTP/1.1 304 Not Modified\r\nDate: d\r\nETag: \"a\"\r\nCache-Control: max-age=1\r\n"
            "Cache-Control: public\r\nCDN-Cache-Control: max-age=2\r\nMeshcache-Cache-Control: max-age=3\r\n"
            "Surrogate-Control: x\r\nExpires: e\r\nVary: a\r\nVary: b\r\nContent-Location: /l\r\n"
            "Access-Control-Allow-Origin: *\r\naccess-control-expose-headers: x\r\nTiming-Allow-Origin: *\r\n"
            "Cross-Origin-Resource-Policy: same-site\r\nVia: 1.1 u\r\nVia: 1.1 meshcache\r\n"));

    for (const std::string_view tag : {"", "ETag: W/\"a\"\r\n", "ETag: a\r\n"}) {
        out.clear();
        write_not_modified_head(stored(std::string(tag) + "Last-Modified: m\r\n").head, out);
        CHECK(out == "HTTP/1.1 304 Not Modified\r\n" + std::string(tag) + "Last-Modified: m\r\n");
    }
}

TEST_CASE("a stored response is validated by the validators that it has") {
    struct row {
        std::string lines;
        std::string if_none_match, if_modified_since;
    };
    const std::string lm = line("Last-Modified", date(0));
    const std::string old_form = "Sunday, 06-Nov-94 08:49:37 GMT";
    const std::vector<row> rows = {
        {"ETag: \"a\"\r\n", "\"a\"", ""},
        {"ETag: W/\"a\"\r\n", "W/\"a\"", ""},
        {lm, "", date(0)},
        {"ETag: \"a\"\r\n" + lm, "\"a\"", date(0)},
        {"Last-Modified: " + old_form + "\r\n", "", old_form},
        {line("Date", date(0)), "", ""},
        {"", "", ""},
        {"ETag: a\r\n" + lm, "", date(0)},
        {"ETag: *\r\n", "", ""},
        {"ETag: \"a\", \"b\"\r\n", "", ""},
        {"ETag: \"a\"\r\nETag: \"b\"\r\n", "", ""},
        {"ETag: \"a\"\r\nLast-Modified: x\r\n", "\"a\"", ""},
        {lm + lm, "", ""},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        const stored s(r.lines);
        const upstream_conditions c = validating_conditions(s.head, today);
        CHECK(c.drop_conditionals);
        CHECK(c.if_none_match == r.if_none_match);
        CHECK(c.if_modified_since == r.if_modified_since);
    }
    for (const std::string_view status : {"301 x", "404 x", "500 x"}) {
        const stored s("ETag: \"a\"\r\n" + lm, status);
        const upstream_conditions c = validating_conditions(s.head, today);
        CHECK(c.drop_conditionals);
        CHECK(c.if_none_match.empty());
        CHECK(c.if_modified_since.empty());
    }
}

TEST_CASE("our conditions go upstream in place of the client's") {
    const auto sent = [](std::string_view lines, const upstream_conditions& conditions) {
        const test::request r(test::get(lines));
        std::string host, out;
        request_uri uri;
        REQUIRE(split_uri(r.head, host, uri) == uri_error::none);
        write_upstream_head(r.head, uri, body_framing{}, client_facts{}, false, conditions, out);
        const test::request parsed(out);
        std::string found;
        for (const field& f : parsed.head.fields) {
            const std::string_view about = f.name.substr(0, 2);
            if (iequals(about, "if") || iequals(f.name, "range")) found += line(f.name, std::string(f.value));
        }
        return found;
    };
    const std::string theirs = "If-None-Match: \"c\"\r\nIf-Modified-Since: x\r\nIf-Match: \"d\"\r\n"
                               "If-Unmodified-Since: y\r\nIf-Range: \"e\"\r\nRange: bytes=0-1\r\n"
                               "if_none_match: \"f\"\r\nIf_Modified_Since: z\r\nIf-Match_: \"g\"\r\n";
    upstream_conditions ours;
    CHECK(sent(theirs, ours) == theirs);
    CHECK(sent("", ours).empty());
    ours.drop_conditionals = true;
    CHECK(sent(theirs, ours) == "If-Match_: \"g\"\r\n"); // no gateway reads that as If-Match
    ours.if_none_match = "W/\"a\"";
    CHECK(sent(theirs, ours) == "If-Match_: \"g\"\r\nIf-None-Match: W/\"a\"\r\n");
    ours.if_modified_since = "then";
    CHECK(sent("Connection: if-none-match\r\nIf-None-Match: \"c\"\r\n", ours) ==
          "If-None-Match: W/\"a\"\r\nIf-Modified-Since: then\r\n");
    ours.if_none_match = {};
    CHECK(sent("", ours) == "If-Modified-Since: then\r\n");
}
