#include "codec.hpp"
#include "replica_support.hpp"
#include "support/catch.hpp"

#include <random>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace meshcache;
using namespace meshcache::replica;
using namespace meshcache::replica::test;

namespace {

store::response_ptr sample() {
    store::response_meta meta;
    meta.version = {0x0123456789ab0002, 0x1122334455667788};
    meta.status = 203;
    meta.life.initial_age = seconds{7};
    meta.life.response_time = wall_time{milliseconds{1'700'000'000'001}};
    meta.life.fresh_until = wall_time{milliseconds{1'700'000'060'000}};
    meta.life.stale_until = wall_time{milliseconds{1'700'000'090'000}};
    meta.life.error_until = wall_time{milliseconds{1'700'000'120'000}};
    meta.life.explicit_lifetime = true;
    const std::string_view content[] = {"con", "", "tent"};
    return store::stored_response::make(meta, "the key", hash_of("the key"), "HTTP/1.1 203 N\r\nA: b\r\n",
                                        content);
}

std::string unhex(std::string_view hex) {
    std::string out;
    unsigned digits = 0, value = 0;
    for (const char c : hex) {
        if (c == ' ' || c == '\n') continue;
        value = value << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
        if (++digits % 2 == 0) out += static_cast<char>(value & 0xff);
    }
    return out;
}

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        out += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
        out += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

std::string with_byte(std::string record, std::size_t at, int value) {
    record.at(at) = static_cast<char>(value);
    return record;
}

/// `record` with the checksum that docs/record-format.md gives it.
std::string sealed(std::string record) {
    const XXH64_hash_t sum =
        XXH3_64bits_withSeed(record.data() + 32, record.size() - 32, XXH3_64bits(record.data(), 24));
    for (std::size_t i = 0; i < 8; ++i) record[24 + i] = static_cast<char>(sum >> (56 - 8 * i) & 0xff);
    return record;
}

void same(const store::stored_response& a, const store::stored_response& b) {
    CHECK(a.key() == b.key());
    CHECK(a.head() == b.head());
    CHECK(a.content() == b.content());
    CHECK(a.meta().version == b.meta().version);
    CHECK(a.meta().status == b.meta().status);
    CHECK(a.meta().kind == b.meta().kind);
    CHECK(a.meta().life.initial_age == b.meta().life.initial_age);
    CHECK(a.meta().life.response_time == b.meta().life.response_time);
    CHECK(a.meta().life.fresh_until == b.meta().life.fresh_until);
    CHECK(a.meta().life.stale_until == b.meta().life.stale_until);
    CHECK(a.meta().life.error_until == b.meta().life.error_until);
    CHECK(a.meta().life.explicit_lifetime == b.meta().life.explicit_lifetime);
    CHECK(a.meta().life.must_revalidate == b.meta().life.must_revalidate);
}

} // namespace

TEST_CASE("A record has the bytes that its format page promises", "[codec]") {
    // Other releases read these: a change here is a new codec version.
    const std::string golden = unhex("0123456789ab0002 1122334455667788" // version
                                     "01 00 00cb 01 000000" // codec, kind, status, flags, reserved
                                     "5f35bd5a02634ff8"     // checksum, computed apart
                                     "0000018bcfe56801 0000018bcfe65260" // response time, fresh until
                                     "0000018bcfe6c790 0000018bcfe73cc0" // stale until, error until
                                     "0000000000000007"                  // initial age
                                     "00000007 00000016"                 // sizes of key and head
                                     "0000000000000007"                  // size of the content
                                     "746865206b6579"
                                     "485454502f312e3120323033204e0d0a413a20620d0a"
                                     "636f6e74656e74");
    const std::string record = encode(*sample());
    CHECK(hex(record) == hex(golden));
    CHECK(record_version(record) == sample()->meta().version);
    const auto back = decode(golden, view_of("the key"));
    REQUIRE(back);
    same(**back, *sample());
    CHECK((*back)->hash() == hash_of("the key"));
}

