#pragma once
// Every histogram once: its name, its unit and its help text. The cells stand in a slab (metrics.hpp) beside
// the counters: one thread writes them with plain adds, and the admin port reads them while it does.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace meshcache {

/// What a histogram counts, and so its bounds. Observed are whole numbers of the unit.
enum class histogram_unit : std::uint8_t {
    microseconds, ///< shown in seconds, the base unit of Prometheus
    records,
    bytes,
};

// X(identifier, "prometheus name", "label=\"value\"" or "", unit, "help, the same for every label of a name")
#define MESHCACHE_HISTOGRAMS(X)                                                                              \
    X(propagation, "meshcache_propagation_seconds", "", microseconds,                                        \
      "From a version's making on another replica to its being applied here, by both clocks.")               \
    X(queue_age, "meshcache_redis_queue_age_seconds", "", microseconds,                                      \
      "From a record's or an invalidation's being queued to its being acknowledged by Redis.")               \
    X(command_lookup, "meshcache_redis_command_seconds", "command=\"get\"", microseconds,                    \
      "From sending a command to the answer of Redis: look-ups, batches of records, of invalidations.")      \
    X(command_put, "meshcache_redis_command_seconds", "command=\"put\"", microseconds, "")                   \
    X(command_purge, "meshcache_redis_command_seconds", "command=\"purge\"", microseconds, "")               \
    X(batch_records, "meshcache_redis_batch_records", "", records,                                           \
      "Records and invalidations in a batch that was sent.")                                                 \
    X(batch_bytes, "meshcache_redis_batch_bytes", "", bytes, "Bytes of a batch that was sent.")              \
    X(turn_worker, "meshcache_loop_turn_seconds", "loop=\"worker\"", microseconds,                           \
      "CPU time that an event loop spent at a stretch; turns within 100 us of one another count as one.")    \
    X(turn_redis, "meshcache_loop_turn_seconds", "loop=\"redis\"", microseconds, "")                         \
    X(turn_main, "meshcache_loop_turn_seconds", "loop=\"main\"", microseconds, "")

enum class histogram : std::uint8_t {
#define MESHCACHE_HISTOGRAM_ID(id, name, labels, unit, help) id,
    MESHCACHE_HISTOGRAMS(MESHCACHE_HISTOGRAM_ID)
#undef MESHCACHE_HISTOGRAM_ID
};

#define MESHCACHE_HISTOGRAM_ONE(id, name, labels, unit, help) +1
inline constexpr std::size_t histogram_count = 0 MESHCACHE_HISTOGRAMS(MESHCACHE_HISTOGRAM_ONE);
#undef MESHCACHE_HISTOGRAM_ONE

/// What the metrics page says of one histogram. Rows of one name stand together, the first has the help.
struct histogram_info {
    std::string_view name;
    std::string_view labels; ///< `key="value"`, or empty
    histogram_unit unit;
    std::string_view help;
};

const histogram_info& describe(histogram h) noexcept;

/// The upper bounds of the buckets, inclusive and ascending; one more bucket has what lies above. Static.
std::span<const std::uint64_t> bounds_of(histogram_unit unit) noexcept;

inline constexpr std::size_t max_histogram_buckets = 19;

/// One thread's part of a histogram. Only the owning thread calls add(); any thread may read.
class histogram_cells {
  public:
    void add(std::span<const std::uint64_t> bounds, std::uint64_t value) noexcept {
        const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
        bump(counts_[static_cast<std::size_t>(bucket)], 1);
        bump(sum_, value);
    }
    std::uint64_t count(std::size_t bucket) const noexcept {
        return counts_[bucket].load(std::memory_order_relaxed);
    }
    /// Of all observed values.
    std::uint64_t sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

  private:
    static void bump(std::atomic<std::uint64_t>& cell, std::uint64_t n) noexcept {
        cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }

    std::array<std::atomic<std::uint64_t>, max_histogram_buckets> counts_{};
    std::atomic<std::uint64_t> sum_{0};
};

/// A duration as a histogram takes it: negative ones, from clocks that differ, count as none.
constexpr std::uint64_t in_microseconds(std::chrono::nanoseconds d) noexcept {
    return d.count() > 0 ? static_cast<std::uint64_t>(d.count()) / 1000 : 0;
}

/// The sum over all slabs: what the page shows.
struct histogram_total {
    std::array<std::uint64_t, max_histogram_buckets> counts{}; ///< by bucket, not cumulative
    std::uint64_t sum = 0;
    std::uint64_t count() const noexcept {
        std::uint64_t n = 0;
        for (const auto c : counts) n += c;
        return n;
    }
};

} // namespace meshcache
