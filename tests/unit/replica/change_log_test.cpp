#include "change_log.hpp"
#include "latency.hpp"
#include "reconcile.hpp"
#include "replica_support.hpp"
#include "support/catch.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace meshcache;
using namespace meshcache::replica;
using namespace meshcache::replica::test;

namespace {

std::string bytes_of(const store::version& v) {
    const auto b = v.bytes();
    return {b.data(), b.size()};
}

std::string puts_of(std::initializer_list<std::pair<std::string_view, store::version>> puts) {
    std::string list;
    for (const auto& [key, version] : puts) append_put(list, key, version);
    return list;
}

} // namespace

TEST_CASE("Ids of stream entries are read, written and ordered as numbers", "[change_log]") {
    struct row {
        std::string_view text;
        std::optional<stream_id> id;
    };
    const row rows[] = {
        {"0-0", stream_id{0, 0}},
        {"1700000000000-3", stream_id{1700000000000, 3}},
        {"18446744073709551615-18446744073709551615", stream_id{UINT64_MAX, UINT64_MAX}},
        {"18446744073709551616-0", {}},
        {"", {}},
        {"-", {}},
        {"1", {}},
        {"1-", {}},
        {"-1", {}},
        {"1-1-1", {}},
        {"1-1 ", {}},
        {" 1-1", {}},
        {"+1-1", {}},
        {"1--1", {}},
        {"a-1", {}},
        {"$", {}},
    };
    for (const row& r : rows) {
        CAPTURE(r.text);
        CHECK(stream_id::parse(r.text) == r.id);
        if (r.id) CHECK(r.id->to_string() == r.text);
    }
    CHECK(stream_id{}.is_start());
    CHECK_FALSE(stream_id{0, 1}.is_start());
    CHECK(stream_id{9, 9} < stream_id{10, 0});
    CHECK(stream_id{10, 9} < stream_id{10, 10});
}

TEST_CASE("An entry says who changed what to which version", "[change_log]") {
    const std::string puts = puts_of({{"key", at_ms(1)}, {"", at_ms(4)}}), two = bytes_of(at_ms(2)),
                      three = bytes_of(at_ms(3));
    const std::string_view fields[] = {"i", "00000000000000ff", "p", puts, "kkey", two, "a", three};
    std::size_t skipped = 0;
    const auto entry = read_entry(fields, skipped);
    REQUIRE(entry);
    CHECK(skipped == 0);
    CHECK(entry->replica == 255);
    REQUIRE(entry->changes.size() == 4);
    CHECK(entry->changes[0].kind == change_kind::put);
    CHECK(entry->changes[0].key == "key");
    CHECK(entry->changes[0].version == at_ms(1));
    CHECK(entry->changes[1].kind == change_kind::put);
    CHECK(entry->changes[1].key.empty());
    CHECK(entry->changes[1].version == at_ms(4));
    CHECK(entry->changes[2].kind == change_kind::floor);
    CHECK(entry->changes[2].key == "key");
    CHECK(entry->changes[2].version == at_ms(2));
    CHECK(entry->changes[3].kind == change_kind::group_floor);
    CHECK(entry->changes[3].key == "a");
    CHECK(entry->changes[3].version == at_ms(3));
}

TEST_CASE("An entry may have a number", "[change_log]") {
    struct row {
        std::string_view text;
        std::uint64_t number;
        std::size_t skipped;
    };
    const row rows[] = {
        {"1", 1, 0}, {"9007199254740992", 9007199254740992, 0}, {"", 0, 1}, {"-1", 0, 1}, {"1.5", 0, 1}};
    for (const row& r : rows) {
        CAPTURE(r.text);
        const std::string_view fields[] = {"i", "00000000000000ff", "s", r.text};
        std::size_t skipped = 0;
        const auto entry = read_entry(fields, skipped);
        REQUIRE(entry);
        CHECK(entry->number == r.number);
        CHECK(skipped == r.skipped);
        CHECK(entry->changes.empty());
    }
    const std::string_view without[] = {"i", "00000000000000ff"};
    std::size_t skipped = 0;
    CHECK(read_entry(without, skipped).value().number == 0);
}

