#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/stored_head.hpp>
#include <meshcache/http/validation.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;
using test::shown;

namespace {

// 784111777 is Sun, 06 Nov 1994 08:49:37 GMT.
constexpr std::int64_t birth = 784111777;
const wall_time today = at(1700000000);

std::string date(std::int64_t after_birth) { return format_date(at(birth + after_birth)); }
std::string line(std::string_view name, const std::string& value) {
    return std::string(name) + ": " + value + "\r\n";
}

/// A stored head with these lines.
struct stored {
    explicit stored(std::string_view lines, std::string_view status = "200 OK")
        : text("HTTP/1.1 " + std::string(status) + "\r\n" + std::string(lines)) {
        if (!read_stored_head(text, head)) throw std::invalid_argument("not a stored head: " + text);
    }
    stored(const stored&) = delete;
    stored& operator=(const stored&) = delete;
    const std::string text;
    response_head head;
};

/// An answer of the upstream with these lines.
std::string answered(std::string_view status, std::string_view lines) {
    return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(lines) + "\r\n";
}

const char* name(tag_list t) {
    switch (t) {
    case tag_list::absent:
        return "absent";
    case tag_list::malformed:
        return "malformed";
    case tag_list::any:
        return "any";
    case tag_list::match:
        return "match";
    case tag_list::no_match:
        return "no_match";
    }
    return "?";
}

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

const char* name(validator_match m) {
    switch (m) {
    case validator_match::strong:
        return "strong";
    case validator_match::weak:
        return "weak";
    case validator_match::unnamed:
        return "unnamed";
    case validator_match::mismatch:
        return "mismatch";
    }
    return "?";
}

const char* name(head_effect e) {
    switch (e) {
    case head_effect::same:
        return "same";
    case head_effect::update:
        return "update";
    case head_effect::invalidate:
        return "invalidate";
    }
    return "?";
}

update_settings settings() {
    update_settings s;
    s.now = today;
    return s;
}

/// The head that a 304 with `news` makes of one with `lines`, without its status line; or why it was refused.
std::string freshened(std::string_view lines, std::string_view news,
                      const update_settings& how = settings()) {
    const stored before(lines);
    const test::response answer(answered("304 Not Modified", news));
    std::string out = "what was there";
    const auto refusal =
        freshen(before.head, answer.head, validating_conditions(before.head, today), how, out);
    if (refusal != update_refusal::none) return std::string(describe(refusal));
    constexpr std::string_view status_line = "HTTP/1.1 200 OK\r\n";
    return out.compare(0, status_line.size(), status_line) == 0 ? out.substr(status_line.size()) : out;
}

const std::string our_via = "Via: 1.1 meshcache\r\n";

} // namespace

TEST_CASE("an entity tag is a quoted string without escapes, weak or strong") {
    struct row {
        std::string text;
        std::optional<std::string> opaque; ///< nullopt: malformed
        bool weak = false;
    };
    const std::vector<row> rows = {
        {"\"a\"", "a"},
        {"\"\"", ""},
        {"\"xyzzy\"", "xyzzy"},
        {"W/\"xyzzy\"", "xyzzy", true},
        {"W/\"\"", "", true},
        {"\"W/\"", "W/"},
        {"\"*\"", "*"},
        {"\"a,b\"", "a,b"},
        {"\"a\\\"", "a\\"},
        {"\"\\\"", "\\"},
        {"\"!\"", "!"},
        {"\"~\"", "~"},
        {"\"#[]{}<>@:;='\"", "#[]{}<>@:;='"},
        {"\"\x80\xff\"", "\x80\xff"},
        {"", std::nullopt},
        {"a", std::nullopt},
        {"\"", std::nullopt},
        {"\"a", std::nullopt},
        {"a\"", std::nullopt},
        {"'a'", std::nullopt},
        {"*", std::nullopt},
        {"W", std::nullopt},
        {"W/", std::nullopt},
        {"W/a", std::nullopt},
        {"W/\"", std::nullopt},
        {"W/\"a", std::nullopt},
        {"w/\"a\"", std::nullopt},
        {"W\"a\"", std::nullopt},
        {"W\\\"a\"", std::nullopt},
        {"W/ \"a\"", std::nullopt},
        {"W /\"a\"", std::nullopt},
        {"W/W/\"a\"", std::nullopt},
        {"\"a b\"", std::nullopt},
        {"\"a\tb\"", std::nullopt},
        {"\" a\"", std::nullopt},
        {"\"a\"b\"", std::nullopt},
        {"\"a\"\"", std::nullopt},
        {"\"a\" ", std::nullopt},
        {" \"a\"", std::nullopt},
        {"\"a\",", std::nullopt},
        {"\"a\", \"b\"", std::nullopt},
        {"\"a\"-gzip", std::nullopt},
        {"\"\x7f\"", std::nullopt},
        {"\"\x01\"", std::nullopt},
        {std::string("\"\0\"", 3), std::nullopt},
    };
    for (const row& r : rows) {
        INFO(shown(r.text));
        const auto tag = parse_entity_tag(r.text);
        REQUIRE(tag.has_value() == r.opaque.has_value());
        if (!tag) continue;
        CHECK(tag->opaque == *r.opaque);
        CHECK(tag->weak == r.weak);
    }
}

