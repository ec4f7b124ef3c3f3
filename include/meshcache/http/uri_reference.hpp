#pragma once
// References to URIs, as Location and Content-Location have them, resolved against the target of the request
// (RFC 3986, section 5). Pure.
#include <meshcache/http/cache_key.hpp>

#include <string>
#include <string_view>

namespace meshcache::http {

/// Resolves `reference` against `base`. If the result has the same origin (RFC 6454, section 4), `path_query`
/// becomes its path and query as a request for it would send them, and the result is true. False for another
/// origin, and for what is no URI reference that a request could have.
bool resolve_same_origin(const request_uri& base, std::string_view reference, std::string& path_query);

/// RFC 3986, section 5.2.4: `path` without its `.` and `..` segments.
std::string remove_dot_segments(std::string_view path);

} // namespace meshcache::http
