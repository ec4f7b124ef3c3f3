#include "support/catch.hpp"

#include <meshcache/http/surrogate.hpp>

#include <string>
#include <vector>

namespace {

using namespace meshcache::http;
using strings = std::vector<std::string>;

strings tags_of(std::string_view head) {
    strings out;
    std::string_view tag;
    for (tag_cursor c(head); c.next(tag);) out.emplace_back(tag);
    return out;
}

TEST_CASE("tags are the members of Surrogate-Key and Cache-Tag, in their order and their case") {
    const std::string start = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    CHECK(tags_of(start).empty());
    CHECK(tags_of("").empty());
    CHECK(tags_of(start + "Surrogate-Key: a b\tB\r\n") == strings{"a", "b", "B"});
    CHECK(tags_of(start + "surrogate-key:  a,b   c \r\nX: y\r\n") == strings{"a,b", "c"});
    CHECK(tags_of(start + "Cache-Tag: a, b c ,,d\r\n") == strings{"a", "b c", "d"});
    CHECK(tags_of(start + "CACHE-TAG: x\r\nSurrogate-Key: y\r\nCache-Tag: z\r\n") == strings{"x", "y", "z"});
    CHECK(tags_of(start + "Surrogate-Key:\r\nCache-Tag: , ,\r\n").empty());
    CHECK(
        tags_of(start + "Surrogate-Keys: a\r\nX-Cache-Tag: b\r\nSurrogate-Control: c\r\nCache-Control: d\r\n")
            .empty());
    CHECK(tags_of("Surrogate-Key: no-line-end") == strings{"no-line-end"});
}

TEST_CASE("a response keeps within the bounds of tags, or is not stored") {
    const auto within = [](const std::string& name, const std::string& value) {
        field_list fields;
        fields.add(name, value);
        return tags_within_bounds(fields);
    };
    CHECK(tags_within_bounds({}));
    CHECK(within("Surrogate-Key", std::string(max_tag_size, 'x')));
    CHECK_FALSE(within("Surrogate-Key", std::string(max_tag_size + 1, 'x')));
    CHECK_FALSE(within("Cache-Tag", "a," + std::string(max_tag_size + 1, 'x')));
    CHECK(within("X-Other", std::string(max_tag_size + 1, 'x')));
    std::string many;
    for (std::size_t i = 0; i < max_tags; ++i) many += "t" + std::to_string(i) + " ";
    CHECK(within("Surrogate-Key", many));
    CHECK_FALSE(within("Surrogate-Key", many + "one-more"));
    field_list both;
    both.add("Surrogate-Key", many);
    both.add("Cache-Tag", "one-more");
    CHECK_FALSE(tags_within_bounds(both));
}

TEST_CASE("tags that are added count with those that a response has, each once") {
    std::string many;
    for (std::size_t i = 1; i < max_tags; ++i) many += "t" + std::to_string(i) + " ";
    field_list fields;
    fields.add("Surrogate-Key", many);
    CHECK(tags_within_bounds(fields, strings{"one-more"}));
    CHECK(tags_within_bounds(fields, strings{"one-more", "t7"}));
    CHECK_FALSE(tags_within_bounds(fields, strings{"one-more", "two-more"}));
    CHECK_FALSE(tags_within_bounds({}, strings(max_tags + 1, "t")));
    CHECK(tags_within_bounds({}, strings(max_tags, "t")));
}

TEST_CASE("what an operator may call a tag has no separators in it, and is neither empty nor too long") {
    for (const char* good : {"a", "A:b/c;d=\"e\"", "\xc3\xa4", "!"}) CHECK(is_tag(good));
    for (const char* bad : {"", " ", "a b", "a,b", "a\tb", "a\r\nX: y", "a\x7f", "\x01"}) {
        INFO(bad);
        CHECK_FALSE(is_tag(bad));
    }
    CHECK(is_tag(std::string(max_tag_size, 'x')));
    CHECK_FALSE(is_tag(std::string(max_tag_size + 1, 'x')));
    CHECK_FALSE(is_tag(std::string_view("a\0b", 3)));
}

TEST_CASE("tags are added to a head in one line, unless it has them") {
    const std::string start = "HTTP/1.1 200 OK\r\nSurrogate-Key: a b\r\n";
    const auto with = [&start](const strings& added) {
        std::string head = start;
        add_tags(added, head);
        return head;
    };
    CHECK(with({}) == start);
    CHECK(with({"b", "a"}) == start);
    CHECK(with({"c"}) == start + "Cache-Tag: c\r\n");
    CHECK(with({"c", "a", "d", "c"}) == start + "Cache-Tag: c, d\r\n");
    CHECK(with({"A"}) == start + "Cache-Tag: A\r\n");
    std::string twice = with({"c"});
    add_tags(strings{"c"}, twice);
    CHECK(twice == with({"c"}));
}

} // namespace
