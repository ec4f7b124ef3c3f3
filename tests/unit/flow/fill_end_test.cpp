#include "flow_support.hpp"
#include "support/catch.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

/// A fill under way at `key` with its head.
struct running_fill {
    running_fill(world& in, std::string_view at)
        : w(in), f(in.collapse.join(in.cache.view(at)).f), head(std::make_shared<store::streamed_head>()) {
        head->meta.version = in.next();
        head->meta.status = 200;
        head->meta.life.fresh_until = head->meta.life.error_until = in.now + seconds{60};
        head->text = "HTTP/1.1 200 OK\r\nX: y\r\n";
        head->key = at;
    }
    void varies_by(std::string_view names, std::string_view suffix) {
        head->primary_key = head->key;
        head->key += suffix;
        head->vary_names = names;
    }
    filled finish(std::string_view content) {
        f->start_stream(head);
        return finish_fill(*f, *head, std::span(&content, 1), w.cache, w.collapse, w.counters);
    }
    world& w;
    std::shared_ptr<store::fill> f;
    std::shared_ptr<store::streamed_head> head;
};

TEST_CASE("a fill that ends is stored with its length, leaves the table and is what the waiters get") {
    world w;
    running_fill r(w, "k");
    const auto waiter = w.collapse.join(w.cache.view("k"));
    REQUIRE(!waiter.fetcher);
    const store::fill_reader reader(waiter.f, std::make_shared<counting_waker>());

    const std::array<std::string_view, 3> pieces{"one ", "", "two"};
    r.f->start_stream(r.head);
    const auto done = finish_fill(*r.f, *r.head, pieces, w.cache, w.collapse, w.counters);
    REQUIRE(done.answer);
    CHECK(done.response == done.answer);
    CHECK(!done.note);
    CHECK(done.answer->head() == "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 7\r\n");
    CHECK(done.answer->content() == "one two");
    CHECK(done.answer->key() == "k");
    CHECK(done.answer->meta().version == r.head->meta.version);
    CHECK(w.cache.peek(w.cache.view("k")) == done.answer);
    CHECK(w.collapse.fills() == 0);
    CHECK(r.f->state() == store::fill_state::complete);
    CHECK(reader.look().response == done.answer);
    CHECK(w.counters.get(counter::stored) == 1);
    CHECK(w.counters.get(counter::removed_replaced) == 0);
}

TEST_CASE("a newer response replaces the older one, and is counted") {
    world w;
    running_fill(w, "k").finish("first");
    const auto second = running_fill(w, "k").finish("second");
    CHECK(second.response);
    CHECK(w.cache.peek(w.cache.view("k"))->content() == "second");
    CHECK(w.counters.get(counter::stored) == 2);
    CHECK(w.counters.get(counter::removed_replaced) == 1);
}

TEST_CASE("what a floor or a newer response refuses still answers the waiters, and is not for Redis") {
    world w;
    SECTION("a floor") {
        running_fill r(w, "k");
        w.purge("k");
        const auto done = r.finish("content");
        REQUIRE(done.answer);
        CHECK(done.answer->content() == "content");
        CHECK(!done.response);
        CHECK(!done.note);
        CHECK(!w.cache.peek(w.cache.view("k")));
        CHECK(r.f->state() == store::fill_state::complete);
        CHECK(w.counters.get(counter::store_refused_invalidated) == 1);
    }
    SECTION("a newer response") {
        running_fill older(w, "k");
        w.collapse.leave(*older.f);
        running_fill newer(w, "k");
        newer.finish("newer");
        const auto done = older.finish("older");
        CHECK(done.answer->content() == "older");
        CHECK(!done.response);
        CHECK(w.cache.peek(w.cache.view("k"))->content() == "newer");
        CHECK(w.counters.get(counter::store_refused_older) == 1);
    }
    SECTION("its size") {
        running_fill r(w, "k");
        const auto done = r.finish(std::string((64u << 10) + 1, 'x'));
        CHECK(done.answer->content().size() == (64u << 10) + 1);
        CHECK(!done.response);
        CHECK(w.counters.get(counter::store_refused_large) == 1);
    }
    CHECK(w.collapse.fills() == 0);
}

TEST_CASE("a variant is stored at its own key, with a note at the primary key") {
    world w;
    running_fill r(w, "k");
    r.varies_by("accept-encoding", "+gzip");
    const auto done = r.finish("zipped");
    REQUIRE(done.response);
    REQUIRE(done.note);
    CHECK(done.response->key() == "k+gzip");
    CHECK(done.response->hash() == w.cache.hash("k+gzip"));
    CHECK(done.note->key() == "k");
    CHECK(store::is_vary_note(*done.note));
    CHECK(store::vary_names(*done.note) == "accept-encoding");
    CHECK(store::vary_epoch(*done.note) == r.head->meta.version);
    CHECK(w.cache.peek(w.cache.view("k")) == done.note);
    CHECK(w.cache.peek(w.cache.view("k+gzip")) == done.response);
}

TEST_CASE("a further variant keeps the epoch of the note, other names begin a new one") {
    world w;
    running_fill first(w, "k");
    first.varies_by("accept-encoding", "+gzip");
    first.finish("zipped");
    w.pass(seconds{1});

    running_fill second(w, "k");
    second.varies_by("accept-encoding", "+br");
    const auto done = second.finish("brotli");
    REQUIRE(done.note);
    CHECK(done.note->meta().version == second.head->meta.version);
    CHECK(store::vary_epoch(*done.note) == first.head->meta.version);

    running_fill third(w, "k");
    third.varies_by("accept-language", "+de");
    const auto other = third.finish("deutsch");
    REQUIRE(other.note);
    CHECK(store::vary_epoch(*other.note) == third.head->meta.version);
}

TEST_CASE("the note that follows a floor begins a new epoch") {
    world w;
    running_fill first(w, "k");
    first.varies_by("accept-encoding", "+gzip");
    first.finish("zipped");
    w.purge("k");
    CHECK(!w.cache.peek(w.cache.view("k")));

    running_fill second(w, "k");
    second.varies_by("accept-encoding", "+br");
    const auto done = second.finish("brotli");
    REQUIRE(done.note);
    CHECK(store::vary_epoch(*done.note) == second.head->meta.version);
    CHECK(first.head->meta.version < store::vary_epoch(*done.note));
}

TEST_CASE("a floor at the primary key refuses the note of a variant that was under way") {
    world w;
    running_fill r(w, "k");
    r.varies_by("accept-encoding", "+gzip");
    w.purge("k");
    const auto done = r.finish("zipped");
    CHECK(done.answer->content() == "zipped");
    CHECK(!done.note);
    CHECK(!w.cache.peek(w.cache.view("k")));
}

} // namespace
