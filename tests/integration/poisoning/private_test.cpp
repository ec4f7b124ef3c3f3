// Answers for one client (catalogue D26, D27): credentials, cookies, private and no-cache, and what those get
// who waited for such an answer.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

struct row {
    std::string request, response;
    bool stored = false;
};

/// Whether a second client gets the first one's answer, with and without the first one's fields.
void check_rows(const std::vector<row>& rows, std::vector<std::string> flags = {}) {
    std::string fields;
    poisoning_stage stage(
        [&](const request& asked) {
            answer a = echo_fields(asked);
            a.fields = fields;
            return a;
        },
        std::move(flags));
    for (const row& r : rows) {
        stage.next();
        fields = r.response;
        INFO("request: " << r.request << "response: " << r.response);
        const response first = stage.get(r.request);
        CHECK(first.cached().stored() == r.stored);
        const response second = stage.get();
        CHECK(second.cached().hit() == r.stored);
        CHECK((second.body == first.body) == (r.stored || r.request.empty()));
    }
}

} // namespace

TEST_CASE("the answer to a request with credentials is stored only if the application lifts the ban") {
    const std::string secret = "Authorization: Bearer secret\r\n";
    std::vector<row> rows;
    for (const char* cc :
         {"max-age=60", "max-age=60, immutable", "max-age=60, stale-if-error=60",
          "max-age=60, proxy-revalidate", "max-age=60, x-public", "max-age=60, \"public\"",
          "private, s-maxage=60", "private, public, max-age=60", "no-store, public, max-age=60"})
        rows.push_back({secret, "Cache-Control: " + std::string(cc) + "\r\n"});
    rows.push_back({secret, "Expires: Thu, 01 Jan 2099 00:00:00 GMT\r\n"});
    rows.push_back({secret, "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n"});
    for (const char* cc :
         {"public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60", "PUBLIC, MAX-AGE=60"})
        rows.push_back({secret, "Cache-Control: " + std::string(cc) + "\r\n", true});
    for (const char* name : {"authorization", "AUTHORIZATION"})
        rows.push_back({std::string(name) + ": x\r\n", "Cache-Control: max-age=60\r\n"});
    rows.push_back({"Authorization:\r\n", "Cache-Control: max-age=60\r\n"});
    rows.push_back({secret + "Connection: Authorization\r\n", "Cache-Control: max-age=60\r\n"});
    check_rows(rows);
}

TEST_CASE("an answer with Set-Cookie is not stored, however cacheable it says that it is") {
    std::vector<row> rows;
    for (const char* cc : {"max-age=60", "public, max-age=60", "s-maxage=60",
                           "max-age=60, no-cache=\"set-cookie\"", "max-age=60, private=\"set-cookie\""})
        for (const char* cookie : {"Set-Cookie: id=1\r\n", "set-cookie: id=1\r\n", "Set-Cookie:\r\n",
                                   "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"})
            rows.push_back({"", "Cache-Control: " + std::string(cc) + "\r\n" + cookie});
    rows.push_back({"", "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\nSet-Cookie: id=1\r\n"});
    rows.push_back({"", "CDN-Cache-Control: max-age=60\r\nSet-Cookie: id=1\r\n"});
    rows.push_back({"Cookie: id=1\r\n", "Cache-Control: max-age=60\r\nSet-Cookie: id=1\r\n"});
    check_rows(rows);
}

TEST_CASE("private and no-store keep an answer from others, in every spelling and place") {
    std::vector<row> rows;
    for (const char* cc : {"private", "private, max-age=60", "max-age=60, private", "max-age=60, PRIVATE",
                           "max-age=60,private", "private=\"x-a\", max-age=60", "private=x-a, max-age=60",
                           "private=\"\", max-age=60", "max-age=60, private=\"set-cookie, x-a\"",
                           "public, private, max-age=60", "no-store", "max-age=60, no-store",
                           "NO-STORE, max-age=60", "s-maxage=60, private", "s-maxage=60, no-store",
                           "max-age=60, private, private", "max-age=60, , private"})
        rows.push_back({"", "Cache-Control: " + std::string(cc) + "\r\n"});
    rows.push_back({"", "Cache-Control: max-age=60\r\nCache-Control: private\r\n"});
    rows.push_back({"", "Cache-Control: private\r\nCache-Control: max-age=60\r\n"});
    rows.push_back({"", "Cache-Control: max-age=60\r\nCDN-Cache-Control: private\r\n"});
    rows.push_back({"", "Cache-Control: max-age=60\r\nMeshcache-Cache-Control: no-store\r\n"});
    rows.push_back({"", "Expires: Thu, 01 Jan 2099 00:00:00 GMT\r\nCache-Control: private\r\n"});
    check_rows(rows);
}

