#pragma once
// What reconciliation decides of one key, from what the local store and Redis hold. Pure.
#include <meshcache/store/version.hpp>

#include <optional>

namespace meshcache::replica {

enum class verdict : std::uint8_t {
    keep,    ///< both hold the same
    drop,    ///< a floor forbids the local copy, or it cannot be told whether one did
    refresh, ///< Redis holds a newer one: drop, and fetch it
    restore, ///< Redis holds an older one or none: put again
};

/// `held` is the local version, `in_redis` that of the record (nullopt: none), `floor` the floor of the key
/// in Redis, as version_at_score() gives it, `oldest` what of `held` it holds against, `skew` how far ahead
/// of it an older version may be: nothing, where the maker of `held` knew of the floor. `floors_complete`:
/// this replica was cut off for less than floors are kept, so what has no floor was not invalidated
/// meanwhile.
verdict judge(const store::version& held, const store::version& oldest,
              const std::optional<store::version>& in_redis, const std::optional<store::version>& floor,
              milliseconds skew, bool floors_complete) noexcept;

} // namespace meshcache::replica