TEST_CASE("entity tags compare as the RFC's table has it") {
    struct row {
        std::string_view a, b;
        bool strong, weak;
    };
    const std::vector<row> rows = {
        {"W/\"1\"", "W/\"1\"", false, true}, {"W/\"1\"", "W/\"2\"", false, false},
        {"W/\"1\"", "\"1\"", false, true},   {"\"1\"", "\"1\"", true, true},
        {"\"1\"", "\"2\"", false, false},    {"\"a\"", "\"A\"", false, false},
        {"\"\"", "\"\"", true, true},
    };
    for (const row& r : rows) {
        const auto a = *parse_entity_tag(r.a), b = *parse_entity_tag(r.b);
        INFO(r.a << " " << r.b);
        CHECK(strong_match(a, b) == r.strong);
        CHECK(strong_match(b, a) == r.strong);
        CHECK(weak_match(a, b) == r.weak);
        CHECK(weak_match(b, a) == r.weak);
    }
}

TEST_CASE("a list of entity tags is read on all its lines") {
    struct row {
        std::vector<std::string> lines;
        tag_list expected;
    };
    const std::vector<row> rows = {
        {{}, tag_list::absent},
        {{"\"a\""}, tag_list::match},
        {{"W/\"a\""}, tag_list::match},
        {{"\"b\""}, tag_list::no_match},
        {{"\"A\""}, tag_list::no_match},
        {{"\"aa\""}, tag_list::no_match},
        {{"\"a\", \"b\""}, tag_list::match},
        {{"\"b\", \"a\""}, tag_list::match},
        {{"\"b\",\"a\",\"c\""}, tag_list::match},
        {{"\"b\" , W/\"a\"\t,\t\"c\""}, tag_list::match},
        {{"\"b\", W/\"c\""}, tag_list::no_match},
        {{"\"b,\", \"a\""}, tag_list::match},
        {{"\"b\\\", \"a\""}, tag_list::match}, // no escapes
        {{"\"\\\",\"a\""}, tag_list::match},
        {{"\",\"a\",\""}, tag_list::malformed},
        {{",,\"a\",,"}, tag_list::match},
        {{", ,"}, tag_list::no_match},
        {{""}, tag_list::no_match},
        {{"\"b\"", "\"a\""}, tag_list::match},
        {{"\"b\"", "\"c\""}, tag_list::no_match},
        {{"\"b\"", "", "\"a\""}, tag_list::match},
        {{"*"}, tag_list::any},
        {{",*,"}, tag_list::any},
        {{"", "*"}, tag_list::any},
        {{"\"*\""}, tag_list::no_match},
        {{"*", "*"}, tag_list::malformed},
        {{"*,*"}, tag_list::malformed},
        {{"**"}, tag_list::malformed},
        {{"* *"}, tag_list::malformed},
        {{"*, \"a\""}, tag_list::malformed},
        {{"\"a\", *"}, tag_list::malformed},
        {{"\"a\"", "*"}, tag_list::malformed},
        {{"*\"a\""}, tag_list::malformed},
        {{"W/*"}, tag_list::malformed},
        {{"a"}, tag_list::malformed},
        {{"\"a\", a"}, tag_list::malformed},
        {{"a, \"a\""}, tag_list::malformed},
        {{"\"a\"", "a"}, tag_list::malformed},
        {{"\"a\" \"b\""}, tag_list::malformed},
        {{"\"a\"\"b\""}, tag_list::malformed},
        {{"\"a\";\"b\""}, tag_list::malformed},
        {{"\"a"}, tag_list::malformed},
        {{"\"a\", \""}, tag_list::malformed},
        {{"\"a", "\""}, tag_list::malformed},
        {{"w/\"a\""}, tag_list::malformed},
        {{"W/ \"a\""}, tag_list::malformed},
        {{"\"a\", W/"}, tag_list::malformed},
        {{"\"a b\", \"a\""}, tag_list::malformed},
        {{"Sun, 06 Nov 1994 08:49:37 GMT"}, tag_list::malformed},
    };
    const auto tag = parse_entity_tag("\"a\"");
    for (const row& r : rows) {
        field_list fields;
        for (const std::string& value : r.lines) fields.add("If-None-Match", value);
        fields.add("If-Match", "\"other list\"");
        INFO(test::shown(r.lines.empty() ? "" : r.lines.front()));
        CHECK(std::string(name(look_up_tag(fields, field_id::if_none_match, tag, weak_match))) ==
              name(r.expected));
    }
}

