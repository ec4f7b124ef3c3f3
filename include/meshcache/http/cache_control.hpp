#pragma once
// Cache-Control of requests and responses (RFC 9111, section 5.2), read without loss: what was said, what
// was said twice, and what could not be read are kept apart. Targeted fields (RFC 9213) give the same
// structure. Pure.
#include <meshcache/base/clock.hpp>
#include <meshcache/http/fields.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace meshcache::http {

struct response_directives {
    bool present = false; ///< the field was there, whatever it said
    std::optional<seconds> max_age, s_maxage;
    std::optional<seconds> stale_while_revalidate, stale_if_error;
    bool no_store = false;
    bool no_cache = false; ///< without field names: applies to the whole response
    bool is_private = false;
    std::vector<std::string_view> no_cache_fields; ///< field names in no-cache="..."
    std::vector<std::string_view> private_fields;  ///< field names in private="..."
    bool is_public = false, must_revalidate = false, proxy_revalidate = false;
    bool s_maxage_sound = false;        ///< well-formed and said once, so that it permits something, too
    bool must_revalidate_sound = false; ///< the same
    bool must_understand = false, immutable = false, no_transform = false;
    bool targeted =
        false; ///< from a targeted field: Cache-Control and Expires do not count (RFC 9213, section 2.2)
};

struct request_directives {
    std::optional<seconds> max_age, min_fresh;
    std::optional<seconds> max_stale; ///< seconds::max() for max-stale without a value
    std::optional<seconds> stale_if_error;
    bool no_cache = false, no_store = false, only_if_cached = false, no_transform = false;
};

/// The directives that a shared cache obeys: `Meshcache-Cache-Control`, else `CDN-Cache-Control`, else
/// `Cache-Control` (RFC 9213, section 2.2). A malformed or repeated max-age or s-maxage makes the response
/// stale at once (RFC 9111, section 4.2.1): its value is then zero; one that is repeated with the same value
/// counts once. A quoted string that is never closed counts as no-store and private. A targeted field that is
/// empty or malformed does not count at all. The views point into the head.
response_directives read_response_directives(const field_list& fields);

/// Cache-Control of a request; `Pragma: no-cache` counts where Cache-Control is absent.
request_directives read_request_directives(const field_list& fields);

} // namespace meshcache::http
