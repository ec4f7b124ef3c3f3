#pragma once
// The address of something to listen at or to connect to: host and port, or a unix socket's path.
#include <meshcache/base/parsed.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace meshcache {

struct endpoint {
    std::string host;       ///< name or address without brackets; empty for a unix socket
    std::uint16_t port = 0; ///< 0 when listening: the kernel chooses
    std::string unix_path;  ///< not empty for a unix socket; a leading '@' means the abstract namespace

    bool is_unix() const noexcept { return !unix_path.empty(); }
    /// Reachable from this machine alone: a unix socket, `localhost`, 127.0.0.0/8 or ::1.
    bool is_local() const noexcept;
    /// Every address of the machine: 0.0.0.0 or ::.
    bool is_wildcard() const noexcept;
    /// `host:port`, `[v6]:port` or `unix:/path`, as the user would write it.
    std::string to_string() const {
        if (is_unix()) return "unix:" + unix_path;
        const bool v6 = host.find(':') != std::string::npos;
        return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
    }
    friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// Reads `host:port`, `a.b.c.d:port`, `[v6]:port`, `unix:/path` or `unix:@name`. Nothing is resolved. Pure.
parsed<endpoint> parse_endpoint(std::string_view text);

/// What is wrong with `host` as a name or an IPv4 or IPv6 address without brackets, or an empty string.
std::string host_fault(std::string_view host);

} // namespace meshcache
