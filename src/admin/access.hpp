#pragma once
// Who may use the admin port: what a request says of itself, judged without I/O.
#include <string_view>

namespace meshcache::admin {

/// Whether a field value of Authorization is that bearer token (RFC 6750, section 2.1; RFC 9110, section
/// 11.1). Takes a time that does not depend on where they differ.
bool carries_token(std::string_view authorization, std::string_view token) noexcept;

/// Whether a request with that Host may have been meant for a loopback address: it has an IP address,
/// localhost, or none at all. Any other name may be one that a web page's owner has resolve to this machine,
/// so that the page can ask in its visitor's browser, and read the answer (DNS rebinding).
bool names_this_machine(std::string_view host) noexcept;

} // namespace meshcache::admin
