#pragma once
// Upgrade (RFC 9110, section 7.8): which changes of protocol are passed on to the upstream. Pure functions
// over parsed heads.
#include <meshcache/http/head.hpp>

#include <string>

namespace meshcache::http {

/// Whether the request offers another protocol: in HTTP/1.1, Connection names Upgrade, and there is one among
/// those of Upgrade that may be passed on. Not passed on are HTTP itself (`h2c`, which RFC 9113 has made
/// obsolete, `HTTP/2.0` and the like) and TLS: what is sent over them later would pass the cache and its
/// checks by.
bool offers_upgrade(const request_head& request) noexcept;

/// Appends the protocols that may be passed on, as a list.
void append_offered_protocols(const field_list& fields, std::string& out);

/// Whether a 101 answers the offer: its Connection names Upgrade, and its one Upgrade field lists protocols
/// that were offered, and nothing else.
bool accepts_upgrade(const request_head& request, const response_head& response) noexcept;

} // namespace meshcache::http
