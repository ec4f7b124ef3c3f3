// Who may use the admin port.
#include "access.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

namespace {

using namespace meshcache::admin;

TEST_CASE("the token is compared in full, its scheme in any case") {
    for (const char* field : {"Bearer s3cret", "bearer s3cret", "BEARER s3cret", "Bearer   s3cret"}) {
        INFO(field);
        CHECK(carries_token(field, "s3cret"));
    }
    for (const char* field :
         {"", "Bearer", "Bearer ", "s3cret", "Bearer s3cre", "Bearer s3crett", "Bearer S3cret",
          "Bearer s3cret ", "Bearers3cret", "Basic s3cret", "Bearer x, Bearer s3cret"}) {
        INFO(field);
        CHECK_FALSE(carries_token(field, "s3cret"));
    }
}

TEST_CASE("addresses and localhost name this machine, other names may be anybody's") {
    for (const char* host : {"", "127.0.0.1", "127.0.0.1:9901", "10.1.2.3:80", "[::1]", "[::1]:9901",
                             "[2001:db8::1]:1", "localhost", "localhost:9901", "LocalHost"}) {
        INFO(host);
        CHECK(names_this_machine(host));
    }
    for (const char* host :
         {"evil.example", "evil.example:9901", "127.0.0.1.evil.example", "localhost.evil.example",
          "evil-localhost", "1.2.3", "127.1", "0x7f.1", "::1", "[::1", "[::1]x", "[::1]x:1", "[evil.example]",
          "[127.0.0.1]", ":9901", "127.0.0.1:80:evil.example", " 127.0.0.1"}) {
        INFO(host);
        CHECK_FALSE(names_this_machine(host));
    }
    CHECK_FALSE(names_this_machine(std::string(1000, '1')));
}

} // namespace
