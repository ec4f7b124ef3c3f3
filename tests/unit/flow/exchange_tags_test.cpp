// Tags that the policy gives to what is stored: the purges of tags reach them, whatever way it was stored.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

constexpr std::string_view fresh = "Cache-Control: max-age=60\r\n";

/// Whether `GET /x` is answered from the store.
bool stored(world& w, std::string_view lines = {}) {
    visitor v(w, "GET /x", lines);
    const bool answered = v.begin() == action::answer;
    if (v.last == action::fetch) (void)v.fails(errc::upstream_refused);
    return answered;
}

TEST_CASE("a purge of a tag that the policy gives covers what was stored under it, and nothing else does") {
    world w;
    w.settings.cache.tags = {"red", "green"};
    visitor(w, "GET /x").fetch(fresh, "one");
    w.purge_group("tblue");
    CHECK(stored(w));
    w.purge_group("tgreen");
    CHECK_FALSE(stored(w));

    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\nSurrogate-Key: own\r\n", "two");
    w.purge_group("tred");
    CHECK_FALSE(stored(w));
    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\nSurrogate-Key: own\r\n", "three");
    w.purge_group("town");
    CHECK_FALSE(stored(w));

    w.settings.cache.tags.clear();
    visitor(w, "GET /x").fetch(fresh, "four");
    w.purge_group("tred");
    CHECK(stored(w));
}

TEST_CASE("a soft purge of a tag of the policy makes stale") {
    world w;
    w.settings.cache.tags = {"red"};
    visitor(w, "GET /x").fetch("Cache-Control: max-age=60, stale-while-revalidate=60\r\n", "one");
    w.purge_group("stred");
    visitor v(w, "GET /x");
    CHECK(v.begin() == action::answer);
    CHECK(v.x.wants_fetch_behind());
}

TEST_CASE("who asks after the purge of a tag of the policy gets nothing of a fill that is under way") {
    world w;
    w.settings.cache.tags = {"red"};
    visitor fetcher(w, "GET /x"), before(w, "GET /x"), after(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    const auto version = w.next();
    fetcher.x.fill()->set_asked(version);
    REQUIRE(before.begin() == action::wait);
    w.purge_group("tred");
    REQUIRE(after.begin() == action::wait);
    REQUIRE(fetcher.answered("200 OK", fresh, version) == action::share);
    CHECK(after.look() == action::fetch);
    CHECK(!fetcher.finish("old").response);
    CHECK(w.cache.stats().objects == 0);
}

TEST_CASE("tags of the policy outlive validation, also by an answer that has tags of its own") {
    for (const std::string_view lines :
         {"Cache-Control: max-age=60\r\n", "Cache-Control: max-age=60\r\nCache-Tag: new\r\n"}) {
        INFO(lines);
        world w;
        w.settings.cache.tags = {"red"};
        visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\nETag: \"1\"\r\nCache-Tag: old\r\n", "one");
        w.pass(seconds{61});
        visitor v(w, "GET /x");
        REQUIRE(v.begin() == action::fetch);
        REQUIRE(v.answered("304 Not Modified", lines) == action::update);
        REQUIRE(v.finish_update().response);
        REQUIRE(stored(w));
        w.purge_group("tred");
        CHECK_FALSE(stored(w));
    }
}

TEST_CASE("what HEAD updates, and the answer to a POST, bear the tags of the policy") {
    world w;
    w.settings.cache.store_post = true;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\nETag: \"1\"\r\n", "one");
    w.settings.cache.tags = {"red"};
    w.pass(seconds{61});
    visitor head(w, "HEAD /x");
    REQUIRE(head.begin() == action::relay);
    REQUIRE(head.answered("200 OK", "Cache-Control: max-age=60\r\nETag: \"1\"\r\n") ==
            action::relay_response);
    REQUIRE(head.finish_update().response);
    REQUIRE(stored(w));
    w.purge_group("tred");
    CHECK_FALSE(stored(w));

    visitor post(w, "POST /x", "Content-Length: 5\r\n");
    REQUIRE(post.begin() == action::relay);
    REQUIRE(post.x.outlives_own_floor(w.next(), true));
    REQUIRE(post.answered("200 OK", "Cache-Control: max-age=60\r\nContent-Location: /x\r\n") ==
            action::share);
    REQUIRE(post.finish("two").response);
    REQUIRE(stored(w));
    w.purge_group("tred");
    CHECK_FALSE(stored(w));
}

TEST_CASE("every variant bears the tags of the policy") {
    world w;
    w.settings.cache.tags = {"red"};
    constexpr std::string_view varies = "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n";
    constexpr std::string_view german = "Accept-Language: de\r\n", french = "Accept-Language: fr\r\n";
    visitor(w, "GET /x", german).fetch(varies, "eins");
    visitor(w, "GET /x", french).fetch(varies, "un");
    REQUIRE(stored(w, german));
    REQUIRE(stored(w, french));
    w.purge_group("tred");
    CHECK_FALSE(stored(w, german));
    CHECK_FALSE(stored(w, french));
}

TEST_CASE("a response that has too many tags with those of the policy is not stored") {
    world w;
    std::string many;
    for (std::size_t i = 0; i < 256; ++i) many += " t" + std::to_string(i);
    const std::string lines = std::string(fresh) + "Surrogate-Key:" + many + "\r\n";
    w.settings.cache.tags = {"t7"};
    visitor(w, "GET /x").fetch(lines, "one");
    w.settings.cache.tags = {"red"};
    visitor v(w, "GET /y");
    REQUIRE(v.begin() == action::fetch);
    CHECK(v.ok(lines) == action::relay_response);
    CHECK(v.detail() == "too-many-tags");
}

} // namespace
