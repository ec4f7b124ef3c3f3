#pragma once
// The note that stands at a primary key whose responses vary (RFC 9111, section 4.1): the names of the
// selecting fields, and an epoch. A variant is valid only if its version is not below the epoch; so a
// floor at the primary key, which removes the note, invalidates all its variants, although their own
// keys have no floor: the next note starts a new epoch. Where clocks differ that is not enough; see
// exchange::usable_variant().
#include <meshcache/store/stored_response.hpp>

#include <optional>
#include <string_view>

namespace meshcache::store {

/// Makes the note for `variant`, a response just stored under a variant of `primary_key`. `previous` is the
/// note now at the primary key, or null; its epoch is kept if it names the same fields.
response_ptr make_vary_note(const response_meta& variant, std::string_view primary_key, std::uint64_t hash,
                            std::string_view vary_names, const stored_response* previous);

inline bool is_vary_note(const stored_response& r) noexcept {
    return r.meta().kind == response_meta::kind_t::vary;
}

/// The names of the selecting fields, as http::parse_vary gives them.
inline std::string_view vary_names(const stored_response& note) noexcept { return note.head(); }

/// What a floor of its key is held against: of a note its epoch, below which variants would be valid; of a
/// response its version.
version oldest_admitted(const stored_response& r) noexcept;

/// The note's epoch; a note without a readable one (a foreign record) has the note's own version.
version vary_epoch(const stored_response& note) noexcept;

} // namespace meshcache::store
