#pragma once
// What GET /inspect says of one URL: what is stored of it here, and what Redis has. Pure: values in, text
// out, and back.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/parsed.hpp>
#include <meshcache/replica/replica_list.hpp>
#include <meshcache/store/stored_response.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::admin {

struct inspect_request {
    std::string url; ///< normalised, as requests are
    std::string key; ///< its cache key, without a variant's part
};

/// Reads `query`, which has `url` once. A failure says what is wrong, for a 400.
parsed<inspect_request> read_inspect(std::string_view query);

/// All that is known of a URL.
struct inspection {
    inspect_request of;
    wall_time now;                          ///< ages are computed for it
    std::uint64_t replica = 0;              ///< that was asked
    std::vector<store::response_ptr> local; ///< the response, or the note that they vary, and its variants
    bool shared = false;                    ///< there is a Redis
    std::string redis_state;
    /// What Redis has at the URI's key and at those of the local variants; nullopt: it did not say.
    std::optional<std::vector<replica::examined_record>> records;
};

/// One JSON object, two blanks of indent, and a line end. ASCII alone, the
/// rest as `\uHHHH`; bytes that are not UTF-8 are shown as U+FFFD.
std::string inspection_json(const inspection& what);

} // namespace meshcache::admin
