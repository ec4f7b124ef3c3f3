// Strong requests: nothing is decided before the local store has what Redis has.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <stdexcept>
#include <string>
#include <string_view>

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

/// A strong request up to the upstream's answer: what its answer supplants elsewhere, of which Redis has
/// nothing if it says so.
struct strong_visitor : visitor {
    using visitor::visitor;
    action ask(bool absent) {
        if (begin_strong() != action::sync) throw std::logic_error("it does not wait");
        if (synced(true) == action::ask_remote) {
            x.note_absent(absent);
            remote(nullptr);
        }
        return last;
    }
    std::string_view supplants() const {
        return x.stream_head() ? std::string_view(x.stream_head()->supplants) : "(no head)";
    }
};

constexpr std::string_view useless = "Cache-Control: max-age=0\r\nETag: \"e\"\r\n";

TEST_CASE("an answer supplants what others may have, and nothing where they have nothing") {
    strong_world w;
    SECTION("Redis has nothing") {
        strong_visitor v(w, "GET /x");
        REQUIRE(v.ask(true) == action::fetch);
        REQUIRE(v.ok(useless) == action::share);
        CHECK(v.supplants().empty());
    }
    SECTION("Redis does not say") {
        strong_visitor v(w, "GET /x");
        REQUIRE(v.ask(false) == action::fetch);
        REQUIRE(v.ok(useless) == action::share);
        CHECK(v.supplants() == key_of("/x"));
    }
    SECTION("it is stored here, and so elsewhere") {
        w.store("/x");
        strong_visitor v(w, "GET /x", "Cache-Control: no-cache\r\n");
        REQUIRE(v.ask(false) == action::fetch);
        REQUIRE(v.ok(useless) == action::share);
        CHECK(v.supplants() == key_of("/x"));
        const auto made = v.finish("first").response;
        REQUIRE(made);
        strong_visitor second(w, "GET /x");
        REQUIRE(second.ask(false) == action::fetch);
        SECTION("it is not known whether others have something older") {
            REQUIRE(second.ok(useless) == action::share);
            CHECK(second.supplants() == key_of("/x"));
        }
        SECTION("what is stored here is all that there is") {
            made->meta().reached.set(store::reach::alone);
            REQUIRE(second.answered("304 Not Modified", "ETag: \"e\"\r\n") == action::update);
            CHECK(second.supplants().empty());
        }
    }
    SECTION("when nobody is to wait for Redis, it is left alone") {
        visitor v(w, "GET /x");
        REQUIRE(v.begin() == action::ask_remote);
        REQUIRE(v.remote(nullptr) == action::fetch);
        REQUIRE(v.ok(useless) == action::share);
        CHECK(v.x.stream_head()->supplants.empty());
        strong_visitor out(w, "GET /y");
        REQUIRE(out.begin_strong() == action::sync);
        REQUIRE(out.synced(false) == action::fetch);
        REQUIRE(out.ok(useless) == action::share);
        CHECK(out.supplants().empty());
    }
}

TEST_CASE("an answer supplants its own variant, or all if the selecting fields have changed") {
    strong_world w;
    const std::string varying = std::string(useless) + "Vary: Accept\r\n";
    strong_visitor first(w, "GET /x", "Accept: a\r\n");
    REQUIRE(first.ask(false) == action::fetch);
    REQUIRE(first.ok(varying) == action::share);
    CHECK(first.supplants() == key_of("/x")); // where a response that does not vary may stand
    REQUIRE(first.finish("a").note);
    const auto own = variant_key_of(w, "/x", "accept", "Accept: b\r\n");
    strong_visitor second(w, "GET /x", "Accept: b\r\n");
    SECTION("of its variant Redis has nothing") {
        REQUIRE(second.ask(true) == action::fetch);
        REQUIRE(second.ok(varying) == action::share);
        CHECK(second.supplants().empty());
    }
    SECTION("of its variant Redis may have something") {
        REQUIRE(second.ask(false) == action::fetch);
        REQUIRE(second.ok(varying) == action::share);
        CHECK(second.supplants() == own);
    }
    SECTION("it varies by something else") {
        REQUIRE(second.ask(true) == action::fetch);
        REQUIRE(second.ok(std::string(useless) + "Vary: Accept-Language\r\n") == action::share);
        CHECK(second.supplants() == key_of("/x"));
    }
    SECTION("it does not vary any more") {
        REQUIRE(second.ask(true) == action::fetch);
        REQUIRE(second.ok(useless) == action::share);
        CHECK(second.supplants() == key_of("/x"));
    }
}

TEST_CASE("a strong request asks Redis even for what cannot be shared") {
    strong_world w;
    visitor leader(w, "GET /x");
    strong_visitor waits(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    REQUIRE(leader.remote(nullptr) == action::fetch);
    REQUIRE(waits.ask(false) == action::wait);
    REQUIRE(leader.ok("Cache-Control: no-store\r\n") == action::relay_response);
    CHECK(waits.look() == action::ask_remote);
    strong_visitor late(w, "GET /x");
    REQUIRE(late.begin_strong() == action::sync);
    REQUIRE(late.synced(true) == action::ask_remote);
    SECTION("another replica has it") {
        const auto v = w.foreign();
        CHECK(late.remote(record(w, key_of("/x"), "theirs", v)) == action::answer);
        CHECK(late.content() == "theirs");
    }
    SECTION("nobody has it") {
        late.x.note_absent(true);
        REQUIRE(late.remote(nullptr) == action::fetch);
        REQUIRE(late.ok("Cache-Control: no-store\r\n") == action::relay_response);
        CHECK_FALSE(late.x.outdates_stored());
    }
    SECTION("Redis does not say") {
        REQUIRE(late.remote(nullptr) == action::fetch);
        REQUIRE(late.ok("Cache-Control: no-store\r\n") == action::relay_response);
        CHECK(late.x.outdates_stored());
    }
}

} // namespace
