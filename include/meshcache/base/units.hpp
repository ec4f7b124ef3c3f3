#pragma once
// Sizes, durations, counts and switches as an operator writes them, and back. One spelling each: what
// could be misread (64M, a bare 10 for a time) is refused with the spelling that was meant. Pure.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/parsed.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace meshcache {

/// Bytes: `123`, `64KiB`, `64MiB`, `1GiB`, `1TiB`.
parsed<std::uint64_t> parse_size(std::string_view text);
/// The shortest exact spelling that parse_size reads.
std::string format_size(std::uint64_t bytes);

/// A duration: a whole number with its unit, `250ms`, `10s`, `5m`, `24h`; `0s` for none.
parsed<milliseconds> parse_duration(std::string_view text);
/// The shortest exact spelling that parse_duration reads. `d` is not negative.
std::string format_duration(milliseconds d);

/// A whole number without sign or unit.
parsed<std::uint64_t> parse_count(std::string_view text);

/// `true` or `false`.
parsed<bool> parse_switch(std::string_view text);

/// `text` in single quotes for an error sentence: control characters escaped, at most 80 bytes.
std::string in_quotes(std::string_view text);

} // namespace meshcache
