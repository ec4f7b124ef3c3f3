#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/units.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstddef>
#include <netinet/in.h>
#include <sys/un.h>

namespace meshcache {
namespace {

/// Bytes of sun_path, less the final NUL; in the abstract namespace the first byte is a NUL instead.
constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path) - 1;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_alnum(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool all_digits(std::string_view s) noexcept {
    return !s.empty() && std::all_of(s.begin(), s.end(), is_digit);
}

bool is_v4(std::string_view host) {
    std::array<unsigned char, sizeof(in_addr)> address{};
    return ::inet_pton(AF_INET, std::string(host).c_str(), address.data()) == 1;
}

/// An IPv6 address, with an optional zone (`fe80::1%eth0`).
bool is_v6(std::string_view host) {
    const auto percent = host.find('%');
    if (percent != std::string_view::npos) {
        const auto zone = host.substr(percent + 1);
        if (zone.empty() || zone.size() > 15 || !std::all_of(zone.begin(), zone.end(), [](char c) {
                return is_alnum(c) || c == '_' || c == '-' || c == '.';
            }))
            return false;
        host = host.substr(0, percent);
    }
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return ::inet_pton(AF_INET6, std::string(host).c_str(), address.data()) == 1;
}

bool is_name(std::string_view host) noexcept {
    if (host.empty() || host.size() > 253) return false;
    std::size_t label = 0;
    for (const char c : host) {
        if (c == '.') {
            if (label == 0) return false;
            label = 0;
        } else if (is_alnum(c) || c == '-' || c == '_') {
            if (++label > 63) return false;
        } else {
            return false;
        }
    }
    return true;
}

parsed<endpoint> parse_unix(std::string_view text, std::string_view path) {
    using out = parsed<endpoint>;
    if (path.empty() || path == "@" || path == "/")
        return out::failure(in_quotes(text) + " names no socket; write unix:/path/to/socket or unix:@name");
    if (path.starts_with("//")) {
        while (path.starts_with("//")) path.remove_prefix(1);
        return out::failure(in_quotes(text) + " has too many slashes; write unix:" + std::string(path));
    }
    if (path.front() != '/' && path.front() != '@')
        return out::failure(in_quotes(text) +
                            " is not an absolute path; write unix:/path/to/socket or unix:@name");
    if (path.size() > longest_unix_path)
        return out::failure(in_quotes(text) + " is too long for a unix socket; it may have " +
                            std::to_string(longest_unix_path) + " bytes");
    if (std::any_of(path.begin(), path.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        return out::failure(in_quotes(text) + " has a control character in it");
    endpoint e;
    e.unix_path = path;
    return e;
}

} // namespace

bool endpoint::is_local() const noexcept {
    if (is_unix() || host == "localhost") return true;
    if (host.find(':') == std::string::npos) {
        in_addr v4{};
        return ::inet_pton(AF_INET, host.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24U) == 127;
    }
    in6_addr v6{};
    const auto loopback = in6addr_loopback;
    return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 &&
           std::equal(std::begin(v6.s6_addr), std::end(v6.s6_addr), std::begin(loopback.s6_addr));
}

bool endpoint::is_wildcard() const noexcept {
    if (is_unix()) return false;
    if (host.find(':') == std::string::npos) return host == "0.0.0.0";
    in6_addr v6{};
    return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 &&
           std::all_of(std::begin(v6.s6_addr), std::end(v6.s6_addr), [](unsigned char b) { return b == 0; });
}

std::string host_fault(std::string_view host) {
    if (host.empty()) return "the host is missing";
    if (host.find(':') != std::string_view::npos) {
        if (is_v6(host)) return {};
        return in_quotes(host) + " is not an IPv6 address";
    }
    // Digits and dots alone are an address or a slip, never a name that resolves.
    if (std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; })) {
        if (is_v4(host)) return {};
        return in_quotes(host) + " is not an IPv4 address";
    }
    if (is_name(host)) return {};
    return in_quotes(host) + " is not a host name";
}

parsed<endpoint> parse_endpoint(std::string_view text) {
    using out = parsed<endpoint>;
    constexpr std::string_view forms = "write HOST:PORT, [IPV6]:PORT or unix:/PATH";
    if (text.empty()) return out::failure(in_quotes(text) + " is no address; " + std::string(forms));
    if (text.starts_with("unix:")) return parse_unix(text, text.substr(5));
    if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
        auto authority = text.substr(scheme + 3);
        authority = authority.substr(0, authority.find('/'));
        return out::failure(in_quotes(text) + " is a URL; write the address alone: " +
                            (authority.empty() ? std::string("HOST:PORT") : std::string(authority)));
    }
    if (text.front() == '/')
        return out::failure(in_quotes(text) + " is a path; write unix:" + std::string(text));
    if (all_digits(text)) {
        const std::string port(text);
        return out::failure(in_quotes(text) + " has no host; write 127.0.0.1:" + port +
                            " or 0.0.0.0:" + port);
    }

    std::string_view host;
    std::string_view port;
    if (text.front() == '[') {
        const auto close = text.find(']');
        if (close == std::string_view::npos)
            return out::failure(in_quotes(text) + " has no closing bracket; write [IPV6]:PORT");
        host = text.substr(1, close - 1);
        if (!is_v6(host))
            return out::failure(in_quotes(text) + ": " + in_quotes(host) + " is not an IPv6 address");
        const auto rest = text.substr(close + 1);
        if (rest.empty())
            return out::failure(in_quotes(text) + " has no port; write " + std::string(text) + ":8080");
        if (rest.front() != ':')
            return out::failure(in_quotes(text) + " has " + in_quotes(rest) +
                                " after the bracket; write [IPV6]:PORT");
        port = rest.substr(1);
    } else {
        const auto colon = text.rfind(':');
        if (colon == std::string_view::npos && !host_fault(text).empty())
            return out::failure(in_quotes(text) + " is no address; " + std::string(forms));
        if (colon == std::string_view::npos)
            return out::failure(in_quotes(text) + " has no port; write " + std::string(text) + ":8080");
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (host.find(':') != std::string_view::npos)
            return out::failure(in_quotes(text) + " is an IPv6 address without brackets; write " +
                                (is_v6(host) ? "[" + std::string(host) + "]:" + std::string(port)
                                             : std::string("[IPV6]:PORT")));
        if (host.empty()) {
            const std::string p(port.empty() ? std::string_view("8080") : port);
            return out::failure(in_quotes(text) + " has no host; write 127.0.0.1:" + p + ", 0.0.0.0:" + p +
                                " or [::]:" + p);
        }
        if (const auto fault = host_fault(host); !fault.empty())
            return out::failure(in_quotes(text) + ": " + fault);
    }
    if (port.empty())
        return out::failure(in_quotes(text) + " has no port; write " + std::string(text) + "8080");
    const auto number = parse_count(port);
    if (!number || *number > 65535 || port.size() > 5)
        return out::failure(in_quotes(text) + ": " + in_quotes(port) +
                            " is not a port; it must lie between 0 and 65535");
    endpoint e;
    e.host = host;
    e.port = static_cast<std::uint16_t>(*number);
    return e;
}

} // namespace meshcache
