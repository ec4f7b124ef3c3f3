#include "support/catch.hpp"
#include "validation_support.hpp"

#include <meshcache/http/validation.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;
using test::date;
using test::line;
using test::shown;
using test::stored;
using test::today;

namespace {

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