TEST_CASE("lists are held against the tag by the function that is given, and against no tag at all") {
    const auto weak = parse_entity_tag("W/\"a\""), strong = parse_entity_tag("\"a\"");
    field_list fields;
    fields.add("If-Match", "W/\"a\", \"b\"");
    CHECK(look_up_tag(fields, field_id::if_match, strong, strong_match) == tag_list::no_match);
    CHECK(look_up_tag(fields, field_id::if_match, strong, weak_match) == tag_list::match);
    CHECK(look_up_tag(fields, field_id::if_match, weak, strong_match) == tag_list::no_match);
    CHECK(look_up_tag(fields, field_id::if_match, parse_entity_tag("\"b\""), strong_match) ==
          tag_list::match);
    CHECK(look_up_tag(fields, field_id::if_match, std::nullopt, weak_match) == tag_list::no_match);
    field_list any;
    any.add("If-Match", "*");
    CHECK(look_up_tag(any, field_id::if_match, std::nullopt, strong_match) == tag_list::any);
}

TEST_CASE("a validator that is malformed or repeated is none") {
    struct row {
        std::string lines;
        bool etag, last_modified, strong;
    };
    const std::string lm = line("Last-Modified", date(0));
    const std::vector<row> rows = {
        {"", false, false, false},
        {"ETag: \"a\"\r\n", true, false, false},
        {"ETag: W/\"a\"\r\n", true, false, false},
        {"ETag: a\r\n", false, false, false},
        {"ETag:\r\n", false, false, false},
        {"ETag: \"a\"\r\nETag: \"a\"\r\n", false, false, false},
        {"ETag: \"a\", \"b\"\r\n", false, false, false},
        {lm, false, true, false},
        {lm + lm, false, false, false},
        {"Last-Modified: yesterday\r\n", false, false, false},
        {"Last-Modified: 784111777\r\n", false, false, false},
        {lm + line("Date", date(0)), false, true, false},
        {lm + line("Date", date(59)), false, true, false},
        {lm + line("Date", date(60)), false, true, true},
        {lm + line("Date", date(-60)), false, true, false},
        {lm + line("Date", date(60)) + line("Date", date(60)), false, true, false},
        {lm + "Date: x\r\n", false, true, false},
        {line("Date", date(60)), false, false, false},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        const stored s(r.lines);
        const validators v = read_validators(s.head.fields, today);
        CHECK(v.etag.has_value() == r.etag);
        CHECK(v.last_modified.has_value() == r.last_modified);
        CHECK(v.strong_last_modified() == r.strong);
    }
}

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