TEST_CASE("no-cache, with field names or without, is never answered without asking the application") {
    std::string fields;
    poisoning_stage stage([&](const request& asked) {
        answer a = echo_fields(asked);
        a.fields = fields;
        return a;
    });
    for (const char* cc : {"no-cache", "no-cache, max-age=60", "max-age=60, no-cache=\"x-a\"",
                           "max-age=60, NO-CACHE", "max-age=60, no-cache=x-a", "max-age=60, no-cache=\"\"",
                           "s-maxage=60, no-cache", "max-age=0", "s-maxage=0, max-age=60"}) {
        for (const char* validator : {"", "ETag: \"1\"\r\n"}) {
            stage.next();
            fields = "Cache-Control: " + std::string(cc) + "\r\n" + validator;
            INFO(fields);
            for (std::size_t i = 1; i <= 3; ++i) {
                const response r = stage.get("X-Who: " + std::to_string(i) + "\r\n");
                CHECK_FALSE(r.cached().hit());
                CHECK(stage.fetched() == i);
                CHECK(r.body.find("x-who=" + std::to_string(i)) != std::string::npos);
            }
        }
    }
}

TEST_CASE("--store-set-cookie lifts that ban, and no other") {
    check_rows({{"", "Cache-Control: max-age=60\r\nSet-Cookie: id=1\r\n", true},
                {"", "Cache-Control: private, max-age=60\r\nSet-Cookie: id=1\r\n"},
                {"", "Cache-Control: no-store, max-age=60\r\nSet-Cookie: id=1\r\n"},
                {"Authorization: x\r\n", "Cache-Control: max-age=60\r\nSet-Cookie: id=1\r\n"}},
               {"--store-set-cookie"});
}

namespace {

/// What one request gets, and what those get who asked while it was on its way.
struct crowd {
    std::string name, fields; ///< of the response
    bool shared = false;
};

} // namespace

TEST_CASE("who waits for another's answer does not get it where it is for that one alone") {
    const std::vector<crowd> rows = {
        {"shared", "Cache-Control: max-age=60\r\n", true},
        {"private", "Cache-Control: private, max-age=60\r\n"},
        {"private fields", "Cache-Control: private=\"x-a\", max-age=60\r\n"},
        {"no-store", "Cache-Control: no-store\r\n"},
        {"Set-Cookie", "Cache-Control: max-age=60\r\nSet-Cookie: id=1\r\n"},
        {"Vary: *", "Cache-Control: max-age=60\r\nVary: *\r\n"},
        {"another variant", "Cache-Control: max-age=60\r\nVary: X-Who\r\n"},
        {"nothing said", ""},
        {"another origin", "Cache-Control: max-age=60\r\nAccess-Control-Allow-Origin: https://a.example\r\n"},
        {"another coding", "Cache-Control: max-age=60\r\nContent-Encoding: gzip\r\n"},
        {"stale at once", "Cache-Control: max-age=0\r\n"},
    };
    constexpr int waiters = 4;
    for (const crowd& r : rows) {
        INFO(r.name);
        gate go_on;
        scripted_upstream upstream([&](turn& t) {
            t.wait(go_on);
            t.respond(200, r.fields, t.asked().field("x-who"));
        });
        proxy p(upstream);
        const auto request_of = [](int who) {
            // Each names an origin and a coding of its own.
            const std::string n = std::to_string(who);
            return request_text("GET", "/",
                                "X-Who: " + n + "\r\nOrigin: https://" + n +
                                    ".example\r\nAccept-Encoding: c" + n + "\r\n");
        };
        std::vector<client> clients;
        for (int i = 0; i <= waiters; ++i) {
            clients.push_back(p.connect());
            REQUIRE(clients.back().send(request_of(i)));
            if (i == 0) upstream.wait_for_requests(1);
        }
        CHECK(eventually([&] { return metric(p, "meshcache_connections") == waiters + 1; }));
        go_on.open();
        for (int i = 0; i <= waiters; ++i) {
            const response got = clients[static_cast<std::size_t>(i)].read();
            INFO("client " << i << " " << got.summary());
            CHECK(got.status == 200);
            if (!r.shared) CHECK(got.body == std::to_string(i));
            if (r.shared) CHECK((got.cached().hit() || got.body == "0"));
        }
        CHECK(upstream.requests() == (r.shared ? 1U : waiters + 1U));
    }
}

TEST_CASE("who waits for the answer to a request with credentials fetches for itself") {
    gate go_on;
    scripted_upstream upstream([&](turn& t) {
        t.wait(go_on);
        t.respond(200, "Cache-Control: max-age=60\r\n", t.asked().field("authorization"));
    });
    proxy p(upstream);
    client owner = p.connect();
    REQUIRE(owner.send(request_text("GET", "/", "Authorization: secret\r\n")));
    upstream.wait_for_requests(1);
    std::vector<client> others;
    for (int i = 0; i < 4; ++i) {
        others.push_back(p.connect());
        REQUIRE(others.back().send(request_text("GET", "/")));
    }
    go_on.open();
    CHECK(owner.read().body == "secret");
    for (client& c : others) CHECK(c.read().body.empty());
}
