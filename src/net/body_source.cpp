#include "body_source.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>

namespace meshcache::net {

body_source::body_source(stream& io, recv_buffer& in, const http::body_framing& framing,
                         milliseconds idle_timeout)
    : io_(io), in_(in), kind_(framing.kind), remaining_(framing.length), idle_timeout_(idle_timeout) {
    done_ = kind_ == http::body_kind::none || (kind_ == http::body_kind::length && remaining_ == 0);
}

void body_source::release_pieces() noexcept {
    in_.consume(used_);
    used_ = 0;
}

bool body_source::take_buffered(std::vector<std::string_view>& pieces) {
    while (!done_ && pieces.size() < most_pieces) {
        const auto rest = in_.view().substr(used_);
        if (rest.empty()) break;
        switch (kind_) {
        case http::body_kind::none:
            done_ = true;
            break;
        case http::body_kind::until_close:
            pieces.push_back(rest);
            used_ += rest.size();
            break;
        case http::body_kind::length: {
            const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), remaining_));
            pieces.push_back(rest.substr(0, n));
            used_ += n;
            remaining_ -= n;
            done_ = remaining_ == 0;
            break;
        }
        case http::body_kind::chunked: {
            const auto step = chunks_.next(rest);
            used_ += step.consumed;
            switch (step.what) {
            case http::chunk_decoder::state::data:
                pieces.push_back(step.content);
                break;
            case http::chunk_decoder::state::trailers:
                trailers_ += step.content;
                break;
            case http::chunk_decoder::state::done:
                done_ = true;
                break;
            case http::chunk_decoder::state::malformed:
                return false;
            case http::chunk_decoder::state::more:
                return true;
            }
            break;
        }
        }
    }
    return true;
}

task<error_code> body_source::next(std::vector<std::string_view>& pieces) {
    pieces.clear();
    release_pieces();
    for (;;) {
        if (!take_buffered(pieces)) co_return errc::client_malformed;
        if (!pieces.empty() || done_) co_return error_code{};
        release_pieces(); // chunk framing alone

        in_.reserve(kind_ == http::body_kind::length && remaining_ <= small_buffer ? small_buffer
                                                                                   : large_buffer);
        const auto room = in_.prepare(small_buffer, large_buffer);
        io_.read_deadline().arm(idle_timeout_);
        error_code ec;
        const auto n = co_await io_.read_some(room, ec);
        io_.read_deadline().clear();
        if (ec) {
            if (ec == asio::error::eof && kind_ == http::body_kind::until_close) {
                done_ = true;
                co_return error_code{};
            }
            co_return ec;
        }
        in_.commit(n);
    }
}

} // namespace meshcache::net