TEST_CASE("a 304 is about the response whose validators it has") {
    struct row {
        std::string before, after;
        validator_match expected;
    };
    const std::string lm = line("Last-Modified", date(0)), later = line("Last-Modified", date(1));
    const std::string strong_lm = lm + line("Date", date(60));
    const std::string a = "ETag: \"a\"\r\n", weak_a = "ETag: W/\"a\"\r\n", b = "ETag: \"b\"\r\n",
                      weak_b = "ETag: W/\"b\"\r\n";
    const auto strong = validator_match::strong, weak = validator_match::weak;
    const auto unnamed = validator_match::unnamed, mismatch = validator_match::mismatch;
    const std::vector<row> rows = {
        // both have an entity tag: it decides
        {a, a, strong},
        {a, weak_a, weak},
        {weak_a, weak_a, weak},
        {weak_a, a, mismatch},
        {a, b, mismatch},
        {a, weak_b, mismatch},
        {weak_a, b, mismatch},
        {weak_a, weak_b, mismatch},
        {a + strong_lm, b + lm, mismatch},
        {a + strong_lm, a + later, strong},
        {a + strong_lm, weak_a + later, weak},
        {weak_a + strong_lm, a + lm, strong},
        {weak_a + lm, a + lm, mismatch},
        {weak_a + strong_lm, a + later, mismatch},
        {weak_a + strong_lm, weak_a + lm, strong},
        // only the answer has one
        {"", a, mismatch},
        {"", weak_a, mismatch},
        {lm, a, mismatch},
        {lm, a + lm, mismatch},
        {strong_lm, a + lm, strong},
        {strong_lm, a + later, mismatch},
        {lm, weak_a + lm, weak},
        {lm, weak_a + later, mismatch},
        {"ETag: a\r\n", a, mismatch},
        // only the stored response has one
        {a, lm, mismatch},
        {a + lm, lm, weak},
        {a + lm, later, mismatch},
        {a + strong_lm, lm, strong},
        // Last-Modified alone
        {lm, lm, weak},
        {strong_lm, lm, strong},
        {lm, later, mismatch},
        {later, lm, mismatch},
        {lm, "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT\r\n", weak},
        {"", lm, mismatch},
        {line("Date", date(0)), lm, mismatch},
        // nothing, or nothing that can be read
        {a, "", unnamed},
        {lm, "", unnamed},
        {a + lm, "", unnamed},
        {"", "", unnamed},
        {a, "ETag: a\r\n", unnamed},
        {a, a + a, unnamed},
        {lm, "Last-Modified: x\r\n", unnamed},
        {a, line("Date", date(0)), unnamed},
    };
    for (const row& r : rows) {
        INFO(shown(r.before) << " and " << shown(r.after));
        const stored before(r.before);
        const test::response after(answered("304 Not Modified", r.after));
        CHECK(std::string(name(match_validators(before.head, after.head, today))) == name(r.expected));
    }
}

