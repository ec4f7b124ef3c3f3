#include "announcement.hpp"
#include "keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace meshcache::replica {
namespace {

// Silent ones are removed by whoever comes new, so that the list holds no more than those who live and those
// who have died since: no write each second grows with the number of replicas.
constexpr std::string_view announce_text = R"lua(
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSETNX', KEYS[1], 'since', string.format('%.0f', now))
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
local life = tonumber(ARGV[3])
if life then
  local all = redis.call('HGETALL', KEYS[1])
  for n = 1, #all, 2 do
    local said = tonumber(string.match(all[n + 1], '^%d+'))
    if all[n] ~= 'since' and (not said or math.abs(now - said) > life) then redis.call('HDEL', KEYS[1], all[n]) end
  end
end
return now
)lua";

constexpr std::string_view list_text = R"lua(
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local out = {string.format('%.0f', now), ''}
local all = redis.call('HGETALL', KEYS[1])
for n = 1, #all, 2 do
  local said, position = string.match(all[n + 1], '^(%d+) (%d+%-%d+) ')
  if all[n] == 'since' then out[2] = all[n + 1] end
  if said and math.abs(now - tonumber(said)) <= tonumber(ARGV[1]) and #out < 3 * tonumber(ARGV[2]) + 2 then
    local waiting = redis.pcall('XRANGE', KEYS[2], '(' .. position, '+', 'COUNT', 1)[1]
    out[#out + 1] = all[n]
    out[#out + 1] = all[n + 1]
    out[#out + 1] = waiting and waiting[1] or ''
  end
end
return out
)lua";

script make(std::string_view text) { return {std::string(text), sha1_hex(text)}; }

void append_word(std::string& out, std::string_view word) {
    static constexpr char hex[] = "0123456789ABCDEF";
    if (!out.empty()) out += ' ';
    if (word.empty() || word == "-") word = "-";
    for (const char c : word.substr(0, max_announced_word)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > ' ' && byte < 0x7f && c != '%') {
            out += c;
        } else {
            out += '%';
            out += hex[byte >> 4U];
            out += hex[byte & 15U];
        }
    }
}

/// The next word, taken from `text`; empty at the end.
std::string_view next_word(std::string_view& text) noexcept {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    return word;
}

std::string decoded(std::string_view word) {
    if (word == "-") return {};
    std::string out;
    for (std::size_t i = 0; i < word.size(); ++i) {
        unsigned byte = 0;
        const char* const digits = word.data() + i + 1;
        if (word[i] == '%' && i + 2 < word.size() &&
            std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
            out += static_cast<char>(byte);
            i += 2;
        } else {
            out += word[i];
        }
    }
    return out;
}

} // namespace

std::optional<wall_time> read_time(std::string_view text) noexcept {
    std::int64_t ms = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, ms);
    if (error != std::errc{} || stop != end || ms < 0) return std::nullopt;
    return wall_time{milliseconds{ms}};
}

std::string encode(const announcement& a) {
    std::string out = a.position.to_string();
    for (const std::string* word : {&a.state, &a.self.version, &a.self.host, &a.self.address})
        append_word(out, *word);
    return out;
}

std::optional<announcement> read_announcement(std::string_view text) {
    announcement out;
    const auto position = stream_id::parse(next_word(text));
    if (!position) return std::nullopt;
    out.position = *position;
    for (std::string* word : {&out.state, &out.self.version, &out.self.host, &out.self.address}) {
        const std::string_view there = next_word(text);
        if (there.empty()) return std::nullopt;
        *word = decoded(there);
    }
    return out;
}

bool is_settled(std::string_view since, wall_time now) noexcept {
    if (since.empty()) return false;
    const auto begun = read_time(since);
    return !begun || std::chrono::abs(now - *begun) >= list_settling;
}

milliseconds lag_of(std::string_view first, wall_time now) noexcept {
    const auto waiting = stream_id::parse(first);
    if (!waiting) return milliseconds{0};
    // Ids of the log never go back, the clock of Redis may.
    const auto ms = static_cast<std::uint64_t>(now.time_since_epoch().count());
    return milliseconds{waiting->ms < ms ? static_cast<std::int64_t>(ms - waiting->ms) : 1};
}

std::optional<listed_replica> read_listed(std::string_view id, std::string_view value, std::string_view first,
                                          wall_time now) {
    const auto said = read_time(next_word(value));
    auto words = read_announcement(value);
    if (id.size() != 16 || id.find_first_not_of("0123456789abcdef") != std::string_view::npos || !said ||
        !words)
        return std::nullopt;
    listed_replica out;
    out.id = id;
    out.self = std::move(words->self);
    out.state = std::move(words->state);
    out.log_position = words->position.to_string();
    out.seen = std::max(now - *said, milliseconds{0});
    out.lag = lag_of(first, now);
    return out;
}

const script& announce_script() {
    static const script instance = make(announce_text);
    return instance;
}

const script& list_script() {
    static const script instance = make(list_text);
    return instance;
}

} // namespace meshcache::replica
