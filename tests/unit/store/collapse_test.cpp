#include "store_support.hpp"
#include "support/catch.hpp"

#include <meshcache/store/collapse.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace meshcache;
using namespace meshcache::store;

steady_time at(std::int64_t ms) { return steady_time{milliseconds{ms}}; }

TEST_CASE("the first to join fetches, the others wait for the same fill") {
    collapse table(1000);
    const auto a = table.join({"a", 1});
    CHECK(a.fetcher);
    CHECK(a.f->key().bytes == "a");
    CHECK(a.f->key().hash == 1);
    const auto again = table.join({"a", 1});
    CHECK(!again.fetcher);
    CHECK(again.f == a.f);
    const auto b = table.join({"b", 1}); // the same hash, another key
    CHECK(b.fetcher);
    CHECK(b.f != a.f);
    CHECK(table.fills() == 2);
}

TEST_CASE("after the fill has left, the next to join fetches anew") {
    collapse table(1000);
    const auto first = table.join({"a", 1});
    table.leave(*first.f);
    table.leave(*first.f);
    CHECK(table.fills() == 0);
    const auto second = table.join({"a", 1});
    CHECK(second.fetcher);
    table.leave(*first.f); // does not take the new one out
    CHECK(table.fills() == 1);
    CHECK(!table.join({"a", 1}).fetcher);
}

TEST_CASE("a fetcher that goes without a word fails its fill") {
    collapse table(1000);
    std::shared_ptr<fill> f;
    {
        auto joined = table.join({"a", 1});
        f = joined.f;
        const fetcher_guard guard(table, joined.f);
        CHECK(guard.of() == f);
    }
    CHECK(table.fills() == 0);
    CHECK(f->state() == fill_state::failed);
    CHECK(fill_reader(f, nullptr).look().error == errc::shutting_down);
}

TEST_CASE("the guard leaves alone what has ended, moves, and fails with the error it was given") {
    collapse table(1000);
    const auto done = table.join({"a", 1}).f;
    {
        const fetcher_guard guard(table, done);
        done->complete(nullptr);
    }
    CHECK(done->state() == fill_state::complete);
    CHECK(table.fills() == 0);

    const auto failed = table.join({"b", 2}).f;
    {
        fetcher_guard guard(table, failed);
        fetcher_guard moved(std::move(guard));
        guard = fetcher_guard();
        CHECK(failed->state() == fill_state::waiting);
        moved.set_error(errc::upstream_reset);
        fetcher_guard assigned;
        assigned = std::move(moved);
        CHECK(failed->state() == fill_state::waiting);
        CHECK(assigned.of() == failed);
    }
    CHECK(fill_reader(failed, nullptr).look().error == errc::upstream_reset);

    const auto dropped = table.join({"c", 3}).f;
    fetcher_guard guard(table, dropped, errc::upstream_busy);
    guard = fetcher_guard(); // assigned over: as if destroyed
    CHECK(fill_reader(dropped, nullptr).look().error == errc::upstream_busy);
}

TEST_CASE("what cannot be shared is remembered for a while") {
    collapse table(1000);
    constexpr std::uint64_t hash = 0xabcd'ef01'2345'6789;
    CHECK(!table.is_unshareable(hash, at(0)));
    table.remember_unshareable(hash, at(5000));
    CHECK(table.is_unshareable(hash, at(4999)));
    CHECK(!table.is_unshareable(hash, at(5000)));
    CHECK(!table.is_unshareable(hash ^ std::uint64_t{1} << 63, at(100))); // the same slot, another key
    CHECK(!table.is_unshareable(hash + 1, at(100)));
    table.forget_unshareable(hash ^ std::uint64_t{1} << 63);
    CHECK(table.is_unshareable(hash, at(100)));
    table.forget_unshareable(hash);
    CHECK(!table.is_unshareable(hash, at(100)));
}

TEST_CASE("another key takes over the slot of what cannot be shared") {
    collapse table(1000);
    constexpr std::uint64_t one = 0x1000'0000'0000'0007, two = 0x2000'0000'0000'0007;
    table.remember_unshareable(one, at(5000));
    table.remember_unshareable(two, at(5000));
    CHECK(!table.is_unshareable(one, at(1)));
    CHECK(table.is_unshareable(two, at(1)));
}