TEST_CASE("a 304 replaces the fields that it has") {
    const std::string tag = "ETag: \"a\"\r\n";
    const std::string d = line("Date", date(9));
    struct row {
        std::string before, after, expected;
    };
    const std::vector<row> rows = {
        {tag, tag + d, tag + d + our_via},
        {tag + "X: 1\r\n", tag + d, "X: 1\r\n" + tag + d + our_via},
        {tag + "X: 1\r\nY: 1\r\n", tag + "x: 2\r\n" + d, "Y: 1\r\n" + tag + "x: 2\r\n" + d + our_via},
        {tag + "X: 1\r\nX: 2\r\n", tag + "X: 3\r\n" + d, tag + "X: 3\r\n" + d + our_via},
        {tag + "X: 1\r\n", tag + "X: 2\r\nX: 3\r\n" + d, tag + "X: 2\r\nX: 3\r\n" + d + our_via},
        {tag + "X: 1\r\n", tag + "X:\r\n" + d, tag + "X: \r\n" + d + our_via},
        {tag + "Cache-Control: max-age=1\r\nCache-Control: public\r\nExpires: x\r\n",
         tag + "Cache-Control: max-age=2\r\n" + d,
         "Expires: x\r\n" + tag + "Cache-Control: max-age=2\r\n" + d + our_via},
        // Date: the answer's, or now
        {tag + line("Date", date(0)), tag + d, tag + d + our_via},
        {tag + line("Date", date(0)), tag, tag + line("Date", format_date(today)) + our_via},
        // Via: that of the answer's way
        {tag + "Via: 1.1 old\r\n" + our_via, tag + d, tag + d + our_via},
        {tag + "Via: 1.1 old\r\n" + our_via, tag + "Via: 1.1 new\r\n" + d,
         tag + "Via: 1.1 new\r\n" + d + our_via},
        // what the content depends upon stays
        {tag + "Content-Length: 5\r\n", tag + "Content-Length: 10\r\n" + d,
         "Content-Length: 5\r\n" + tag + d + our_via},
        {tag + "Content-Type: a/b\r\nContent-Encoding: gzip\r\nContent-MD5: q\r\nContent-Digest: r\r\n",
         tag + "Content-Type: c/d\r\nContent-Encoding: br\r\nContent-MD5: s\r\nContent-Digest: t\r\n" + d,
         "Content-Type: a/b\r\nContent-Encoding: gzip\r\nContent-MD5: q\r\nContent-Digest: r\r\n" + tag + d +
             our_via},
        {tag, tag + "Content-Range: bytes 0-1/2\r\nContent-Type: c/d\r\nContent-Encoding: br\r\n" + d,
         tag + d + our_via},
        // other Content-* are as others
        {tag + "Content-Location: /a\r\nContent-Foo: a\r\nContent-Language: a\r\n",
         tag + "Content-Location: /b\r\nContent-Foo: b\r\nContent-Language: b\r\n" + d,
         tag + "Content-Location: /b\r\nContent-Foo: b\r\nContent-Language: b\r\n" + d + our_via},
        // what is not stored does not come in by an update
        {tag + "X: 1\r\n",
         tag +
             "Connection: close, x\r\nX: 2\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\nUpgrade: u\r\n"
             "TE: t\r\nTrailer: t\r\nProxy-Authenticate: p\r\nProxy-Connection: close\r\nAge: 7\r\n" +
             d,
         "X: 1\r\n" + tag + d + our_via},
        {tag + "Set-Cookie: a=1\r\n", tag + "Set-Cookie: a=2\r\nSet-Cookie2: b=1\r\n" + d,
         "Set-Cookie: a=1\r\n" + tag + d + our_via},
        // entity tags are weakened, not strengthened
        {"ETag: \"a\"\r\n", "ETag: W/\"a\"\r\n" + d, "ETag: W/\"a\"\r\n" + d + our_via},
        {"ETag: W/\"a\"\r\n" + line("Last-Modified", date(0)) + line("Date", date(60)),
         "ETag: \"a\"\r\n" + line("Last-Modified", date(0)) + d,
         "ETag: W/\"a\"\r\n" + line("Last-Modified", date(0)) + d + our_via},
        // a validator that was not there before comes in
        {line("Last-Modified", date(0)) + line("Date", date(60)),
         "ETag: \"n\"\r\n" + line("Last-Modified", date(0)) + d,
         "ETag: \"n\"\r\n" + line("Last-Modified", date(0)) + d + our_via},
        // a 304 without validators is believed when it was asked about this response
        {tag + "X: 1\r\n", "X: 2\r\n" + d, tag + "X: 2\r\n" + d + our_via},
        // Vary: as it was, in whatever spelling
        {tag + "Vary: a, B\r\n", tag + "Vary: b\r\nVary: A\r\n" + d,
         tag + "Vary: b\r\nVary: A\r\n" + d + our_via},
        {tag + "Vary: a\r\n", tag + d, "Vary: a\r\n" + tag + d + our_via},
        {tag + "Vary: a\r\n", tag + "Vary: b\r\n" + d, "vary"},
        // A 304 does not repeat the fields that make a response vary without its saying so.
        {"Content-Encoding: gzip\r\n" + tag + "Vary: Origin\r\n", tag + "Vary: Origin\r\n" + d,
         "Content-Encoding: gzip\r\n" + tag + "Vary: Origin\r\n" + d + our_via},
        {tag, tag + "Access-Control-Allow-Origin: https://a\r\n" + d, "vary"},
        {tag + "Vary: a\r\n", tag + "Vary: a, b\r\n" + d, "vary"},
        {tag + "Vary: a, b\r\n", tag + "Vary: a\r\n" + d, "vary"},
        {tag, tag + "Vary: a\r\n" + d, "vary"},
        {tag, tag + "Vary: *\r\n" + d, "vary"},
        {tag + "Vary: a\r\n", tag + "Vary: *\r\n" + d, "vary"},
        {tag + "Vary: a\r\n", tag + "Vary:\r\n" + d, "vary"},
        {tag, tag + "Vary:\r\n" + d, tag + "Vary: \r\n" + d + our_via},
        // another version
        {tag, "ETag: \"b\"\r\n" + d, "validator-mismatch"},
        {"", d, "validator-mismatch"},
        {"", tag + d, "validator-mismatch"},
    };
    for (const row& r : rows) {
        INFO(shown(r.before) << " and " << shown(r.after));
        CHECK(shown(freshened(r.before, r.after)) == shown(r.expected));
    }
    auto cookies = settings();
    cookies.keep_set_cookie = true;
    CHECK(freshened(tag + "Set-Cookie: a=1\r\n", tag + "Set-Cookie: a=2\r\n" + d, cookies) ==
          tag + "Set-Cookie: a=2\r\n" + d + our_via);
}

