#include "upstream_head.hpp"

#include <meshcache/http/framing.hpp>

namespace meshcache::net {

task<error_code> read_one_head(loop_context& loop, upstream_connection& upstream) {
    constexpr std::size_t first_buffer = 8 * 1024;
    for (;;) {
        const auto parsed =
            http::parse_response_head(upstream.in.view(), loop.cfg.head_limits, upstream.head);
        if (parsed.state == http::parse_state::complete) {
            // Content behind a 304 is none of ours, but one that says how it is coded may have some.
            if (upstream.head.status == 304 && upstream.head.fields.has(http::field_id::transfer_encoding))
                upstream.spent = true;
            http::body_framing none;
            const bool sound =
                is_final(upstream.head.status) ||
                http::response_framing(upstream.head, http::method::get, none) == http::framing_error::none;
            co_return sound ? error_code{} : error_code(errc::upstream_malformed);
        }
        if (parsed.state == http::parse_state::malformed) co_return errc::upstream_malformed;
        const auto room = upstream.in.prepare(first_buffer, loop.cfg.head_limits.max_bytes + 1);
        if (room.empty()) co_return errc::upstream_malformed;
        error_code ec;
        const auto n = co_await upstream.io.read_some(room, ec);
        if (ec == errc::client_timeout) co_return errc::upstream_silent;
        if (ec) co_return upstream.in.empty() ? errc::upstream_reset : errc::upstream_truncated;
        upstream.in.commit(n);
    }
}

void give_back_after_head(upstream_lease& lease) noexcept {
    const bool reusable = http::keeps_alive(lease->head.minor, lease->head.fields) && !lease->spent;
    lease->in.consume(lease->head.size);
    if (reusable) lease.give_back();
}

} // namespace meshcache::net
