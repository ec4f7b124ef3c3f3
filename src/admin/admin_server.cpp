#include "access.hpp"
#include "hang_up_watch.hpp"

#include <meshcache/admin/admin_server.hpp>
#include <meshcache/http/grammar.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace meshcache::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;

using executor = asio::io_context::executor_type;
using stream = beast::basic_stream<asio::generic::stream_protocol, executor>;
using request = bhttp::request<bhttp::string_body>;
using request_parser = bhttp::request_parser<bhttp::string_body>;
using response = bhttp::response<bhttp::string_body>;

using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, executor>;

constexpr asio::as_tuple_t<asio::use_awaitable_t<executor>> use_task{};
constexpr std::chrono::seconds idle_limit{30};   ///< between requests, and for an answer to be taken
constexpr std::chrono::seconds request_limit{5}; ///< for a request that has begun, and for the first to come
constexpr std::uint32_t max_head = 16 * 1024;
constexpr std::uint64_t max_content = 64 * 1024;
constexpr std::size_t max_rest = 1024 * 1024; ///< of a request that was refused before it was read
constexpr std::size_t most_connections = 64;
/// Requests that may wait for something, such as Redis. The connections beyond are for those that are
/// answered at once: the probes.
constexpr std::size_t most_waiting = 48;

} // namespace

class admin_server::impl : public std::enable_shared_from_this<impl> {
  public:
    impl(asio::io_context& io, admin_sources sources, std::string token)
        : io_(io), sources_(std::move(sources)), token_(std::move(token)) {}

    error_code listen(endpoint& at) {
        error_code ec;
        asio::generic::stream_protocol::endpoint address;
        if (at.is_unix()) {
            auto path = at.unix_path;
            if (path.front() == '@') path.front() = '\0';
            address = asio::local::stream_protocol::endpoint(path);
        } else {
            asio::ip::tcp::resolver resolver(io_);
            const auto found =
                resolver.resolve(at.host, std::to_string(at.port), asio::ip::resolver_base::passive, ec);
            if (ec) return ec;
            if (found.empty()) return asio::error::host_not_found;
            address = found.begin()->endpoint();
        }
        acceptor_.open(address.protocol(), ec);
        if (ec) return ec;
        if (!at.is_unix()) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
        if (ec) return ec;
        acceptor_.bind(address, ec);
        if (ec) return ec;
        if (at.is_unix() && at.unix_path.front() != '@') unix_file_ = at.unix_path;
        any_host_ = at.is_unix() || !token_.empty();
        acceptor_.listen(asio::socket_base::max_listen_connections, ec);
        if (ec) return ec;
        if (!at.is_unix() && at.port == 0) {
            asio::ip::tcp::endpoint bound;
            const auto local = acceptor_.local_endpoint(ec);
            bound.resize(local.size());
            std::memcpy(bound.data(), local.data(), local.size());
            at.port = bound.port();
        }
        asio::co_spawn(io_, accept_loop(shared_from_this()), asio::detached);
        return ec;
    }

    void stop() {
        error_code ignored;
        stopped_ = true;
        acceptor_.close(ignored);
        if (!unix_file_.empty()) ::unlink(unix_file_.c_str());
        for (auto* g : open_) g->io.close();
    }

  private:
    template <class T>
    using task = asio::awaitable<T, executor>;

    struct guest {
        stream io;
        bool is_served = false; ///< a request of it is being carried out
    };

    /// Closes the connection that has been idle for longest if there are many: whoever opens connections and
    /// says nothing must not keep the probes out. False if all have a request in progress.
    bool make_room() {
        if (open_.size() < most_connections) return true;
        const auto idle = std::find_if(open_.begin(), open_.end(), [](auto* g) { return !g->is_served; });
        if (idle == open_.end()) return false;
        (*idle)->io.close();
        open_.erase(idle);
        return true;
    }