TEST_CASE("a 304 that names no version is believed only where it was asked about this one") {
    const stored s("ETag: \"a\"\r\n");
    const test::response bare(answered("304 Not Modified", ""));
    const test::response named(answered("304 Not Modified", "ETag: \"a\"\r\n"));
    std::string out;
    upstream_conditions asked = validating_conditions(s.head, today);
    CHECK(freshen(s.head, bare.head, asked, settings(), out) == update_refusal::none);
    asked.drop_conditionals = false; // the client's conditions went with ours
    CHECK(freshen(s.head, bare.head, asked, settings(), out) == update_refusal::mismatch);
    CHECK(freshen(s.head, named.head, asked, settings(), out) == update_refusal::none);
    asked.drop_conditionals = true;
    asked.if_none_match = "\"b\"";
    CHECK(freshen(s.head, bare.head, asked, settings(), out) == update_refusal::mismatch);
    asked.if_none_match = {};
    CHECK(freshen(s.head, bare.head, asked, settings(), out) == update_refusal::mismatch);
    CHECK(freshen(s.head, named.head, asked, settings(), out) == update_refusal::none);
}

TEST_CASE("a 304 is taken at its word where the operator says so") {
    update_settings trusting = settings();
    trusting.trust_304 = true;
    const std::string stored_lines = "ETag: \"a-gzip\"\r\nContent-Type: a/b\r\nX: 1\r\n";
    const std::string dated = line("Date", format_date(today));
    // What Apache sends for content that it compressed: our own condition held, for another tag.
    const std::string news = dated + "ETag: \"a\"\r\nX: 2\r\n";
    CHECK(freshened(stored_lines, news) == "validator-mismatch");
    CHECK(freshened(stored_lines, news, trusting) ==
          "ETag: \"a-gzip\"\r\nContent-Type: a/b\r\n" + dated + "X: 2\r\n" + our_via);
    const std::string lm = line("Last-Modified", date(0)), later = line("Last-Modified", date(9));
    CHECK(freshened(lm, dated + later, trusting) == lm + dated + our_via);

    const std::string typed = dated + "ETag: \"a-gzip\"\r\nContent-Type: c/d\r\n";
    CHECK(freshened(stored_lines, typed) ==
          "Content-Type: a/b\r\nX: 1\r\n" + dated + "ETag: \"a-gzip\"\r\n" + our_via);
    CHECK(freshened(stored_lines, typed, trusting) ==
          "X: 1\r\n" + dated + "ETag: \"a-gzip\"\r\nContent-Type: c/d\r\n" + our_via);

    // Not if the condition was somebody else's.
    const stored s(stored_lines);
    const test::response answer(answered("304 Not Modified", news));
    upstream_conditions asked = validating_conditions(s.head, today);
    asked.if_none_match = "\"b\"";
    std::string out;
    CHECK(freshen(s.head, answer.head, asked, trusting, out) == update_refusal::mismatch);
}

TEST_CASE("the status line of a stored head stays") {
    const stored s("ETag: \"a\"\r\n", "203 Something Else");
    const test::response answer(answered("304 Not Modified", "ETag: \"a\"\r\nDate: d\r\n"));
    std::string out;
    REQUIRE(freshen(s.head, answer.head, {}, settings(), out) == update_refusal::none);
    CHECK(out == "HTTP/1.1 203 Something Else\r\nETag: \"a\"\r\nDate: d\r\n" + our_via);
}

