#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/fields.hpp>
#include <meshcache/http/grammar.hpp>

#include <algorithm>
#include <cctype>
#include <string>

using namespace meshcache::http;

TEST_CASE("every known field name is recognised in any case") {
    for (unsigned i = 1; i < static_cast<unsigned>(field_id::count_); ++i) {
        const auto id = static_cast<field_id>(i);
        const std::string name(canonical_name(id));
        INFO(name);
        REQUIRE(is_token(name));
        CHECK(classify(name) == id);
        std::string folded = name;
        std::transform(folded.begin(), folded.end(), folded.begin(), to_lower);
        CHECK(classify(folded) == id);
        std::transform(folded.begin(), folded.end(), folded.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        CHECK(classify(folded) == id);
    }
}

TEST_CASE("names that are nearly known are not") {
    for (unsigned i = 1; i < static_cast<unsigned>(field_id::count_); ++i) {
        const std::string name(canonical_name(static_cast<field_id>(i)));
        for (std::size_t at = 0; at < name.size(); ++at) {
            std::string changed = name;
            changed[at] = changed[at] == '-' ? '_' : static_cast<char>(changed[at] ^ 0x40);
            INFO(changed);
            CHECK(classify(changed) == field_id::other);
            std::string shorter = name;
            shorter.erase(at, 1);
            CHECK(classify(shorter) == field_id::other);
        }
        CHECK(classify(name + "x") == field_id::other);
        CHECK(classify(name + " ") == field_id::other);
    }
    for (const std::string& name :
         {std::string(), std::string("x"), std::string(1000, 'a'), std::string(3, '\0')})
        CHECK(classify(name) == field_id::other);
}

TEST_CASE("canonical names are the usual spelling") {
    CHECK(canonical_name(field_id::other).empty());
    CHECK(canonical_name(field_id::count_).empty());
    CHECK(canonical_name(field_id::etag) == "ETag");
    CHECK(canonical_name(field_id::te) == "TE");
    CHECK(canonical_name(field_id::cache_control) == "Cache-Control");
    CHECK(canonical_name(field_id::cache_tag) == "Cache-Tag");
    CHECK(canonical_name(field_id::x_rewrite_url) == "X-Rewrite-URL");
}

TEST_CASE("a field list finds, counts and forgets") {
    field_list fields;
    CHECK(fields.empty());
    CHECK(fields.find(field_id::other) == nullptr);
    fields.add("Accept", "a");
    fields.add("X-Own", "1");
    fields.add("ACCEPT", "b");
    fields.add("x-own", "2");
    CHECK(fields.size() == 4);
    CHECK(fields.has(field_id::accept));
    CHECK(fields.count(field_id::accept) == 2);
    CHECK(fields.value(field_id::accept) == "a");
    CHECK(fields.find("accept")->value == "a");
    CHECK(fields.find("X-OWN")->value == "1");
    CHECK(fields.find("x-other") == nullptr);
    CHECK_FALSE(fields.has(field_id::host));
    CHECK(fields.find(field_id::host) == nullptr);
    CHECK(fields.count(field_id::host) == 0);
    CHECK(fields.value(field_id::host).empty());
    CHECK(fields[2].name == "ACCEPT");
    fields.clear();
    CHECK(fields.empty());
    CHECK_FALSE(fields.has(field_id::accept));
}
