#pragma once
// What the tests of validators, conditions and updates share: stored heads made from lines, and dates.
#include "support.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/stored_head.hpp>
#include <meshcache/http/validation.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace meshcache::http::test {

// 784111777 is Sun, 06 Nov 1994 08:49:37 GMT.
inline constexpr std::int64_t birth = 784111777;
inline const wall_time today = at(1700000000);

inline std::string date(std::int64_t after_birth) { return format_date(at(birth + after_birth)); }
inline std::string line(std::string_view name, const std::string& value) {
    return std::string(name) + ": " + value + "\r\n";
}

/// A stored head with these lines.
struct stored {
    explicit stored(std::string_view lines, std::string_view status = "200 OK")
        : text("HTTP/1.1 " + std::string(status) + "\r\n" + std::string(lines)) {
        if (!read_stored_head(text, head)) throw std::invalid_argument("not a stored head: " + text);
    }
    stored(const stored&) = delete;
    stored& operator=(const stored&) = delete;
    const std::string text;
    response_head head;
};

} // namespace meshcache::http::test
