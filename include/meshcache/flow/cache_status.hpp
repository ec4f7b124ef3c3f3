#pragma once
// What the cache did with one request: for Cache-Status (RFC 9211), the access log and the counters, which
// thereby always say the same.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/metrics.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::flow {

/// The `fwd` parameter: why the request went to the upstream (RFC 9211, section 2.2).
enum class forward : std::uint8_t {
    none, ///< it did not: a hit
    bypass,
    method,
    uri_miss,
    vary_miss,
    miss,
    request,
    stale,
};

struct cache_outcome {
    forward fwd = forward::none;
    bool hit = false;
    bool stored = false;
    bool collapsed = false;
    bool from_redis = false;
    bool rejected = false;           ///< --on-hit reject refused it
    int fwd_status = 0;              ///< the upstream's status; 0: none
    std::optional<std::int64_t> ttl; ///< seconds of freshness left
    std::string_view detail;         ///< a token, or words without quotes; static storage
};

/// Appends the field's value, e.g. `meshcache; hit; ttl=42`.
void write_cache_status(const cache_outcome& outcome, std::string& out);

/// The counter of meshcache_requests_total that this outcome belongs to.
counter counter_of(const cache_outcome& outcome) noexcept;

} // namespace meshcache::flow
