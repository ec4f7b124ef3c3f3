#include "support/catch.hpp"

#include <meshcache/base/redis_url.hpp>

#include <string>
#include <vector>

using namespace meshcache;

TEST_CASE("a Redis URL says where, whether by TLS, who, and which database") {
    struct row {
        std::string text;
        std::string address;
        bool tls;
        std::string user;
        std::string password;
        unsigned database;
        std::string redacted;
    };
    const std::vector<row> rows{
        {"redis://redis", "redis:6379", false, "", "", 0, "redis://redis:6379"},
        {"redis://redis/", "redis:6379", false, "", "", 0, "redis://redis:6379"},
        {"redis://redis:6380/3", "redis:6380", false, "", "", 3, "redis://redis:6380/3"},
        {"redis://redis?db=3", "redis:6379", false, "", "", 3, "redis://redis:6379/3"},
        {"rediss://10.0.0.1", "10.0.0.1:6379", true, "", "", 0, "rediss://10.0.0.1:6379"},
        {"redis://[::1]", "[::1]:6379", false, "", "", 0, "redis://[::1]:6379"},
        {"redis://[::1]:1/2", "[::1]:1", false, "", "", 2, "redis://[::1]:1/2"},
        {"redis://:secret@redis", "redis:6379", false, "", "secret", 0, "redis://:***@redis:6379"},
        {"redis://me:secret@redis", "redis:6379", false, "me", "secret", 0, "redis://me:***@redis:6379"},
        {"redis://me:se:cr@et@redis", "redis:6379", false, "me", "se:cr@et", 0, "redis://me:***@redis:6379"},
        {"redis://m%40e:%2Fs%3f%25%23@redis", "redis:6379", false, "m@e", "/s?%#", 0,
         "redis://m%40e:***@redis:6379"},
        {"unix:///run/redis.sock", "unix:/run/redis.sock", false, "", "", 0, "unix:///run/redis.sock"},
        {"unix://me:secret@/run/redis.sock?db=7", "unix:/run/redis.sock", false, "me", "secret", 7,
         "unix://me:***@/run/redis.sock?db=7"},
        {"unix:///run/a@b", "unix:/run/a@b", false, "", "", 0, "unix:///run/a@b"},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        const auto url = parse_redis_url(row.text);
        REQUIRE(url);
        CHECK(url->address.to_string() == row.address);
        CHECK(url->tls == row.tls);
        CHECK(url->user == row.user);
        CHECK(url->password == row.password);
        CHECK(url->database == row.database);
        CHECK(url->redacted() == row.redacted);
    }
}

TEST_CASE("a malformed Redis URL is refused with what would be right") {
    struct row {
        std::string text;
        std::string error;
    };
    const std::string scheme =
        "not a Redis URL; write redis://HOST:PORT, rediss://HOST:PORT for TLS, or unix:///PATH";
    const std::vector<row> rows{
        {"", scheme},
        {"redis:6379", scheme},
        {"http://redis", scheme},
        {"REDIS://redis", scheme},
        {"redis://", "the host is missing; write redis://HOST:PORT"},
        {"redis:///3", "the host is missing; write redis://HOST:PORT"},
        {"redis://:secret@", "the host is missing; write redis://HOST:PORT"},
        {"redis://:6380", "':6380' has no host; write 127.0.0.1:6380, 0.0.0.0:6380 or [::]:6380"},
        {"redis://redis:0", "port 0 cannot be connected to; write the port, usually 6379"},
        {"redis://redis:x", "'redis:x': 'x' is not a port; it must lie between 0 and 65535"},
        {"redis://redis/x", "'x' is not a database; it must lie between 0 and 65535"},
        {"redis://redis/65536", "'65536' is not a database; it must lie between 0 and 65535"},
        {"redis://redis/1/2", "'1/2' is not a database; it must lie between 0 and 65535"},
        {"redis://redis/1?db=2", "the database stands in the path and in the query; write it once"},
        {"redis://redis?db=", "'' is not a database; it must lie between 0 and 65535"},
        {"redis://redis?timeout=1", "the only parameter is db, as in ?db=1"},
        {"redis://redis?db=1&x=2", "the only parameter is db, as in ?db=1"},
        {"redis://redis#x", "a fragment ('#') has no meaning here; leave it out"},
        {"redis://secret@redis",
         "the user information has no colon; write :PASSWORD@ or USER:PASSWORD@ before the host"},
        {"redis://me:@redis", "the user has no password; write USER:PASSWORD@ before the host"},
        {"redis://:se/cret@redis",
         "a '/', '?' or '#' in user or password must be written '%2F', '%3F' or '%23'"},
        {"redis://:50%@redis",
         "user or password has a broken escape or a control character; write '%25' for a percent sign"},
        {"redis://:a%0ab@redis",
         "user or password has a broken escape or a control character; write '%25' for a percent sign"},
        {"unix://run/redis.sock",
         "the socket's path must be absolute and at most 107 bytes; write unix:///PATH"},
        {"unix://", "the socket's path must be absolute and at most 107 bytes; write unix:///PATH"},
        {"unix://@abstract",
         "the user information has no colon; write :PASSWORD@ or USER:PASSWORD@ before the host"},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        const auto url = parse_redis_url(row.text);
        CHECK_FALSE(url);
        CHECK(url.error == row.error);
        CHECK(url.error.find("secret") == std::string::npos);
    }
}
