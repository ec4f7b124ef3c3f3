#pragma once
// Warm start as a machine without sockets: which records a replica that holds little asks Redis for, in which
// order and how many at a time. The shell (redis_link_warm.cpp) performs the steps and reports.
//
// First the change log from its end backwards, so that what was written last comes first; then every record,
// by SCAN. Sizes are asked for before the records, so that no batch is larger than it may be.
//
//   read_log, or scan -> measure -> fetch, as often as names wait -> the next read_log or scan -> ... -> end
//
// A step that was lost with its connection is simply asked for again. Not thread-safe; lives on the link's
// thread.
#include "change_log.hpp"

#include <meshcache/base/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::replica {

struct warm_limits {
    std::size_t store_bytes = 0;    ///< the local store is filled up to here
    std::size_t record_bytes = 0;   ///< larger records are passed over
    std::size_t batch_records = 64; ///< that one step measures or fetches
    std::size_t batch_bytes = 256u << 10;
};

/// How a warm start ended.
enum class warm_end : std::uint8_t {
    none,     ///< it has not
    complete, ///< every record was looked at
    time,     ///< its deadline passed
    memory,   ///< the local store is as full as it may get by this
    refused,  ///< Redis answered with an error
};
std::string_view to_string(warm_end e) noexcept;

class warm_start {
  public:
    enum class step : std::uint8_t {
        read_log, ///< entries of the log up to `from`, the latest first; then on_log()
        scan,     ///< SCAN from the cursor `from`; then on_scan()
        measure,  ///< STRLEN of `names`; then on_sizes()
        fetch,    ///< GET of `names`; then on_fetched()
        end,      ///< nothing more
    };
    struct action {
        step what = step::end;
        std::string from;
        std::vector<std::string> names; ///< of records
    };

    warm_start(const warm_limits& limits, steady_time deadline) : limits_(limits), deadline_(deadline) {}

    /// What to do now. `store_bytes`: what the local store holds. The same again until it is reported.
    action next(steady_time now, std::size_t store_bytes);

    /// Records that those entries name, the latest first; the same name may be there more than once. `first`:
    /// the id of the earliest entry, or nullopt when there was none left.
    void on_log(std::vector<std::string> names, std::optional<stream_id> first);
    /// `cursor`: as SCAN returned it.
    void on_scan(std::vector<std::string> names, std::string cursor);
    /// In the order of the names; 0 for a record that is not there.
    void on_sizes(std::span<const std::uint64_t> sizes);
    void on_fetched();
    /// Redis answered with an error, or nobody wants it any more: the next step is end.
    void give_up(warm_end why);

    warm_end ended() const noexcept { return end_; }

  private:
    struct measured {
        std::string name;
        std::uint64_t size = 0;
    };

    std::size_t batch_size() const noexcept;

    const warm_limits limits_;
    const steady_time deadline_;
    std::string log_end_ = "+"; ///< where the next page of the log ends
    std::string cursor_ = "0";  ///< of SCAN
    bool log_read_ = false, scanned_ = false;
    std::deque<std::string> unmeasured_;
    std::deque<measured> measured_;
    warm_end end_ = warm_end::none;
};

} // namespace meshcache::replica
