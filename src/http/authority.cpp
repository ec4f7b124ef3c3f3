#include "authority.hpp"
#include "characters.hpp"

#include <meshcache/http/grammar.hpp>

#include <algorithm>
#include <cstddef>

namespace meshcache::http {
namespace {

namespace ch = characters;

constexpr std::size_t longest_host = 254; // a DNS name of 253 bytes and its trailing dot

/// 1 to 65535, without leading zeros: `:080` would be another key for the same port.
bool is_port(std::string_view s) noexcept {
    if (s.empty() || s.size() > 5 || s.front() == '0') return false;
    const auto value = parse_digits(s);
    return value && *value <= 65535;
}

bool is_ipv4(std::string_view s) noexcept {
    for (int part = 0; part < 4; ++part) {
        const std::size_t end = part < 3 ? s.find('.') : s.size();
        if (end == std::string_view::npos || end == 0 || end > 3) return false;
        const std::string_view octet = s.substr(0, end);
        const auto value = parse_digits(octet);
        if (!value || *value > 255 || (octet.size() > 1 && octet.front() == '0')) return false;
        s.remove_prefix(part < 3 ? end + 1 : end);
    }
    return true;
}

/// A name of labels that are not empty, with at most one dot at its end. IPv4 addresses have that form too.
bool is_host_name(std::string_view s) noexcept {
    if (s.empty() || s.size() > longest_host || s.front() == '.') return false;
    char before = 0;
    for (const char c : s) {
        if (!ch::is(c, ch::reg_name) || (c == '.' && before == '.')) return false;
        before = c;
    }
    return true;
}

struct parts {
    std::string_view host, port;
    bool has_port = false;
    bool bracketed = false; ///< `host` is what stands between the brackets
};

/// Where host and port are; false when brackets or what follows them are wrong.
bool split(std::string_view s, parts& out) noexcept {
    if (!s.empty() && s.front() == '[') {
        const std::size_t end = s.find(']');
        if (end == std::string_view::npos) return false;
        out.bracketed = true;
        out.host = s.substr(1, end - 1);
        s.remove_prefix(end + 1);
        if (s.empty()) return true;
        if (s.front() != ':') return false;
        out.has_port = true;
        out.port = s.substr(1);
        return true;
    }
    const std::size_t colon = s.find(':');
    out.host = s.substr(0, colon);
    if (colon != std::string_view::npos) {
        out.has_port = true;
        out.port = s.substr(colon + 1);
    }
    return true;
}

} // namespace

bool is_ipv6(std::string_view s) noexcept {
    int groups = 0;
    bool compressed = false;
    if (s.substr(0, 2) == "::") {
        compressed = true;
        s.remove_prefix(2);
        if (s.empty()) return true;
    }
    for (;;) {
        const std::size_t end = std::min(s.find(':'), s.size());
        const std::string_view group = s.substr(0, end);
        if (end == s.size() && group.find('.') != std::string_view::npos) {
            if (!is_ipv4(group)) return false;
            groups += 2;
            break;
        }
        if (group.empty() || group.size() > 4) return false;
        if (!std::all_of(group.begin(), group.end(), [](char c) { return ch::is(c, ch::hex); })) return false;
        ++groups;
        s.remove_prefix(end);
        if (s.empty()) break;
        s.remove_prefix(1);
        if (!s.empty() && s.front() == ':') {
            if (compressed) return false;
            compressed = true;
            s.remove_prefix(1);
            if (s.empty()) break;
        }
    }
    return compressed ? groups <= 7 : groups == 8;
}

bool is_authority(std::string_view s) noexcept {
    parts p;
    if (!split(s, p)) return false;
    if (p.has_port && !is_port(p.port)) return false;
    return p.bracketed ? is_ipv6(p.host) : is_host_name(p.host);
}

void normalise_authority(std::string_view s, std::string& out) {
    parts p;
    split(s, p);
    if (!p.bracketed && p.host.size() > 1 && p.host.back() == '.') p.host.remove_suffix(1);
    if (p.has_port && p.port == "80") p.port = {};

    const std::size_t brackets = p.bracketed ? 2 : 0;
    const std::size_t port = p.port.empty() ? 0 : p.port.size() + 1;
    out.resize(p.host.size() + brackets + port);
    char* to = out.data();
    if (p.bracketed) *to++ = '[';
    to = std::transform(p.host.begin(), p.host.end(), to, ch::lower);
    if (p.bracketed) *to++ = ']';
    if (!p.port.empty()) {
        *to++ = ':';
        std::copy(p.port.begin(), p.port.end(), to);
    }
}

} // namespace meshcache::http
