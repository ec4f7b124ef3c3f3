// Variants (catalogue D22, D24, D25): absent and empty fields, lists, `*`, Vary that changes, their number,
// and what an application forgot to say about encodings and origins.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <atomic>
#include <string>
#include <vector>

using namespace meshcache::test;

TEST_CASE("requests are the same variant only where the selecting field means the same") {
    struct row {
        std::string name, field, one, other;
        bool same;
    };
    const row rows[] = {
        {"absent and empty", "X-A", "", "X-A:\r\n", false},
        {"absent and a value", "X-A", "", "X-A: 1\r\n", false},
        {"case of the name", "X-A", "X-A: 1\r\n", "x-a: 1\r\n", true},
        {"case of the value", "X-A", "X-A: a\r\n", "X-A: A\r\n", false},
        {"blanks around the value", "X-A", "X-A: 1\r\n", "X-A:\t 1 \r\n", true},
        {"two lines and a list", "X-A", "X-A: 1, 2\r\n", "X-A: 1\r\nX-A: 2\r\n", true},
        {"two lines in another order", "X-A", "X-A: 1\r\nX-A: 2\r\n", "X-A: 2\r\nX-A: 1\r\n", false},
        {"a value and the same twice", "X-A", "X-A: 1\r\n", "X-A: 1\r\nX-A: 1\r\n", false},
        {"a value and an empty line more", "X-A", "X-A: 1\r\n", "X-A: 1\r\nX-A:\r\n", false},
        {"blanks around a comma", "X-A", "X-A: 1,2\r\n", "X-A: 1 , 2\r\n", true},
        {"a blank in a value", "X-A", "X-A: a b\r\n", "X-A: ab\r\n", false},
        {"a comma in quotes", "X-A", "X-A: \"a, b\"\r\n", "X-A: \"a,b\"\r\n", false},
        {"a prefix", "X-A", "X-A: 1\r\n", "X-A: 12\r\n", false},
        {"another field", "X-A", "X-A: 1\r\n", "X-A: 1\r\nX-B: 2\r\n", true},
        {"named as hop-by-hop", "X-A", "", "X-A: 1\r\nConnection: X-A\r\n", true},
        {"order of encodings", "Accept-Encoding", "Accept-Encoding: gzip, br\r\n",
         "Accept-Encoding: br, gzip\r\n", false},
        {"case of encodings", "Accept-Encoding", "Accept-Encoding: gzip\r\n", "Accept-Encoding: GZIP\r\n",
         true},
        {"case of languages", "Accept-Language", "Accept-Language: de-AT\r\n", "Accept-Language: DE-at\r\n",
         true},
        {"a quality", "Accept-Language", "Accept-Language: de\r\n", "Accept-Language: de;q=0.1\r\n", false},
    };
    std::string vary;
    poisoning_stage stage([&](const request& asked) {
        answer a = echo_fields(asked);
        a.fields += "Vary: " + vary + "\r\n";
        return a;
    });
    for (const row& r : rows) {
        for (const bool swapped : {false, true}) {
            stage.next();
            vary = r.field;
            INFO(r.name << (swapped ? ", the other way round" : ""));
            const std::string& first = swapped ? r.other : r.one;
            const std::string& second = swapped ? r.one : r.other;
            CHECK(stage.get(first).cached().stored());
            const response got = stage.get(second);
            CHECK(got.cached().hit() == r.same);
            if (!r.same) CHECK(got.cached().fwd() == "vary-miss");
            CHECK(stage.get(first).cached().hit());
            CHECK(stage.get(second).cached().hit());
        }
    }
}

TEST_CASE("a Vary that nothing matches keeps a response from being stored, the rest of its list or not") {
    std::string vary;
    poisoning_stage stage([&](const request&) {
        answer a;
        a.fields += vary;
        return a;
    });
    for (const char* lines :
         {"Vary: *\r\n", "Vary: Accept, *\r\n", "Vary: *, Accept\r\n", "Vary: Accept\r\nVary: *\r\n",
          "vary:*\r\n", "Vary: \"Accept\"\r\n", "Vary: Accept Encoding\r\n", "Vary: a;b\r\n",
          "Vary: X-Forwarded-For\r\n", "Vary: Forwarded\r\n"}) {
        stage.next();
        vary = lines;
        INFO(lines);
        for (int i = 0; i < 2; ++i) {
            const response r = stage.get();
            CHECK_FALSE(r.cached().hit());
            CHECK(r.cached().detail() == "vary");
        }
    }
    CHECK(stage.objects() == 0);
    for (const char* lines :
         {"Vary:\r\n", "Vary: ,\r\n", "Vary: Host\r\n", "Vary: TE\r\n", "Vary: Connection\r\n"}) {
        stage.next();
        vary = lines;
        INFO(lines);
        CHECK(stage.get().cached().stored());
        CHECK(stage.get().cached().hit());
    }
}

TEST_CASE("a Vary that changes between responses never lets one request have another's") {
    std::string vary;
    poisoning_stage stage([&](const request& asked) {
        answer a = echo_fields(asked);
        a.fields += vary;
        return a;
    });
    const std::vector<std::string> varies = {"", "Vary: X-A\r\n", "Vary: X-B\r\n", "Vary: X-A, X-B\r\n"};
    const std::string red = "X-A: red\r\nX-B: 1\r\n", blue = "X-A: blue\r\nX-B: 2\r\n";
    for (const std::string& before : varies) {
        for (const std::string& after : varies) {
            stage.next();
            INFO("first " << before << " then " << after);
            vary = before;
            const std::string one = stage.get(red).body;
            vary = after;
            const std::string two = stage.get(blue + "Cache-Control: no-cache\r\n").body;
            const response red_now = stage.get(red), blue_now = stage.get(blue);
            // Only a response that says nothing of Vary may be given to both.
            const bool shared = after.empty();
            if (!shared) CHECK(red_now.body.find("blue") == std::string::npos);
            CHECK(blue_now.body.find("blue") != std::string::npos);
            CHECK(blue_now.cached().hit());
            CHECK(two.find("blue") != std::string::npos);
            CHECK(one.find("red") != std::string::npos);
        }
    }
}

