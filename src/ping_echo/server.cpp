#include "server.hpp"

#include <meshcache/http/grammar.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http.hpp>
#include <boost/core/ignore_unused.hpp>

#include <exception>
#include <utility>

namespace meshcache::ping_echo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t most_connections = 4096;
constexpr std::uint64_t largest_content = std::uint64_t{8} << 20U;
constexpr std::uint32_t largest_head = 64U << 10U;
constexpr seconds idle_limit{90}; // above the time for which a proxy usually keeps idle connections
constexpr milliseconds accept_pause{100};

http::response<http::string_body> make_response(const answer& from, wall_time now,
                                                const http::request<http::string_body>& to) {
    http::response<http::string_body> out{static_cast<http::status>(from.status), to.version()};
    out.set(http::field::server, "ping-echo");
    out.set(http::field::date, meshcache::http::format_date(now));
    out.set(http::field::content_type, "text/plain; charset=utf-8");
    out.set(http::field::cache_control, from.cache_control);
    out.keep_alive(to.keep_alive());
    const bool bodiless = from.status == 204 || from.status == 304;
    if (!bodiless) out.content_length(from.content.size());
    if (!bodiless && to.method() != http::verb::head) out.body() = from.content;
    return out;
}

} // namespace

error_code server::listen(const asio::ip::tcp::endpoint& at) {
    error_code ec;
    acceptor_.open(at.protocol(), ec);
    if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec) acceptor_.bind(at, ec);
    if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return ec;
    asio::co_spawn(io_, accept_loop(), [](const std::exception_ptr& fault) {
        if (fault) std::rethrow_exception(fault); // out of memory: run() ends with it
    });
    return {};
}

std::string server::address() const {
    error_code ec;
    const auto at = acceptor_.local_endpoint(ec);
    const auto host = at.address().to_string();
    return (at.address().is_v6() ? '[' + host + ']' : host) + ':' + std::to_string(at.port());
}

asio::awaitable<void> server::accept_loop() {
    for (;;) {
        auto [ec, socket] = co_await acceptor_.async_accept(no_throw);
        if (ec) {
            // Out of descriptors, or a connection that went before it was taken: neither is an end.
            asio::steady_timer pause(io_, accept_pause);
            co_await pause.async_wait(no_throw);
            continue;
        }
        if (connections_ >= most_connections) continue; // the socket's destructor closes it
        ++connections_;
        asio::co_spawn(io_, session(beast::tcp_stream(std::move(socket))),
                       [this](const std::exception_ptr& fault) {
                           --connections_;
                           if (fault) std::rethrow_exception(fault);
                       });
    }
}

asio::awaitable<void> server::session(beast::tcp_stream stream) {
    error_code ec;
    stream.socket().set_option(asio::ip::tcp::no_delay(true), ec);
    beast::flat_buffer buffer(largest_head);
    while (co_await exchange(stream, buffer)) {
    }
    stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ec);
}

asio::awaitable<void> server::refuse(beast::tcp_stream& stream, error_code why) {
    const bool too_large = why == http::error::body_limit || why == http::error::header_limit;
    if (why.category() != make_error_code(http::error::body_limit).category() ||
        why == http::error::end_of_stream || why == http::error::partial_message)
        co_return; // the peer is gone, or was silent for too long: nobody to tell
    log_ << "refused: " << why.message() << std::endl;
    http::response<http::string_body> response{
        too_large ? http::status::payload_too_large : http::status::bad_request, 11};
    response.set(http::field::server, "ping-echo");
    response.set(http::field::date, meshcache::http::format_date(clock_.wall()));
    response.set(http::field::content_type, "text/plain; charset=utf-8");
    response.keep_alive(false);
    response.body() = why.message() + "\n";
    response.prepare_payload();
    const auto [fault, written] = co_await http::async_write(stream, response, no_throw);
    boost::ignore_unused(fault, written);
}

asio::awaitable<bool> server::exchange(beast::tcp_stream& stream, beast::flat_buffer& buffer) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(largest_head);
    parser.body_limit(largest_content);
    stream.expires_after(idle_limit);
    const auto [read_fault, read_size] = co_await http::async_read(stream, buffer, parser, no_throw);
    boost::ignore_unused(read_size);
    if (read_fault) {
        co_await refuse(stream, read_fault);
        co_return false;
    }

    const auto request = parser.release();
    const std::string method(request.method_string());
    const std::string target(request.target());
    const bool counted = is_counted(target);
    if (counted) ++count_;
    const auto answered = make_answer({method, target, request.body()}, defaults_, count_);
    log_ << method << ' ' << target << ' ' << answered.status
         << (counted ? " count=" + std::to_string(count_) : std::string{}) << std::endl;

    if (answered.delay.count() > 0) {
        asio::steady_timer timer(io_, answered.delay);
        co_await timer.async_wait(no_throw);
    }
    const auto response = make_response(answered, clock_.wall(), request);
    stream.expires_after(idle_limit);
    const auto [write_fault, written] = co_await http::async_write(stream, response, no_throw);
    boost::ignore_unused(written);
    co_return !write_fault && response.keep_alive();
}

} // namespace meshcache::ping_echo
