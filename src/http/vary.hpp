#pragma once
// What cache_key and storability both need to know about Vary (RFC 9111, section 4.1).
#include <meshcache/http/fields.hpp>

namespace meshcache::http {

/// Whether Vary of a response has a member that nothing matches: `*`, something that is no field name, or
/// X-Forwarded-For and Forwarded, which differ for every client and are set behind the key's back.
bool vary_matches_nothing(const field_list& response_fields) noexcept;

} // namespace meshcache::http
