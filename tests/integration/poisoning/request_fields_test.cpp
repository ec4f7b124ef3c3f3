// Fields of the first request that ask for less than the whole (catalogue D23): they must not shape what is
// stored.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

const std::string content = "0123456789";
const std::string validators = "Cache-Control: max-age=60\r\nETag: \"v1\"\r\n"
                               "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n";

/// An application that honours whatever condition or range reaches it, and lets all of its answers be stored.
answer conditional_app(const request& asked) {
    answer a{200, validators, content};
    const auto has = [&](const char* name) { return asked.top.fields.has(name); };
    if (asked.field("if-none-match").find("\"v1\"") != std::string::npos ||
        asked.field("if-none-match") == "*" || has("if-modified-since"))
        return {304, validators, ""};
    if (has("if-match") || has("if-unmodified-since")) return {412, validators, "precondition"};
    if (has("range")) {
        if (asked.field("range").find("100-") != std::string::npos)
            return {416, validators + "Content-Range: bytes */10\r\n", "unsatisfiable"};
        return {206, validators + "Content-Range: bytes 0-1/10\r\n", "01"};
    }
    return a;
}

} // namespace

TEST_CASE("what the first request asks for beyond the whole is not what is stored") {
    poisoning_stage stage(conditional_app);
    const std::vector<std::string> attacks = {
        "If-None-Match: \"v1\"\r\n",
        "If-None-Match: W/\"v1\"\r\n",
        "If-None-Match: *\r\n",
        "If-None-Match: \"x\", \"v1\"\r\n",
        "If-None-Match: \"x\"\r\nIf-None-Match: \"v1\"\r\n",
        "If_None_Match: \"v1\"\r\n",
        "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
        "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT\r\n",
        "If-Match: \"x\"\r\n",
        "If-Match: *\r\n",
        "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:10 GMT\r\n",
        "Range: bytes=0-1\r\n",
        "Range: bytes=0-\r\n",
        "Range: bytes=-1\r\n",
        "Range: bytes=0-0,5-5\r\n",
        "Range: bytes=100-\r\n",
        "Range: bytes=x\r\n",
        "Range: lines=1-2\r\n",
        "Range: bytes=0-1\r\nIf-Range: \"v1\"\r\n",
        "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n",
        "If-Range: \"v1\"\r\n",
        "Range: bytes=0-1\r\nIf-None-Match: \"v1\"\r\n",
        "Range: bytes=0-1\r\nCache-Control: no-cache\r\n",
    };
    for (const std::string& lines : attacks) {
        stage.next();
        INFO(lines);
        const response attack = stage.get(lines);
        for (int i = 0; i < 2; ++i) {
            const response victim = stage.get();
            CHECK(victim.status == 200);
            CHECK(victim.body == content);
            CHECK(victim.complete);
        }
        CHECK(stage.get().cached().hit());
        // And once more, with the good answer stored.
        (void)stage.get(lines);
        CHECK(stage.get().body == content);
        CHECK(stage.get().status == 200);
        (void)attack;
    }
}

TEST_CASE("an application's partial or conditional answer that nobody asked for is not stored") {
    struct row {
        int status;
        std::string fields;
    };
    const row rows[] = {
        {206, "Content-Range: bytes 0-1/10\r\n"},
        {206, ""},
        {206, "Content-Type: multipart/byteranges; boundary=x\r\n"},
        {416, "Content-Range: bytes */10\r\n"},
        {412, ""},
    };
    std::size_t at = 0;
    poisoning_stage stage([&](const request&) {
        return answer{rows[at].status, validators + rows[at].fields, "part"};
    });
    for (at = 0; at < std::size(rows); ++at) {
        stage.next();
        INFO(rows[at].status << " " << rows[at].fields);
        for (std::size_t i = 1; i <= 2; ++i) {
            CHECK_FALSE(stage.get().cached().stored());
            CHECK(stage.fetched() == i);
        }
    }
    CHECK(stage.objects() == 0);
}

TEST_CASE("many, tiny or overlapping ranges make neither the answer nor the upstream's work larger") {
    const std::string whole = noise(100'000);
    poisoning_stage stage([&](const request&) { return answer{200, validators, whole}; });
    std::string many = "Range: bytes=0-";
    for (int i = 0; i < 1000; ++i) many += ",0-";
    std::string tiny = "Range: bytes=0-0";
    for (int i = 2; i < 1000; i += 2) tiny += "," + std::to_string(i) + "-" + std::to_string(i);
    for (const std::string& lines :
         {many, tiny, std::string("Range: bytes=-1,-2,-3,-4,-5,-6,-7,-8,-9,-10")}) {
        stage.next();
        INFO(lines.substr(0, 40));
        CHECK(stage.get().cached().stored());
        const response r = stage.get(lines + "\r\n");
        CHECK(r.cached().hit());
        CHECK(r.body.size() <= whole.size());
        CHECK(stage.fetched() == 1);
    }
}

TEST_CASE("an Accept or a Cache-Control of the first request changes nothing for the next") {
    poisoning_stage stage([](const request&) { return answer{200, validators, content}; });
    for (const char* lines :
         {"Cache-Control: max-age=0\r\n", "Cache-Control: no-cache\r\n", "Pragma: no-cache\r\n",
          "Cache-Control: max-stale\r\n", "Cache-Control: min-fresh=10\r\n",
          "Cache-Control: no-transform\r\n", "Accept: application/evil\r\n", "Expect: 100-continue\r\n",
          "Max-Forwards: 0\r\n", "TE: trailers\r\n"}) {
        stage.next();
        INFO(lines);
        CHECK(stage.get(lines).cached().stored());
        CHECK(stage.get().cached().hit());
        CHECK(stage.get().body == content);
    }
    stage.next();
    CHECK_FALSE(stage.get("Cache-Control: no-store\r\n").cached().stored());
    CHECK(stage.get("Cache-Control: only-if-cached\r\n").status == 504);
    CHECK(stage.get().cached().stored());
}
