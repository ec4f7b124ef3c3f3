#pragma once
// Dictionaries of structured fields (RFC 8941), as targeted cache control fields are written (RFC 9213).
// Strict: whatever section 4.2 of RFC 8941 fails on fails here, and then nothing of the field counts. Pure.
#include <cstdint>
#include <string_view>
#include <vector>

namespace meshcache::http::structured {

enum class kind : std::uint8_t { boolean, integer, decimal, string, token, bytes, inner_list };

/// One member of a dictionary. Parameters and the members of inner lists are checked and left out.
struct member {
    std::string_view key;
    kind type = kind::boolean;
    bool truth = false;      ///< of a boolean
    std::int64_t number = 0; ///< of an integer
    std::string_view
        text; ///< of a string (between the quotes, escapes as sent) or token: a view into the input
};

/// A dictionary in the order of its keys' first appearance.
using dictionary = std::vector<member>;

/// Adds the members of one field line to `out`; a key that comes again replaces its value. False when
/// the line is malformed or empty, or there are more than 256 keys; `out` is then unspecified. The views
/// point into `line`.
bool parse_dictionary(std::string_view line, dictionary& out);

} // namespace meshcache::http::structured
