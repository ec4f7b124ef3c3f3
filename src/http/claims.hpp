#pragma once
// Fields in which a request says who asks, or what was asked for, although the cache key does not have it. An
// application that believes them gives one client's answer to others.
#include <cstdint>
#include <string_view>

namespace meshcache::http {

enum class claim : std::uint8_t {
    none,
    address, ///< whose request it is
    uri,     ///< host, scheme, port, target or method
};

/// What the application may take a field of that name for. X-Forwarded-For, -Host, -Port, -Prefix, -Proto and
/// Forwarded, which have a field_id, are not asked here.
claim claim_of(std::string_view name) noexcept;

} // namespace meshcache::http
