#include "echo.hpp"

#include <meshcache/base/units.hpp>

#include <charconv>
#include <optional>
#include <system_error>

namespace meshcache::ping_echo {
namespace {

constexpr milliseconds longest_delay{60'000};

std::string_view path_of(std::string_view target) noexcept { return target.substr(0, target.find('?')); }

std::optional<int> hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

/// `application/x-www-form-urlencoded`; what is not a valid escape stands for itself.
std::string form_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            const auto high = hex_digit(text[i + 1]);
            const auto low = hex_digit(text[i + 2]);
            if (high && low) {
                out += static_cast<char>(*high * 16 + *low);
                i += 2;
                continue;
            }
        }
        out += text[i] == '+' ? ' ' : text[i];
    }
    return out;
}

/// The first parameter of that name in the target's query, decoded.
std::optional<std::string> parameter(std::string_view target, std::string_view name) {
    const auto mark = target.find('?');
    if (mark == std::string_view::npos) return std::nullopt;
    auto rest = target.substr(mark + 1);
    while (!rest.empty()) {
        const auto pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(pair.size() == rest.size() ? rest.size() : pair.size() + 1);
        const auto equals = pair.find('=');
        if (pair.substr(0, equals) != name) continue;
        return equals == std::string_view::npos ? std::string{} : form_decoded(pair.substr(equals + 1));
    }
    return std::nullopt;
}

std::optional<unsigned> number_within(std::string_view text, unsigned least, unsigned most) {
    unsigned value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc{} || end != text.data() + text.size() || value < least || value > most)
        return std::nullopt;
    return value;
}

answer refusal(std::string sentence) {
    return {400, "no-store", std::move(sentence) + '\n', milliseconds{0}};
}

} // namespace

bool is_counted(std::string_view target) noexcept { return path_of(target) != "/count"; }

answer make_answer(const request_parts& request, const answer_defaults& defaults, std::uint64_t count) {
    if (!is_counted(request.target)) return {200, "no-store", std::to_string(count) + '\n', milliseconds{0}};

    answer out;
    out.delay = defaults.delay;
    if (const auto text = parameter(request.target, "delay")) {
        const auto delay = parse_duration(*text);
        if (!delay) return refusal("delay: " + delay.error);
        if (*delay > longest_delay) return refusal("delay: at most " + format_duration(longest_delay));
        out.delay = *delay;
    }
    if (const auto text = parameter(request.target, "status")) {
        const auto status = number_within(*text, 200, 599);
        if (!status) return refusal("status: " + in_quotes(*text) + " is not a number from 200 to 599");
        out.status = *status;
    }
    auto max_age = static_cast<std::uint64_t>(defaults.max_age.count());
    if (const auto text = parameter(request.target, "max-age")) {
        const auto age = parse_count(*text);
        if (!age) return refusal("max-age: " + age.error);
        max_age = *age;
    }
    out.cache_control = "max-age=" + std::to_string(max_age);

    const auto body = request.content.empty() ? parameter(request.target, "body").value_or(std::string{})
                                              : std::string(request.content);
    out.content.append("ping-echo\nmethod: ").append(request.method);
    out.content.append("\ntarget: ").append(request.target);
    out.content.append("\nbody: ").append(body);
    out.content.append("\ncount: ").append(std::to_string(count)).append("\n");
    return out;
}

} // namespace meshcache::ping_echo
