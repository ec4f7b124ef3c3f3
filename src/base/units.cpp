#include <meshcache/base/units.hpp>

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

namespace meshcache {
namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<unit, 4> size_units{
    {{"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}}};
constexpr std::array<unit, 4> duration_units{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// The leading digits, and what follows them.
std::pair<std::string_view, std::string_view> split_number(std::string_view text) noexcept {
    std::size_t n = 0;
    while (n < text.size() && is_digit(text[n])) ++n;
    return {text.substr(0, n), text.substr(n)};
}

std::optional<std::uint64_t> to_number(std::string_view digits) noexcept {
    std::uint64_t n = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (digits.empty() || ec != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return n;
}

/// number * factor, unless it exceeds `limit`.
std::optional<std::uint64_t> scaled(std::string_view digits, std::uint64_t factor,
                                    std::uint64_t limit) noexcept {
    const auto n = to_number(digits);
    if (!n || *n > limit / factor) return std::nullopt;
    return *n * factor;
}

/// What a unit that we do not take probably means: its initial decides.
std::string_view meant_size_unit(std::string_view rest) noexcept {
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    if (rest.empty()) return {};
    for (const auto& u : size_units)
        if (lower(u.name[0]) == lower(rest[0])) return u.name;
    return {};
}

} // namespace

std::string in_quotes(std::string_view text) {
    constexpr std::size_t most = 80;
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out = "'";
    for (const char c : text.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += hex[byte >> 4U];
            out += hex[byte & 15U];
        } else {
            out += c;
        }
    }
    if (text.size() > most) out += "...";
    out += '\'';
    return out;
}

parsed<std::uint64_t> parse_size(std::string_view text) {
    using out = parsed<std::uint64_t>;
    const auto [digits, rest] = split_number(text);
    if (digits.empty())
        return out::failure(in_quotes(text) +
                            " is not a size; write bytes or a unit: 4096, 64KiB, 64MiB, 1GiB");
    std::uint64_t factor = rest.empty() ? 1 : 0;
    for (const auto& u : size_units)
        if (rest == u.name) factor = u.factor;
    if (factor == 0) {
        const auto meant = meant_size_unit(rest);
        if (!meant.empty())
            return out::failure(in_quotes(text) + " has a unit that can be misread; write " +
                                std::string(digits) + std::string(meant));
        return out::failure(in_quotes(text) +
                            " is not a size; write bytes or a unit: 4096, 64KiB, 64MiB, 1GiB");
    }
    const auto bytes = scaled(digits, factor, std::uint64_t{1} << 62U);
    if (!bytes) return out::failure(in_quotes(text) + " is too large");
    return *bytes;
}

std::string format_size(std::uint64_t bytes) {
    for (const auto& u : size_units)
        if (bytes != 0 && bytes % u.factor == 0)
            return std::to_string(bytes / u.factor) + std::string(u.name);
    return std::to_string(bytes);
}

parsed<milliseconds> parse_duration(std::string_view text) {
    using out = parsed<milliseconds>;
    const auto [digits, rest] = split_number(text);
    if (digits.empty())
        return out::failure(in_quotes(text) +
                            " is not a duration; write a whole number and its unit: 250ms, 10s, 5m, 24h");
    if (rest.empty()) {
        const std::string n(digits);
        return out::failure(in_quotes(text) + " has no unit; write " + n + "ms, " + n + "s, " + n + "m or " +
                            n + "h");
    }
    for (const auto& u : duration_units) {
        if (rest != u.name) continue;
        const auto ms =
            scaled(digits, u.factor,
                   static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / 1'000'000));
        if (!ms) return out::failure(in_quotes(text) + " is too long");
        return milliseconds(static_cast<milliseconds::rep>(*ms));
    }
    return out::failure(
        in_quotes(text) +
        " is not a duration; write one whole number and one unit (ms, s, m, h): 250ms, 10s, 5m, 24h");
}

std::string format_duration(milliseconds d) {
    const auto ms = static_cast<std::uint64_t>(d.count() < 0 ? 0 : d.count());
    if (ms == 0) return "0s";
    for (const auto& u : duration_units)
        if (ms % u.factor == 0) return std::to_string(ms / u.factor) + std::string(u.name);
    return std::to_string(ms) + "ms";
}

parsed<std::uint64_t> parse_count(std::string_view text) {
    using out = parsed<std::uint64_t>;
    const auto [digits, rest] = split_number(text);
    if (digits.empty() || !rest.empty())
        return out::failure(in_quotes(text) + " is not a whole number; write digits only, such as 1000");
    const auto n = to_number(digits);
    if (!n) return out::failure(in_quotes(text) + " is too large");
    return *n;
}

parsed<bool> parse_switch(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    return parsed<bool>::failure(in_quotes(text) + " is not a switch; write true or false");
}

} // namespace meshcache
