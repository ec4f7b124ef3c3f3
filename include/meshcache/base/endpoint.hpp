#pragma once
// The address of something to listen at or to connect to: host and port, or a unix socket's path.
#include <cstdint>
#include <string>

namespace meshcache {

struct endpoint {
    std::string host;       ///< name or address without brackets; empty for a unix socket
    std::uint16_t port = 0; ///< 0 when listening: the kernel chooses
    std::string unix_path;  ///< not empty for a unix socket; a leading '@' means the abstract namespace

    bool is_unix() const noexcept { return !unix_path.empty(); }
    /// `host:port`, `[v6]:port` or `unix:/path`, as the user would write it.
    std::string to_string() const {
        if (is_unix()) return "unix:" + unix_path;
        const bool v6 = host.find(':') != std::string::npos;
        return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
    }
    friend bool operator==(const endpoint&, const endpoint&) = default;
};

} // namespace meshcache
