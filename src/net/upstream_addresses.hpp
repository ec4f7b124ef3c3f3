#pragma once
// The upstream's addresses: its name resolved now and again, in the background.
#include "event.hpp"
#include "io.hpp"

#include <meshcache/base/clock.hpp>
#include <meshcache/base/endpoint.hpp>

#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <vector>

namespace meshcache::net {

/// Resolves one endpoint. Used by one event loop's thread. Known addresses stay in use while a newer answer
/// is being fetched, and after a failure of the resolver.
class upstream_addresses {
  public:
    using address = asio::generic::stream_protocol::endpoint;

    upstream_addresses(const executor& ex, endpoint target, milliseconds interval);

    /// The addresses to try, in order; waits for the resolver only when none is known yet.
    /// `patience` bounds that wait.
    task<std::vector<address>> get(error_code& ec, steady_time now, milliseconds patience);
    /// No address of the last answer accepted a connection: ask anew next time.
    void distrust() noexcept { expires_ = {}; }
    void stop();

  private:
    void start_refresh();
    task<void> refresh();

    executor ex_;
    asio::ip::basic_resolver<asio::ip::tcp, executor> resolver_;
    endpoint target_;
    milliseconds interval_;
    std::vector<address> known_;
    steady_time expires_{};
    bool refreshing_ = false;
    error_code last_error_;
    std::vector<event*> waiting_; ///< for the first answer
};

} // namespace meshcache::net
