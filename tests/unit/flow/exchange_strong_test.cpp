// Strong requests: nothing is decided before the local store has what Redis has.
#include "flow_support.hpp"
#include "support/catch.hpp"

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

struct strong_world : world {
    strong_world() { settings.remote = true; }
    void store(std::string_view target) {
        const auto v = next();
        cache.insert(record(*this, key_of(target), "stored", v), v);
    }
};

TEST_CASE("a strong request waits for the log before it looks at anything") {
    strong_world w;
    w.store("/x");
    visitor v(w, "GET /x");
    REQUIRE(v.begin_strong() == action::sync);
    CHECK(v.x.is_strong());
    SECTION("nothing is new") {
        REQUIRE(v.synced(true) == action::answer);
        CHECK(v.content() == "stored");
        CHECK(v.status() == "meshcache; hit; ttl=60");
    }
    SECTION("it was purged meanwhile") {
        w.purge(key_of("/x"));
        CHECK(v.synced(true) == action::ask_remote);
        CHECK(v.status() == "meshcache; fwd=uri-miss");
    }
}

TEST_CASE("a strong request does not join a fetch that began before what it has learnt of") {
    strong_world w;
    visitor leader(w, "GET /x"), strong(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    REQUIRE(leader.remote(nullptr) == action::fetch);
    leader.x.fill()->set_asked(w.next());
    REQUIRE(strong.begin_strong() == action::sync);
    SECTION("nothing is new") { CHECK(strong.synced(true) == action::wait); }
    SECTION("it was purged meanwhile") {
        w.purge(key_of("/x"));
        CHECK(strong.synced(true) == action::ask_remote);
    }
}

TEST_CASE("what cannot be answered from the cache is not held up") {
    strong_world w;
    CHECK(visitor(w, "POST /x").begin_strong() == action::relay);
    CHECK(visitor(w, "GET /x", "If-Match: \"e\"\r\n").begin_strong() == action::relay);
}

TEST_CASE("an unconfirmed request gets what the operator chose") {
    strong_world w;
    w.store("/x");
    visitor leader(w, "GET /y");
    REQUIRE(leader.begin() == action::ask_remote);
    visitor hit(w, "GET /x"), miss(w, "GET /z"), joins(w, "GET /y"), head(w, "HEAD /x"),
        only(w, "GET /x", "Cache-Control: only-if-cached\r\n");
    for (visitor* v : {&hit, &miss, &joins, &head, &only}) REQUIRE(v->begin_strong() == action::sync);
    SECTION("the upstream's answer: nothing stored, and nothing that is being fetched for others") {
        CHECK(hit.synced(false) == action::fetch);
        CHECK(hit.status() == "meshcache; fwd=stale; detail=unconfirmed");
        CHECK(miss.synced(false) == action::fetch);
        CHECK(miss.status() == "meshcache; fwd=uri-miss; detail=unconfirmed");
        CHECK(joins.synced(false) == action::fetch);
        CHECK(head.synced(false) == action::relay);
        CHECK(only.synced(false) == action::refuse);
        CHECK(only.x.status() == 504);
        CHECK(w.collapse.fills() == 1);
    }
    SECTION("what is stored, if something is") {
        w.settings.when_unconfirmed = unconfirmed::stale;
        CHECK(hit.synced(false) == action::answer);
        CHECK(hit.status() == "meshcache; hit; ttl=60; detail=unconfirmed");
        CHECK(miss.synced(false) == action::ask_remote);
        CHECK(joins.synced(false) == action::wait);
        CHECK(head.synced(false) == action::answer);
        CHECK(only.synced(false) == action::answer);
    }
    SECTION("503") {
        w.settings.when_unconfirmed = unconfirmed::refuse;
        for (visitor* v : {&hit, &miss, &joins, &head, &only}) {
            CHECK(v->synced(false) == action::refuse);
            CHECK(v->x.status() == 503);
            CHECK(v->status() == "meshcache; detail=unconfirmed");
        }
    }
}

} // namespace
