#include "support/catch.hpp"

#include <meshcache/http/uri_reference.hpp>

#include <string>
#include <string_view>

using namespace meshcache::http;

TEST_CASE("dot segments are removed as RFC 3986, section 5.2.4, does it") {
    struct row {
        std::string_view path, expected;
    };
    const row rows[] = {
        {"/a/b/c/./../../g", "/a/g"},
        {"mid/content=5/../6", "mid/6"},
        {"/", "/"},
        {"/.", "/"},
        {"/..", "/"},
        {"/a/..", "/"},
        {"/a/.", "/a/"},
        {"/../../a", "/a"},
        {"/a//b", "/a//b"},
        {"/a/b/..", "/a/"},
        {"/a/...", "/a/..."},
        {"/.a/..b", "/.a/..b"},
        {"", ""},
        {"/a/%2e%2e/b", "/a/%2e%2e/b"},
    };
    for (const auto& r : rows) {
        INFO(r.path);
        CHECK(remove_dot_segments(r.path) == r.expected);
    }
}

TEST_CASE("references resolve against the target, within its origin (RFC 3986, section 5.4)") {
    const request_uri base{"http", "a.example", "/b/c/d;p?q"};
    struct row {
        std::string_view reference;
        std::string_view expected; ///< empty: not of this origin
    };
    const row rows[] = {
        {"g", "/b/c/g"},
        {"./g", "/b/c/g"},
        {"g/", "/b/c/g/"},
        {"/g", "/g"},
        {"?y", "/b/c/d;p?y"},
        {"g?y", "/b/c/g?y"},
        {"#s", "/b/c/d;p?q"},
        {"g#s", "/b/c/g"},
        {"g?y#s", "/b/c/g?y"},
        {";x", "/b/c/;x"},
        {"", "/b/c/d;p?q"},
        {".", "/b/c/"},
        {"..", "/b/"},
        {"../g", "/b/g"},
        {"../..", "/"},
        {"../../../g", "/g"},
        {"g?y/../x", "/b/c/g?y/../x"},
        {"http://a.example/x", "/x"},
        {"HTTP://A.Example:80/x?y", "/x?y"},
        {"http://a.example./x", "/x"},
        {"http://a.example", "/"},
        {"http://a.example?y", "/?y"},
        {"//a.example/x", "/x"},
        {"//b.example/x", ""},
        {"http://b.example/x", ""},
        {"http://a.example:8080/x", ""},
        {"https://a.example/x", ""},
        {"http://user@a.example/x", ""},
        {"http:g", ""},
        {"mailto:a@a.example", ""},
        {"g:h", ""},
        {"/a b", ""},
        {"/a\x01", ""},
        {"/\xc3\xa4", ""},
        {"//", ""},
        {"http://", ""},
    };
    for (const auto& r : rows) {
        INFO(r.reference);
        std::string path_query;
        const bool same = resolve_same_origin(base, r.reference, path_query);
        CHECK(same == !r.expected.empty());
        if (same) CHECK(path_query == r.expected);
    }
}

TEST_CASE("the port is part of the origin") {
    const request_uri base{"http", "a.example:8080", "/"};
    std::string path_query;
    CHECK(resolve_same_origin(base, "http://a.example:8080/x", path_query));
    CHECK_FALSE(resolve_same_origin(base, "http://a.example/x", path_query));
}
