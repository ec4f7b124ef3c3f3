#include "admin_client.hpp"
#include "version.hpp"

#include <meshcache/base/error.hpp>
#include <meshcache/base/units.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace meshcache::app {
namespace {

namespace asio = boost::asio;
namespace bhttp = boost::beast::http;

using outcome = parsed<admin_answer>;
using any_endpoint = asio::generic::stream_protocol::endpoint;

constexpr asio::as_tuple_t<asio::use_awaitable_t<>> use_task{};

outcome failure(const endpoint& at, const std::string& why) {
    return outcome::failure(at.to_string() + ": " + why);
}

/// What may be done about a connection that did not come about.
std::string advice(error_code ec) {
    if (ec == asio::error::connection_refused || ec == boost::system::errc::no_such_file_or_directory)
        return "; does meshcache run there? --admin or MESHCACHE_ADMIN says where its admin port is";
    return {};
}

asio::awaitable<outcome> talk(const endpoint& at, const admin_request& wanted, const std::string& token,
                              bool& resolving) {
    const auto executor = co_await asio::this_coro::executor;
    std::vector<any_endpoint> addresses;
    if (at.is_unix()) {
        std::string path = at.unix_path;
        if (path.front() == '@') path.front() = '\0';
        addresses.emplace_back(asio::local::stream_protocol::endpoint(path));
    } else {
        asio::ip::tcp::resolver resolver(executor);
        resolving = true;
        auto [ec, found] = co_await resolver.async_resolve(at.host, std::to_string(at.port), use_task);
        resolving = false;
        if (ec) co_return failure(at, "cannot resolve " + in_quotes(at.host) + ": " + ec.message());
        for (const auto& f : found) addresses.emplace_back(f.endpoint());
    }

    asio::generic::stream_protocol::socket socket(executor);
    error_code last = asio::error::host_not_found;
    for (const auto& address : addresses) {
        error_code ignored;
        socket.close(ignored);
        socket.open(address.protocol(), last);
        if (last) continue;
        std::tie(last) = co_await socket.async_connect(address, use_task);
        if (!last) break;
    }
    if (last) co_return failure(at, "cannot connect: " + last.message() + advice(last));

    bhttp::request<bhttp::string_body> request(wanted.post ? bhttp::verb::post : bhttp::verb::get,
                                               wanted.target, 11);
    request.set(bhttp::field::host, at.is_unix() ? "localhost" : at.to_string());
    request.set(bhttp::field::user_agent, "meshcache/" + std::string(version()));
    request.set(bhttp::field::connection, "close");
    if (!token.empty()) request.set(bhttp::field::authorization, "Bearer " + token);
    if (!wanted.json.empty()) {
        request.set(bhttp::field::content_type, "application/json");
        request.body() = wanted.json;
    }
    request.prepare_payload();
    auto [write_error, written] = co_await bhttp::async_write(socket, request, use_task);
    static_cast<void>(written);

    // A server that refuses what it has read so far may answer before it has taken everything.
    boost::beast::flat_buffer buffer;
    bhttp::response_parser<bhttp::string_body> parser;
    parser.body_limit(max_admin_answer);
    auto [read_error, read] = co_await bhttp::async_read(socket, buffer, parser, use_task);
    static_cast<void>(read);
    if (read_error && write_error) co_return failure(at, "cannot send: " + write_error.message());
    if (read_error == bhttp::error::end_of_stream)
        co_return failure(at, "the connection was closed without an answer");
    if (read_error) co_return failure(at, "no sound HTTP answer: " + read_error.message());
    auto& response = parser.get();
    const auto type = response[bhttp::field::content_type];
    co_return admin_answer{static_cast<int>(response.result_int()), std::string(type.data(), type.size()),
                           std::move(response.body())};
}

} // namespace

parsed<admin_answer> ask_admin(const endpoint& at, const admin_request& request, const std::string& token,
                               milliseconds timeout) {
    std::optional<outcome> out;
    auto io = std::make_unique<asio::io_context>(1);
    bool resolving = false;
    const auto whole = [&]() -> asio::awaitable<void> {
        out.emplace(co_await talk(at, request, token, resolving));
    };
    asio::co_spawn(*io, whole(), [](std::exception_ptr failed) {
        if (failed) std::rethrow_exception(failed);
    });
    io->run_for(timeout);
    if (out) return *std::move(out);
    // Its end would wait for the resolver, which may take much longer; the process ends first.
    if (resolving) static_cast<void>(io.release());
    std::string why = "no answer within " + format_duration(timeout);
    if (request.post && !resolving) why += "; it may have been carried out all the same";
    return failure(at, why);
}

} // namespace meshcache::app
