// Many threads, one key: whatever the interleaving, one of them fetches.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <barrier>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

TEST_CASE("of many threads that ask for one key at once, one fetches and all get its answer") {
    constexpr int threads = 4, rounds = 300;
    // The end of an answer without content comes with its head.
    const std::string_view content = GENERATE("content", "");
    const std::string_view status = content.empty() ? "204 No Content" : "200 OK";
    INFO(status);
    world w;
    std::vector<std::atomic<int>> fetched(rounds), answered(rounds);
    std::barrier<> start(threads);
    const auto is_whole = [&](std::string_view head, std::string_view got) {
        const bool says_length = head.find("Content-Length") != std::string_view::npos;
        return got == content && head.starts_with("HTTP/1.1 " + std::string(status)) &&
               !(content.empty() && says_length);
    };
    auto visit = [&](int round) {
        metrics_slab counters;
        visitor v(w, "GET /" + std::to_string(round));
        for (auto next = v.begin();;) {
            switch (next) {
            case action::fetch: {
                ++fetched[static_cast<std::size_t>(round)];
                if (v.answered(status, "Cache-Control: max-age=60\r\n") != action::share) return;
                const auto f = v.x.take_fill();
                if (!content.empty()) f->append(content);
                const auto done = finish_fill(*f, *v.x.stream_head(), std::span(&content, 1), w.cache,
                                              w.collapse, counters);
                if (done.response) ++answered[static_cast<std::size_t>(round)];
                return;
            }
            case action::wait:
                std::this_thread::yield();
                next = v.look();
                break;
            case action::follow: {
                std::string got;
                while (!v.x.reader().look().at_end) {
                    std::array<std::string_view, 4> pieces;
                    const auto n = v.x.reader().peek(pieces);
                    for (std::size_t i = 0; i < n; ++i) {
                        got += pieces[i];
                        v.x.reader().consume(pieces[i].size());
                    }
                    if (n == 0) std::this_thread::yield();
                }
                if (is_whole(v.x.stream_head()->text, got)) ++answered[static_cast<std::size_t>(round)];
                return;
            }
            case action::answer:
                if (is_whole(v.x.response()->head(), v.content()))
                    ++answered[static_cast<std::size_t>(round)];
                return;
            default:
                return;
            }
        }
    };
    std::vector<std::thread> crowd;
    for (int i = 0; i < threads; ++i) {
        crowd.emplace_back([&] {
            for (int round = 0; round < rounds; ++round) {
                start.arrive_and_wait();
                visit(round);
            }
        });
    }
    for (auto& t : crowd) t.join();
    for (std::size_t round = 0; round < rounds; ++round) {
        INFO("round " << round);
        CHECK(fetched[round] == 1);
        CHECK(answered[round] == threads);
    }
    CHECK(w.collapse.fills() == 0);
}

} // namespace