TEST_CASE("the variants of one URI are bounded, and a flood of them leaves the used ones") {
    poisoning_stage stage(
        [](const request& asked) {
            answer a = echo_fields(asked);
            a.fields += "Vary: X-A\r\n";
            return a;
        },
        {"--max-variants", "5"});
    stage.next();
    const auto value = [](int i) { return "X-A: " + std::to_string(i) + "\r\n"; };
    for (int i = 0; i < 3; ++i) {
        CHECK(stage.get(value(i)).cached().stored());
        CHECK(stage.get(value(i)).cached().hit());
    }
    for (int i = 100; i < 200; ++i) {
        const response r = stage.get(value(i));
        CHECK(r.cached().stored());
        CHECK(r.body.find(std::to_string(i)) != std::string::npos);
    }
    // Five variants, and the note that there are some.
    CHECK(stage.objects() == 6);
    CHECK(metric(stage.front(), "meshcache_removed_total{why=\"variants\"}") == 98);
    for (int i = 0; i < 3; ++i) CHECK(stage.get(value(i)).cached().hit());
    CHECK(stage.get(value(199)).cached().hit());
    // Other URIs have their own.
    stage.next();
    for (int i = 0; i < 5; ++i) CHECK(stage.get(value(i)).cached().stored());
    for (int i = 0; i < 5; ++i) CHECK(stage.get(value(i)).cached().hit());
    CHECK(stage.objects() == 12);
}

TEST_CASE("a response with a content coding is not for a client that did not ask like that, Vary or not") {
    const std::string plain_fields = "Cache-Control: max-age=60\r\n";
    for (const char* vary : {"", "Vary: Accept-Encoding\r\n", "Vary: X-Other\r\n"}) {
        poisoning_stage stage([&](const request& asked) {
            answer a;
            a.fields = plain_fields + vary;
            const std::string accepted = lowered(asked.field("accept-encoding"));
            for (const char* coding : {"br", "gzip"}) {
                if (accepted.find(coding) == std::string::npos) continue;
                a.fields += std::string("Content-Encoding: ") + coding + "\r\n";
                a.body = std::string("in ") + coding;
                return a;
            }
            a.body = "plain";
            return a;
        });
        for (const char* victim :
             {"", "Accept-Encoding:\r\n", "Accept-Encoding: identity\r\n", "Accept-Encoding: deflate\r\n",
              "Accept-Encoding: br;q=0, *;q=0\r\n", "Accept_Encoding: x\r\n"}) {
            stage.next();
            INFO(vary << victim);
            CHECK(stage.get("Accept-Encoding: gzip\r\n").body == "in gzip");
            CHECK(stage.get("Accept-Encoding: gzip\r\n").cached().hit());
            const response got = stage.get(victim);
            CHECK_FALSE(got.cached().hit());
            CHECK(got.body == (std::string(victim).find("br;q") != std::string::npos ? "in br" : "plain"));
            // What is not encoded is for everybody, so that this one may now have it.
            const response again = stage.get("Accept-Encoding: gzip\r\n");
            CHECK((again.body == "in gzip" || again.body == "plain"));
        }
        stage.next();
        CHECK(stage.get("Accept-Encoding: br\r\n").body == "in br");
        CHECK(stage.get("Accept-Encoding: gzip\r\n").body == "in gzip");
    }
}

TEST_CASE("identity is no content coding") {
    poisoning_stage stage([](const request&) {
        answer a;
        a.fields += "Content-Encoding: identity\r\n";
        return a;
    });
    stage.next();
    CHECK(stage.get("Accept-Encoding: gzip\r\n").cached().stored());
    CHECK(stage.get().cached().hit());
}

TEST_CASE("a response that names one origin is not for another, Vary or not") {
    for (const char* vary : {"", "Vary: Origin\r\n", "Vary: Accept-Encoding\r\n"}) {
        poisoning_stage stage([&](const request& asked) {
            answer a;
            const std::string origin = asked.field("origin");
            a.fields += vary;
            if (!origin.empty())
                a.fields += "Access-Control-Allow-Origin: " + origin +
                            "\r\nAccess-Control-Allow-Credentials: true\r\n";
            return a;
        });
        const auto allowed = [](const response& r) { return r.field("access-control-allow-origin"); };
        for (const char* attacker :
             {"https://evil.example", "null", "http://shop.example", "https://shop.example.evil"}) {
            stage.next();
            INFO(vary << attacker);
            CHECK(allowed(stage.get("Origin: " + std::string(attacker) + "\r\n")) == attacker);
            const response victim = stage.get("Origin: https://shop.example\r\n");
            CHECK_FALSE(victim.cached().hit());
            CHECK(allowed(victim) == "https://shop.example");
            CHECK(allowed(stage.get("Origin: https://shop.example\r\n")) == "https://shop.example");
            CHECK(stage.get("Origin: https://shop.example\r\n").cached().hit());
            CHECK(allowed(stage.get()).empty());
        }
    }
}

TEST_CASE("a response for every origin is for every origin") {
    poisoning_stage stage([](const request&) {
        answer a;
        a.fields += "Access-Control-Allow-Origin: *\r\n";
        return a;
    });
    stage.next();
    CHECK(stage.get("Origin: https://a.example\r\n").cached().stored());
    CHECK(stage.get("Origin: https://b.example\r\n").cached().hit());
    CHECK(stage.get().cached().hit());
}
