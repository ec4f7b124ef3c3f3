#include "upstream_addresses.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <string>

namespace meshcache::net {

upstream_addresses::upstream_addresses(const executor& ex, endpoint target, milliseconds interval)
    : ex_(ex), resolver_(ex), target_(std::move(target)), interval_(interval) {
    error_code ec;
    if (target_.is_unix()) {
        auto path = target_.unix_path;
        if (path.front() == '@') path.front() = '\0';
        known_.emplace_back(asio::local::stream_protocol::endpoint(path));
    } else if (const auto ip = asio::ip::make_address(target_.host, ec); !ec) {
        known_.emplace_back(asio::ip::tcp::endpoint(ip, target_.port));
    }
    if (!known_.empty()) interval_ = milliseconds::zero(); // nothing to resolve, ever
}

task<std::vector<upstream_addresses::address>> upstream_addresses::get(error_code& ec, steady_time now) {
    if (interval_ == milliseconds::zero() && !known_.empty()) co_return known_;
    if (known_.empty()) {
        ec = co_await refresh();
        if (!known_.empty()) {
            ec = {};
            expires_ = now + interval_;
        }
    } else if (now >= expires_ && !refreshing_) {
        expires_ = now + interval_;
        refreshing_ = true;
        // Owned by the pool, which stops the resolver and runs the loop dry before it goes.
        asio::co_spawn(
            ex_,
            [](upstream_addresses& self) -> task<void> {
                (void)co_await self.refresh();
                self.refreshing_ = false;
            }(*this),
            asio::detached);
    }
    co_return known_;
}

task<error_code> upstream_addresses::refresh() {
    auto [ec, results] = co_await resolver_.async_resolve(target_.host, std::to_string(target_.port),
                                                          asio::ip::resolver_base::address_configured, use_task);
    if (ec || results.empty()) co_return errc::upstream_resolve_failed;
    known_.clear();
    for (const auto& r : results) known_.emplace_back(r.endpoint());
    co_return error_code{};
}

void upstream_addresses::stop() { resolver_.cancel(); }

} // namespace meshcache::net