TEST_CASE("A list of puts is versions, sizes and keys, and what is cut off of it is skipped",
          "[change_log]") {
    const std::string key(258, 'k');
    const std::string list = puts_of({{"a", at_ms(1)}, {key, at_ms(2)}});
    REQUIRE(list.size() == 16 + 4 + 1 + 16 + 4 + 258);
    CHECK(list.substr(0, 16) == bytes_of(at_ms(1)));
    CHECK(list.substr(16, 5) == std::string("\0\0\0\1a", 5));
    CHECK(list.substr(37, 5) == std::string("\0\0\1\2k", 5));
    for (std::size_t size = 0; size <= list.size(); ++size) {
        CAPTURE(size);
        const std::string_view fields[] = {"i", "00000000000000ff", "p",
                                           std::string_view(list).substr(0, size)};
        std::size_t skipped = 0;
        const auto entry = read_entry(fields, skipped);
        REQUIRE(entry);
        const bool whole = size == 0 || size == 21 || size == list.size();
        CHECK(skipped == (whole ? 0 : 1));
        CHECK(entry->changes.size() == (size < 21 ? 0 : size < list.size() ? 1 : 2));
    }
}

TEST_CASE("The first entry of a log says so", "[change_log]") {
    const std::string puts = puts_of({{"n", at_ms(1)}});
    const std::string_view first[] = {"i", "00000000000000ff", "n", "", "p", puts},
                           later[] = {"i", "00000000000000ff", "p", puts};
    std::size_t skipped = 0;
    auto entry = read_entry(first, skipped);
    REQUIRE(entry);
    CHECK(entry->is_first);
    CHECK(entry->changes.size() == 1);
    entry = read_entry(later, skipped);
    REQUIRE(entry);
    CHECK_FALSE(entry->is_first);
    CHECK(skipped == 0);
}

TEST_CASE("An entry says which leases came to nothing", "[change_log]") {
    const std::string one = bytes_of(at_ms(1)), two = bytes_of(at_ms(2));
    const std::string_view fields[] = {"i", "00000000000000ff", "lkey", one, "mkey", two};
    std::size_t skipped = 0;
    const auto entry = read_entry(fields, skipped);
    REQUIRE(entry);
    CHECK(skipped == 0);
    REQUIRE(entry->changes.size() == 2);
    CHECK(entry->changes[0].kind == change_kind::lease_over);
    CHECK(entry->changes[0].key == "key");
    CHECK(entry->changes[0].version == at_ms(1));
    CHECK(entry->changes[1].kind == change_kind::lease_alone);
    CHECK(entry->changes[1].version == at_ms(2));
}

TEST_CASE("What an entry has that is unknown or malformed is skipped", "[change_log]") {
    const std::string one = bytes_of(at_ms(1)), good = puts_of({{"good", at_ms(1)}});
    const std::string_view fields[] = {"zfuture", one,  "",    one,  "all", one, "pkey",
                                       one,       "p",  "cut", "kx", "",    "i", "0000000000000001",
                                       "p",       good, "odd"};
    std::size_t skipped = 0;
    const auto entry = read_entry(fields, skipped);
    REQUIRE(entry);
    CHECK(skipped == 6);
    REQUIRE(entry->changes.size() == 1);
    CHECK(entry->changes[0].key == "good");
}

TEST_CASE("An entry may call the roll, with changes or without", "[change_log]") {
    const std::string puts = puts_of({{"key", at_ms(1)}});
    std::size_t skipped = 0;
    const std::string_view bare[] = {"i", "0000000000000001", "r", "1"};
    REQUIRE(read_entry(bare, skipped));
    CHECK(read_entry(bare, skipped)->roll_call);
    CHECK(read_entry(bare, skipped)->changes.empty());
    const std::string_view both[] = {"i", "0000000000000001", "p", puts, "r", "1"};
    CHECK(read_entry(both, skipped)->roll_call);
    CHECK(read_entry(both, skipped)->changes.size() == 1);
    const std::string_view without[] = {"i", "0000000000000001", "p", puts};
    CHECK_FALSE(read_entry(without, skipped)->roll_call);
    CHECK(skipped == 0);
}

