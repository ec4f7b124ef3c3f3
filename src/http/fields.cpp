#include "characters.hpp"

#include <meshcache/http/fields.hpp>
#include <meshcache/http/grammar.hpp>

#include <algorithm>
#include <array>

namespace meshcache::http {
namespace {

constexpr std::size_t id_count = static_cast<std::size_t>(field_id::count_);

/// In the order of field_id.
constexpr std::array<std::string_view, id_count> names = {"",
                                                          "Accept",
                                                          "Accept-Encoding",
                                                          "Accept-Language",
                                                          "Accept-Ranges",
                                                          "Age",
                                                          "Allow",
                                                          "Authorization",
                                                          "Cache-Control",
                                                          "Cache-Status",
                                                          "CDN-Cache-Control",
                                                          "Connection",
                                                          "Content-Encoding",
                                                          "Content-Length",
                                                          "Content-Location",
                                                          "Content-Range",
                                                          "Content-Type",
                                                          "Cookie",
                                                          "Date",
                                                          "ETag",
                                                          "Expect",
                                                          "Expires",
                                                          "Forwarded",
                                                          "Host",
                                                          "If-Match",
                                                          "If-Modified-Since",
                                                          "If-None-Match",
                                                          "If-Range",
                                                          "If-Unmodified-Since",
                                                          "Keep-Alive",
                                                          "Last-Modified",
                                                          "Location",
                                                          "Max-Forwards",
                                                          "Meshcache-Cache-Control",
                                                          "Origin",
                                                          "Pragma",
                                                          "Proxy-Authenticate",
                                                          "Proxy-Authentication-Info",
                                                          "Proxy-Authorization",
                                                          "Proxy-Connection",
                                                          "Range",
                                                          "Set-Cookie",
                                                          "Surrogate-Control",
                                                          "Surrogate-Key",
                                                          "Cache-Tag",
                                                          "TE",
                                                          "Trailer",
                                                          "Transfer-Encoding",
                                                          "Upgrade",
                                                          "User-Agent",
                                                          "Vary",
                                                          "Via",
                                                          "Warning",
                                                          "X-Forwarded-For",
                                                          "X-Forwarded-Host",
                                                          "X-Forwarded-Port",
                                                          "X-Forwarded-Prefix",
                                                          "X-Forwarded-Proto",
                                                          "X-HTTP-Method",
                                                          "X-HTTP-Method-Override",
                                                          "X-Method-Override",
                                                          "X-Original-URL",
                                                          "X-Rewrite-URL"};

static_assert(names.back() == "X-Rewrite-URL", "one name for each field_id, in its order");

constexpr std::size_t longest_name = [] {
    std::size_t longest = 0;
    for (const std::string_view name : names) longest = std::max(longest, name.size());
    return longest;
}();

/// A perfect hash over the known names: length and three characters, with multipliers that the compiler
/// searches for. Bit 5 is set in each character, which folds case; what that mixes up, the comparison that
/// follows tells apart.
constexpr std::size_t slot_count = 512;

struct multipliers {
    std::uint32_t first = 0, last = 0, inner = 0, length = 0;
};

constexpr std::size_t slot_of(std::string_view name, const multipliers& m) noexcept {
    const auto at = [name](std::size_t i) noexcept {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(name[i])) | 0x20U;
    };
    const auto size = static_cast<std::uint32_t>(name.size());
    const std::uint32_t h =
        at(0) * m.first + at(name.size() - 1) * m.last + at(name.size() * 3 / 4) * m.inner + size * m.length;
    return (h >> 16U) % slot_count;
}

constexpr multipliers find_multipliers() noexcept {
    std::uint32_t state = 1;
    const auto next = [&state]() noexcept {
        state = state * 1664525U + 1013904223U;
        return state | 1U;
    };
    for (int attempt = 0; attempt < 5000; ++attempt) {
        const multipliers m{next(), next(), next(), next()};
        std::array<bool, slot_count> taken{};
        bool good = true;
        for (std::size_t i = 1; i < id_count && good; ++i) {
            bool& slot = taken[slot_of(names[i], m)];
            good = !slot;
            slot = true;
        }
        if (good) return m;
    }
    return {};
}

constexpr multipliers hash = find_multipliers();
static_assert(hash.first != 0, "no perfect hash was found: add a character to slot_of or enlarge the table");

constexpr std::array<field_id, slot_count> slots = [] {
    std::array<field_id, slot_count> table{};
    for (std::size_t i = 1; i < id_count; ++i) table[slot_of(names[i], hash)] = static_cast<field_id>(i);
    return table;
}();

} // namespace

field_id classify(std::string_view name) noexcept {
    if (name.empty() || name.size() > longest_name) return field_id::other;
    const field_id id = slots[slot_of(name, hash)];
    return iequals(name, names[static_cast<std::size_t>(id)]) ? id : field_id::other;
}

std::string_view canonical_name(field_id id) noexcept {
    const auto index = static_cast<std::size_t>(id);
    return index < id_count ? names[index] : std::string_view{};
}

const field* field_list::find(field_id id) const noexcept {
    if (!has(id)) return nullptr;
    const auto it = std::find_if(items_.begin(), items_.end(), [id](const field& f) { return f.id == id; });
    return it == items_.end() ? nullptr : &*it;
}

std::size_t field_list::count(field_id id) const noexcept {
    if (!has(id)) return 0;
    return static_cast<std::size_t>(
        std::count_if(items_.begin(), items_.end(), [id](const field& f) { return f.id == id; }));
}

const field* field_list::find(std::string_view name) const noexcept {
    const field_id id = classify(name);
    if (id != field_id::other) return find(id);
    if (!has(field_id::other)) return nullptr;
    const auto it = std::find_if(items_.begin(), items_.end(), [name](const field& f) {
        return f.id == field_id::other && iequals(f.name, name);
    });
    return it == items_.end() ? nullptr : &*it;
}

} // namespace meshcache::http
