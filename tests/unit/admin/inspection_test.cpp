#include "support/golden.hpp"

#include <meshcache/admin/inspection.hpp>
#include <meshcache/store/vary.hpp>

#include <nlohmann/json.hpp>

#include <string>

using namespace meshcache;
using namespace meshcache::admin;
using meshcache::test::check_golden;
using meshcache::test::golden_file;

namespace {

wall_time at(std::int64_t s) { return wall_time{seconds{1'700'000'000 + s}}; }

store::response_meta meta_at(std::int64_t s, std::uint64_t replica) {
    store::response_meta meta;
    meta.version = {static_cast<std::uint64_t>(at(s).time_since_epoch().count()) << 16U | 7U, replica};
    meta.status = 200;
    meta.life.initial_age = seconds{3};
    meta.life.response_time = at(s);
    meta.life.fresh_until = at(s + 60);
    meta.life.stale_until = at(s + 90);
    meta.life.error_until = at(s + 120);
    return meta;
}

store::response_ptr response(std::string_view key, std::string_view head, const store::response_meta& meta) {
    const std::string_view content[] = {"twelve bytes"};
    return store::stored_response::make(meta, key, 1, head, content);
}

/// Sizes of memory are those of this build.
std::string without_memory(std::string text) {
    auto json = nlohmann::ordered_json::parse(text);
    for (auto& r : json.at("local")) {
        CHECK(r.at("memory_bytes") > 100);
        r["memory_bytes"] = 0;
    }
    return json.dump(2) + '\n';
}

} // namespace

TEST_CASE("an inspection names one URL, in the form that requests have") {
    const auto request = read_inspect("url=http%3A%2F%2FShop.Example:80%2Fa%3Fx=1");
    REQUIRE(request);
    CHECK(request->url == "http://shop.example/a?x=1");
    CHECK(request->key == "4:http12:shop.example3:GET6:/a?x=1");
    CHECK(read_inspect("url=https://h")->url == "http://h/");
    for (const char* text :
         {"", "url", "url=", "url=/a", "url=h", "url=ftp://h/", "url=http://h/&url=http://h/",
          "url=http://h/&x=1", "x=1", "url=http://h/%zz", "url=http://h/a%20b"}) {
        INFO(text);
        CHECK_FALSE(read_inspect(text));
        CHECK_FALSE(read_inspect(text).error.empty());
    }
    CHECK(read_inspect("url=http://h/&x=1").error.find("'x'") != std::string::npos);
    CHECK(read_inspect("url=http://h/&url=http://h/").error.find("twice") != std::string::npos);
}

TEST_CASE("an inspection is what the golden file has") {
    inspection found;
    found.of = *read_inspect("url=http://shop.example/books");
    found.now = at(70);
    found.replica = 0xdeadbeef;
    const std::string key = found.of.key, variant = key + ";1:gzip";
    const auto variants = meta_at(0, 0xdeadbeef);
    const auto there = response(variant,
                                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"v1\"\r\n"
                                "Surrogate-Key: books red\r\nCache-Tag: a, b\r\nContent-Length: 12\r\n",
                                variants);
    found.local = {store::make_vary_note(variants, key, 1, "accept-encoding,origin", nullptr), there};
    found.shared = true;
    found.redis_state = "ready";
    found.records = {{key, false, 0, nullptr, ""},
                     {variant, true, 321, response(variant, "HTTP/1.1 200 OK\r\n", meta_at(65, 0xcafe)), ""},
                     {"odd", true, 5, nullptr, "record truncated"}};
    check_golden(golden_file("admin", "inspection.json"), without_memory(inspection_json(found)));
}

TEST_CASE("an inspection without Redis, or with one that does not answer, says so") {
    inspection found;
    found.of = *read_inspect("url=http://shop.example/books");
    auto json = nlohmann::json::parse(inspection_json(found));
    CHECK(json.at("local").empty());
    CHECK(json.at("redis").is_null());
    found.shared = true;
    found.redis_state = "connecting";
    json = nlohmann::json::parse(inspection_json(found));
    CHECK(json.at("redis").at("state") == "connecting");
    CHECK(json.at("redis").at("records").is_null());
}

TEST_CASE("an inspection of bytes that are no text is JSON all the same") {
    inspection found;
    found.of.url = "http://h/\xff";
    found.local = {response("k\xfe", "HTTP/1.1 200 OK\r\nETag: \"\xf0\"\r\n", meta_at(0, 1))};
    CHECK(nlohmann::json::accept(inspection_json(found)));
}
