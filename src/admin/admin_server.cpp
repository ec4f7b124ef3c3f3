#include <meshcache/admin/admin_server.hpp>
#include <meshcache/http/grammar.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <unistd.h>
#include <variant>

namespace meshcache::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;

using executor = asio::io_context::executor_type;
using stream = beast::basic_stream<asio::generic::stream_protocol, executor>;
using request = bhttp::request<bhttp::string_body>;
using response = bhttp::response<bhttp::string_body>;

using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, executor>;

constexpr asio::as_tuple_t<asio::use_awaitable_t<executor>> use_task{};
constexpr std::chrono::seconds idle_limit{30};
constexpr std::size_t most_connections = 64;

/// Equal in a time that does not depend on where they differ.
bool same_secret(std::string_view a, std::string_view b) noexcept {
    unsigned char difference = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        difference = static_cast<unsigned char>(
            difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
    }
    return difference == 0;
}

/// Whether a socket file is somebody's, and not a left-over.
bool somebody_listens(const std::string& path) {
    asio::io_context io;
    asio::local::stream_protocol::socket probe(io);
    error_code ec;
    probe.connect(asio::local::stream_protocol::endpoint(path), ec);
    return !ec;
}

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
            if (path.front() == '@') {
                path.front() = '\0';
            } else {
                if (somebody_listens(path)) return asio::error::address_in_use;
                ::unlink(path.c_str());
                unix_file_ = path;
            }
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
        for (auto* s : open_) s->close();
    }

  private:
    template <class T>
    using task = asio::awaitable<T, executor>;

    static task<void> accept_loop(std::shared_ptr<impl> self) {
        while (!self->stopped_) {
            auto [ec, socket] = co_await self->acceptor_.async_accept(use_task);
            if (ec == asio::error::operation_aborted || self->stopped_) co_return;
            if (ec) {
                timer pause(self->io_.get_executor(), std::chrono::milliseconds(100));
                (void)co_await pause.async_wait(use_task);
                continue;
            }
            if (self->open_.size() >= most_connections) continue;
            asio::co_spawn(self->io_, serve(self, stream(std::move(socket))), asio::detached);
        }
    }

    static task<void> serve(std::shared_ptr<impl> self, stream io) {
        self->open_.push_back(&io);
        struct leave {
            impl& owner;
            stream* which;
            ~leave() { std::erase(owner.open_, which); }
        } const at_end{*self, &io};

        beast::flat_buffer buffer(64 * 1024);
        for (;;) {
            bhttp::request_parser<bhttp::string_body> parser;
            parser.header_limit(16 * 1024);
            parser.body_limit(64 * 1024);
            io.expires_after(idle_limit);
            auto [read_error, read] = co_await bhttp::async_read(io, buffer, parser, use_task);
            (void)read;
            if (read_error == bhttp::error::end_of_stream) break;
            if (read_error &&
                read_error.category() != bhttp::make_error_code(bhttp::error::bad_method).category())
                co_return;
            response answer;
            if (read_error)
                answer = text(bhttp::status::bad_request, "the request is not sound HTTP\n");
            else
                answer = co_await respond(*self, parser.get());
            const bool keep = !read_error && parser.get().keep_alive();
            answer.version(read_error ? 11 : parser.get().version());
            answer.keep_alive(keep);
            answer.prepare_payload();
            if (!read_error && parser.get().method() == bhttp::verb::head) answer.body().clear();
            auto [write_error, written] = co_await bhttp::async_write(io, answer, use_task);
            (void)written;
            if (write_error || !keep) break;
        }
        error_code ignored;
        io.socket().shutdown(asio::socket_base::shutdown_send, ignored);
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

    static task<response> respond(impl& self, const request& r) {
        const std::string_view target(r.target().data(), r.target().size());
        const auto question = std::min(target.find('?'), target.size());
        const auto path = target.substr(0, question);
        const bool health = path == "/healthz" || path == "/readyz";
        if (!health && !self.token_.empty()) {
            const auto sent = r[bhttp::field::authorization];
            if (!same_secret({sent.data(), sent.size()}, "Bearer " + self.token_)) {
                auto out = text(bhttp::status::unauthorized,
                                "this port wants Authorization: Bearer and its --admin-token\n");
                out.set(bhttp::field::www_authenticate, "Bearer realm=\"meshcache admin\"");
                co_return out;
            }
        }
        if (path == "/purge") {
            if (r.method() != bhttp::verb::post) co_return wrong_method("POST");
            co_return co_await purge(self, r, target.substr(std::min(question + 1, target.size())));
        }
        co_return self.show(path, r.method());
    }

    response show(std::string_view path, bhttp::verb method) const {
        if (path != "/healthz" && path != "/readyz" && path != "/metrics" && path != "/stats")
            return text(bhttp::status::not_found,
                        "there are /healthz, /readyz, /metrics, /stats, and POST /purge\n");
        if (method != bhttp::verb::get && method != bhttp::verb::head) return wrong_method("GET, HEAD");
        if (path == "/healthz") return text(bhttp::status::ok, "ok\n");
        if (path == "/readyz") {
            const auto now = sources_.ready();
            return text(now.ready ? bhttp::status::ok : bhttp::status::service_unavailable, now.text + "\n");
        }
        if (path == "/metrics")
            return text(bhttp::status::ok, sources_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
        return text(bhttp::status::ok, sources_.stats(), "application/json");
    }

    /// 200 when nothing is left to be done, 202 when it is applied here and queued for the others.
    static task<response> purge(impl& self, const request& r, std::string_view query) {
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

        const auto report = std::make_shared<std::optional<purge_report>>();
        const auto news = std::make_shared<timer>(self.io_.get_executor());
        self.sources_.purge(*std::move(wanted), [report, news](purge_report done) {
            *report = std::move(done);
            news->cancel();
        });
        if (!*report) {
            news->expires_at(timer::time_point::max());
            (void)co_await news->async_wait(use_task);
        }
        const auto status = (*report)->acknowledged ? bhttp::status::ok : bhttp::status::accepted;
        co_return text(status, purge_json(**report), "application/json");
    }

    asio::io_context& io_;
    asio::basic_socket_acceptor<asio::generic::stream_protocol, executor> acceptor_{io_.get_executor()};
    admin_sources sources_;
    std::string token_;
    std::string unix_file_;
    std::vector<stream*> open_;
    bool stopped_ = false;
};

admin_server::admin_server(asio::io_context& io, admin_sources sources, std::string token)
    : impl_(std::make_shared<impl>(io, std::move(sources), std::move(token))) {}
admin_server::~admin_server() = default;

error_code admin_server::listen(endpoint& at) { return impl_->listen(at); }
void admin_server::stop() { impl_->stop(); }

} // namespace meshcache::admin
