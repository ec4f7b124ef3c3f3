#include "store_support.hpp"
#include "support/catch.hpp"

#include <meshcache/store/collapse.hpp>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace meshcache;
using namespace meshcache::store;

struct counting_waiter final : fill_waiter {
    int wakes = 0;
    void wake() noexcept override { ++wakes; }
    /// Wakes since it was asked last.
    int take() { return std::exchange(wakes, 0); }
};

std::shared_ptr<fill> make_fill(std::size_t window = 64u << 10, byte_budget* budget = nullptr) {
    return std::make_shared<fill>("key", 1, window, budget);
}

std::shared_ptr<const streamed_head> make_head(std::optional<std::uint64_t> length = std::nullopt) {
    auto head = std::make_shared<streamed_head>();
    head->content_length = length;
    return head;
}

/// All that the reader can take now; consumes it.
std::string drain(fill_reader& reader) {
    std::string got;
    std::string_view pieces[4];
    while (const auto n = reader.peek(pieces)) {
        std::size_t size = 0;
        for (std::size_t i = 0; i < n; ++i) {
            got += pieces[i];
            size += pieces[i].size();
        }
        reader.consume(size);
    }
    return got;
}

std::string joined(const std::vector<std::string_view>& pieces) {
    std::string s;
    for (const auto p : pieces) s += p;
    return s;
}

TEST_CASE("a reader sees the fill go through its states") {
    const auto f = make_fill();
    const auto waiter = std::make_shared<counting_waiter>();
    fill_reader reader(f, waiter);
    CHECK(f->readers() == 1);
    auto view = reader.look();
    CHECK(view.state == fill_state::waiting);
    CHECK(!view.head);
    CHECK(!view.at_end);

    const auto head = make_head();
    f->start_stream(head);
    CHECK(waiter->take() == 1);
    view = reader.look();
    CHECK(view.state == fill_state::streaming);
    CHECK(view.head == head);
    CHECK(view.available == 0);

    CHECK(f->append("hello ") == append_result::ok);
    CHECK(waiter->take() == 1);
    CHECK(f->append("world") == append_result::ok);
    CHECK(waiter->take() == 0); // it knows already that there is something
    CHECK(reader.look().available == 11);
    CHECK(drain(reader) == "hello world");
    CHECK(f->append("!") == append_result::ok);
    CHECK(waiter->take() == 1); // the last peek had found nothing
    CHECK(!reader.look().at_end);

    const auto response = test::make_response({"key", 1}, {1, 1});
    f->complete(response);
    CHECK(waiter->take() == 1);
    view = reader.look();
    CHECK(view.state == fill_state::complete);
    CHECK(view.response == response);
    CHECK(view.available == 1);
    CHECK(!view.at_end);
    CHECK(drain(reader) == "!");
    CHECK(reader.look().at_end);
    reader = fill_reader();
    CHECK(!reader);
    CHECK(f->readers() == 0);
}

TEST_CASE("a fill may complete, fail or be released without a stream") {
    const auto response = test::make_response({"key", 1}, {1, 1});
    const auto waiter = std::make_shared<counting_waiter>();
    SECTION("complete") {
        const auto f = make_fill();
        const fill_reader reader(f, waiter);
        f->complete(response);
        CHECK(waiter->take() == 1);
        CHECK(reader.look().state == fill_state::complete);
        CHECK(reader.look().response == response);
        CHECK(!reader.look().head);
    }
    SECTION("failed") {
        const auto f = make_fill();
        const fill_reader reader(f, waiter);
        f->fail(errc::upstream_reset);
        CHECK(waiter->take() == 1);
        CHECK(reader.look().state == fill_state::failed);
        CHECK(reader.look().error == errc::upstream_reset);
    }
    SECTION("released") {
        const auto f = make_fill();
        const fill_reader reader(f, waiter);
        f->release();
        CHECK(waiter->take() == 1);
        CHECK(reader.look().state == fill_state::released);
    }
}

TEST_CASE("a fill ends once") {
    const auto f = make_fill();
    f->fail(errc::upstream_reset);
    f->complete(nullptr);
    f->release();
    f->start_stream(make_head());
    CHECK(f->append("late") == append_result::ok);
    CHECK(f->state() == fill_state::failed);
    CHECK(f->held() == 0);
}

/// Keeps how it ended, for the test to see.
struct noted_lease final : fill_lease {
    explicit noted_lease(std::vector<lease_end>& to) : ends(to) {}
    void end(lease_end how) noexcept override { ends.push_back(how); }
    std::vector<lease_end>& ends;
};