    static task<void> accept_loop(std::shared_ptr<impl> self) {
        while (!self->stopped_) {
            auto [ec, socket] = co_await self->acceptor_.async_accept(use_task);
            if (ec == asio::error::operation_aborted || self->stopped_) co_return;
            if (ec) {
                timer pause(self->io_.get_executor(), std::chrono::milliseconds(100));
                (void)co_await pause.async_wait(use_task);
                continue;
            }
            if (self->make_room()) asio::co_spawn(self->io_, serve(self, std::move(socket)), asio::detached);
        }
    }

    static task<void> serve(std::shared_ptr<impl> self, stream::socket_type socket) {
        guest g{stream(std::move(socket))};
        auto& io = g.io;
        self->open_.push_back(&g);
        struct leave {
            impl& owner;
            guest* which;
            ~leave() { std::erase(owner.open_, which); }
        } const at_end{*self, &g};

        beast::flat_buffer buffer(64 * 1024);
        for (bool first = true;; first = false) {
            if (buffer.size() == 0) {
                io.expires_after(first ? request_limit : idle_limit);
                auto [wait_error, n] = co_await io.async_read_some(buffer.prepare(4096), use_task);
                if (wait_error) break;
                buffer.commit(n);
            }
            request_parser parser;
            parser.header_limit(max_head);
            parser.body_limit(max_content);
            io.expires_after(request_limit);
            std::optional<response> refusal;
            const error_code read_error = co_await receive(*self, io, buffer, parser, refusal);
            if (read_error == bhttp::error::end_of_stream) break;
            if (read_error &&
                read_error.category() != bhttp::make_error_code(bhttp::error::bad_method).category())
                co_return;
            response answer;
            if (read_error) {
                answer = unreadable(read_error);
            } else if (refusal) {
                answer = *std::move(refusal);
            } else {
                g.is_served = true;
                answer = co_await respond(*self, g, parser.get());
                g.is_served = false;
                // What was used last is the last to go.
                std::erase(self->open_, &g);
                self->open_.push_back(&g);
            }
            const bool whole = !read_error && !refusal;
            const bool keep = whole && parser.get().keep_alive();
            answer.version(read_error ? 11 : parser.get().version());
            answer.keep_alive(keep);
            answer.prepare_payload();
            if (!read_error && parser.get().method() == bhttp::verb::head) answer.body().clear();
            io.expires_after(idle_limit);
            auto [write_error, written] = co_await bhttp::async_write(io, answer, use_task);
            (void)written;
            if (write_error) break;
            if (!whole) {
                co_await take_rest(g);
                co_return;
            }
            if (!keep) break;
        }
        error_code ignored;
        io.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    }

    /// Reads a request. Who waits to be asked for its content is asked for it, unless the head is reason
    /// enough for a `refusal` (RFC 9110, section 10.1.1).
    static task<error_code> receive(impl& self, stream& io, beast::flat_buffer& buffer,
                                    request_parser& parser, std::optional<response>& refusal) {
        auto [head_error, head_size] = co_await bhttp::async_read_header(io, buffer, parser, use_task);
        (void)head_size;
        if (head_error) co_return head_error;
        const bool content_comes = parser.is_done() || buffer.size() != 0;
        if (!content_comes && expects_continue(parser.get())) {
            refusal = self.refuse(parser.get());
            if (refusal) co_return error_code{};
            constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
            auto [write_error, written] =
                co_await asio::async_write(io, asio::buffer(go_on.data(), go_on.size()), use_task);
            (void)written;
            if (write_error) co_return write_error;
        }
        auto [read_error, size] = co_await bhttp::async_read(io, buffer, parser, use_task);
        (void)size;
        co_return read_error;
    }

    static bool expects_continue(const request& r) {
        const auto expected = r[bhttp::field::expect];
        return r.version() >= 11 && r.count(bhttp::field::expect) == 1 &&
               http::iequals({expected.data(), expected.size()}, "100-continue");
    }

