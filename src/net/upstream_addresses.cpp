#include "upstream_addresses.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <string>

namespace meshcache::net {

upstream_addresses::upstream_addresses(const executor& ex, endpoint target, milliseconds interval)
    : ex_(ex), resolver_(ex), target_(std::move(target)), interval_(interval), schedule_(interval) {
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

task<std::vector<upstream_addresses::address>> upstream_addresses::get(error_code& ec, steady_time now,
                                                                       milliseconds patience) {
    if (interval_ == milliseconds::zero() && !known_.empty()) co_return known_;
    if (schedule_.due(now) && !refreshing_) {
        schedule_.asked(now);
        start_refresh();
    }
    if (known_.empty()) {
        // One question at a time, however many wait for its answer: the resolver takes one after the other.
        if (!refreshing_) start_refresh();
        event answered(ex_);
        waiting_.push_back(&answered);
        const bool came = co_await answered.wait(patience);
        std::erase(waiting_, &answered);
        if (known_.empty())
            ec = came && last_error_ ? last_error_ : error_code(errc::upstream_resolve_failed);
    }
    co_return known_;
}

void upstream_addresses::start_refresh() {
    refreshing_ = true;
    // Owned by the pool, which stops the resolver before it goes.
    asio::co_spawn(ex_, refresh(), asio::detached);
}

task<void> upstream_addresses::refresh() {
    auto [ec, results] = co_await resolver_.async_resolve(
        target_.host, std::to_string(target_.port), asio::ip::resolver_base::address_configured, use_task);
    refreshing_ = false;
    last_error_ = ec || results.empty() ? error_code(errc::upstream_resolve_failed) : error_code{};
    if (!last_error_) {
        known_.clear();
        for (const auto& r : results) known_.emplace_back(r.endpoint());
    }
    for (auto* e : waiting_) e->set();
}

void upstream_addresses::stop() { resolver_.cancel(); }

} // namespace meshcache::net