TEST_CASE("a fill ends its lease as it ends itself, once") {
    std::vector<lease_end> ends;
    const auto f = make_fill();
    f->hold(std::make_shared<noted_lease>(ends));
    CHECK(ends.empty());
    SECTION("complete, and stored") {
        f->complete(test::make_response({"key", 1}, test::nth(1)));
        CHECK(ends == std::vector{lease_end::stored});
    }
    SECTION("complete, and not stored") {
        f->complete(nullptr);
        CHECK(ends == std::vector{lease_end::alone});
    }
    SECTION("failed") {
        f->fail(errc::upstream_reset);
        CHECK(ends == std::vector{lease_end::failed});
    }
    SECTION("released") {
        f->release();
        CHECK(ends == std::vector{lease_end::alone});
    }
    SECTION("released for some time to come") {
        f->release(lease_end::unshareable);
        CHECK(ends == std::vector{lease_end::unshareable});
    }
    SECTION("when it stops recording, since nothing will be stored") {
        CHECK(f->stop_recording(lease_end::unshareable));
        CHECK(ends == std::vector{lease_end::unshareable});
    }
    f->complete(nullptr);
    f->fail(errc::upstream_reset);
    CHECK(ends.size() == 1);
    f->hold(std::make_shared<noted_lease>(ends));
    CHECK(ends.back() == lease_end::failed); // too late: another may try
    CHECK(ends.size() == 2);
}

TEST_CASE("an ended fill lets its fetcher's waker go") {
    const auto f = make_fill();
    auto fetcher = std::make_shared<counting_waiter>();
    const std::weak_ptr<counting_waiter> watch = fetcher;
    f->set_fetcher(std::move(fetcher));
    CHECK(!watch.expired());
    f->complete(nullptr);
    CHECK(watch.expired());
    auto late = std::make_shared<counting_waiter>();
    const std::weak_ptr<counting_waiter> watch_late = late;
    f->set_fetcher(std::move(late));
    CHECK(watch_late.expired());
}

TEST_CASE("what was recorded is whole, whatever readers do") {
    const auto f = make_fill(1000);
    f->start_stream(make_head());
    fill_reader reader(f, nullptr);
    std::string all;
    for (int i = 0; i < 100; ++i) {
        const std::string piece = "piece " + std::to_string(i) + ";";
        CHECK(f->append(piece) == append_result::ok); // never full while recording
        all += piece;
        if (i % 3 == 0) drain(reader);
    }
    CHECK(f->recording());
    CHECK(f->has_room());
    CHECK(joined(f->recorded()) == all);
    fill_reader later(f, nullptr);
    CHECK(drain(later) == all);
}

TEST_CASE("blocks are as large as the content needs") {
    struct row {
        std::optional<std::uint64_t> length;
        std::size_t appended, held;
    };
    const row rows[] = {
        {100, 100, 100},          {std::nullopt, 100, 16384}, {16384, 16384, 16384},
        {20'000, 20'000, 20'000}, {20'000, 10, 16384},        {0, 0, 0},
        {10, 30, 16384 + 10}, // more than was announced
    };
    for (const auto& r : rows) {
        const auto f = make_fill();
        f->start_stream(make_head(r.length));
        f->append(std::string(r.appended, 'x'));
        INFO("announced " << (r.length ? std::to_string(*r.length) : "nothing") << ", came " << r.appended);
        // a block is made for at least what is at hand
        CHECK(f->held() == (r.length == 10u ? 30u : r.held));
        CHECK(joined(f->recorded()) == std::string(r.appended, 'x'));
    }
}

TEST_CASE("after recording has stopped, what all readers have passed is given up") {
    const auto f = make_fill(1000);
    f->start_stream(make_head());
    fill_reader fast(f, nullptr), slow(f, nullptr);
    f->append(std::string(600, 'a'));
    CHECK(f->stop_recording());
    CHECK(!f->stop_recording());
    CHECK(!f->recording());
    CHECK(f->recorded().empty());
    CHECK(drain(fast).size() == 600);
    CHECK(f->held() >= 600); // the slow one needs it
    CHECK(drain(slow).size() == 600);
    CHECK(f->held() < 600);
}

TEST_CASE("a full window holds the fetcher until the slowest reader moves") {
    const auto f = make_fill(1000);
    const auto fetcher = std::make_shared<counting_waiter>();
    f->set_fetcher(fetcher);
    f->start_stream(make_head());
    fill_reader fast(f, nullptr), slow(f, nullptr);
    f->stop_recording();
    CHECK(f->append(std::string(500, 'a')) == append_result::ok);
    CHECK(f->append(std::string(700, 'b')) == append_result::full);
    CHECK(!f->has_room());
    CHECK(drain(fast) == std::string(500, 'a') + std::string(700, 'b'));
    CHECK(fetcher->take() == 0);
    std::string_view piece[1];
    CHECK(slow.peek(piece) == 1);
    slow.consume(1);
    CHECK(fetcher->take() == 0); // not a whole block yet
    CHECK(drain(slow) == std::string(499, 'a') + std::string(700, 'b'));
    CHECK(fetcher->take() == 1);
    CHECK(f->has_room());
    CHECK(f->append("more") == append_result::ok);
    CHECK(drain(fast) == "more");
    CHECK(drain(slow) == "more");
}