    /// A socket that is closed with bytes unread is reset, and the answer may be lost on its way.
    static task<void> take_rest(guest& g) {
        error_code ignored;
        g.io.socket().shutdown(asio::socket_base::shutdown_send, ignored);
        g.io.expires_after(request_limit);
        std::array<char, 4096> dropped;
        for (std::size_t taken = 0; taken < max_rest;) {
            auto [ec, n] = co_await g.io.async_read_some(asio::buffer(dropped), use_task);
            if (ec) break;
            taken += n;
        }
    }

    /// To a request that could not be read (RFC 9110, section 15.5.14; RFC 6585, section 5).
    static response unreadable(error_code why) {
        if (why == bhttp::error::body_limit)
            return text(bhttp::status::payload_too_large, "the content is larger than 64KiB\n");
        if (why == bhttp::error::header_limit)
            return text(bhttp::status::request_header_fields_too_large, "the head is larger than 16KiB\n");
        return text(bhttp::status::bad_request, "the request is not sound HTTP\n");
    }

    static response text(bhttp::status status, std::string body,
                         std::string_view type = "text/plain; charset=utf-8") {
        response out(status, 11);
        out.set(bhttp::field::content_type, type);
        out.set(bhttp::field::cache_control, "no-store");
        out.body() = std::move(body);
        return out;
    }

    static response wrong_method(std::string_view allowed) {
        auto out = text(bhttp::status::method_not_allowed, "only " + std::string(allowed) + "\n");
        out.set(bhttp::field::allow, {allowed.data(), allowed.size()});
        return out;
    }

    /// The path of a request, and its query.
    static std::pair<std::string_view, std::string_view> split_target(const request& r) {
        const std::string_view target(r.target().data(), r.target().size());
        const auto question = std::min(target.find('?'), target.size());
        return {target.substr(0, question), target.substr(std::min(question + 1, target.size()))};
    }

    /// What a request gets whose head is reason enough to do nothing for it.
    std::optional<response> refuse(const request& r) const {
        const auto path = split_target(r).first;
        const bool health = path == "/healthz" || path == "/readyz";
        if (!health && !token_.empty()) {
            const auto sent = r[bhttp::field::authorization];
            if (!carries_token({sent.data(), sent.size()}, token_)) {
                auto out = text(bhttp::status::unauthorized,
                                "this port wants Authorization: Bearer and its --admin-token\n");
                out.set(bhttp::field::www_authenticate, "Bearer realm=\"meshcache admin\"");
                return out;
            }
        }
        if (r.count(bhttp::field::host) > 1) // RFC 9112, section 3.2
            return text(bhttp::status::bad_request, "the request has more than one Host\n");
        const auto host = r[bhttp::field::host];
        if (!health && !any_host_ && !names_this_machine({host.data(), host.size()}))
            return text(bhttp::status::misdirected_request,
                        "without --admin-token this port answers to IP addresses and localhost, and to no "
                        "other name\n");
        if (r.version() >= 11 && r.count(bhttp::field::expect) != 0 && !expects_continue(r))
            return text(bhttp::status::expectation_failed, "the only expectation is 100-continue\n");
        return std::nullopt;
    }

    static task<response> respond(impl& self, guest& g, const request& r) {
        if (auto refusal = self.refuse(r)) co_return *std::move(refusal);
        const auto [path, query] = split_target(r);
        const bool reads = r.method() == bhttp::verb::get || r.method() == bhttp::verb::head;
        if (path == "/purge" && r.method() != bhttp::verb::post) co_return wrong_method("POST");
        if (path != "/purge" && !(reads && (path == "/stats" || path == "/inspect")))
            co_return self.show(path, r.method());

        if (self.waiting_ >= most_waiting) {
            auto out = text(bhttp::status::service_unavailable,
                            "too many requests to this port wait for their answers; nothing was done\n");
            out.set(bhttp::field::retry_after, "1");
            co_return out;
        }
        struct place {
            std::size_t& taken;
            ~place() { --taken; }
        } const one{++self.waiting_};
        if (path == "/purge") co_return co_await purge(self, g, r, query);
        if (path == "/stats") {
            auto page =
                co_await answer_of<std::string>(self, [&self](auto done) { self.sources_.stats(done); });
            co_return text(bhttp::status::ok, std::move(page), "application/json");
        }
        co_return co_await inspect(self, query);
    }

