#pragma once
// The process's loggers: one for messages, one for access lines, both to stderr through one bounded queue, so
// that no event loop waits for a slow terminal or pipe.
#include <meshcache/app/configuration.hpp>

#include <memory>

namespace spdlog {
class logger;
namespace details {
class thread_pool;
}
} // namespace spdlog

namespace meshcache::app {

/// Owns the logging thread; the loggers must not be used after it is gone.
class log {
  public:
    log(log_threshold level, log_format format);
    ~log();
    log(const log&) = delete;
    log& operator=(const log&) = delete;

    /// Writes what is queued, and ends the logging thread. The loggers must not be used any more.
    void close();

    const std::shared_ptr<spdlog::logger>& messages() const noexcept { return messages_; }
    const std::shared_ptr<spdlog::logger>& access() const noexcept { return access_; }

  private:
    std::shared_ptr<spdlog::details::thread_pool> pool_;
    std::shared_ptr<spdlog::logger> messages_;
    std::shared_ptr<spdlog::logger> access_;
};

} // namespace meshcache::app
