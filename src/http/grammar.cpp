#include "characters.hpp"

#include <meshcache/http/grammar.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

namespace meshcache::http {
namespace {

namespace ch = characters;

constexpr std::array<std::string_view, 7> day_names = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_day_names = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                            "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> month_names = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Reads a date from left to right; after the first mismatch everything else fails too.
class date_reader {
  public:
    explicit date_reader(std::string_view s) noexcept : rest_(s) {}

    void literal(std::string_view text) noexcept {
        if (ok_ && rest_.size() >= text.size() && iequals(rest_.substr(0, text.size()), text))
            rest_.remove_prefix(text.size());
        else
            ok_ = false;
    }

    /// Exactly `count` digits.
    int digits(std::size_t count) noexcept {
        if (!ok_ || rest_.size() < count) return fail();
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (!ch::is(rest_[i], ch::digit)) return fail();
            value = value * 10 + (rest_[i] - '0');
        }
        rest_.remove_prefix(count);
        return value;
    }

    /// asctime's day: two digits, or a space and one.
    int padded_day() noexcept {
        if (ok_ && !rest_.empty() && rest_.front() == ' ') {
            rest_.remove_prefix(1);
            return digits(1);
        }
        return digits(2);
    }

    /// One of `names`; its index.
    template <std::size_t Count>
    int one_of(const std::array<std::string_view, Count>& names) noexcept {
        if (!ok_) return 0;
        for (std::size_t i = 0; i < Count; ++i) {
            const std::string_view name = names[i];
            if (rest_.size() >= name.size() && iequals(rest_.substr(0, name.size()), name)) {
                rest_.remove_prefix(name.size());
                return static_cast<int>(i);
            }
        }
        return fail();
    }

    bool at_end() const noexcept { return ok_ && rest_.empty(); }

  private:
    int fail() noexcept {
        ok_ = false;
        return 0;
    }
    std::string_view rest_;
    bool ok_ = true;
};

struct time_of_day {
    int hour = 0, minute = 0, second = 0;
};

time_of_day read_time(date_reader& in) noexcept {
    time_of_day t;
    t.hour = in.digits(2);
    in.literal(":");
    t.minute = in.digits(2);
    in.literal(":");
    t.second = in.digits(2);
    return t;
}

std::optional<wall_time> make_time(int year, int month, int day, const time_of_day& t) noexcept {
    const std::chrono::year_month_day date{std::chrono::year{year},
                                           std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    // 60 is a leap second (RFC 9110, section 5.6.7).
    if (!date.ok() || t.hour > 23 || t.minute > 59 || t.second > 60) return std::nullopt;
    return wall_time{std::chrono::sys_days{date}} + std::chrono::hours{t.hour} +
           std::chrono::minutes{t.minute} + seconds{t.second};
}

/// The four-digit year of a two-digit one: what seems more than 50 years ahead lies in the past
/// (RFC 9110, section 5.6.7).
int full_year(int two_digits, wall_time now) noexcept {
    const std::chrono::year_month_day today{std::chrono::floor<std::chrono::days>(now)};
    const int this_year = static_cast<int>(today.year());
    int year = this_year - this_year % 100 + two_digits;
    if (year > this_year + 50) year -= 100;
    return year;
}

std::optional<wall_time> parse_imf_fixdate(std::string_view s) noexcept {
    date_reader in(s);
    in.one_of(day_names);
    in.literal(", ");
    const int day = in.digits(2);
    in.literal(" ");
    const int month = in.one_of(month_names) + 1;
    in.literal(" ");
    const int year = in.digits(4);
    in.literal(" ");
    const time_of_day t = read_time(in);
    in.literal(" GMT");
    return in.at_end() ? make_time(year, month, day, t) : std::nullopt;
}

std::optional<wall_time> parse_rfc850_date(std::string_view s, wall_time now) noexcept {
    date_reader in(s);
    in.one_of(long_day_names);
    in.literal(", ");
    const int day = in.digits(2);
    in.literal("-");
    const int month = in.one_of(month_names) + 1;
    in.literal("-");
    const int year = in.digits(2);
    in.literal(" ");
    const time_of_day t = read_time(in);
    in.literal(" GMT");
    return in.at_end() ? make_time(full_year(year, now), month, day, t) : std::nullopt;
}

std::optional<wall_time> parse_asctime_date(std::string_view s) noexcept {
    date_reader in(s);
    in.one_of(day_names);
    in.literal(" ");
    const int month = in.one_of(month_names) + 1;
    in.literal(" ");
    const int day = in.padded_day();
    in.literal(" ");
    const time_of_day t = read_time(in);
    in.literal(" ");
    const int year = in.digits(4);
    return in.at_end() ? make_time(year, month, day, t) : std::nullopt;
}

} // namespace

bool is_tchar(unsigned char c) noexcept { return (ch::table[c] & ch::tchar) != 0; }

bool is_token(std::string_view s) noexcept {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return ch::is(c, ch::tchar); });
}

