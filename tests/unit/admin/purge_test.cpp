#include "support/catch.hpp"

#include <meshcache/admin/purge.hpp>

#include <string>
#include <vector>

namespace {

using namespace meshcache::admin;
using strings = std::vector<std::string>;

strings names_of(const meshcache::parsed<purge_request>& request) {
    if (!request) return {"error: " + request.error};
    strings out;
    for (const auto& s : request->selectors) out.push_back(s.name());
    return out;
}
strings query(std::string_view text) { return names_of(read_purge(text, {})); }
strings content(std::string_view text) { return names_of(read_purge({}, text)); }
bool refused(std::string_view text) { return !read_purge(text, {}); }

TEST_CASE("a purge names what it covers by query parameters") {
    CHECK(query("url=http://Shop.example:80/a?x=1") == strings{"k4:http12:shop.example3:GET6:/a?x=1"});
    CHECK(query("url=https://h:8443/a%26b") == strings{"k4:http6:h:84433:GET4:/a&b"});
    CHECK(query("url=HTTPS://h:443/a") == strings{"k4:http1:h3:GET2:/a"});
    CHECK(query("url=https://h:443") == strings{"k4:http1:h3:GET1:/"});
    CHECK(query("url=http://h") == strings{"k4:http1:h3:GET1:/"});
    CHECK(query("url=http://h/a%2525") == strings{"k4:http1:h3:GET5:/a%25"});
    CHECK(query("tag=Red&tag=blue%2Bgreen") == strings{"tRed", "tblue+green"});
    CHECK(query("prefix=http://H/img/2024-") == strings{"uh/img/2024-"});
    CHECK(query("prefix=http://h/") == strings{"uh"});
    CHECK(query("prefix=/img/") == strings{"w/img/"});
    CHECK(query("prefix=/") == strings{"a"});
    CHECK(query("host=Shop.Example:8080") == strings{"ushop.example:8080"});
    CHECK(query("host=[::1]") == strings{"u[::1]"});
    CHECK(query("all=1") == strings{"a"});
    CHECK(query("&all=true&") == strings{"a"});
    CHECK(query("tag=a&all=0") == strings{"ta"});
}

TEST_CASE("soft makes all of a purge soft, wherever it stands") {
    CHECK(query("soft=1&tag=red&all=1") == strings{"stred", "sa"});
    CHECK(query("url=http://h/a&soft=true") == strings{"sx4:http1:h3:GET2:/a"});
    CHECK(query("tag=red&soft=0") == strings{"tred"});
    CHECK(names_of(read_purge("soft=1", R"({"tag": "red"})")) == strings{"stred"});
}

TEST_CASE("a purge's content says the same in JSON") {
    CHECK(content(R"({"tag": ["a", "b"], "url": "http://h/x"})") ==
          strings{"ta", "tb", "k4:http1:h3:GET2:/x"});
    CHECK(content(R"({"all": true})") == strings{"a"});
    CHECK(content(R"({"all": true, "soft": true})") == strings{"sa"});
    CHECK(content(R"({"all": false, "tag": "x", "soft": false})") == strings{"tx"});
    for (const char* text :
         {"", "{}", "[]", "7", "{", R"({"tag": 7})", R"({"tag": [7]})", R"({"tag": true})",
          R"({"tag": null})", R"({"tag": {}})", R"({"tags": "x"})", R"({"all": "maybe"})"}) {
        INFO(text);
        CHECK_FALSE(read_purge({}, text));
    }
}

TEST_CASE("what a purge says that cannot be understood is refused, and named") {
    for (const char* text : {"",
                             "soft=1",
                             "all=0",
                             "all",
                             "all=yes",
                             "tag=",
                             "tag=a%20b",
                             "tag=a,b",
                             "tag=a%0a",
                             "tag=%4",
                             "tag=%zz",
                             "url=/a",
                             "url=h/a",
                             "url=ftp://h/a",
                             "url=http:///a",
                             "url=http://h/%23x",
                             "url=http://h/a%20b",
                             "url=http://u@h/",
                             "prefix=img",
                             "prefix=",
                             "prefix=/a%20b",
                             "host=",
                             "host=h/x",
                             "host=a%20b",
                             "wait=replicas",
                             "nonsense=1",
                             "tag=a&nonsense"}) {
        INFO(text);
        CHECK(refused(text));
    }
    CHECK(read_purge("tag=" + std::string(1025, 'x'), {}).error.find("1024") != std::string::npos);
    CHECK(read_purge("nonsense=1", {}).error.find("'nonsense'") != std::string::npos);
    CHECK(read_purge("url=http://h/a%23x", {}).error.find("fragment") != std::string::npos);
    CHECK(read_purge("prefix=http://h/%C3%BC", {}).error.find("percent-encoded") != std::string::npos);
    CHECK(read_purge("url=http://u@h/", {}).error.find("user name") != std::string::npos);
    CHECK(read_purge("url=/a%23x", {}).error == "'/a#x' is no URL of the form http://host/path");
    for (const char* text : {R"({"a\nb": [1]})", R"({"a\nb": 1})", R"({"a\nb": true})", R"({"a\nb": "x"})"}) {
        const std::string error = read_purge({}, text).error;
        INFO(error);
        CHECK(error.find('\n') == std::string::npos);
        CHECK(error.find("a\\x0ab") != std::string::npos);
    }
    std::string many;
    for (std::size_t i = 0; i <= max_purge_selectors; ++i) many += "tag=x&";
    CHECK(refused(many));
    CHECK_FALSE(refused(many.substr(6)));
}

TEST_CASE("a purge may wait for the replicas, for a bounded time") {
    const auto plain = read_purge("tag=a", {});
    REQUIRE(plain);
    CHECK_FALSE(plain->wait_for_replicas);
    for (const auto& request : {read_purge("tag=a&wait=replicas&timeout=250ms", {}),
                                read_purge("tag=a", R"({"wait": "replicas", "timeout": "250ms"})")}) {
        REQUIRE(request);
        CHECK(request->wait_for_replicas);
        CHECK(request->timeout == meshcache::milliseconds{250});
    }
    CHECK(read_purge("tag=a&wait=replicas", {})->timeout == meshcache::milliseconds{2'000});
    for (const char* text :
         {"tag=a&wait=", "tag=a&wait=1", "tag=a&wait=redis", "tag=a&timeout=", "tag=a&timeout=2",
          "tag=a&timeout=0s", "tag=a&timeout=61s", "tag=a&timeout=-1s"}) {
        INFO(text);
        CHECK(refused(text));
    }
    CHECK_FALSE(read_purge({}, R"({"tag": "a", "wait": true})"));
}

TEST_CASE("a purge that waited says how many replicas have applied it") {
    purge_report report;
    CHECK_FALSE(report.complete());
    report.acknowledged = true;
    CHECK(report.complete());
    report.replicas = meshcache::replica::replica_count{2, 3, true};
    CHECK_FALSE(report.complete());
    CHECK(purge_json(report).find(R"("replicas":{"applied":2,"live":3}})") != std::string::npos);
    report.replicas = meshcache::replica::replica_count{1, 1, false};
    CHECK_FALSE(report.complete());
    CHECK(purge_json(report).find(R"("replicas":null})") != std::string::npos);
    report.replicas = meshcache::replica::replica_count{3, 3, true};
    CHECK(report.complete());
}

TEST_CASE("a purge is reported as one JSON object") {
    purge_report report;
    report.acknowledged = true;
    report.shared = true;
    report.selectors = 2;
    report.version = "5.0@1";
    report.position = "7-1";
    CHECK(purge_json(report) ==
          "{\"applied\":true,\"acknowledged\":true,\"shared\":true,\"version\":\"5.0@1\","
          "\"selectors\":2,\"position\":\"7-1\"}\n");
}

} // namespace
