#include "access.hpp"

#include <meshcache/http/grammar.hpp>

#include <arpa/inet.h>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>

namespace meshcache::admin {
namespace {

bool same_secret(std::string_view a, std::string_view b) noexcept {
    unsigned char difference = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        difference = static_cast<unsigned char>(
            difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
    }
    return difference == 0;
}

bool is_address(int family, std::string_view text) noexcept {
    char name[INET6_ADDRSTRLEN];
    in6_addr out;
    if (text.size() >= sizeof name) return false;
    std::memcpy(name, text.data(), text.size());
    name[text.size()] = 0;
    return ::inet_pton(family, name, &out) == 1;
}

} // namespace

bool carries_token(std::string_view authorization, std::string_view token) noexcept {
    constexpr std::string_view scheme = "Bearer ";
    if (!http::iequals(authorization.substr(0, scheme.size()), scheme)) return false;
    authorization.remove_prefix(scheme.size());
    while (authorization.starts_with(' ')) authorization.remove_prefix(1);
    return same_secret(authorization, token);
}

bool names_this_machine(std::string_view host) noexcept {
    if (host.empty()) return true;
    const auto port = host.rfind(':');
    if (host.front() == '[') {
        const auto end = host.find(']');
        if (end == std::string_view::npos || (end + 1 != host.size() && end + 1 != port)) return false;
        return is_address(AF_INET6, host.substr(1, end - 1));
    }
    const auto name = host.substr(0, port);
    return http::iequals(name, "localhost") || is_address(AF_INET, name);
}

} // namespace meshcache::admin
