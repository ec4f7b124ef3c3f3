#pragma once
// The small grammars that fields are made of: tokens, lists, quoted strings, delta-seconds and HTTP
// dates (RFC 9110, section 5.6). Pure functions; nothing allocates unless it says so.
#include <meshcache/base/clock.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::http {

/// tchar of RFC 9110, section 5.6.2.
bool is_tchar(unsigned char c) noexcept;
/// 1*tchar.
bool is_token(std::string_view s) noexcept;
/// Without leading and trailing SP and HTAB.
std::string_view trim(std::string_view s) noexcept;
/// ASCII case-insensitive equality.
bool iequals(std::string_view a, std::string_view b) noexcept;
char to_lower(char c) noexcept;

/// Walks the members of a comma-separated list (RFC 9110, section 5.6.1), quoted strings respected,
/// empty members skipped, members trimmed. Usage: `for (list_cursor c(value); c.next(member);)`.
class list_cursor {
  public:
    explicit list_cursor(std::string_view value) noexcept : rest_(value) {}
    bool next(std::string_view& member) noexcept;

  private:
    std::string_view rest_;
};

/// Whether a comma-separated list of tokens has `token`, whatever the case.
bool list_has(std::string_view value, std::string_view token) noexcept;

/// 1*DIGIT that fits; anything else is nullopt.
std::optional<std::uint64_t> parse_digits(std::string_view s) noexcept;

/// delta-seconds (RFC 9111, section 1.2.2): non-negative, saturating at 2^31.
std::optional<seconds> parse_delta_seconds(std::string_view s) noexcept;

/// An HTTP-date in any of the three forms (RFC 9110, section 5.6.7). `now` resolves RFC 850's two-digit
/// years.
std::optional<wall_time> parse_date(std::string_view s, wall_time now) noexcept;

/// IMF-fixdate, 29 bytes, such as `Sun, 06 Nov 1994 08:49:37 GMT`. Writes to `out`, which has room for it.
void write_date(wall_time t, char* out) noexcept;
inline constexpr std::size_t date_size = 29;
std::string format_date(wall_time t);

} // namespace meshcache::http