    response show(std::string_view path, bhttp::verb method) const {
        constexpr std::array<std::string_view, 5> known{"/healthz", "/readyz", "/metrics", "/stats",
                                                        "/inspect"};
        if (std::find(known.begin(), known.end(), path) == known.end())
            return text(bhttp::status::not_found,
                        "there are /healthz, /readyz, /metrics, /stats, /inspect, and POST /purge\n");
        if (method != bhttp::verb::get && method != bhttp::verb::head) return wrong_method("GET, HEAD");
        if (path == "/healthz") return text(bhttp::status::ok, "ok\n");
        if (path == "/readyz") {
            const auto now = sources_.ready();
            return text(now.ready ? bhttp::status::ok : bhttp::status::service_unavailable, now.text + "\n");
        }
        return text(bhttp::status::ok, sources_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    }

    /// What `start` hands over to the function that it is given, on this loop's thread, now or later.
    template <class T>
    static task<T> answer_of(impl& self, std::function<void(std::function<void(T)>)> start) {
        const auto answer = std::make_shared<std::optional<T>>();
        const auto news = std::make_shared<timer>(self.io_.get_executor());
        start([answer, news](T value) {
            *answer = std::move(value);
            news->cancel();
        });
        if (!*answer) {
            news->expires_at(timer::time_point::max());
            (void)co_await news->async_wait(use_task);
        }
        co_return **std::move(answer);
    }

    static task<response> inspect(impl& self, std::string_view query) {
        const auto wanted = read_inspect(query);
        if (!wanted) co_return text(bhttp::status::bad_request, wanted.error + "\n");
        const auto found = co_await answer_of<inspection>(
            self, [&self, &wanted](auto done) { self.sources_.inspect(*wanted, done); });
        co_return text(bhttp::status::ok, inspection_json(found), "application/json");
    }

    /// 200 when nothing is left to be done, 202 when it is applied here and on its way to the others.
    static task<response> purge(impl& self, guest& g, const request& r, std::string_view query) {
        // A page in somebody's browser must not purge by a form that it posts to a loopback address.
        if (r.count(bhttp::field::origin) != 0)
            co_return text(bhttp::status::forbidden, "purges are not for browsers: the request has Origin\n");
        const auto type = r[bhttp::field::content_type];
        const std::string_view media = std::string_view(type.data(), type.size()).substr(0, type.find(';'));
        if (!r.body().empty() && !http::iequals(http::trim(media), "application/json"))
            co_return text(bhttp::status::unsupported_media_type,
                           "the content of a purge is JSON: Content-Type: application/json\n");
        auto wanted = read_purge(query, r.body());
        if (!wanted) co_return text(bhttp::status::bad_request, wanted.error + "\n");

        const hang_up_watch watch(g.io.socket());
        const auto report = co_await answer_of<purge_report>(
            self, [&](auto done) { self.sources_.purge(*std::move(wanted), watch.gone(), done); });
        const auto status = report.complete() ? bhttp::status::ok : bhttp::status::accepted;
        co_return text(status, purge_json(report), "application/json");
    }

    asio::io_context& io_;
    asio::basic_socket_acceptor<asio::generic::stream_protocol, executor> acceptor_{io_.get_executor()};
    admin_sources sources_;
    std::string token_;
    std::string unix_file_;
    bool any_host_ = false;    ///< a request may have any Host
    std::vector<guest*> open_; ///< in the order in which they were last used
    std::size_t waiting_ = 0;  ///< requests whose answer is not there at once
    bool stopped_ = false;
};

admin_server::admin_server(asio::io_context& io, admin_sources sources, std::string token)
    : impl_(std::make_shared<impl>(io, std::move(sources), std::move(token))) {}
admin_server::~admin_server() = default;

error_code admin_server::listen(endpoint& at) { return impl_->listen(at); }
void admin_server::stop() { impl_->stop(); }

} // namespace meshcache::admin