std::string_view trim(std::string_view s) noexcept {
    while (!s.empty() && ch::is(s.front(), ch::blank)) s.remove_prefix(1);
    while (!s.empty() && ch::is(s.back(), ch::blank)) s.remove_suffix(1);
    return s;
}

char to_lower(char c) noexcept { return ch::lower(c); }

bool iequals(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i] != b[i] && ch::lower(a[i]) != ch::lower(b[i])) return false;
    return true;
}

bool list_cursor::next(std::string_view& member) noexcept {
    while (!rest_.empty()) {
        std::size_t end = 0;
        bool quoted = false;
        for (; end < rest_.size(); ++end) {
            const char c = rest_[end];
            if (quoted) {
                if (c == '\\')
                    ++end; // the escaped character ends nothing
                else if (c == '"')
                    quoted = false;
            } else if (c == '"') {
                quoted = true;
            } else if (c == ',') {
                break;
            }
        }
        end = std::min(end, rest_.size());
        const std::string_view found = trim(rest_.substr(0, end));
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        if (!found.empty()) {
            member = found;
            return true;
        }
    }
    return false;
}

bool list_has(std::string_view value, std::string_view token) noexcept {
    std::string_view member;
    for (list_cursor c(value); c.next(member);)
        if (iequals(member, token)) return true;
    return false;
}

std::optional<std::uint64_t> parse_digits(std::string_view s) noexcept {
    if (s.empty()) return std::nullopt;
    std::uint64_t value = 0;
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    for (const char c : s) {
        if (!ch::is(c, ch::digit)) return std::nullopt;
        const auto d = static_cast<std::uint64_t>(c - '0');
        if (value > (most - d) / 10) return std::nullopt;
        value = value * 10 + d;
    }
    return value;
}

std::optional<seconds> parse_delta_seconds(std::string_view s) noexcept {
    if (s.empty()) return std::nullopt;
    constexpr std::int64_t most = std::int64_t{1} << 31;
    std::int64_t value = 0;
    for (const char c : s) {
        if (!ch::is(c, ch::digit)) return std::nullopt;
        value = std::min(most, value * 10 + (c - '0'));
    }
    return seconds{value};
}

std::optional<wall_time> parse_date(std::string_view s, wall_time now) noexcept {
    // The fourth character tells the forms apart: "Sun,", "Sun ", "Sunday,".
    if (s.size() < 4) return std::nullopt;
    if (s[3] == ',') return parse_imf_fixdate(s);
    if (s[3] == ' ') return parse_asctime_date(s);
    return parse_rfc850_date(s, now);
}

void write_date(wall_time t, char* out) noexcept {
    // The form has four digits for the year.
    constexpr wall_time first{std::chrono::sys_days{std::chrono::year{0} / 1 / 1}};
    constexpr wall_time last{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1} - seconds{1}};
    const auto whole = std::chrono::floor<seconds>(std::clamp(t, first, last));
    const auto day = std::chrono::floor<std::chrono::days>(whole);
    const std::chrono::year_month_day date{day};
    const auto since_midnight = static_cast<unsigned>((whole - day).count());

    const auto text = [&out](std::string_view s) { out = std::copy(s.begin(), s.end(), out); };
    const auto two = [&out](unsigned value) {
        *out++ = static_cast<char>('0' + value / 10 % 10);
        *out++ = static_cast<char>('0' + value % 10);
    };
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
    text(day_names[std::chrono::weekday{day}.c_encoding()]);
    text(", ");
    two(static_cast<unsigned>(date.day()));
    text(" ");
    text(month_names[static_cast<unsigned>(date.month()) - 1]);
    text(" ");
    two(year / 100);
    two(year % 100);
    text(" ");
    two(since_midnight / 3600);
    text(":");
    two(since_midnight / 60 % 60);
    text(":");
    two(since_midnight % 60);
    text(" GMT");
}

std::string format_date(wall_time t) {
    std::string out(date_size, ' ');
    write_date(t, out.data());
    return out;
}

} // namespace meshcache::http
