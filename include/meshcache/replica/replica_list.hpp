#pragma once
// What an operator may ask of the link: the replicas of a namespace, as they make themselves known in Redis,
// and what Redis has of a key. Values; any thread.
#include <meshcache/base/clock.hpp>
#include <meshcache/store/stored_response.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace meshcache::replica {

/// What a replica says of itself, beside its id and its place in the change log. Everything may be empty.
struct self_description {
    std::string version; ///< of meshcache
    std::string host;    ///< name of the machine, the container or the pod
    std::string address; ///< where clients reach it
};

/// A replica as the list has it.
struct listed_replica {
    std::string id; ///< 16 hexadecimal digits
    self_description self;
    std::string state;        ///< to_string() of its link_state; of later versions perhaps another word
    std::string log_position; ///< up to which it has applied the change log
    milliseconds seen{0};     ///< since it last said all this, by the clock of Redis
    /// Since the oldest change that it is not known to have applied was written; zero if there is none. A
    /// replica that keeps up may show as much as announce_period and some.
    milliseconds lag{0};
    bool own = false; ///< it is the one that was asked
};

/// What Redis has at the name of a cache key.
struct examined_record {
    std::string key;
    bool found = false;           ///< something stands there
    std::size_t size = 0;         ///< of the record in bytes
    store::response_ptr response; ///< null where it does not decode
    std::string problem; ///< why this replica would not answer with it; empty: nothing speaks against it
};

/// How far a purge has come.
struct replica_count {
    std::size_t applied = 0; ///< live replicas that have applied it, the one that was asked included
    std::size_t live = 0;    ///< replicas that have said within announce_life that they are there
    bool known = true;       ///< false: Redis did not tell of the others
    bool all() const noexcept { return known && applied == live; }
};

/// How often a replica says that it is there, about, and for how long it is believed.
inline constexpr milliseconds announce_period{1'000};
inline constexpr milliseconds announce_life{10'000};
/// Replicas that a list shows at the most.
inline constexpr std::size_t max_listed = 1'000;

} // namespace meshcache::replica
