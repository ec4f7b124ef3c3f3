// What Redis answers, and what becomes of it.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

/// A replica with Redis.
struct shared_world : world {
    shared_world() { settings.remote = true; }
};

store::response_ptr held(world& w, std::string_view key) { return w.cache.peek(w.cache.view(key)); }

TEST_CASE("Redis is asked by the one that leads, and only after the local store") {
    shared_world w;
    visitor leader(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    CHECK(leader.x.remote_key() == key_of("/x"));
    CHECK(waiter.begin() == action::wait);
    REQUIRE(leader.remote(nullptr) == action::fetch);
    CHECK(waiter.look() == action::wait);
    REQUIRE(leader.ok("Cache-Control: max-age=60\r\nContent-Length: 2\r\n") == action::share);
    leader.finish("hi");
    CHECK(leader.status() == "meshcache; fwd=uri-miss; fwd-status=200; stored; ttl=60");
    CHECK(visitor(w, "GET /x").begin() == action::answer);
}

TEST_CASE("a fresh record is a hit for the one that asked and for all who waited") {
    shared_world w;
    visitor leader(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(leader.remote(record(w, key_of("/x"), "theirs", w.foreign())) == action::answer);
    CHECK(leader.content() == "theirs");
    CHECK(leader.status() == "meshcache; hit; ttl=60; detail=redis");
    CHECK(counter_of(leader.x.outcome()) == counter::requests_hit_redis);
    CHECK(waiter.waker_of_ours->calls > 0);
    REQUIRE(waiter.look() == action::answer);
    CHECK(waiter.content() == "theirs");
    CHECK(w.collapse.fills() == 0);
    visitor next(w, "GET /x");
    REQUIRE(next.begin() == action::answer);
    CHECK(next.status() == "meshcache; hit; ttl=60");
}

TEST_CASE("what had to leave for a record of Redis is known, for the counters") {
    shared_world w;
    visitor leader(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    CHECK(!leader.x.remote_insert());
    REQUIRE(leader.remote(record(w, key_of("/x"), "theirs", w.foreign())) == action::answer);
    REQUIRE(leader.x.remote_insert());
    CHECK(leader.x.remote_insert()->what == store::insert_result::stored);
    count_insert(*leader.x.remote_insert(), w.counters);
    CHECK(w.counters.get(counter::stored) == 1);
    visitor next(w, "GET /y");
    REQUIRE(next.begin() == action::ask_remote);
    REQUIRE(next.remote(nullptr) == action::fetch);
    CHECK(!next.x.remote_insert());

    store::insert_outcome crowded;
    crowded.what = store::insert_result::replaced;
    crowded.evicted = 3;
    crowded.displaced = true;
    count_insert(crowded, w.counters);
    CHECK(w.counters.get(counter::removed_replaced) == 1);
    CHECK(w.counters.get(counter::removed_evicted) == 3);
    CHECK(w.counters.get(counter::removed_variants) == 1);
}

TEST_CASE("with reject a hit in Redis is refused, and so is whoever waited for it") {
    shared_world w;
    w.settings.reject_hits = true;
    visitor leader(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(leader.remote(record(w, key_of("/x"), "theirs", w.foreign())) == action::refuse);
    CHECK(leader.x.status() == 403);
    CHECK(waiter.look() == action::refuse);
    CHECK(w.collapse.fills() == 0);
}

TEST_CASE("a stale record is fetched anew by the leader, and stands in if the upstream fails") {
    shared_world w;
    visitor leader(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    const auto version = w.foreign();
    store::response_meta meta;
    meta.version = version;
    meta.status = 200;
    meta.life.response_time = w.now - seconds{10};
    meta.life.fresh_until = meta.life.stale_until = w.now - seconds{5};
    meta.life.error_until = w.now + seconds{30};
    const std::string key = key_of("/x");
    const std::string_view content = "theirs";
    REQUIRE(leader.remote(store::stored_response::make(meta, key, w.cache.hash(key), "HTTP/1.1 200 OK\r\n",
                                                       std::span(&content, 1))) == action::fetch);
    CHECK(leader.status() == "meshcache; fwd=stale");
    CHECK(waiter.look() == action::wait);
    REQUIRE(leader.fails(errc::upstream_refused) == action::answer);
    CHECK(leader.content() == "theirs");
    CHECK(leader.status() == "meshcache; fwd=stale; ttl=-5; detail=upstream-refused");
}

TEST_CASE("with leases a stale record has Redis asked once more, for one that is newer") {
    shared_world w;
    w.settings.collapse_globally = true;
    visitor leader(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    CHECK_FALSE(leader.x.remote_known());
    const auto stale = [&] {
        store::response_meta meta;
        meta.version = w.foreign();
        meta.status = 200;
        meta.life.response_time = w.now - seconds{10};
        meta.life.fresh_until = meta.life.stale_until = w.now - seconds{5};
        meta.life.error_until = w.now + seconds{30};
        const std::string key = key_of("/x");
        const std::string_view content = "theirs";
        return store::stored_response::make(meta, key, w.cache.hash(key), "HTTP/1.1 200 OK\r\n",
                                            std::span(&content, 1));
    };
    const auto first = stale();
    REQUIRE(leader.remote(first) == action::ask_remote);
    CHECK(leader.x.remote_key() == key_of("/x"));
    CHECK(leader.x.remote_known() == first->meta().version);
    SECTION("nothing newer: this one fetches") { CHECK(leader.remote(nullptr) == action::fetch); }
    SECTION("a fresh one") {
        CHECK(leader.remote(record(w, key_of("/x"), "newer", w.foreign())) == action::answer);
        CHECK(leader.content() == "newer");
    }
    SECTION("a newer one that is stale as well: it is not asked for ever") {
        CHECK(leader.remote(stale()) == action::fetch);
    }
}

TEST_CASE("with leases a fetch behind an answer asks Redis first") {
    shared_world w;
    w.settings.collapse_globally = true;
    visitor behind(w, "GET /x");
    REQUIRE(behind.begin_behind() == action::ask_remote);
    CHECK(behind.x.remote_key() == key_of("/x"));
    SECTION("it is for this replica to fetch it") { CHECK(behind.remote(nullptr) == action::fetch); }
    SECTION("there is a fresh one") {
        CHECK(behind.remote(record(w, key_of("/x"), "newer", w.foreign())) == action::answer);
        CHECK(visitor(w, "GET /x").begin() == action::answer);
    }
    SECTION("another replica fetches it") { behind.x.reset(); }
    if (behind.x.fill()) return;
    CHECK(w.collapse.fills() == 0);
}

TEST_CASE("what another replica found not to be shareable, nobody waits for here") {
    shared_world w;
    w.settings.collapse_globally = true;
    visitor leader(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    leader.x.remember_unshareable(w.steady);
    CHECK(leader.remote(nullptr) == action::fetch);
    CHECK(waiter.look() == action::fetch);
    CHECK(w.collapse.fills() == 0);
    CHECK(visitor(w, "GET /x").begin() == action::fetch);
}

TEST_CASE("a record that the request's own directives refuse is fetched anew") {
    shared_world w;
    visitor v(w, "GET /x", "Cache-Control: min-fresh=30\r\n");
    REQUIRE(v.begin() == action::ask_remote);
    CHECK(v.remote(record(w, key_of("/x"), "theirs", w.foreign(), seconds{20})) == action::fetch);
    CHECK(v.status() == "meshcache; fwd=request");
    CHECK(held(w, key_of("/x")));
}

TEST_CASE("a record below a floor that came while Redis was asked is refused") {
    shared_world w;
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::ask_remote);
    const auto begun = w.next();
    const auto theirs = record(w, key_of("/x"), "theirs", w.foreign());
    w.purge(key_of("/x"));
    REQUIRE(v.remote(theirs, begun) == action::fetch);
    CHECK(!held(w, key_of("/x")));
    CHECK(w.collapse.fills() == 1);
}

TEST_CASE("a record that is older than what came into the store meanwhile loses against it") {
    shared_world w;
    visitor v(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(v.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    const auto theirs = record(w, key_of("/x"), "older", w.foreign());
    const auto newer = w.next();
    SECTION("a response") {
        w.cache.insert(record(w, key_of("/x"), "newer", newer), newer);
        REQUIRE(v.remote(theirs) == action::answer);
        CHECK(v.content() == "newer");
        REQUIRE(waiter.look() == action::answer);
        CHECK(waiter.content() == "newer");
    }
    SECTION("a note, whose variant is here") {
        const auto key = variant_key_of(w, "/x", "accept-encoding", "");
        w.cache.insert(record(w, key, "variant", newer), newer);
        w.cache.insert(note_record(w, key_of("/x"), "accept-encoding", newer), newer);
        REQUIRE(v.remote(theirs) == action::answer);
        CHECK(v.content() == "variant");
        REQUIRE(waiter.look() == action::answer);
        CHECK(waiter.content() == "variant");
    }
    SECTION("a note, whose variant is not here") {
        w.cache.insert(note_record(w, key_of("/x"), "accept-encoding", newer), newer);
        REQUIRE(v.remote(theirs) == action::ask_remote);
        CHECK(v.x.remote_key() == variant_key_of(w, "/x", "accept-encoding", ""));
        REQUIRE(v.remote(nullptr) == action::fetch);
        CHECK(v.status() == "meshcache; fwd=uri-miss");
    }
}

TEST_CASE("a response that Redis holds of a key answers although the store has no room for it") {
    shared_world w;
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::ask_remote);
    const std::string large((64u << 10) + 1, 'x');
    REQUIRE(v.remote(record(w, key_of("/x"), large, w.foreign())) == action::answer);
    CHECK(v.content() == large);
    CHECK(!held(w, key_of("/x")));
}

TEST_CASE("a note sends the request on to its variant") {
    shared_world w;
    const std::string_view lines = "Accept-Encoding: gzip\r\n";
    visitor v(w, "GET /x", lines), waiter(w, "GET /x", lines), other(w, "GET /x", "Accept-Encoding: br\r\n");
    REQUIRE(v.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(other.begin() == action::wait);
    const auto version = w.foreign();
    REQUIRE(v.remote(note_record(w, key_of("/x"), "accept-encoding", version)) == action::ask_remote);
    const auto key = variant_key_of(w, "/x", "accept-encoding", lines);
    CHECK(v.x.remote_key() == key);
    CHECK(v.x.primary_key() == key_of("/x"));

    SECTION("Redis has it") {
        REQUIRE(v.remote(record(w, key, "zipped", version)) == action::answer);
        CHECK(v.content() == "zipped");
        CHECK(v.status() == "meshcache; hit; ttl=60; detail=redis");
        REQUIRE(waiter.look() == action::answer);
        CHECK(waiter.content() == "zipped");
        REQUIRE(other.look() == action::fetch);
        CHECK(other.status() == "meshcache; fwd=vary-miss");
        visitor again(w, "GET /x", lines);
        CHECK(again.begin() == action::answer);
        CHECK(again.content() == "zipped");
    }
    SECTION("Redis has it no more") {
        REQUIRE(v.remote(nullptr) == action::fetch);
        REQUIRE(v.ok("Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n") == action::share);
        CHECK(waiter.look() == action::follow);
        CHECK(other.look() == action::fetch);
        const auto done = v.finish("zipped");
        REQUIRE(done.response);
        CHECK(done.response->key() == key);
        REQUIRE(done.note);
        CHECK(store::vary_epoch(*done.note) == version);
    }
    SECTION("what stands there is older than the note's epoch") {
        auto old = version;
        old.stamp -= 1;
        CHECK(v.remote(record(w, key, "zipped", old)) == action::fetch);
        CHECK(!held(w, key));
    }
    SECTION("what stands there is a note again") {
        CHECK(v.remote(note_record(w, key, "accept", w.foreign())) == action::fetch);
        CHECK(!held(w, key));
    }
    SECTION("the primary key was invalidated meanwhile") {
        w.purge(key_of("/x"));
        CHECK(v.remote(record(w, key, "zipped", version)) == action::fetch);
        CHECK(!held(w, key));
    }
    SECTION("the primary key was invalidated meanwhile, and has a new note") {
        w.purge(key_of("/x"));
        const auto later = w.next();
        w.cache.insert(note_record(w, key_of("/x"), "accept-encoding", later), later);
        CHECK(v.remote(record(w, key, "zipped", version)) == action::fetch);
    }
}

TEST_CASE("an answer of Redis that was purged since is not for those who waited for it") {
    shared_world w;
    visitor v(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(v.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(v.remote(record(w, key_of("/x"), "old", w.foreign())) == action::answer);
    SECTION("its URI") { w.purge(key_of("/x")); }
    SECTION("a group") { w.purge_group(GENERATE("a", "sa")); }
    CHECK(waiter.look() == action::ask_remote);
}

TEST_CASE("a note that the store has no room for sends the request on to its variant all the same") {
    shared_world w;
    const std::string names(3u << 20, 'x');
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::ask_remote);
    REQUIRE(v.remote(note_record(w, key_of("/x"), names, w.foreign())) == action::ask_remote);
    CHECK(!held(w, key_of("/x")));
    CHECK(v.x.remote_key() == variant_key_of(w, "/x", names, ""));
}

TEST_CASE("a waiter at a variant takes no response from before the epoch of its note") {
    shared_world w;
    const auto old = record(w, variant_key_of(w, "/x", "accept", ""), "old", w.foreign());
    const auto later = w.next();
    w.cache.insert(note_record(w, key_of("/x"), "accept", later), later);
    visitor leader(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    const auto f = leader.x.take_fill();
    w.collapse.leave(*f);
    f->complete(old);
    CHECK(waiter.look() == action::fetch);
}

TEST_CASE("a note whose variant is in the local store needs no second look-up") {
    shared_world w;
    const std::string_view lines = "Accept-Encoding: gzip\r\n";
    const auto version = w.foreign();
    const auto key = variant_key_of(w, "/x", "accept-encoding", lines);
    const auto variant = record(w, key, "zipped", version);
    w.cache.insert(variant, version);
    visitor v(w, "GET /x", lines), waiter(w, "GET /x", lines);
    REQUIRE(v.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(v.remote(note_record(w, key_of("/x"), "accept-encoding", version)) == action::answer);
    CHECK(v.content() == "zipped");
    REQUIRE(waiter.look() == action::answer);
    CHECK(waiter.content() == "zipped");
}

TEST_CASE("a variant that a purge may have covered before this replica listened is fetched anew") {
    struct row {
        const char* what;
        milliseconds base, made; ///< after the epoch
        std::uint64_t maker;
        bool used;
    };
    constexpr milliseconds moment{1}, skew{250};
    constexpr auto us = shared_world::us, them = shared_world::them, third = them + 1;
    const row rows[] = {
        {"by another than the epoch's", skew, moment, third, false},
        {"the same, at the end of the skew", skew, skew, third, false},
        {"the same, past it", skew, skew + moment, third, true},
        {"of the epoch's own maker", skew, moment, them, true},
        {"of this replica, from before it listened", skew, moment, us, false},
        {"of this replica, from after it", moment, moment, us, true},
        {"under an epoch that began when it may have listened", -skew, moment, third, false},
        {"under one that began when it listened", -skew - moment, moment, third, true},
    };
    shared_world w;
    REQUIRE(w.settings.max_clock_skew == skew);
    for (std::size_t i = 0; i < std::size(rows); ++i) {
        const row& r = rows[i];
        INFO(r.what);
        w.pass(std::chrono::seconds{10});
        const std::string path = "/" + std::to_string(i);
        const std::string_view lines = "Accept-Encoding: gzip\r\n";
        const auto epoch = w.foreign();
        const auto later = [&](milliseconds by, std::uint64_t replica) {
            return store::version{epoch.stamp + (static_cast<std::uint64_t>(by.count()) << 16), replica};
        };
        w.cache.raise_base(later(r.base, us));
        const auto begun = later(2 * skew, us);
        visitor v(w, "GET " + path, lines);
        REQUIRE(v.begin() == action::ask_remote);
        REQUIRE(v.remote(note_record(w, key_of(path), "accept-encoding", epoch), begun) ==
                action::ask_remote);
        const auto key = variant_key_of(w, path, "accept-encoding", lines);
        CHECK(v.remote(record(w, key, "zipped", later(r.made, r.maker)), begun) ==
              (r.used ? action::answer : action::fetch));
    }
}

TEST_CASE("a note below a floor brings no variant back, neither from Redis nor from the store") {
    shared_world w;
    const std::string_view lines = "Accept-Encoding: gzip\r\n";
    const auto version = w.foreign();
    const auto key = variant_key_of(w, "/x", "accept-encoding", lines);
    const auto note = note_record(w, key_of("/x"), "accept-encoding", version);
    w.cache.insert(record(w, key, "zipped", version), version);
    w.cache.insert(note, version);
    w.purge(key_of("/x"));

    visitor v(w, "GET /x", lines);
    REQUIRE(v.begin() == action::ask_remote);
    CHECK(v.x.remote_key() == key_of("/x"));
    REQUIRE(v.remote(note) == action::fetch);
    CHECK(!held(w, key_of("/x")));
    REQUIRE(v.ok("Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n") == action::share);
    v.finish("zipped anew");
    visitor after(w, "GET /x", lines);
    REQUIRE(after.begin() == action::answer);
    CHECK(after.content() == "zipped anew");
}

TEST_CASE("a note that is older than the local one loses against it") {
    shared_world w;
    const std::string_view lines = "Accept-Encoding: gzip\r\nAccept-Language: de\r\n";
    const auto old = note_record(w, key_of("/x"), "accept-encoding", w.foreign());
    visitor v(w, "GET /x", lines);
    REQUIRE(v.begin() == action::ask_remote);
    const auto newer = w.next();
    w.cache.insert(note_record(w, key_of("/x"), "accept-language", newer), newer);
    REQUIRE(v.remote(old) == action::ask_remote);
    CHECK(v.x.remote_key() == variant_key_of(w, "/x", "accept-language", lines));
}

TEST_CASE("a note that is older than a local response loses against it") {
    shared_world w;
    const auto old = note_record(w, key_of("/x"), "accept-encoding", w.foreign());
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::ask_remote);
    const auto newer = w.next();
    w.cache.insert(record(w, key_of("/x"), "newer", newer), newer);
    REQUIRE(v.remote(old) == action::answer);
    CHECK(v.content() == "newer");
}

} // namespace
