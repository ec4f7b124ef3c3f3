// Administration and disclosure (catalogue H): what a client of the data plane can do and learn.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <string>
#include <vector>

using namespace meshcache::test;

TEST_CASE("PURGE and its like from a client are the application's to refuse, and purge nothing then") {
    poisoning_stage stage([](const request& asked) {
        answer a = echo_uri(asked);
        if (asked.method() != "GET") a.status = 405;
        return a;
    });
    for (const char* method :
         {"PURGE", "BAN", "REFRESH", "FASTLYPURGE", "PURGEALL", "INVALIDATE", "purge", "DELETE"}) {
        for (const char* fields : {"", "X-Purge-Method: exact\r\n", "Fastly-Soft-Purge: 1\r\n",
                                   "Surrogate-Key: all\r\n", "X-Purge-Regex: .*\r\n", "Cache-Tag: all\r\n"}) {
            stage.next();
            INFO(method << " " << fields);
            CHECK(stage.get().cached().stored());
            CHECK(stage.ask(method, fields).status == 405);
            CHECK(stage.get().cached().hit());
        }
    }
}

TEST_CASE("the admin port's paths are the application's on the data plane") {
    poisoning_stage stage(echo_uri);
    for (const char* target : {"/metrics", "/stats", "/purge", "/healthz", "/readyz", "/inspect"}) {
        INFO(target);
        CHECK(stage.front().get(target).body == std::string("GET ") + target + " shop.example");
    }
}

TEST_CASE("the admin port answers no method that changes anything without asking for it, and shows no URL") {
    poisoning_stage stage(echo_uri);
    for (const char* secret : {"/secret-path", "/other?token=secret-token"}) {
        (void)stage.front().get(
            secret, "Host: secret-host.example\r\nCookie: secret-cookie=1\r\nX-Key: secret-field\r\n");
        (void)stage.front().get(secret, "Host: secret-host.example\r\n");
    }
    for (const char* page : {"/metrics", "/stats", "/readyz", "/healthz"}) {
        INFO(page);
        const response r = stage.front().ask_admin(page);
        CHECK(r.status == 200);
        CHECK(r.top.raw.find("secret") == std::string::npos);
        CHECK(r.body.find("secret") == std::string::npos);
    }
    client c(stage.front().admin());
    CHECK(c.ask("PURGE", "/").status >= 400);
}

TEST_CASE("Cache-Status names no key, and nothing that was not in the request") {
    poisoning_stage stage([](const request& asked) {
        answer a = echo_uri(asked);
        a.fields += "Vary: Cookie\r\n";
        return a;
    });
    stage.next();
    for (const char* cookie : {"secret=1", "secret=2"}) {
        for (int i = 0; i < 2; ++i) {
            const response r = stage.get("Cookie: " + std::string(cookie) + "\r\n");
            CHECK_FALSE(r.cached().has("key"));
            CHECK(r.field("cache-status").find("secret") == std::string::npos);
            CHECK(r.field("cache-status").find(stage.target()) == std::string::npos);
        }
    }
}

TEST_CASE("only-if-cached says whether something is stored, and never reaches the application or the store") {
    poisoning_stage stage(echo_uri);
    stage.next();
    const char* probe = "Cache-Control: only-if-cached\r\n";
    for (int i = 0; i < 3; ++i) CHECK(stage.get(probe).status == 504);
    CHECK(stage.fetched() == 0);
    CHECK(stage.get().cached().stored());
    CHECK(stage.get(probe).cached().hit());
    CHECK(stage.get("Cache-Control: only-if-cached, no-cache\r\n").status == 504);
    CHECK(stage.get("Cache-Control: only-if-cached, max-age=0\r\n").status == 504);
    CHECK(stage.fetched() == 1);
    CHECK(stage.get().cached().hit());
}

TEST_CASE(
    "Cache-Groups and Cache-Group-Invalidation are not understood, so that no origin can purge another") {
    poisoning_stage stage([](const request& asked) {
        answer a = echo_uri(asked);
        a.fields +=
            asked.method() == "GET" ? "Cache-Groups: \"all\"\r\n" : "Cache-Group-Invalidation: \"all\"\r\n";
        return a;
    });
    CHECK(stage.front().get("/a", "Host: a.example\r\n").cached().stored());
    CHECK(stage.front().get("/b", "Host: b.example\r\n").cached().stored());
    CHECK(stage.front().ask("POST", "/evil", "Host: evil.example\r\n", "x").status == 200);
    CHECK(stage.front().ask("POST", "/evil", "Host: a.example\r\n", "x").status == 200);
    CHECK(stage.front().get("/a", "Host: a.example\r\n").cached().hit());
    CHECK(stage.front().get("/b", "Host: b.example\r\n").cached().hit());
}

TEST_CASE("what a request says of tags or surrogates changes nothing that is stored") {
    poisoning_stage stage(echo_uri);
    for (const char* lines :
         {"Surrogate-Key: evil\r\n", "Cache-Tag: evil\r\n", "Surrogate-Control: max-age=1\r\n",
          "CDN-Cache-Control: no-store\r\n", "Meshcache-Cache-Control: no-store\r\n",
          "Surrogate-Capability: x=\"ESI/1.0\"\r\n", "Cache-Status: meshcache; hit\r\n", "Age: 100\r\n"}) {
        stage.next();
        INFO(lines);
        CHECK(stage.get(lines).cached().stored());
        const response r = stage.get();
        CHECK(r.cached().hit());
        CHECK(r.cached().ttl() > 50);
    }
}

// They are for caches between us and the client as well, such as a CDN that purges by them. README,
// "Security".
TEST_CASE("tags of the application pass to clients, and do not make a response storable") {
    std::string fields;
    poisoning_stage stage([&](const request&) { return answer{200, fields, "x"}; });
    for (const char* line :
         {"Surrogate-Key: a b", "Cache-Tag: a,b", "Surrogate-Control: max-age=600", "Cache-Groups: \"a\""}) {
        const std::string text = line;
        const std::string name = text.substr(0, text.find(':')), value = text.substr(text.find(':') + 2);
        stage.next();
        INFO(line);
        fields = text + "\r\nCache-Control: max-age=60\r\n";
        CHECK(stage.get().field(name) == value);
        CHECK(stage.get().field(name) == value);
        CHECK(stage.get().cached().hit());
        stage.next();
        fields = text + "\r\n";
        CHECK_FALSE(stage.get().cached().stored());
    }
}

TEST_CASE("errors say nothing of the upstream's address") {
    scripted_upstream upstream([](turn& t) { t.ok("ok"); });
    proxy p(upstream);
    upstream.stop();
    const response r = p.get("/");
    CHECK(r.status == 502);
    CHECK((r.top.raw + r.body).find(std::to_string(upstream.address().port)) == std::string::npos);
    CHECK((r.top.raw + r.body).find("127.0.0.1") == std::string::npos);
}
