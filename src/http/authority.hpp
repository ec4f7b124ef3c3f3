#pragma once
// The authority of a request: `host[:port]` as Host and absolute-form targets have it (RFC 9110,
// section 4.2.1). Stricter than RFC 3986: what two parsers could take for different hosts is refused.
#include <string>
#include <string_view>

namespace meshcache::http {

/// Whether `s` is a host name, IPv4 address, or bracketed IPv6 address, and optionally a port from 1
/// to 65535. Refused: userinfo, percent-encoding and sub-delims (commas above all), blanks, empty labels,
/// an empty port, zone identifiers, and anything longer than a DNS name.
bool is_authority(std::string_view s) noexcept;

/// Whether `s`, without brackets, is an IPv6 address (RFC 3986, section 3.2.2).
bool is_ipv6(std::string_view s) noexcept;

/// Replaces `out` by `s`, which is_authority() accepted, in lower case, without a trailing dot and
/// without http's default port.
void normalise_authority(std::string_view s, std::string& out);

} // namespace meshcache::http