TEST_CASE("updates do not make a head grow without end") {
    const std::string tag = "ETag: \"a\"\r\n";
    auto how = settings();
    how.limits.max_bytes = 100;
    CHECK(freshened(tag, tag + "Date: d\r\nX: " + std::string(60, 'x') + "\r\n", how) == "head-too-large");
    CHECK(freshened(tag, tag + "Date: d\r\nX: x\r\n", how) != "head-too-large");
    // One that is beyond the limits already may stay as large as it is.
    const std::string large = tag + "Date: d\r\n" + our_via + "X: " + std::string(200, 'x') + "\r\n";
    CHECK(freshened(large, tag + "Date: e\r\n", how) != "head-too-large");
    CHECK(freshened(large, tag + "Date: later\r\n", how) == "head-too-large");

    how = settings();
    how.limits.max_fields = 5;
    std::string head = tag + "Date: d\r\n" + our_via;
    std::string last;
    for (int i = 0; i < 10 && last != "head-too-large"; ++i) {
        last = freshened(head, tag + "Date: d\r\nX-" + std::to_string(i) + ": x\r\n", how);
        if (last != "head-too-large") head = last;
    }
    CHECK(last == "head-too-large");
    CHECK(stored(head).head.fields.size() == 5);
}

TEST_CASE("an updated head is a stored head, and the same update changes it no more") {
    test::random_source random;
    INFO("seed " << random.seed);
    const std::vector<std::string> names = {
        "X",    "x-a",          "Cache-Control", "Date", "Via",     "Content-Length",
        "Vary", "Content-Type", "Set-Cookie",    "Age",  "Expires", "Connection"};
    const auto lines = [&](std::size_t most) {
        std::string out = "ETag: \"a\"\r\n";
        for (std::size_t n = random.below(most); n != 0; --n) {
            const std::string& n1 = names[random.below(names.size())];
            if (n1 == "Vary")
                out += "Vary: a\r\n";
            else
                out += line(n1, random.text("ax, =", 6));
        }
        return out;
    };
    for (int round = 0; round < 3000; ++round) {
        const stored before("Vary: a\r\n" + lines(10));
        const test::response answer(answered("304 Not Modified", lines(10) + line("Date", date(5))));
        std::string once, twice;
        INFO(shown(before.text) << " and " << shown(answer.text));
        REQUIRE(freshen(before.head, answer.head, {}, settings(), once) == update_refusal::none);
        response_head middle;
        REQUIRE(read_stored_head(once, middle));
        REQUIRE(freshen(middle, answer.head, {}, settings(), twice) == update_refusal::none);
        REQUIRE(twice.size() == once.size());
        response_head after;
        REQUIRE(read_stored_head(twice, after));
        REQUIRE(after.fields.count(field_id::content_length) ==
                before.head.fields.count(field_id::content_length));
        REQUIRE(after.fields.count(field_id::set_cookie) == before.head.fields.count(field_id::set_cookie));
        REQUIRE(after.fields.count(field_id::connection) == before.head.fields.count(field_id::connection));
        for (const field& f : before.head.fields)
            if (f.id == field_id::other && answer.head.fields.find(f.name) == nullptr)
                REQUIRE(after.fields.find(f.name) != nullptr);
    }
}

