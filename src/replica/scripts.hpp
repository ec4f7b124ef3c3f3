#pragma once
// The Lua scripts that run inside Redis. They are what makes "newest version wins" and "nothing below a
// floor" hold whatever the order in which replicas write. Pure; any thread.
#include <meshcache/base/clock.hpp>

#include <string>
#include <string_view>

namespace meshcache::replica {

/// What the put script says of each record.
enum class put_verdict {
    taken = 0,
    older = 1,       ///< Redis holds a newer version
    invalidated = 2, ///< a floor lies at or above it
    ahead = 3,       ///< its version lies too far ahead of the clock of Redis
    same = 4,        ///< Redis holds this very version, for instance because a batch was sent twice
};

/// How long Redis keeps a floor. See the purge script.
inline constexpr milliseconds floor_retention{24 * 60 * 60 * 1000};

/// A script and the SHA-1 by which EVALSHA names it.
struct script {
    std::string text;
    std::string sha;
};

/// KEYS: log, floors, then the name of each record.
/// ARGV: length of the log, id of the replica, longest lead of a version in ms, skew between clocks in ms,
/// the floor for everything that the records' maker knew of (ms, or 0), then for each record: cache key,
/// record, PX, the floor of the key that its maker knew of when it was made (ms, or 0). Returns one
/// put_verdict a record.
const script& put_script();

/// KEYS: log, floors, then for each floor the name of its record (of the floors where there is none).
/// ARGV: length of the log, id of the replica, longest lead in ms, skew in ms, retention of floors in ms,
/// then for each floor: selector, version. Returns the id of the entry in the log.
const script& purge_script();

} // namespace meshcache::replica
