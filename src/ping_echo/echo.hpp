#pragma once
// What ping-echo answers, as a pure function: no sockets, no clock. ping-echo is the upstream of the
// demonstration and of the container tests: it counts what reaches it, so that a caller can tell an
// answer from the cache from one of the application.
#include <meshcache/base/clock.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace meshcache::ping_echo {

/// What an answer looks like where the request says nothing.
struct answer_defaults {
    seconds max_age{60};   ///< of Cache-Control; 0: a cache must ask again each time
    milliseconds delay{0}; ///< between request and answer
};

/// The parts of a request that an answer depends on. Views; the request outlives the call.
struct request_parts {
    std::string_view method;
    std::string_view target; ///< as it stood in the request line
    std::string_view content;
};

/// What to send, and when.
struct answer {
    unsigned status = 200;
    std::string cache_control;
    std::string content;   ///< text/plain
    milliseconds delay{0}; ///< to wait before sending
};

/// `/count` asks for the counter, and is itself not counted.
bool is_counted(std::string_view target) noexcept;

/// The answer to `request`, which is the `count`th counted one (for `/count`: the number so far).
/// The query may say `body=TEXT` (echoed), `status=200..599`, `max-age=SECONDS`, `delay=DURATION` up to
/// a minute; a value that cannot be read is answered with 400 and a sentence.
answer make_answer(const request_parts& request, const answer_defaults& defaults, std::uint64_t count);

} // namespace meshcache::ping_echo
