#include "stream.hpp"

#include <boost/asio/error.hpp>

#include <array>
#include <poll.h>
#include <vector>

namespace meshcache::net {

stream::stream(stream_socket socket, deadline_sweep& sweep)
    : socket_(std::move(socket)), read_deadline_(sweep, *this), write_deadline_(sweep, *this) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
}

void stream::expire() noexcept {
    timed_out_ = true;
    error_code ignored;
    socket_.cancel(ignored);
}

error_code stream::translate(error_code ec) const noexcept {
    if (ec == asio::error::operation_aborted && timed_out_) return errc::client_timeout;
    return ec;
}

task<std::size_t> stream::read_some(std::span<char> into, error_code& ec) {
    if (timed_out_) {
        ec = errc::client_timeout;
        co_return 0;
    }
    auto [error, n] = co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), use_task);
    ec = translate(error);
    bytes_read_ += n;
    co_return n;
}

std::size_t stream::write_now(std::span<const asio::const_buffer> buffers, error_code& ec) {
    const auto n = socket_.write_some(buffers, ec);
    bytes_written_ += n;
    return n;
}

bool stream::is_writable() noexcept {
    pollfd one{socket_.native_handle(), POLLOUT, 0};
    return ::poll(&one, 1, 0) == 1 && (one.revents & POLLOUT) != 0;
}

std::span<asio::const_buffer> drop_front(std::span<asio::const_buffer> buffers, std::size_t n) noexcept {
    while (!buffers.empty() && n >= buffers.front().size()) {
        n -= buffers.front().size();
        buffers = buffers.subspan(1);
    }
    if (!buffers.empty()) buffers.front() += n;
    return buffers;
}

task<error_code> stream::write(std::span<const asio::const_buffer> buffers, milliseconds timeout) {
    if (timed_out_) co_return errc::client_timeout;
    error_code ec;
    auto sent = write_now(buffers, ec);
    if (ec && ec != asio::error::would_block && ec != asio::error::try_again) co_return ec;
    if (sent == asio::buffer_size(buffers)) co_return error_code{};

    std::vector<asio::const_buffer> copy(buffers.begin(), buffers.end());
    auto left = drop_front(copy, sent);
    while (!left.empty()) {
        write_deadline_.arm(timeout);
        auto [error, n] = co_await socket_.async_write_some(left, use_task);
        write_deadline_.clear();
        bytes_written_ += n;
        if (error) co_return translate(error);
        left = drop_front(left, n);
    }
    co_return error_code{};
}

task<error_code> stream::write(std::string_view bytes, milliseconds timeout) {
    const asio::const_buffer one(bytes.data(), bytes.size());
    co_return co_await write(std::span(&one, 1), timeout);
}

void stream::shutdown_send() noexcept {
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
}

void stream::abort() noexcept {
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_both, ignored);
    socket_.cancel(ignored);
}

void stream::reset() noexcept {
    error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
}

void stream::close() noexcept {
    error_code ignored;
    socket_.close(ignored);
}

} // namespace meshcache::net
