#include "support/catch.hpp"
#include "warm_start.hpp"

#include <string>
#include <vector>

using namespace meshcache;
using namespace meshcache::replica;

namespace {

using step = warm_start::step;
using names = std::vector<std::string>;

constexpr steady_time start{};
constexpr steady_time deadline = start + seconds{30};

warm_start machine(std::size_t batch_records = 2, std::size_t batch_bytes = 1000) {
    return {{.store_bytes = 1000,
             .record_bytes = 500,
             .batch_records = batch_records,
             .batch_bytes = batch_bytes},
            deadline};
}

void measure(warm_start& w, std::vector<std::uint64_t> sizes) {
    REQUIRE(w.next(start, 0).what == step::measure);
    w.on_sizes(sizes);
}

/// Fetches, and checks what.
void fetch(warm_start& w, const names& expected) {
    const auto a = w.next(start, 0);
    REQUIRE(a.what == step::fetch);
    CHECK(a.names == expected);
    w.on_fetched();
}

} // namespace

TEST_CASE("The log is read from its end backwards, then everything is scanned", "[warm_start]") {
    auto w = machine();
    auto a = w.next(start, 0);
    REQUIRE(a.what == step::read_log);
    CHECK(a.from == "+");
    w.on_log({"c", "b"}, stream_id{7, 1});
    measure(w, {10, 10});
    fetch(w, {"c", "b"});
    a = w.next(start, 0);
    REQUIRE(a.what == step::read_log);
    CHECK(a.from == "(7-1");
    w.on_log({}, std::nullopt);
    a = w.next(start, 0);
    REQUIRE(a.what == step::scan);
    CHECK(a.from == "0");
    w.on_scan({"a"}, "17");
    measure(w, {10});
    fetch(w, {"a"});
    a = w.next(start, 0);
    REQUIRE(a.what == step::scan);
    CHECK(a.from == "17");
    w.on_scan({}, "0");
    CHECK(w.next(start, 0).what == step::end);
    CHECK(w.ended() == warm_end::complete);
}

TEST_CASE("What is lost on the way is asked for again", "[warm_start]") {
    auto w = machine();
    for (int i = 0; i < 2; ++i) CHECK(w.next(start, 0).what == step::read_log);
    w.on_log({"a", "b", "c"}, std::nullopt);
    for (int i = 0; i < 2; ++i) CHECK(w.next(start, 0).names == names{"a", "b"});
    w.on_sizes(std::vector<std::uint64_t>{1, 1});
    for (int i = 0; i < 2; ++i) {
        const auto a = w.next(start, 0);
        CHECK(a.what == step::fetch);
        CHECK(a.names == names{"a", "b"});
    }
    w.on_fetched();
    CHECK(w.next(start, 0).names == names{"c"});
}

TEST_CASE("What is fetched at a time has its bounds, and a record that is larger comes alone",
          "[warm_start]") {
    auto w = machine(3, 100);
    w.on_log({"a", "b", "c", "d", "e"}, std::nullopt);
    measure(w, {60, 40, 1});
    fetch(w, {"a", "b"});
    fetch(w, {"c"});
    measure(w, {101, 1});
    fetch(w, {"d"});
    fetch(w, {"e"});
}

TEST_CASE("Records that are gone, or too large, are passed over", "[warm_start]") {
    auto w = machine(4);
    w.on_log({"gone", "large", "largest", "small"}, std::nullopt);
    measure(w, {0, 501, 500, 1});
    fetch(w, {"largest", "small"});
    CHECK(w.next(start, 0).what == step::scan);
}

TEST_CASE("A record that several entries of a page name is fetched once", "[warm_start]") {
    auto w = machine(8);
    w.on_log({"a", "b", "a", "a", "b"}, std::nullopt);
    CHECK(w.next(start, 0).names == names{"a", "b"});
}

TEST_CASE("It ends at its deadline, when the store is full enough, or when it is told to", "[warm_start]") {
    struct row {
        steady_time now;
        std::size_t bytes;
        warm_end end;
    };
    for (const row& r : {row{deadline, 0, warm_end::time}, row{start, 1000, warm_end::memory},
                         row{deadline, 1000, warm_end::time}}) {
        auto w = machine();
        w.on_log({"a"}, std::nullopt);
        CHECK(w.next(deadline - milliseconds{1}, 999).what == step::measure);
        CHECK(w.next(r.now, r.bytes).what == step::end);
        CHECK(w.ended() == r.end);
        CHECK(w.next(start, 0).what == step::end);
    }
    auto w = machine();
    w.on_log({"a"}, std::nullopt);
    w.give_up(warm_end::refused);
    CHECK(w.next(start, 0).what == step::end);
    w.on_sizes(std::vector<std::uint64_t>{1}); // an answer that comes late changes nothing
    w.give_up(warm_end::time);
    CHECK(w.ended() == warm_end::refused);
    CHECK(to_string(w.ended()) == "refused");
}
