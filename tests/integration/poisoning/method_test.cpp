// Methods and content of requests (catalogue D18, D21): only what GET without content gets is stored, and
// only GET and HEAD are answered with it.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

/// Says what came, content included, and lets everything be stored.
answer echo_message(const request& asked) {
    answer a;
    a.fields = "Cache-Control: public, max-age=60\r\nContent-Location: " + asked.target() + "\r\n";
    a.body = asked.method() + " " + asked.body;
    return a;
}

/// The same, but only for GET: methods that succeed and are not safe would invalidate what is stored.
answer refuse_but_get(const request& asked) {
    answer a = echo_message(asked);
    if (asked.method() != "GET") a.status = 400;
    return a;
}

} // namespace

TEST_CASE("a GET with content goes past the cache, and is neither stored nor answered from the store") {
    poisoning_stage stage(echo_message);
    struct row {
        std::string name, request;
    };
    const row rows[] = {
        {"a fat GET", "GET $T HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\n\r\nevil"},
        {"a fat GET in chunks",
         "GET $T HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n"},
        {"a form",
         "GET $T HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
         "Content-Length: 6\r\n\r\na=evil"},
        {"JSON", "GET $T HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n"
                 "Content-Length: 12\r\n\r\n{\"a\":\"evil\"}"},
        {"an HTTP/1.0 fat GET", "GET $T HTTP/1.0\r\nHost: shop.example\r\nContent-Length: 4\r\n\r\nevil"},
        {"a fat GET named as hop-by-hop", "GET $T HTTP/1.1\r\nHost: shop.example\r\nConnection: "
                                          "Content-Length\r\nContent-Length: 4\r\n\r\nevil"},
    };
    for (const row& r : rows) {
        stage.next();
        INFO(r.name);
        const response attack = stage.send(r.request);
        CHECK(attack.body.find("evil") != std::string::npos);
        CHECK_FALSE(attack.cached().stored());
        CHECK(attack.cached().fwd() == "bypass");
        const response victim = stage.get();
        CHECK(victim.body == "GET ");
        CHECK_FALSE(victim.cached().hit());
        CHECK(stage.send(r.request).body == attack.body);
        CHECK(stage.get().cached().hit());
        CHECK(stage.get().body == "GET ");
    }
}

TEST_CASE("a GET that announces chunks and has none goes past the cache, one with length 0 does not") {
    poisoning_stage stage(echo_message);
    stage.next();
    CHECK_FALSE(
        stage.send("GET $T HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            .cached()
            .stored());
    CHECK(stage.send("GET $T HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n").cached().stored());
    CHECK(stage.get().cached().hit());
}

TEST_CASE("no method but GET has its answer stored, whatever the application says of it") {
    poisoning_stage stage(refuse_but_get);
    for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "REPORT",
                               "SEARCH", "PURGE", "BAN", "get", "Get", "GETX", "XGET", "head"}) {
        for (const char* body : {"", "evil"}) {
            stage.next();
            INFO(method << " with " << (*body != '\0' ? "" : "no ") << "content");
            const response attack = stage.ask(method, "", body);
            CHECK(attack.status == 400);
            CHECK_FALSE(attack.cached().stored());
            CHECK(attack.cached().fwd() == "method");
            CHECK(stage.get().body == "GET ");
            CHECK(stage.fetched() == 2);
            // A second one is not answered from the store either.
            CHECK(stage.ask(method, "", body).body == attack.body);
            CHECK(stage.fetched() == 3);
            CHECK(stage.get().cached().hit());
        }
    }
}

TEST_CASE(
    "a method that may change something and succeeds makes the stored answer invalid, a safe one does not") {
    poisoning_stage stage(echo_message);
    struct row {
        const char* method;
        bool safe;
    };
    // A method that is not known may change something (RFC 9111, section 4.4).
    for (const row& r : {row{"POST", false}, row{"PUT", false}, row{"PATCH", false}, row{"DELETE", false},
                         row{"PROPPATCH", false}, row{"get", false}, row{"OPTIONS", true}, row{"HEAD", true},
                         row{"QUERY", true}}) {
        stage.next();
        INFO(r.method);
        CHECK(stage.get().cached().stored());
        CHECK(stage.ask(r.method).status == 200);
        CHECK(stage.get().cached().hit() == r.safe);
    }
}

TEST_CASE("HEAD stores nothing that a GET is answered with") {
    poisoning_stage stage([](const request& asked) {
        answer a = echo_message(asked);
        a.fields += "X-Method: " + asked.method() + "\r\n";
        if (asked.method() == "HEAD") a.body.clear();
        return a;
    });
    stage.next();
    const response head = stage.ask("HEAD");
    CHECK(head.status == 200);
    CHECK_FALSE(head.cached().stored());
    const response get = stage.get();
    CHECK_FALSE(get.cached().hit());
    CHECK(get.field("x-method") == "GET");
    CHECK(get.body == "GET ");
    // The other way round it may.
    const response again = stage.ask("HEAD");
    CHECK(again.cached().hit());
    CHECK(again.field("x-method") == "GET");
    CHECK(again.body.empty());
    CHECK(again.field("content-length") == "4");
}

TEST_CASE("content is never in the key, so no POST or QUERY is answered with another's answer") {
    poisoning_stage stage(echo_message);
    struct row {
        const char *name, *fields, *body;
    };
    const row rows[] = {
        {"JSON", "Content-Type: application/json\r\n", "{\"a\":1,\"b\":2}"},
        {"JSON in another order", "Content-Type: application/json\r\n", "{\"b\":2,\"a\":1}"},
        {"JSON with a member twice", "Content-Type: application/json\r\n", "{\"a\":1,\"a\":2}"},
        {"JSON as text", "Content-Type: text/plain\r\n", "{\"a\":1,\"b\":2}"},
        {"JSON as nothing", "", "{\"a\":1,\"b\":2}"},
        {"JSON compressed, as it says", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
         "{\"a\":1,\"b\":2}"},
        {"gRPC", "Content-Type: application/grpc\r\nTE: trailers\r\n", "xxxxx"},
        {"gRPC with the compression flag", "Content-Type: application/grpc\r\nGrpc-Encoding: gzip\r\n",
         "yxxxx"},
        {"gRPC with metadata", "Content-Type: application/grpc\r\nX-Tenant: evil\r\n", "xxxxx"},
    };
    for (const char* method : {"POST", "QUERY"}) {
        stage.next();
        std::size_t asked = 0;
        for (int round = 0; round < 2; ++round) {
            for (const row& r : rows) {
                INFO(method << ": " << r.name);
                const response got = stage.ask(method, r.fields, r.body);
                CHECK(got.body == std::string(method) + " " + r.body);
                CHECK_FALSE(got.cached().stored());
                CHECK(stage.fetched() == ++asked);
            }
        }
    }
}
