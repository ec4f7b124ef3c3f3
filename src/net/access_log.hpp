#pragma once
// One line for a request: who asked for what, what the answer was, and what the cache did.
#include <meshcache/base/clock.hpp>
#include <meshcache/flow/cache_status.hpp>
#include <meshcache/net/settings.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace meshcache::net {

/// Of a request that was refused, what is known; the rest is empty.
struct access_record {
    std::string_view client, method, host, target;
    int status = 0;
    std::uint64_t bytes = 0; ///< sent to the client for this request, head included
    std::chrono::steady_clock::duration took{};
    const flow::cache_outcome* outcome = nullptr;
};

/// What a client sent must not be able to end a line or a string: everything but visible ASCII is escaped,
/// and what is beyond `most` bytes is left out.
std::string escaped(std::string_view text, std::size_t most = std::string_view::npos);

/// Writes access lines. Used by one thread; the logger behind it may be shared.
class access_logger {
  public:
    access_logger(access_log which, bool json, std::shared_ptr<spdlog::logger> log)
        : which_(which), json_(json), log_(std::move(log)) {}

    /// Whether a request with such an outcome is to be written at all.
    bool wants(bool hit) const noexcept {
        return which_ == access_log::all || (which_ == access_log::misses && !hit);
    }
    void write(const access_record& record);

  private:
    access_log which_;
    bool json_;
    std::shared_ptr<spdlog::logger> log_;
    std::string status_text_;
};

} // namespace meshcache::net
