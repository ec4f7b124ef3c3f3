#pragma once
// The Asio types of this floor, with concrete executors: a type-erased executor costs an allocation and an
// indirect call for every operation.
#include <meshcache/base/error.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace meshcache::net {

namespace asio = boost::asio;

using executor = asio::io_context::executor_type;
using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, executor>;
/// One socket type for TCP and unix sockets alike.
using stream_socket = asio::basic_stream_socket<asio::generic::stream_protocol, executor>;

template <class T>
using task = asio::awaitable<T, executor>;

/// Completion token: `auto [ec, ...] = co_await op(..., use_task);` Nothing throws.
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<executor>> use_task{};

} // namespace meshcache::net
