#pragma once
// What the tests of this floor share: heads that keep their text, and random input with a printed seed.
#include <meshcache/base/clock.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/head.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

namespace meshcache::http::test {

/// A parsed request; throws when `text` is no complete head. Not copied or moved: the head has views.
struct request {
    explicit request(std::string_view head_text) : text(head_text) {
        if (parse_request_head(text, head_limits{}, head).state != parse_state::complete)
            throw std::invalid_argument("not a request head: " + text);
    }
    request(const request&) = delete;
    request& operator=(const request&) = delete;

    const std::string text;
    request_head head;
};

/// The same for a response.
struct response {
    explicit response(std::string_view head_text) : text(head_text) {
        if (parse_response_head(text, head_limits{}, head).state != parse_state::complete)
            throw std::invalid_argument("not a response head: " + text);
    }
    response(const response&) = delete;
    response& operator=(const response&) = delete;

    const std::string text;
    response_head head;
};

/// `GET / HTTP/1.1` with Host and these lines, each ended by CRLF.
inline std::string get(std::string_view lines) {
    return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}

/// A 200 with these lines, each ended by CRLF.
inline std::string ok(std::string_view lines) { return "HTTP/1.1 200 OK\r\n" + std::string(lines) + "\r\n"; }

/// The whole head with each line ended by CRLF, for a value that tests compare.
inline std::string shown(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        if (c == '\r')
            out += "\\r";
        else if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
    return out;
}

/// Seconds since the epoch as a wall time.
constexpr wall_time at(std::int64_t s) { return wall_time{seconds{s}}; }

/// A generator whose seed the test prints with INFO.
struct random_source {
    std::uint64_t seed = std::random_device{}();
    std::mt19937_64 engine{seed};

    /// Between 0 and `bound` - 1.
    std::size_t below(std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine);
    }
    char pick(std::string_view characters) { return characters[below(characters.size())]; }
    std::string text(std::string_view characters, std::size_t longest) {
        std::string out(below(longest + 1), ' ');
        for (char& c : out) c = pick(characters);
        return out;
    }
};

} // namespace meshcache::http::test
