// After 101 (Switching Protocols) the connection is a pair of byte streams (RFC 9110, section 7.8).
#include "session.hpp"

#include <meshcache/http/grammar.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>

namespace meshcache::net {
namespace {

/// Copies one direction until its end, which it passes on; ends both on an error.
task<void> copy(stream& from, recv_buffer& buffer, stream& to, milliseconds write_timeout, event* ended) {
    constexpr std::size_t size = 16 * 1024;
    for (;;) {
        if (!buffer.empty()) {
            if (co_await to.write(buffer.view(), write_timeout)) break;
            buffer.consume(buffer.size());
        }
        error_code ec;
        const auto room = buffer.prepare(size, size);
        const auto n = co_await from.read_some(room, ec);
        if (ec == asio::error::eof) {
            to.shutdown_send();
            if (ended != nullptr) ended->set();
            co_return;
        }
        if (ec) break;
        buffer.commit(n);
    }
    from.abort();
    to.abort();
    if (ended != nullptr) ended->set();
}

} // namespace

task<void> session::tunnel(upstream_lease& lease) {
    close_ = true;
    unread_ = false;
    const auto& head = lease->head;
    char date[http::date_size];
    http::write_date(loop_.shared.clock.wall(), date);
    text_.clear();
    http::write_client_head(head, {date, sizeof date}, false, text_);
    text_.append("Connection: Upgrade\r\nUpgrade: ").append(head.fields.value(http::field_id::upgrade)).append("\r\n\r\n");
    const auto answered = head.size;
    if (co_await io_.write(text_, loop_.cfg.write_timeout)) co_return;
    log_access(101);
    lease->in.consume(answered);
    in_.consume(head_.size);

    event upwards(loop_.ex);
    loop_.spawn(copy(io_, in_, lease->io, loop_.cfg.write_timeout, &upwards));
    co_await copy(lease->io, lease->in, io_, loop_.cfg.write_timeout, nullptr);
    (void)co_await upwards.wait();
    lease.discard();
}

} // namespace meshcache::net
