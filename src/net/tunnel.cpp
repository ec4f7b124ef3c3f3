// After 101 (Switching Protocols) the connection is a pair of byte streams (RFC 9110, section 7.8).
#include "session.hpp"

#include <meshcache/http/grammar.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>

namespace meshcache::net {
namespace {

/// Ends both directions when neither has moved for a while.
class tunnel_watch final : public deadline {
  public:
    tunnel_watch(deadline_sweep& sweep, stream& a, stream& b, milliseconds idle, metrics_slab& counters)
        : deadline(sweep), a_(a), b_(b), idle_(idle), counters_(counters) {
        moved();
    }
    void moved() noexcept { arm(idle_); }

  private:
    void on_deadline() noexcept override {
        counters_.add(counter::timeout_tunnel);
        a_.abort();
        b_.abort();
    }
    stream& a_;
    stream& b_;
    milliseconds idle_;
    metrics_slab& counters_;
};

/// Copies one direction until its end, which it passes on; ends both on an error.
task<void> copy(stream& from, recv_buffer& buffer, stream& to, tunnel_watch& watch, event& ended) {
    const struct tell {
        event& ended;
        ~tell() { ended.set(); }
    } at_end{ended};
    constexpr std::size_t size = 16 * 1024;
    bool clean = false;
    for (;;) {
        if (!buffer.empty()) {
            const auto failed = co_await to.write(buffer.view(), milliseconds::zero());
            if (failed) break;
            buffer.consume(buffer.size());
            watch.moved();
        }
        error_code ec;
        const auto room = buffer.prepare(size, size);
        const auto n = co_await from.read_some(room, ec);
        clean = ec == asio::error::eof;
        if (ec) break;
        buffer.commit(n);
        watch.moved();
    }
    if (clean) {
        to.shutdown_send();
    } else {
        from.abort();
        to.abort();
    }
}

} // namespace

task<void> session::tunnel(upstream_lease& lease) {
    close_ = true;
    unread_ = false;
    watch_.clear(); // the client is read from now on
    const auto& head = lease->head;
    char date[http::date_size];
    http::write_date(loop_.shared.clock.wall(), date);
    text_.clear();
    http::write_client_head(head, {date, sizeof date}, false, text_);
    text_.append("Connection: Upgrade\r\nUpgrade: ")
        .append(head.fields.value(http::field_id::upgrade))
        .append("\r\n\r\n");
    const auto answered = head.size;
    const auto failed = co_await io_.write(text_, loop_.cfg.write_timeout);
    if (failed == errc::client_timeout) loop_.counters.add(counter::timeout_write);
    log_access(101);
    if (failed) co_return;
    lease->in.consume(answered);
    in_.consume(head_.size);

    tunnel_watch watch(loop_.sweep, io_, lease->io, loop_.cfg.tunnel_timeout, loop_.counters);
    event upwards(loop_.ex), downwards(loop_.ex);
    const must_outlast other(upwards);
    loop_.spawn(copy(io_, in_, lease->io, watch, upwards));
    co_await copy(lease->io, lease->in, io_, watch, downwards);
    // The other direction uses what stands here, so it must have ended.
    while (!upwards.is_set()) {
        (void)co_await upwards.wait();
    }
    lease.discard();
}

} // namespace meshcache::net
