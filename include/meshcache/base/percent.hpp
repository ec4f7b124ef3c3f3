#pragma once
// Percent-coding of bytes in URLs (RFC 3986, section 2.1). Pure.
#include <optional>
#include <string>
#include <string_view>

namespace meshcache {

/// Letters, digits and the bytes in `marks` as they are, everything else as `%HH`.
std::string percent_encoded(std::string_view text, std::string_view marks = "-._~");

/// The reverse; any byte may come out of it. nullopt where a `%` is not followed by two digits.
std::optional<std::string> percent_decoded(std::string_view text);

} // namespace meshcache
