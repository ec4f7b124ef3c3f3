#pragma once
// What an operator asks of POST /purge, and what is answered. Pure: text in, values out, and back.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/parsed.hpp>
#include <meshcache/store/selector.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::admin {

/// What one request may name.
inline constexpr std::size_t max_purge_selectors = 1000;

struct purge_request {
    std::vector<store::selector> selectors; ///< at least one
};

/// Reads `query` (the part of the target after `?`) and `body`, a JSON object, which say the same and are
/// taken together: `url`, `tag`, `prefix`, `host` (each a text, or in JSON a list of texts), `all`,
/// `soft`. A failure says what is wrong, for a 400.
parsed<purge_request> read_purge(std::string_view query, std::string_view body);

/// What became of a purge.
struct purge_report {
    bool applied = true;       ///< here
    bool acknowledged = false; ///< by Redis, or there is none to tell
    bool shared = false;       ///< there is a Redis
    std::size_t selectors = 0;
    std::string version;  ///< of the floor
    std::string position; ///< of its last entry in the change log, once Redis has acknowledged
};

/// One JSON object and a line end.
std::string purge_json(const purge_report& report);

} // namespace meshcache::admin