TEST_CASE("An entry that does not say who wrote it is none", "[change_log]") {
    const std::string puts = puts_of({{"key", at_ms(1)}});
    std::size_t skipped = 0;
    CHECK_FALSE(read_entry({}, skipped));
    for (const std::string_view id : {"", "1", "000000000000000g", "00000000000000001", "-000000000000001"}) {
        CAPTURE(id);
        const std::string_view fields[] = {"i", id, "p", puts};
        CHECK_FALSE(read_entry(fields, skipped));
    }
    const std::string_view unsigned_fields[] = {"p", puts};
    CHECK_FALSE(read_entry(unsigned_fields, skipped));
}

TEST_CASE("A replica's name is its id in 16 digits", "[change_log]") {
    CHECK(replica_name(0) == "0000000000000000");
    CHECK(replica_name(0x1a2b) == "0000000000001a2b");
    CHECK(replica_name(UINT64_MAX) == "ffffffffffffffff");
}

TEST_CASE("Reconciliation keeps what agrees, and brings the rest together", "[reconcile]") {
    const auto ms = [](unsigned n) { return std::optional<store::version>(at_ms(n, 0, 99)); };
    struct row {
        const char* what;
        std::optional<store::version> in_redis;
        std::optional<store::version> floor;
        verdict within, beyond; ///< cut off for less, for more than floors are kept
    };
    // The local copy is of millisecond 10.
    const row rows[] = {
        {"the same", at_ms(10), {}, verdict::keep, verdict::keep},
        {"the same, above a floor", at_ms(10), ms(9), verdict::keep, verdict::keep},
        {"a newer one", at_ms(11), {}, verdict::refresh, verdict::refresh},
        {"a newer one by its replica", at_ms(10, 0, 2), {}, verdict::refresh, verdict::refresh},
        {"a newer one, above a floor", at_ms(12), ms(11), verdict::refresh, verdict::refresh},
        {"an older one", at_ms(9), {}, verdict::restore, verdict::drop},
        {"none", {}, {}, verdict::restore, verdict::drop},
        {"none, and a floor below", {}, ms(9), verdict::restore, verdict::drop},
        {"none, and a floor in the same place", {}, ms(10), verdict::drop, verdict::drop},
        {"none, and a floor above", {}, ms(11), verdict::drop, verdict::drop},
    };
    for (const row& r : rows) {
        CAPTURE(r.what);
        CHECK(judge(at_ms(10), at_ms(10), r.in_redis, r.floor, milliseconds{0}, true) == r.within);
        CHECK(judge(at_ms(10), at_ms(10), r.in_redis, r.floor, milliseconds{0}, false) == r.beyond);
    }
    // Its maker did not know of the floor, and may have a clock that runs ahead.
    CHECK(judge(at_ms(10), at_ms(10), {}, ms(7), milliseconds{3}, true) == verdict::drop);
    CHECK(judge(at_ms(10), at_ms(10), at_ms(9), ms(7), milliseconds{3}, true) == verdict::drop);
    CHECK(judge(at_ms(10), at_ms(10), at_ms(10), ms(7), milliseconds{3}, true) == verdict::keep);
    CHECK(judge(at_ms(10), at_ms(10), {}, ms(6), milliseconds{3}, true) == verdict::restore);
}

TEST_CASE("Latencies are summed up over the last of them", "[latency]") {
    latency_window w(100);
    CHECK(w.summary().count == 0);
    CHECK(w.summary().p99_ms == 0);
    w.add(1000);
    for (int n = 1; n <= 100; ++n) w.add(n);
    const latency_summary s = w.summary();
    CHECK(s.count == 101);
    CHECK(s.last_ms == 100);
    CHECK(s.p50_ms == 50);
    CHECK(s.p99_ms == 99);
    CHECK(s.max_ms == 1000);
}
