#pragma once
// What a replica says of itself in Redis, as text and back, and the scripts that keep the list. The layout is
// in docs/record-format.md. Pure; any thread.
#include "change_log.hpp"
#include "scripts.hpp"

#include <meshcache/replica/replica_list.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace meshcache::replica {

/// What follows the time in a value of the list.
struct announcement {
    stream_id position; ///< up to which the change log is applied
    std::string state;
    self_description self;
};

/// Words with one blank between them. Bytes that are not visible ASCII, and `%`, are percent-encoded; an
/// empty word is `-`; a word is cut to max_announced_word bytes.
std::string encode(const announcement& a);
inline constexpr std::size_t max_announced_word = 256;

/// The reverse. Words that are too many are skipped, for later versions to add some; nullopt when there are
/// too few, or the position is none.
std::optional<announcement> read_announcement(std::string_view text);

/// Milliseconds since the Unix epoch, as the scripts give them; nullopt for what is no such number.
std::optional<wall_time> read_time(std::string_view text) noexcept;

/// Whether a list that was begun at `since` names all live replicas: one that was lost is complete again when
/// all have had the time to announce themselves. Empty: nobody has begun it.
bool is_settled(std::string_view since, wall_time now) noexcept;
inline constexpr milliseconds list_settling = 3 * announce_period;

/// Where the first entry of the log that a replica has not applied is at `first` (empty: there is none), for
/// how long that has been there at `now` by the clock of Redis.
milliseconds lag_of(std::string_view first, wall_time now) noexcept;

/// One member of the list from its field, its value (the time in milliseconds and an announcement) and the
/// first entry as above. nullopt for what no replica writes.
std::optional<listed_replica> read_listed(std::string_view id, std::string_view value, std::string_view first,
                                          wall_time now);

/// KEYS: the list. ARGV: id of the replica, its announcement, and, to have silent ones removed, for how long
/// one is believed in ms, else nothing. Notes in `since` when the list was begun. Takes the time from Redis,
/// whose clock is one for all.
const script& announce_script();

/// KEYS: the list, the log. ARGV: for how long a replica is believed in ms, how many are listed at the most.
/// Returns the time in ms, since when there is a list, then for each live replica: id, value, and the id of
/// the first entry of the log that it has not applied, or nothing.
const script& list_script();

} // namespace meshcache::replica
