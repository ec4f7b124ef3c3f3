#pragma once
// The Lua scripts that run inside Redis. They are what makes "newest version wins" and "nothing below a
// floor" hold whatever the order in which replicas write. Pure; any thread.
#include <meshcache/store/version.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::replica {

/// What the put script says of each record.
enum class put_verdict : char {
    taken = '0',
    older = '1',       ///< Redis holds a newer version
    invalidated = '2', ///< a floor lies at or above it
    ahead = '3',       ///< its version lies too far ahead of the clock of Redis
    same = '4',        ///< Redis holds this very version, for instance because a batch was sent twice
};

/// How long Redis keeps the floor of a key. See the purge script.
inline constexpr milliseconds floor_retention{std::chrono::hours{24}};
/// How long it keeps the floor of a group, and so how long it may keep a record at the most.
inline constexpr milliseconds group_retention{std::chrono::hours{24 * 7}};
inline constexpr milliseconds max_record_life = group_retention - std::chrono::hours{1};
/// Floors of keys in Redis: some 200 MB with keys of a hundred bytes.
inline constexpr std::size_t max_key_floors = 1'000'000;
/// Floors of groups in Redis.
inline constexpr std::size_t max_groups = 100'000;

/// A script and the SHA-1 by which EVALSHA names it.
struct script {
    std::string text;
    std::string sha;
};

/// KEYS: log, floors, groups, lengths, number of entries, then the name of each record.
/// ARGV: length of the log, id of the replica, longest lead of a version in ms, skew between clocks in ms,
/// what the log is to tell (append_put() of all records), then for each record: record, PX; then for each
/// record that has tags, or of which the maker knew of floors: its place in the batch from 1, how many tags,
/// the tags, how many floors, and for each of them selector and position. Returns one put_verdict a record,
/// as a text.
const script& put_script();

/// KEYS: log, floors, groups, lengths, number of entries, then for each floor the name of its record (of the
/// log where there is none). ARGV: length of the log, id of the replica, longest lead in ms, skew in ms,
/// retention of key floors and of group floors in ms, how many group floors and how many key floors are kept,
/// then for each floor: selector, version, and the length of its path if it is a hard prefix, else nothing.
/// Returns the id of the entry in the log.
const script& purge_script();

/// How long a lease lasts that its holder does not renew.
inline constexpr milliseconds lease_time{1500};
/// How long "answers for this key cannot be shared" is remembered for all replicas.
inline constexpr milliseconds unshareable_time{10'000};

/// What the lease script says where there is no record.
enum class lease_verdict {
    taken = 1,       ///< the caller fetches; others wait for it
    unshareable = 2, ///< answers for this key cannot be shared: each replica fetches for itself
};

/// Reads a record, or takes the lease to fetch it. KEYS: record, lease. ARGV: token (the version at which the
/// lease is asked for: tokens grow with time, and so do the versions of what their holders fetch), lease time
/// in ms, version of a record that will not do, or nothing. Returns the record, a lease_verdict, or, where
/// another replica has the lease, an array with the ms that it has left.
const script& lease_script();

/// Renews or gives up a lease, if it is still the caller's. KEYS: lease, log, number of entries. ARGV: token,
/// what, length of the log, id of the replica, cache key, time in ms for `renew` and `unshareable`. `what`:
/// `renew`; `stored`: the log has told of the record; `over`: who waits is to ask again; `alone`: who waits
/// is to fetch for himself; `unshareable`: the same, and remembered.
const script& end_lease_script();

/// A version's place as a floor's score has it: milliseconds, and the counter as 4096ths, up to 4095.
std::string position_text(const store::version& v);
/// The highest version at a score; nullopt for what is no score.
std::optional<store::version> version_at_score(std::string_view text) noexcept;

} // namespace meshcache::replica
