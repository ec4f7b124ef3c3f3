#pragma once
// Warnings about an upstream that fails, whether or not requests are logged. One line a second for each loop
// at the most: an upstream that is down fails with every request.
#include <meshcache/base/clock.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace spdlog {
class logger;
}

namespace meshcache::net {

/// Used by one thread; the logger behind it may be shared.
class failure_log {
  public:
    static constexpr seconds interval{1};

    explicit failure_log(std::shared_ptr<spdlog::logger> log) : log_(std::move(log)) {}

    /// Something failed at `now` for a request for `target` at `host`; `why` is a word of errc. Writes that,
    /// and how many there were since the last line, or only counts it.
    void note(steady_time now, std::string_view host, std::string_view target, std::string_view why);

  private:
    std::shared_ptr<spdlog::logger> log_;
    steady_time next_{};
    std::size_t unwritten_ = 0;
};

} // namespace meshcache::net