TEST_CASE("a reader that goes makes room") {
    const auto f = make_fill(1000);
    const auto fetcher = std::make_shared<counting_waiter>();
    f->set_fetcher(fetcher);
    f->start_stream(make_head());
    {
        const fill_reader reader(f, nullptr);
        f->stop_recording();
        CHECK(f->append(std::string(5000, 'x')) == append_result::full);
    }
    CHECK(fetcher->take() == 1);
    CHECK(f->held() == 0);
}

TEST_CASE("without readers a window passes everything on to nobody") {
    const auto f = make_fill(1000);
    f->start_stream(make_head());
    f->append("beginning");
    f->stop_recording();
    CHECK(f->held() == 0);
    for (int i = 0; i < 100; ++i) CHECK(f->append(std::string(500, 'x')) == append_result::ok);
    CHECK(f->held() == 0);
    f->complete(nullptr);
    CHECK(f->state() == fill_state::complete);
}

TEST_CASE("who comes after the beginning was given up goes its own way") {
    const auto f = make_fill(1000);
    f->start_stream(make_head());
    f->append("gone");
    f->stop_recording();
    const auto waiter = std::make_shared<counting_waiter>();
    fill_reader late(f, waiter);
    CHECK(late.look().state == fill_state::released);
    CHECK(late.look().available == 0);
    std::string_view piece[1];
    CHECK(late.peek(piece) == 0);
    late.consume(0);
    CHECK(f->append(std::string(5000, 'x')) == append_result::ok); // and does not hold the window
    f->complete(nullptr);
    CHECK(late.look().state == fill_state::released);
    CHECK(waiter->wakes > 0);
}

TEST_CASE("laggards are cut only when somebody starves for their sake") {
    const auto f = make_fill(1000);
    const auto fetcher = std::make_shared<counting_waiter>();
    const auto fast_waiter = std::make_shared<counting_waiter>(),
               slow_waiter = std::make_shared<counting_waiter>();
    f->set_fetcher(fetcher);
    f->start_stream(make_head());
    fill_reader fast(f, fast_waiter), slow(f, slow_waiter), middle(f, nullptr);
    f->stop_recording();
    CHECK(f->cut_laggards() == 0); // there is room
    CHECK(f->append(std::string(1000, 'a')) == append_result::full);
    CHECK(f->cut_laggards() == 0); // all have something to do
    std::string_view pieces[8];
    REQUIRE(middle.peek(pieces) > 0);
    middle.consume(600);
    drain(fast);
    CHECK(!f->has_room());
    REQUIRE(slow.peek(pieces) > 0);
    const auto sending = pieces[0];
    slow_waiter->take();
    CHECK(f->cut_laggards() == 1);
    CHECK(f->has_room());
    CHECK(slow_waiter->take() == 1);
    CHECK(slow.look().cut);
    CHECK(slow.look().available == 0);
    CHECK(!middle.look().cut);
    CHECK(!fast.look().cut);
    CHECK(f->append(std::string(100, 'b')) != append_result::over_budget);
    CHECK(sending == std::string(sending.size(), 'a')); // still there for who was sending it
    CHECK(slow.peek(pieces) == 0);
    slow.consume(sending.size());
    CHECK(drain(middle) == std::string(400, 'a') + std::string(100, 'b'));
    CHECK(drain(fast) == std::string(100, 'b'));
}

TEST_CASE("all laggards are cut if that is what it takes") {
    const auto f = make_fill(1000);
    f->start_stream(make_head());
    fill_reader fast(f, nullptr), one(f, nullptr), two(f, nullptr);
    f->stop_recording();
    CHECK(f->append(std::string(5000, 'a')) == append_result::full);
    drain(fast);
    CHECK(f->cut_laggards() == 2);
    CHECK(f->has_room());
    CHECK(f->cut_laggards() == 0);
}

