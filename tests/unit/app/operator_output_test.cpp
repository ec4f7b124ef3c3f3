#include "operator_output.hpp"
#include "support/golden.hpp"
#include "text_layout.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

using namespace meshcache;
using namespace meshcache::app;
using meshcache::test::check_golden;
using meshcache::test::golden_file;
using meshcache::test::read_whole_file;

namespace {

operator_command asking(operator_verb verb) {
    operator_command c;
    c.verb = verb;
    c.admin = {"127.0.0.1", 9901, {}};
    return c;
}

admin_answer json(std::string body, int status = 200) {
    return {status, "application/json", std::move(body)};
}

std::string server_says(const char* name) { return read_whole_file(golden_file("admin", name)); }

} // namespace

TEST_CASE("a purge is asked for as JSON") {
    auto c = asking(operator_verb::purge);
    c.urls = {"http://h/\"a\""};
    c.tags = {"red", "bl\xc3\xbc"};
    c.soft = true;
    auto request = request_for(c);
    REQUIRE(request);
    CHECK(request->post);
    CHECK(request->target == "/purge");
    CHECK(request->json == "{\"url\":[\"http://h/"
                           "\\\"a\\\"\"],\"tag\":[\"red\",\"bl\xc3\xbc\"],\"soft\":true,\"timeout\":\"5s\"}");
    CHECK(patience_for(c) > c.timeout); // the server is to answer first
    CHECK(patience_for(asking(operator_verb::stats)) == c.timeout);
    c = asking(operator_verb::purge);
    c.all = c.wait_replicas = true;
    c.timeout = milliseconds{1'500};
    request = request_for(c);
    CHECK(request->json == R"({"all":true,"wait":"replicas","timeout":"1500ms"})");
    CHECK(patience_for(c) > c.timeout);
    c.tags = {"\xff"};
    CHECK_FALSE(request_for(c));
    c.tags.assign(10'000, "a long tag indeed");
    CHECK_FALSE(request_for(c));
}

TEST_CASE("an inspection's URL stands encoded in the target") {
    auto c = asking(operator_verb::inspect);
    c.url = "http://h/a?b=1&c=%20 d";
    CHECK(request_for(c)->target == "/inspect?url=http%3A%2F%2Fh%2Fa%3Fb%3D1%26c%3D%2520%20d");
    CHECK_FALSE(request_for(c)->post);
    CHECK(request_for(asking(operator_verb::stats))->target == "/stats");
    CHECK(request_for(asking(operator_verb::replicas))->target == "/stats");
}

TEST_CASE("what a purge came to is said in words, and by the exit code") {
    const auto c = asking(operator_verb::purge);
    struct row {
        int status;
        const char* body;
        int code;
        const char* says;
    };
    const row rows[] = {
        {200, R"({"applied":true,"acknowledged":true,"shared":false,"version":"5.0@1","position":""})", 0,
         "purged here; there is no Redis, and no other replica\nversion 5.0@1\n"},
        {200, R"({"applied":true,"acknowledged":true,"shared":true,"version":"5.0@1","position":"7-1"})", 0,
         "purged: Redis has it, and the other replicas learn of it from there\n"
         "version 5.0@1, in the change log at 7-1\n"},
        {202, R"({"applied":true,"acknowledged":false,"shared":true,"version":"5.0@1","position":""})", 3,
         "purged here, and queued: Redis has not acknowledged it yet, so the other replicas do not know\n"
         "version 5.0@1\n"},
        {200,
         R"({"applied":true,"acknowledged":true,"shared":true,"version":"v","position":"7-1","replicas":{"applied":3,"live":3}})",
         0, "purged on 3 of 3 replicas\nversion v, in the change log at 7-1\n"},
        {202,
         R"({"applied":true,"acknowledged":true,"shared":true,"version":"v","position":"7-1","replicas":{"applied":2,"live":3}})",
         3,
         "purged on 2 of 3 replicas; Redis has it for the others, who were not ready in time\n"
         "version v, in the change log at 7-1\n"},
        {202,
         R"({"applied":true,"acknowledged":true,"shared":true,"version":"v","position":"7-1","replicas":null})",
         3,
         "purged here and in Redis; which replicas there are, Redis did not say\n"
         "version v, in the change log at 7-1\n"},
    };
    for (const row& r : rows) {
        INFO(r.body);
        const auto result = conclude(c, json(r.body, r.status));
        CHECK(result.code == r.code);
        CHECK(result.out == r.says);
        CHECK(result.err.empty());
        auto for_machines = c;
        for_machines.json = true;
        CHECK(conclude(for_machines, json(r.body, r.status)).out == r.body);
        CHECK(conclude(for_machines, json(r.body, r.status)).code == r.code);
    }
}

TEST_CASE("the pages are what the golden file has, made of what the server's golden files have") {
    std::string pages;
    for (const auto& [verb, answer] :
         {std::pair(operator_verb::stats, "stats.json"), std::pair(operator_verb::replicas, "stats.json"),
          std::pair(operator_verb::inspect, "inspection.json")}) {
        const auto result = conclude(asking(verb), json(server_says(answer)));
        CHECK(result.code == 0);
        CHECK(result.err.empty());
        pages += result.out + "----\n";
    }
    check_golden(golden_file("app", "pages.txt"), pages);
}

TEST_CASE("a warm start and a reconciliation are shown while they run") {
    const auto page = [](const std::string& members) {
        const auto body = R"({"replica_id": "a", "redis_state": "loading")" + members + "}";
        return conclude(asking(operator_verb::stats), json(body)).out;
    };
    const auto says = [](const std::string& text, const char* what) {
        return text.find(what) != std::string::npos;
    };
    CHECK(says(page(R"(, "warm_start": {"state": "waiting"})"), "warming    waits for Redis\n"));
    CHECK(says(page(R"(, "warm_start": {"state": "running", "loaded": 1, "bytes": 2048})"),
               "warming    1 record loaded, 2 KiB\n"));
    CHECK_FALSE(says(page(R"(, "warm_start": {"state": "done", "loaded": 1})"), "warming"));
    CHECK(says(page(R"(, "reconciliation": {"running": true, "done": 3, "total": 9})"),
               "comparing  3 of 9 responses with Redis\n"));
    CHECK_FALSE(says(page(R"(, "reconciliation": {"running": false, "done": 9, "total": 9})"), "comparing"));
}

TEST_CASE("for machines the server's own words are printed, of the replicas the list") {
    auto c = asking(operator_verb::stats);
    c.json = true;
    CHECK(conclude(c, json(server_says("stats.json"))).out == server_says("stats.json"));
    c.verb = operator_verb::replicas;
    // Also in the order in which the server has the members.
    CHECK(conclude(c, json(server_says("stats.json"))).out ==
          nlohmann::ordered_json::parse(server_says("stats.json")).at("replicas").dump(2) + '\n');
}

TEST_CASE("without a list of replicas the command fails, and says why") {
    const auto c = asking(operator_verb::replicas);
    auto result = conclude(c, json(R"({"replica_id": "a", "redis_state": "off", "replicas": null})"));
    CHECK(result.code == 1);
    CHECK(result.err == "meshcache: this replica has no Redis, and so shares with no other\n");
    result = conclude(c, json(R"({"replica_id": "a", "redis_state": "connecting", "replicas": null})"));
    CHECK(result.code == 1);
    CHECK(result.err.find("'connecting'") != std::string::npos);
    CHECK(conclude(c, json(R"({"replica_id": "a", "redis_state": "ready", "replicas": []})")).code == 0);
}

TEST_CASE("what the admin port refuses is passed on") {
    auto c = asking(operator_verb::purge);
    struct row {
        admin_answer answer;
        int code;
        const char* says;
    };
    const row rows[] = {
        {{401, "text/plain", "no\n"},
         1,
         "the admin port at 127.0.0.1:9901 asks for a token; set MESHCACHE_ADMIN_TOKEN"},
        {{400, "text/plain", "'/a' is no URL of the form http://host/path\n"},
         2,
         "'/a' is no URL of the form http://host/path"},
        {{404, "text/plain", "nothing here"}, 1, "none of a meshcache, or of an older one: 404"},
        {{503, "text/plain", "\x1b[31mbusy\nmore"}, 1, "answered 503: \\x1b[31mbusy"},
        {{202, "application/json", "nonsense"}, 1, "no admin port of meshcache: its answer is not JSON"},
        {{200, "text/html", "{}"}, 1, "no admin port of meshcache"},
    };
    for (const row& r : rows) {
        const auto result = conclude(c, r.answer);
        INFO(result.err);
        CHECK(result.code == r.code);
        CHECK(result.out.empty());
        CHECK(result.err.starts_with("meshcache: "));
        CHECK(result.err.ends_with("\n"));
        CHECK(result.err.find(r.says) != std::string::npos);
    }
    c.token = "wrong";
    CHECK(conclude(c, {401, "text/plain", "no\n"}).err.find("does not know this token") != std::string::npos);
    CHECK(conclude(asking(operator_verb::stats), {202, "application/json", "{}"}).code == 1);
}

TEST_CASE("answers of other versions are shown as far as they go") {
    struct row {
        operator_verb verb;
        const char* body;
    };
    const row rows[] = {
        {operator_verb::stats, R"({"replica_id": "a"})"},
        {operator_verb::stats, R"({"replica_id": "a", "hits": "many", "redis_state": 7, "replicas": [7]})"},
        {operator_verb::purge, R"({"applied": true, "version": "v"})"},
        {operator_verb::purge, R"({"applied": true, "version": "", "shared": 7, "replicas": [7]})"},
        {operator_verb::inspect, R"({"local": []})"},
        {operator_verb::inspect, R"({"local": [{}, 7], "redis": {}})"},
        {operator_verb::inspect, R"({"local": [7], "redis": {"records": [7, {}]}, "url": 7})"},
        {operator_verb::replicas, R"({"replica_id": "a", "replicas": [7, {}]})"},
    };
    for (const row& r : rows) {
        const auto result = conclude(asking(r.verb), json(r.body));
        INFO(r.body << '\n' << result.out);
        CHECK(result.code == 0);
        CHECK_FALSE(result.out.empty());
    }
}

TEST_CASE("JSON of another program is no success") {
    for (const auto verb :
         {operator_verb::stats, operator_verb::replicas, operator_verb::purge, operator_verb::inspect}) {
        for (const char* body :
             {"{}", R"({"ok": true})", R"({"applied": false, "version": "1", "replica_id": 7, "local": {}})",
              R"({"applied": 1, "version": 1, "replicas": [], "hits": 1, "url": "http://h/"})"}) {
            for (const bool for_machines : {false, true}) {
                auto c = asking(verb);
                c.json = for_machines;
                const auto result = conclude(c, json(body));
                INFO(body);
                CHECK(result.code == 1);
                CHECK(result.out.empty());
                CHECK(result.err == "meshcache: 127.0.0.1:9901 is no admin port of meshcache: "
                                    "its answer has another form\n");
            }
        }
    }
}

TEST_CASE("tables are as wide as their longest cells, and no line ends with a blank") {
    CHECK(table({{"A", "B"}, {"long", "x"}, {"", "yy"}}) == "A     B\nlong  x\n      yy\n");
    CHECK(table({{"A", ""}, {"", ""}}) == "A\n\n");
    CHECK(visible("a\x1b[0m\n\x7f\xc3\xa9") == "a\\x1b[0m\\x0a\\x7f\xc3\xa9");
}

TEST_CASE("nothing that a terminal acts on is printed as it is") {
    struct row {
        std::string_view text;
        std::string_view shown;
    };
    const row rows[] = {
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "31mred",
         "\\xc2\\x9b31mred"}, // CSI
        {"\xc2\x80\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9f\xc2\xa0"},
        {"\x9b"
         "31m",
         "\\x9b31m"},
        {"\xc0\x9b", "\\xc0\\x9b"},
        {"\xe0\x82\x9b", "\\xe0\\x82\\x9b"},
        {"\xf0\x80\x82\x9b", "\\xf0\\x80\\x82\\x9b"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xc3\x1b", "\\xc3\\x1b"},
    };
    for (const row& r : rows) {
        INFO(r.shown);
        CHECK(visible(r.text) == r.shown);
    }
}
