#include "claims.hpp"
#include "lines.hpp"

#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/grammar.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace meshcache::http {
namespace {

bool starts_with_nocase(std::string_view s, std::string_view prefix) noexcept {
    return s.size() >= prefix.size() && iequals(s.substr(0, prefix.size()), prefix);
}

/// Less common names for the same claims. Frameworks, gateways and CDNs read them, and the key has none of
/// them. In lower case.
constexpr std::array<std::string_view, 27> address_claims = {
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-originating-ip",
    "x-proxyuser-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-envoy-external-address",
    "x-forwarded-by",
    "x-forwarded-client-ip",
    "x-forwarded-for-original",
    "x-original-forwarded-for",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "client-ip",
    "cluster-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded-for",
    "proxy-client-ip",
    "wl-proxy-client-ip",
};

/// The same for host, scheme, port and target. Those of a trusted client enter the key: see
/// append_trusted_claims.
constexpr std::array<std::string_view, 28> uri_claims = {
    "x-host",
    "x-original-host",
    "x-http-host-override",
    "x-host-override",
    "x-backend-host",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-http-destinationurl",
    "x-http-path-override",
    "x-http-scheme",
    "x-original-method",
    "x-original-path",
    "x-original-scheme",
    "x-original-uri",
    "x-override-url",
    "x-proxy-url",
    "x-request-uri",
    "x-rewrite-uri",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
    "base-url",
    "forwarded-host",
    "forwarded-proto",
    "front-end-https",
    "proxy-host",
    "request-uri",
    "url-scheme",
};

/// The parts of an element of Forwarded (RFC 7239, section 4) that say what was asked for, not who asked.
/// What another parser could find another part in is kept as well.
void append_forwarded_claims(std::string_view element, std::string& out) {
    while (!element.empty()) {
        bool quoted = false;
        std::size_t end = 0;
        for (; end < element.size() && (quoted || element[end] != ';'); ++end) {
            if (element[end] == '"') quoted = !quoted;
            if (quoted && element[end] == '\\') ++end;
        }
        end = std::min(end, element.size());
        const auto pair = element.substr(0, end);
        const auto name = trim(pair.substr(0, pair.find('=')));
        const bool plain = pair.find_first_of(";,") == std::string_view::npos;
        if (!plain || (!iequals(name, "for") && !iequals(name, "by"))) out.append(pair).append(";");
        element.remove_prefix(std::min(end + 1, element.size()));
    }
    out += ',';
}

} // namespace

claim claim_of(std::string_view name) noexcept {
    if (name.empty()) return claim::none;
    const auto is = [name](std::string_view n) { return iequals(n, name); };
    switch (to_lower(name.front())) {
    case 'x':
    case 'b':
    case 'c':
    case 'f':
    case 'p':
    case 'r':
    case 't':
    case 'u':
    case 'w':
        break;
    default:
        return claim::none;
    }
    if (std::any_of(address_claims.begin(), address_claims.end(), is)) return claim::address;
    if (starts_with_nocase(name, "x-forwarded-")) return claim::uri;
    return std::any_of(uri_claims.begin(), uri_claims.end(), is) ? claim::uri : claim::none;
}

void append_trusted_claims(const field_list& fields, std::string& out) {
    // Neither the case of the names nor their order means anything, so that neither is in the key.
    std::vector<std::pair<std::string, std::string>> claims;
    std::string value;
    for (const field& f : fields) {
        value.clear();
        switch (f.id) {
        case field_id::x_forwarded_host:
        case field_id::x_forwarded_port:
        case field_id::x_forwarded_prefix:
        case field_id::x_forwarded_proto:
            value = f.value;
            break;
        case field_id::forwarded: {
            std::string_view element;
            for (list_cursor c(f.value); c.next(element);) append_forwarded_claims(element, value);
            break;
        }
        case field_id::other:
            if (claim_of(f.name) != claim::uri) continue;
            value = f.value;
            break;
        default:
            continue;
        }
        std::string name(f.name);
        std::transform(name.begin(), name.end(), name.begin(), to_lower);
        claims.emplace_back(std::move(name), value);
    }
    std::stable_sort(claims.begin(), claims.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [name, said] : claims) {
        append_key_part(name, out);
        append_key_part(said, out);
    }
}

} // namespace meshcache::http
