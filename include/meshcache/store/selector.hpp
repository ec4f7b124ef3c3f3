#pragma once
// What a purge covers: one URI, everything with a tag, everything under a prefix, everything. A selector has
// a name, the same in Redis and in the change log; docs/record-format.md lists the forms. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::store {

enum class selector_kind : char {
    key = 'k',        ///< the cache key `text`, and by its note the variants below it
    url = 'x',        ///< every response whose cache key begins with the URI's key `text`
    tag = 't',        ///< every response that bears the tag `text`
    prefix = 'u',     ///< every response of `host` whose path and query begin with `text`; empty: the host
    anywhere = 'w',   ///< the same for every host
    everything = 'a', ///< all
};

struct selector {
    selector_kind kind = selector_kind::everything;
    bool soft = false; ///< makes stale instead of invalid
    std::string host;  ///< of a prefix: in lower case, with its port if that is not the default
    std::string text;

    /// `t` and a tag, `u` and host and path, and so on; `s` before it when soft.
    std::string name() const;
    /// The reverse. nullopt for what is no selector; host and path are not checked further.
    static std::optional<selector> parse(std::string_view name);

    /// Whether it covers a group of responses that no one key leads to, so that it must be remembered as
    /// long as one of them may be in Redis.
    bool is_group() const noexcept { return soft || kind != selector_kind::key; }

    friend bool operator==(const selector&, const selector&) = default;
};

/// A hash by which group selectors are found. Fixed, so that a stored response may keep those of its tags.
/// Two selectors with one hash share a floor, which costs an extra miss.
std::uint64_t selector_hash(selector_kind kind, std::string_view host, std::string_view text) noexcept;

} // namespace meshcache::store
