#include "support/golden.hpp"

#include <meshcache/admin/exposition.hpp>

#include <string>
#include <vector>

using namespace meshcache;
using namespace meshcache::admin;
using meshcache::test::check_golden;
using meshcache::test::golden_file;

namespace {

std::size_t occurrences(const std::string& page, const std::string& what) {
    std::size_t n = 0;
    for (auto at = page.find(what); at != std::string::npos; at = page.find(what, at + what.size())) ++n;
    return n;
}

} // namespace

TEST_CASE("the metrics page is what the golden file has") {
    metrics counters;
    auto& one = counters.make_slab();
    auto& two = counters.make_slab();
    one.add(counter::requests_hit, 40);
    two.add(counter::requests_hit, 2);
    two.add(counter::requests_uri_miss, 7);
    one.add(counter::client_bytes_out, 12'345'678'901);
    const std::vector<gauge_value> gauges{
        {"meshcache_store_bytes", "Bytes in the local store.", {}, 1'048'576},
        {"meshcache_redis_state", "1 for the state of the connection to Redis.", {{"state", "following"}}, 1},
        {"meshcache_redis_state", "", {{"state", "connecting"}}, 0},
        {"meshcache_build_info", "Always 1.", {{"version", "0.1.0"}, {"odd", "a\"b\\c\nd"}}, 1},
        {"meshcache_uptime_seconds", "Time since the start.", {}, 12.5},
    };
    one.observe(histogram::propagation, 750);
    two.observe(histogram::propagation, 1'000);
    two.observe(histogram::propagation, 61'000'000);
    one.observe(histogram::command_put, 0);
    one.observe(histogram::batch_records, 64);
    one.observe(histogram::batch_bytes, 65'537);
    check_golden(golden_file("admin", "metrics.txt"), prometheus_page(counters, gauges));
}

TEST_CASE("every counter is on the page, zero or not, and every family has one type line and a help text") {
    const metrics counters;
    const auto page = prometheus_page(counters, {});
    for (std::size_t i = 0; i < counter_count; ++i) {
        const auto& info = describe(static_cast<counter>(i));
        const std::string name(info.name);
        const std::string labels = info.labels.empty() ? "" : "{" + std::string(info.labels) + "}";
        INFO(name << labels);
        CHECK(occurrences(page, "\n" + name + labels + " 0\n") == 1);
        CHECK(occurrences(page, "# TYPE " + name + " counter\n") == 1);
        CHECK(occurrences(page, "# HELP " + name + " ") == 1);
    }
    CHECK(page.ends_with("\n"));
}

TEST_CASE("every histogram is on the page, zero or not, with its help, and its last bucket is its count") {
    metrics counters;
    auto& slab = counters.make_slab();
    for (std::size_t i = 0; i < histogram_count; ++i)
        for (std::size_t n = 0; n <= i; ++n) slab.observe(static_cast<histogram>(i), 1ull << (4 * n));
    const auto page = prometheus_page(counters, {});
    for (std::size_t i = 0; i < histogram_count; ++i) {
        const auto& info = describe(static_cast<histogram>(i));
        const std::string name(info.name), labels(info.labels), count = std::to_string(i + 1);
        INFO(name << labels);
        const std::string alone = labels.empty() ? "" : "{" + labels + "}";
        const std::string first = labels.empty() ? "{" : "{" + labels + ",";
        CHECK(occurrences(page, "# TYPE " + name + " histogram\n") == 1);
        CHECK(occurrences(page, "# HELP " + name + " ") == 1);
        CHECK(occurrences(page, "\n" + name + "_count" + alone + " " + count + "\n") == 1);
        CHECK(occurrences(page, "\n" + name + "_sum" + alone + " ") == 1);
        CHECK(occurrences(page, "\n" + name + "_bucket" + first + "le=\"+Inf\"} " + count + "\n") == 1);
    }
}

TEST_CASE("the statistics are what the golden file has") {
    stats s;
    s.version = "0.1.0";
    s.replica_id = "00000000deadbeef";
    s.uptime_s = 86'400.5;
    s.connections = 12;
    s.hits = 9'007'199'254'740'993; // beyond what a double holds
    s.misses = 3;
    s.collapsed = 2;
    s.fills = 1;
    s.objects = 17;
    s.bytes = 123'456;
    s.bytes_limit = 67'108'864;
    s.stored = 20;
    s.evicted = 3;
    s.redis_state = "ready";
    s.log_position = "1700000000000-3";
    s.queue_depth = 4;
    s.queue_bytes = 4'096;
    s.batches = 99;
    s.warm_start = {"done", 1'200, 3'400'000, "memory"};
    s.reconciliation = {true, 12'000, 100'000};
    s.propagation_ms = {100, 0.75, 4, 12.5, 1};
    CHECK(stats_json(s).find("\"replicas\": null") != std::string::npos);
    replica::listed_replica one;
    one.id = "00000000deadbeef";
    one.self = {"0.1.0", "pod-1", "pod-1:8080"};
    one.state = "ready";
    one.log_position = "1700000000000-3";
    one.seen = milliseconds{412};
    one.own = true;
    replica::listed_replica two = one;
    two.id = "00000000cafebabe";
    two.state = "loading";
    two.lag = milliseconds{1'500};
    two.own = false;
    s.replicas = {one, two};
    check_golden(golden_file("admin", "stats.json"), stats_json(s));
}

TEST_CASE("statistics with bytes that are not text are still JSON") {
    stats s;
    s.log_position = "a\"\x01\xff";
    CHECK(stats_json(s).find(R"("a\"\u0001)"
                             "\xef\xbf\xbd\"") != std::string::npos);
}
