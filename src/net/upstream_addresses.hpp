#pragma once
// The upstream's addresses: its name resolved now and again, in the background.
#include "event.hpp"
#include "io.hpp"

#include <meshcache/base/clock.hpp>
#include <meshcache/base/endpoint.hpp>

#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <vector>

namespace meshcache::net {

/// When a name is resolved again: every `interval`, and sooner after an answer that was of no use, but then
/// no more than once a second, however many connections fail.
class resolve_schedule {
  public:
    static constexpr seconds shortest{1};
    explicit resolve_schedule(milliseconds interval) noexcept : interval_(interval) {}
    bool due(steady_time now) const noexcept { return now >= next_; }
    void asked(steady_time now) noexcept {
        asked_ = now;
        next_ = now + interval_;
    }
    void distrust() noexcept { next_ = std::min<steady_time>(next_, asked_ + shortest); }

  private:
    milliseconds interval_;
    steady_time asked_{}, next_{};
};

/// Resolves one endpoint. Used by one event loop's thread. Known addresses stay in use while a newer answer
/// is being fetched, and after a failure of the resolver.
class upstream_addresses {
  public:
    using address = asio::generic::stream_protocol::endpoint;

    upstream_addresses(const executor& ex, endpoint target, milliseconds interval);

    /// The addresses to try, in order; waits for the resolver only when none is known yet.
    /// `patience` bounds that wait.
    task<std::vector<address>> get(error_code& ec, steady_time now, milliseconds patience);
    /// No address of the last answer accepted a connection: ask anew soon.
    void distrust() noexcept { schedule_.distrust(); }
    void stop();

  private:
    void start_refresh();
    task<void> refresh();

    executor ex_;
    asio::ip::basic_resolver<asio::ip::tcp, executor> resolver_;
    endpoint target_;
    milliseconds interval_;
    std::vector<address> known_;
    resolve_schedule schedule_;
    bool refreshing_ = false;
    error_code last_error_;
    std::vector<event*> waiting_; ///< for the first answer
};

} // namespace meshcache::net
