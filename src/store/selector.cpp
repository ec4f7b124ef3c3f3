#include <meshcache/store/selector.hpp>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace meshcache::store {

std::string selector::name() const {
    std::string out;
    out.reserve(2 + host.size() + text.size());
    if (soft) out += 's';
    out += static_cast<char>(kind);
    out += host;
    out += text;
    return out;
}

std::optional<selector> selector::parse(std::string_view name) {
    selector out;
    if (name.starts_with('s')) {
        out.soft = true;
        name.remove_prefix(1);
    }
    if (name.empty()) return std::nullopt;
    out.kind = static_cast<selector_kind>(name.front());
    name.remove_prefix(1);
    switch (out.kind) {
    case selector_kind::key:
    case selector_kind::url:
    case selector_kind::tag:
    case selector_kind::anywhere:
        if (name.empty()) return std::nullopt;
        break;
    case selector_kind::prefix:
        out.host = name.substr(0, name.find('/'));
        name.remove_prefix(out.host.size());
        break;
    case selector_kind::everything:
        if (!name.empty()) return std::nullopt;
        break;
    default:
        return std::nullopt;
    }
    if (out.kind == selector_kind::key && out.soft) return std::nullopt; // a soft purge of a URI is of `url`
    out.text = name;
    return out;
}

std::uint64_t selector_hash(selector_kind kind, std::string_view host, std::string_view text) noexcept {
    const auto seed = static_cast<std::uint64_t>(kind);
    const std::uint64_t of_host = host.empty() ? seed : XXH3_64bits_withSeed(host.data(), host.size(), seed);
    return XXH3_64bits_withSeed(text.data(), text.size(), of_host);
}

} // namespace meshcache::store