TEST_CASE("an answer to HEAD updates the stored response, invalidates it, or says nothing") {
    struct row {
        std::string before, after;
        head_effect expected;
        std::string_view status = "200 OK", stored_status = "200 OK";
    };
    const std::string a = "ETag: \"a\"\r\n", lm = line("Last-Modified", date(0)),
                      l5 = "Content-Length: 5\r\n";
    const auto same = head_effect::same, update = head_effect::update, invalidate = head_effect::invalidate;
    const std::vector<row> rows = {
        {a + l5, a, update},
        {a + l5, a + l5, update},
        {a + lm + l5, a + lm + l5, update},
        {a + lm + l5, lm, update},
        {a + l5, "ETag: \"b\"\r\n", invalidate},
        {a + l5, "ETag: W/\"a\"\r\n", invalidate},
        {"ETag: W/\"a\"\r\n", "ETag: W/\"a\"\r\n", update},
        {l5, a, invalidate},
        {l5, a + l5, invalidate},
        {a + l5, a + "Content-Length: 6\r\n", invalidate},
        {a + l5, "Content-Length: 6\r\n", invalidate},
        {a + l5, a + "Content-Length: 05\r\n", update},
        {a + l5, a + "Content-Length: x\r\n", invalidate},
        {a + l5, a + l5 + l5, invalidate},
        {a, a + l5, invalidate},
        {a + l5, a + a, invalidate},
        {lm, line("Last-Modified", date(1)), invalidate},
        {lm, line("Last-Modified", date(-1)), invalidate},
        {lm, "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT\r\n", update},
        {lm, "Last-Modified: x\r\n", invalidate},
        {"Last-Modified: x\r\n", "Last-Modified: x\r\n", update},
        {a + lm, a + line("Last-Modified", date(1)), invalidate},
        {l5, l5, update},
        {l5, "Content-Length: 6\r\n", invalidate},
        {a + l5, l5, update},
        // nothing to compare
        {l5, "", update},
        {"", "", update},
        {a + l5, "", same},
        {lm + l5, "Cache-Control: max-age=9\r\n", same},
        // only a 200 says something, and only of a 200
        {a, "ETag: \"b\"\r\n", same, "404 x"},
        {a, "ETag: \"b\"\r\n", same, "304 x"},
        {a, "ETag: \"b\"\r\n", same, "500 x"},
        {a, "ETag: \"b\"\r\n", same, "410 x"},
        {a, a, same, "206 x"},
        {a, a, invalidate, "200 OK", "404 x"},
        {"", "", invalidate, "200 OK", "301 x"},
        {"", "", same, "404 x", "404 x"},
    };
    for (const row& r : rows) {
        INFO(shown(r.before) << " and " << r.status << " " << shown(r.after));
        const stored before(r.before, r.stored_status);
        const test::response after(answered(r.status, r.after));
        CHECK(std::string(name(head_freshens(before.head, after.head, today))) == name(r.expected));
    }
}

TEST_CASE("an answer to HEAD updates by the rules of a 304") {
    const stored before("X: 1\r\nY: 1\r\nContent-Length: 5\r\nContent-Type: a/b\r\nVary: a\r\n");
    const auto updated = [&](std::string_view lines) {
        const test::response answer(answered("200 OK", lines));
        std::string out;
        const auto refusal = update_from_head(before.head, answer.head, settings(), out);
        return refusal == update_refusal::none ? out : std::string(describe(refusal));
    };
    CHECK(shown(updated(
              "X: 2\r\nContent-Length: 5\r\nContent-Type: c/d\r\nSet-Cookie: c\r\nAge: 3\r\nDate: d\r\n")) ==
          shown("HTTP/1.1 200 OK\r\nY: 1\r\nContent-Length: 5\r\nContent-Type: a/b\r\nVary: a\r\nX: "
                "2\r\nDate: d\r\n" +
                our_via));
    CHECK(updated("Vary: b\r\n") == "vary");
}

TEST_CASE("an updated response is as old as the answer that updated it") {
    const stored updated("Cache-Control: max-age=100\r\n" + line("Date", date(0)));
    const test::response answer(answered("304 Not Modified", "Age: 30\r\n"));
    const wall_time sent = at(birth + 10), received = at(birth + 12);
    const lifetime life = updated_lifetime(updated.head, answer.head, sent, received, cache_policy{});
    CHECK(life.initial_age == seconds{32});
    CHECK(life.fresh_until == received + seconds{68});
    CHECK(life.explicit_lifetime);
    const test::response young(answered("304 Not Modified", ""));
    CHECK(updated_lifetime(updated.head, young.head, sent, received, cache_policy{}).initial_age ==
          seconds{12});
    // Targeted fields of the stored response still count.
    const stored targeted("Cache-Control: no-store\r\nCDN-Cache-Control: max-age=7\r\n" +
                          line("Date", date(12)));
    CHECK(updated_lifetime(targeted.head, young.head, received, received, cache_policy{}).fresh_until ==
          received + seconds{7});
}

TEST_CASE("refusals of updates have words") {
    CHECK(describe(update_refusal::none) == "none");
    CHECK(describe(update_refusal::mismatch) == "validator-mismatch");
    CHECK(describe(update_refusal::vary) == "vary");
    CHECK(describe(update_refusal::too_large) == "head-too-large");
}
