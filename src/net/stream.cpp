#include "stream.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>
#include <vector>

namespace meshcache::net {
namespace {

/// Bytes that one stream reads or writes before others have their turn.
constexpr std::size_t most_in_a_turn = 256 * 1024;

error_code last_error() noexcept {
    // EAGAIN and EWOULDBLOCK are one.
    if (errno == EAGAIN) return asio::error::would_block;
    return {errno, boost::system::system_category()};
}

} // namespace

stream::stream(poller& readiness, deadline_sweep& sweep) noexcept
    : poller_(readiness), read_deadline_(sweep, *this), write_deadline_(sweep, *this) {}

error_code stream::open(descriptor socket) noexcept {
    attach(std::move(socket));
    return poller_.watch(socket_.get(), *this);
}

void stream::attach(descriptor socket) noexcept {
    socket_ = std::move(socket);
    readable_ = ended_ = timed_out_ = read_cancelled_ = broken_off_ = false;
    reads_in_a_row_ = 0;
    read_in_a_row_ = 0;
    bytes_read_ = bytes_written_ = 0;
}

descriptor stream::detach() noexcept {
    read_deadline_.clear();
    write_deadline_.clear();
    return std::move(socket_);
}

void stream::on_ready(std::uint32_t events) noexcept {
    const bool in = (events & input) != 0;
    if (in) {
        readable_ = true;
        ended_ = ended_ || (events & ended) != 0;
    }
    const bool out = (events & output) != 0;
    // Whoever is resumed here may take this stream away, so the other one comes later.
    if (out && in && reader_.waited_for()) {
        writer_.post(poller_.get_executor(), {});
    } else if (out) {
        return writer_.complete();
    }
    if (in) reader_.complete();
}

void stream::expire() noexcept {
    timed_out_ = true;
    cancel();
}

void stream::cancel() noexcept {
    cancel_read();
    writer_.post(poller_.get_executor(), asio::error::operation_aborted);
}

void stream::cancel_read() noexcept {
    read_cancelled_ = true;
    reader_.post(poller_.get_executor(), asio::error::operation_aborted);
}

error_code stream::translate(error_code ec) const noexcept {
    if (ec == asio::error::operation_aborted && timed_out_) return errc::client_timeout;
    return ec;
}

std::size_t stream::read_now(std::span<char> into, error_code& ec) noexcept {
    const auto n = ::recv(socket_.get(), into.data(), into.size(), 0);
    if (n > 0) {
        const auto got = static_cast<std::size_t>(n);
        // Less than there was room for is all that there was (epoll(7)); for more, the poller calls.
        readable_ = ended_ || got == into.size();
        bytes_read_ += got;
        ec = {};
        return got;
    }
    ec = n == 0 ? error_code(asio::error::eof) : last_error();
    if (ec == asio::error::would_block) readable_ = false;
    return 0;
}

task<std::size_t> stream::read_some(std::span<char> into, error_code& ec) {
    constexpr unsigned most_reads = 16;
    read_cancelled_ = false;
    for (;;) {
        if (timed_out_ || read_cancelled_ || !socket_) {
            ec = translate(asio::error::operation_aborted);
            co_return 0;
        }
        if (readable_) {
            if (reads_in_a_row_ < most_reads && read_in_a_row_ < most_in_a_turn) {
                const auto n = read_now(into, ec);
                ++reads_in_a_row_;
                read_in_a_row_ += n;
                if (ec != asio::error::would_block) co_return n;
            } else {
                reads_in_a_row_ = 0;
                read_in_a_row_ = 0;
                (void)co_await asio::post(poller_.get_executor(), use_task);
            }
            continue;
        }
        reads_in_a_row_ = 0;
        read_in_a_row_ = 0;
        const auto [waited] = co_await reader_.wait();
        ec = translate(waited);
        if (ec) co_return 0;
    }
}

std::size_t stream::write_now(std::span<const asio::const_buffer> buffers, error_code& ec) noexcept {
    constexpr std::size_t most_buffers = 64;
    std::array<iovec, most_buffers> vectors;
    ec = {};
    std::size_t total = 0, skip = 0; // what the last call took of the first buffer
    broken_off_ = false;
    while (!buffers.empty()) {
        if (total >= most_in_a_turn) {
            broken_off_ = true;
            ec = asio::error::would_block;
            break;
        }
        std::size_t count = 0, wanted = 0, offset = skip;
        const std::size_t most = most_in_a_turn - total;
        for (; count < std::min(buffers.size(), most_buffers) && wanted < most; ++count, offset = 0) {
            auto left = buffers[count];
            left += offset;
            const auto size = std::min(left.size(), most - wanted);
            // sendmsg() does not write to it.
            vectors[count] = {const_cast<void*>(left.data()), size};
            wanted += size;
        }
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = count;
        const auto n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
        if (n < 0) {
            ec = last_error();
            break;
        }
        // What was not taken is tried again until the socket refuses: only then the poller calls.
        auto sent = static_cast<std::size_t>(n);
        total += sent;
        sent += skip;
        while (!buffers.empty() && sent >= buffers.front().size()) {
            sent -= buffers.front().size();
            buffers = buffers.subspan(1);
        }
        skip = sent;
    }
    bytes_written_ += total;
    return total;
}

bool stream::is_writable() const noexcept {
    pollfd one{socket_.get(), POLLOUT, 0};
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

std::optional<error_code> stream::write_at_once(std::span<asio::const_buffer>& buffers) noexcept {
    if (timed_out_) return errc::client_timeout;
    error_code ec;
    const auto sent = write_now(buffers, ec);
    if (ec != asio::error::would_block) return ec;
    buffers = drop_front(buffers, sent);
    return std::nullopt;
}

task<error_code> stream::write(std::span<const asio::const_buffer> buffers, milliseconds timeout) {
    if (timed_out_) co_return errc::client_timeout;
    error_code ec;
    auto sent = write_now(buffers, ec);
    if (ec != asio::error::would_block) co_return ec;

    std::vector<asio::const_buffer> copy(buffers.begin(), buffers.end());
    auto left = drop_front(copy, sent);
    while (!left.empty()) {
        write_deadline_.arm(timeout);
        if (std::exchange(broken_off_, false)) {
            (void)co_await asio::post(poller_.get_executor(), use_task);
        } else {
            const auto [waited] = co_await writer_.wait();
            if (waited) ec = waited;
        }
        write_deadline_.clear();
        // A deadline may have passed between the resuming and now.
        if (timed_out_) co_return errc::client_timeout;
        if (ec && ec != asio::error::would_block) co_return ec;
        sent = write_now(left, ec);
        if (ec && ec != asio::error::would_block) co_return ec;
        left = drop_front(left, sent);
    }
    co_return error_code{};
}

task<error_code> stream::write(std::string_view bytes, milliseconds timeout) {
    const asio::const_buffer one(bytes.data(), bytes.size());
    co_return co_await write(std::span(&one, 1), timeout);
}

stream::sight stream::look() const noexcept {
    char byte;
    const auto n = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0) return sight::bytes;
    return n < 0 && errno == EAGAIN ? sight::nothing : sight::end;
}

void stream::shutdown_send() noexcept { ::shutdown(socket_.get(), SHUT_WR); }

void stream::abort() noexcept {
    ::shutdown(socket_.get(), SHUT_RDWR);
    readable_ = ended_ = true;
    cancel();
}

void stream::reset() noexcept {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

void stream::close() noexcept {
    poller_.forget(*this);
    cancel();
    socket_.reset();
}

} // namespace meshcache::net
