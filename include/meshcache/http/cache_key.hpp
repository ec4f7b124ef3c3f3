#pragma once
// The primary cache key (RFC 9111, section 2), built from length-prefixed parts so that no two different
// requests share one, and the request target in the form in which it is sent upstream. Key and
// upstream always agree: what is normalised in the key is sent normalised.
#include <meshcache/http/head.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::http {

/// The effective request URI, split (RFC 9110, section 7.1). Views into the head, except `host`, which is
/// lower-cased into the caller's buffer.
struct request_uri {
    std::string_view scheme;     ///< "http"
    std::string_view host;       ///< lower case, no trailing dot, no default port; may hold ":port";
                                 ///< empty for HTTP/1.0 without Host
    std::string_view path_query; ///< origin-form, "/" when empty; "*" for OPTIONS *
};

enum class uri_error : std::uint8_t { none, bad_form, bad_scheme, bad_authority, connect };
std::string_view describe(uri_error e) noexcept;

/// Splits the target and Host of `head`. An absolute-form target wins over Host (RFC 9112, section 3.2.2),
/// but Host is checked all the same. Only http:// is taken. `host_buffer` keeps the normalised host; the
/// result's views live as long as it and the head.
uri_error split_uri(const request_head& head, std::string& host_buffer, request_uri& out);

/// Replaces `out` by the key: `4:http9:localhost3:GET1:/`, each part preceded by its length in decimal
/// and a colon. GET and HEAD share the key of GET.
void build_key(const request_uri& uri, std::string_view method_text, std::string& out);

/// What a cache key says of the URI, read back from it; views into the key.
struct key_parts {
    std::string_view host;
    std::string_view path_query;
    std::string_view uri_key; ///< the key of the URI alone: without what append_variant added
};
/// nullopt when `key` does not begin as build_key makes it.
std::optional<key_parts> split_key(std::string_view key) noexcept;

/// What the operator says of the fields that Vary names.
struct variant_policy {
    /// Accept-Encoding and Accept-Language with the same members in another order are the same. The RFC gives
    /// their order no meaning (RFC 9110, sections 12.5.3 and 12.5.4); applications may.
    bool ignore_order = false;
};

/// Appends the secondary key of a variant to the primary key in `out`: a semicolon, then for each name in
/// `vary_names` (lower case, sorted, comma-separated, as parse_vary gives them) whether the request has the
/// field, and its normalised value (RFC 9111, section 4.1). A field that Connection keeps from the upstream
/// counts as absent. Fields that a gateway could take for the named one (`Accept_Language`) follow with their
/// names. Without names nothing is appended.
void append_variant(std::string_view vary_names, const field_list& request_fields, std::string& out,
                    const variant_policy& policy = {});

/// Reads Vary of a response into `out`: names in lower case, sorted, unique, joined by commas.
/// Accept-Encoding is among them if the response has Content-Encoding, and Origin if it has
/// Access-Control-Allow-Origin other than
/// `*`, whether Vary says so or not.
/// Returns false when Vary has a member that nothing matches: `*`, what is no field name, and
/// X-Forwarded-For and Forwarded, which are set per client and not in the key; and for more than 64 names.
bool parse_vary(const field_list& response_fields, std::string& out);

/// A key with its hash, as tables use it. The view's owner must outlive it.
struct key_view {
    std::string_view bytes;
    std::uint64_t hash = 0;
};

/// The bits of a hash that are the same for all variants of a primary key: those that choose the shard and
/// the place in it, so that the variants of one URI stand together and can be counted.
inline constexpr std::uint64_t family_bits = 0xfc00'0000'07ff'ffff;

/// XXH3-64, with family_bits as described. The seed is the store's, random at its start, so that nobody
/// outside can make keys collide.
std::uint64_t hash_key(std::string_view bytes, std::uint64_t seed) noexcept;

/// Whether a key has a variant's part, as append_variant makes it.
bool is_variant_key(std::string_view key) noexcept;
/// The key without a variant's part; a view into `key`.
std::string_view primary_of(std::string_view key) noexcept;
/// Whether two keys are the same but for a variant's part.
bool same_primary(std::string_view a, std::string_view b) noexcept;

} // namespace meshcache::http
