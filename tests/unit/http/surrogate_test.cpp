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

} // namespace
