#include "keys.hpp"
#include "scripts.hpp"
#include "support/catch.hpp"

#include <string>

using namespace meshcache::replica;

TEST_CASE("All keys of a namespace share its hash tag", "[keys]") {
    const key_names names("shop");
    CHECK(names.log() == "mc:{shop:0}:log");
    CHECK(names.floors() == "mc:{shop:0}:floors");
    CHECK(names.replicas() == "mc:{shop:0}:replicas");
    CHECK(names.record("4:http1:a3:GET1:/") == "mc:{shop:0}:r:4:http1:a3:GET1:/");
    CHECK(names.lease("4:http1:a3:GET1:/") == "mc:{shop:0}:l:4:http1:a3:GET1:/");
    CHECK(key_names("shop", 3).log() == "mc:{shop:3}:log");
}

TEST_CASE("A key stands in the clear up to 256 bytes, any bytes included", "[keys]") {
    const key_names names("n");
    const std::string prefix = "mc:{n:0}:r:";
    CHECK(names.record("") == prefix);
    CHECK(names.record(std::string("\0\xff}", 3)) == prefix + std::string("\0\xff}", 3));
    CHECK(names.record(std::string(256, 'a')) == prefix + std::string(256, 'a'));
    // printf 'a%.0s' {1..257} | sha256sum
    CHECK(names.record(std::string(257, 'a')) ==
          prefix + "e8d95cc2b4bc198c54b40bd214df958afb65f5e73d2c2eafe0593cf5c635c1f0");
    CHECK(names.record(std::string(257, 'b')) != names.record(std::string(257, 'a')));
}

TEST_CASE("Digests are those that everybody computes", "[keys]") {
    CHECK(sha1_hex("") == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    CHECK(sha1_hex("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(put_script().sha == sha1_hex(put_script().text));
    CHECK(purge_script().sha == sha1_hex(purge_script().text));
    CHECK(put_script().sha != purge_script().sha);
}
