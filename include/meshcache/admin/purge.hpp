#pragma once
// What an operator asks of POST /purge, and what is answered. Pure: text in, values out, and back.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/parsed.hpp>
#include <meshcache/replica/replica_list.hpp>
#include <meshcache/store/selector.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::admin {

/// What one request may name.
inline constexpr std::size_t max_purge_selectors = 1000;
/// Longest that one may wait for the replicas.
inline constexpr milliseconds max_purge_timeout{60'000};

struct purge_request {
    std::vector<store::selector> selectors; ///< at least one
    bool wait_for_replicas = false;         ///< once Redis has acknowledged, for `timeout` at the most
    milliseconds timeout{2'000};            ///< else bounds the wait for Redis
};

/// Reads `query` (the part of the target after `?`) and `body`, a JSON object, which say the same and are
/// taken together: `url`, `tag`, `prefix`, `host` (each a text, or in JSON a list of texts), `all`,
/// `soft`, `wait` (`replicas`), `timeout`. A failure says what is wrong, for a 400.
parsed<purge_request> read_purge(std::string_view query, std::string_view body);

/// What became of a purge.
struct purge_report {
    bool applied = true;       ///< here
    bool acknowledged = false; ///< by Redis, or there is none to tell
    bool shared = false;       ///< there is a Redis
    std::size_t selectors = 0;
    std::string version;  ///< of the floor
    std::string position; ///< of its last entry in the change log, once Redis has acknowledged
    std::optional<replica::replica_count> replicas; ///< where the request waited for them

    /// Whether nothing is left to be done that was asked for.
    bool complete() const noexcept { return acknowledged && (!replicas || replicas->all()); }
};

/// One JSON object and a line end.
std::string purge_json(const purge_report& report);

} // namespace meshcache::admin