TEST_CASE("What is encoded is decoded, whatever it is", "[codec]") {
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const auto bytes = [&random](std::size_t max) {
        std::string out(random() % (max + 1), '\0');
        for (char& c : out) c = static_cast<char>(random());
        return out;
    };
    const auto time = [&random] {
        return wall_time{milliseconds{static_cast<std::int64_t>(random() >> (11 + random() % 50))}};
    };
    for (int n = 0; n < 500; ++n) {
        store::response_meta meta;
        meta.version = {random(), random()};
        meta.status = static_cast<std::uint16_t>(random());
        meta.kind =
            random() % 2 ? store::response_meta::kind_t::vary : store::response_meta::kind_t::response;
        meta.life.initial_age = seconds{static_cast<std::int64_t>(random() % 1'000'000'000)};
        meta.life.response_time = time();
        meta.life.fresh_until = time();
        meta.life.stale_until = time();
        meta.life.error_until = time();
        meta.life.explicit_lifetime = random() % 2;
        meta.life.must_revalidate = random() % 2;
        const std::string key = bytes(300), head = bytes(500), content = bytes(2000);
        const std::string_view pieces[] = {content};
        const auto original = store::stored_response::make(meta, key, hash_of(key), head, pieces);
        const auto back = decode(encode(*original), view_of(key));
        REQUIRE(back);
        same(**back, *original);
    }
}

TEST_CASE("Times that no clock gives are brought within what a record holds", "[codec]") {
    store::response_meta meta;
    meta.life.fresh_until = wall_time::max();
    meta.life.stale_until = wall_time::min();
    meta.life.initial_age = meshcache::http::lifetime::age::max();
    const auto r = store::stored_response::make(meta, "k", 0, "", {});
    const auto back = decode(encode(*r), {"k", 0});
    REQUIRE(back);
    CHECK((*back)->meta().life.fresh_until > wall_time{milliseconds{4'000'000'000'000}});
    CHECK((*back)->meta().life.stale_until == wall_time{});
    CHECK((*back)->meta().life.initial_age == meta.life.initial_age);
}

TEST_CASE("A record that is not whole or not ours is refused for its reason", "[codec]") {
    const std::string good = encode(*sample());
    struct row {
        const char* what;
        std::string record;
        errc expected;
    };
    const row rows[] = {
        {"nothing", "", errc::record_truncated},
        {"a version alone", good.substr(0, 16), errc::record_truncated},
        {"a header less one byte", good.substr(0, record_header_size - 1), errc::record_truncated},
        {"less one byte", good.substr(0, good.size() - 1), errc::record_truncated},
        {"more by one byte", good + "x", errc::record_checksum},
        {"an older codec", with_byte(good, 16, 0), errc::record_codec},
        {"a newer codec", with_byte(good, 16, 2), errc::record_codec},
        {"another version", with_byte(good, 15, 0), errc::record_checksum},
        {"another status", with_byte(good, 19, 0), errc::record_checksum},
        {"a reserved byte", with_byte(good, 23, 1), errc::record_checksum},
        {"another checksum", with_byte(good, 31, good[31] ^ 1), errc::record_checksum},
        {"another time", with_byte(good, 47, 0), errc::record_checksum},
        {"a longer key", with_byte(good, 75, 8), errc::record_truncated},
        {"a huge key", with_byte(good, 72, 0xff), errc::record_truncated},
        {"a huge head", with_byte(good, 76, 0xff), errc::record_truncated},
        {"a huge content", with_byte(good, 80, 0xff), errc::record_truncated},
        {"a shorter content", with_byte(good, 87, 6), errc::record_checksum},
        {"another key", with_byte(good, 88, 'T'), errc::record_checksum},
        {"another last byte", with_byte(good, good.size() - 1, 'T'), errc::record_checksum},
    };
    for (const row& r : rows) {
        CAPTURE(r.what);
        const auto back = decode(r.record, view_of("the key"));
        REQUIRE(!back);
        CHECK(back.error() == error_code(r.expected));
    }
}

TEST_CASE("A value that no encoder writes is refused, whole though the record is", "[codec]") {
    const std::string good = encode(*sample());
    REQUIRE(decode(sealed(good), view_of("the key")));
    struct row {
        const char* what;
        std::size_t at;
        int value;
    };
    const row rows[] = {{"a kind", 17, 2},           {"a flag", 20, 4},       {"a time", 33, 0x40},
                        {"the last time", 57, 0x40}, {"an age, by 1", 67, 1}, {"an age, by far", 64, 0xff}};
    for (const row& r : rows) {
        CAPTURE(r.what);
        const auto back = decode(sealed(with_byte(good, r.at, r.value)), view_of("the key"));
        REQUIRE(!back);
        CHECK(back.error() == error_code(errc::record_codec));
    }
}

TEST_CASE("A record of another key is refused", "[codec]") {
    const std::string good = encode(*sample());
    for (const std::string_view key : {"", "the ke", "the key ", "the kez", "THE KEY"}) {
        CAPTURE(key);
        const auto back = decode(good, view_of(key));
        REQUIRE(!back);
        CHECK(back.error() == error_code(errc::record_key_mismatch));
    }
}

TEST_CASE("No single changed byte passes unnoticed", "[codec]") {
    const std::string good = encode(*sample());
    for (std::size_t at = 0; at < good.size(); ++at)
        for (const int flip : {0x01, 0x80, 0xff}) {
            const auto back =
                decode(with_byte(good, at, static_cast<unsigned char>(good[at]) ^ flip), view_of("the key"));
            CAPTURE(at, flip);
            CHECK(!back);
        }
}

TEST_CASE("The key is read from a record without a look at the rest", "[codec]") {
    const auto response = store::stored_response::make({}, "the key", 1, "head", {});
    const std::string record = encode(*response);
    CHECK(record_key(record) == "the key");
    CHECK(record_key(record.substr(0, record_header_size + 7)) == "the key");
    CHECK(record_key(record.substr(0, record_header_size + 6)) == std::nullopt);
    CHECK(record_key(record.substr(0, record_header_size - 1)) == std::nullopt);
    CHECK(record_key("") == std::nullopt);
}

TEST_CASE("The version is read from the first 16 bytes alone", "[codec]") {
    CHECK(record_version("") == std::nullopt);
    CHECK(record_version(std::string(15, 'x')) == std::nullopt);
    CHECK(record_version(std::string(15, '\0') + "\x05") == store::version{0, 5});
    CHECK(record_version(encode(*sample())) == sample()->meta().version);
}
