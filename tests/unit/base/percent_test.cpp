#include "support/catch.hpp"

#include <meshcache/base/percent.hpp>

#include <string>
#include <string_view>

using namespace meshcache;

TEST_CASE("letters, digits and marks stay as they are, all other bytes are escaped") {
    CHECK(percent_encoded("").empty());
    CHECK(percent_encoded("aZ09-._~") == "aZ09-._~");
    CHECK(percent_encoded("a b/c?d=%\n\xc3\xa4") == "a%20b%2Fc%3Fd%3D%25%0A%C3%A4");
    CHECK(percent_encoded("a/b~", "/") == "a/b%7E");
    CHECK(percent_encoded(std::string_view("\0\xff", 2)) == "%00%FF");
}

TEST_CASE("escapes are read in either case, and broken ones are none") {
    CHECK(percent_decoded("") == std::string());
    CHECK(percent_decoded("a%2fb%2Fc+d") == std::string("a/b/c+d"));
    CHECK(percent_decoded("%00") == std::string(1, '\0'));
    CHECK(percent_decoded("%25%32%35") == std::string("%25"));
    for (const char* broken : {"%", "a%", "%2", "%2g", "%g2", "%%20", "%-1", "% 1"}) {
        INFO(broken);
        CHECK(!percent_decoded(broken));
    }
}

TEST_CASE("every byte comes back") {
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    CHECK(percent_decoded(percent_encoded(all)) == all);
}