TEST_CASE("a fill over the budget says so, once it may record no more it goes on in small steps") {
    byte_budget budget(40'000);
    const auto f = make_fill(64u << 10, &budget);
    f->start_stream(make_head());
    fill_reader reader(f, nullptr);
    CHECK(f->append(std::string(16384, 'a')) == append_result::ok);
    CHECK(f->append(std::string(16384, 'b')) == append_result::ok);
    CHECK(budget.used() == 32768);
    CHECK(f->append(std::string(100, 'c')) == append_result::over_budget);
    CHECK(joined(f->recorded()).size() == 32868); // taken in any case
    f->stop_recording();
    CHECK(drain(reader).size() == 32868);
    CHECK(budget.used() == 0);
    CHECK(f->append(std::string(16384, 'd')) == append_result::ok);
    CHECK(drain(reader).size() == 16384);
    f->complete(nullptr);
    reader = fill_reader();
    CHECK(budget.used() == 0);
}

TEST_CASE("the budget is given back with the fill, and with what a cut reader still holds") {
    byte_budget budget(1u << 20);
    auto f = make_fill(1000, &budget);
    f->start_stream(make_head());
    fill_reader fast(f, nullptr), slow(f, nullptr);
    f->stop_recording();
    f->append(std::string(2000, 'a'));
    drain(fast);
    std::string_view piece[1];
    REQUIRE(slow.peek(piece) == 1);
    CHECK(f->cut_laggards() == 1);
    CHECK(budget.used() >= piece[0].size()); // it may be sending from it
    slow.consume(piece[0].size());
    CHECK(budget.used() == 0);
    f->append("rest");
    CHECK(budget.used() > 0);
    fast = fill_reader();
    slow = fill_reader();
    f.reset();
    CHECK(budget.used() == 0);
}

TEST_CASE("a reader moves, and assignment detaches what was there") {
    const auto f = make_fill(), g = make_fill();
    f->start_stream(make_head());
    f->append("abc");
    fill_reader a(f, nullptr);
    fill_reader b(std::move(a));
    CHECK(!a);
    CHECK(b);
    CHECK(b.of() == f);
    fill_reader c(g, nullptr);
    c = std::move(b);
    CHECK(g->readers() == 0);
    CHECK(f->readers() == 1);
    CHECK(drain(c) == "abc");
}

// Random readers at a random pace, in both modes: each gets the content as a prefix without a gap.
TEST_CASE("every reader gets the content in order, at any pace") {
    const std::uint32_t seed = GENERATE(take(20, random(1, 1'000'000)));
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const std::size_t window = 100 + random() % 20'000;
    byte_budget budget(random() % 2 ? 1u << 20 : 10'000);
    auto f = make_fill(window, &budget);
    std::string all;
    struct reading {
        fill_reader reader;
        std::string got;
        bool may_end = false;
    };
    std::vector<reading> readers;
    f->start_stream(make_head());
    std::size_t wrong = 0;
    bool full = false;
    const auto step_reader = [&](reading& r) {
        const auto view = r.reader.look();
        if (view.cut || view.state == fill_state::released) {
            r.may_end = true;
            return;
        }
        std::vector<std::string_view> pieces(1 + random() % 4);
        const auto n = r.reader.peek(pieces);
        std::size_t available = 0;
        for (std::size_t i = 0; i < n; ++i) available += pieces[i].size();
        wrong += (available == 0) != (view.available == 0) || available > view.available;
        std::size_t take = available == 0 ? 0 : random() % (available + 1), left = take;
        for (std::size_t i = 0; i < n && left > 0; ++i) {
            r.got += pieces[i].substr(0, left);
            left -= std::min(left, pieces[i].size());
        }
        r.reader.consume(take);
        wrong += all.compare(0, r.got.size(), r.got) != 0;
    };
    for (int step = 0; step < 3000; ++step) {
        const auto what = random() % 100;
        if (what < 30 && !full) {
            std::string bytes(random() % 3000, '\0');
            for (auto& c : bytes) c = static_cast<char>(random());
            all += bytes;
            full = f->append(bytes) == append_result::full;
            // there was room before, so the window is exceeded by what came and its last block at most
            wrong += !f->recording() && f->held() > window + bytes.size() + 16384;
        } else if (what < 34 && readers.size() < 6) {
            readers.push_back({fill_reader(f, nullptr), {}, false});
        } else if (what < 36 && !readers.empty()) {
            readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(random() % readers.size()));
        } else if (what == 36 && step > 500) {
            f->stop_recording();
        } else if (what == 37) {
            f->cut_laggards();
        } else if (!readers.empty()) {
            step_reader(readers[random() % readers.size()]);
        }
        full = !f->has_room();
        if (step % 50 == 0 && f->recording()) wrong += joined(f->recorded()) != all;
    }
    f->complete(nullptr);
    for (auto& r : readers) {
        for (int i = 0; i < 100'000 && !r.may_end && !r.reader.look().at_end; ++i) step_reader(r);
        wrong += !r.may_end && r.got != all;
    }
    CHECK(wrong == 0);
    readers.clear();
    f.reset();
    CHECK(budget.used() == 0);
}

} // namespace