TEST_CASE("a budget gives no more than it has") {
    byte_budget budget(100);
    CHECK(budget.take(60));
    CHECK(!budget.take(41));
    CHECK(budget.take(40));
    CHECK(budget.used() == 100);
    CHECK(!budget.take(1));
    CHECK(budget.take(0));
    budget.give(100);
    CHECK(!budget.take(101));
    CHECK(!budget.take(SIZE_MAX));
    CHECK(budget.used() == 0);
}

/// Lets a thread sleep until it is woken.
class sleeper final : public fill_waiter {
  public:
    void wake() noexcept override {
        wakes_.fetch_add(1);
        wakes_.notify_one();
    }
    /// Returns at once if there was a wake since `seen` was read.
    void wait(unsigned seen) { wakes_.wait(seen); }
    unsigned seen() const { return wakes_.load(); }

  private:
    std::atomic<unsigned> wakes_{0};
};

/// Position-dependent bytes, so that a wrong order or a lost byte shows.
std::string content_of(std::size_t n) {
    std::string s(n, '\0');
    for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
    return s;
}

TEST_CASE("many threads that want one key fetch it once, and all get all of it") {
    const std::size_t size = GENERATE(0u, 100u, 300'000u);
    const bool recorded = GENERATE(true, false);
    constexpr int threads = 4, rounds = 20;
    INFO("content of " << size << " bytes, " << (recorded ? "recorded" : "through a window"));
    byte_budget budget(1u << 20);
    collapse table(32u << 10, &budget);
    const std::string content = content_of(size);
    std::atomic<int> fetched{0}, whole{0}, released{0}, wrong{0};
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t)
        running.emplace_back([&, t] {
            for (int round = 0; round < rounds; ++round) {
                const std::string key = "key" + std::to_string(round);
                const auto joined = table.join({key, static_cast<std::uint64_t>(round)});
                const auto waker = std::make_shared<sleeper>();
                fill_reader reader(joined.f, waker);
                std::thread fetcher;
                if (joined.fetcher) {
                    ++fetched;
                    fetcher = std::thread([&, f = joined.f] {
                        const fetcher_guard guard(table, f);
                        const auto own = std::make_shared<sleeper>();
                        f->set_fetcher(own);
                        f->start_stream(std::make_shared<streamed_head>());
                        if (!recorded) f->stop_recording();
                        for (std::size_t i = 0; i < content.size(); i += 5000) {
                            unsigned seen = own->seen();
                            const auto piece = std::string_view(content).substr(i, 5000);
                            if (f->append(piece) != append_result::full) continue;
                            while (!f->has_room()) {
                                own->wait(seen);
                                seen = own->seen();
                            }
                        }
                        table.leave(*f);
                        f->complete(nullptr);
                    });
                }
                std::string got;
                for (;;) {
                    const unsigned seen = waker->seen();
                    const auto view = reader.look();
                    if (view.state == fill_state::released) {
                        ++released; // came when the window had moved on
                        break;
                    }
                    if (view.at_end) {
                        if (got == content)
                            ++whole;
                        else
                            ++wrong;
                        break;
                    }
                    if (view.state == fill_state::failed || view.cut) {
                        ++wrong;
                        break;
                    }
                    if (view.available == 0) {
                        waker->wait(seen);
                        continue;
                    }
                    std::string_view pieces[3];
                    const auto n = reader.peek(pieces);
                    std::size_t took = 0;
                    for (std::size_t i = 0; i < n; ++i) {
                        got += pieces[i];
                        took += pieces[i].size();
                    }
                    // sometimes only a part was sent
                    const std::size_t sent = took > 1000 && t % 2 == 0 ? took - 500 : took;
                    got.resize(got.size() - (took - sent));
                    reader.consume(sent);
                }
                reader = fill_reader();
                if (fetcher.joinable()) fetcher.join();
            }
        });
    for (auto& t : running) t.join();
    CHECK(wrong == 0);
    CHECK(whole + released == threads * rounds);
    CHECK(fetched >= rounds);
    CHECK((recorded ? released == 0 : true));
    CHECK(table.fills() == 0);
    CHECK(budget.used() == 0);
}

} // namespace
