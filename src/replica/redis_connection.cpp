#include "redis_connection.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#if defined(MESHCACHE_HIREDIS_SSL)
#include <hiredis/hiredis_ssl.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <deque>
#include <memory_resource>
#include <new>
#include <utility>
#include <vector>

namespace meshcache::replica {

namespace asio = boost::asio;

// ---- reply_view

namespace {

const redisReply* raw(const void* p) noexcept { return static_cast<const redisReply*>(p); }

#if defined(MESHCACHE_HIREDIS_SSL)
/// SSL_set_tlsext_host_name() without its C cast.
bool send_server_name(SSL* ssl, const std::string& host) {
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    const_cast<char*>(host.c_str())) == 1;
}
#endif

} // namespace

reply_view::kind reply_view::what() const noexcept {
    switch (raw(raw_)->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        return kind::text;
    case REDIS_REPLY_ERROR:
        return kind::error;
    case REDIS_REPLY_INTEGER:
        return kind::integer;
    case REDIS_REPLY_ARRAY:
        return kind::array;
    default:
        return kind::nil; // RESP2 has no other
    }
}

std::string_view reply_view::text() const noexcept {
    const kind k = what();
    if (k != kind::text && k != kind::error) return {};
    return {raw(raw_)->str, static_cast<std::size_t>(raw(raw_)->len)};
}

std::int64_t reply_view::integer() const noexcept { return what() == kind::integer ? raw(raw_)->integer : 0; }

std::size_t reply_view::size() const noexcept { return what() == kind::array ? raw(raw_)->elements : 0; }

reply_view reply_view::operator[](std::size_t i) const noexcept { return reply_view(raw(raw_)->element[i]); }

// ---- memory for replies

namespace {

/// Replies are built in memory that is used again, in the place of one or two allocations for each element.
using reply_memory = std::pmr::monotonic_buffer_resource;

template <class T>
T* allocate(const redisReadTask* task, std::size_t count) {
    return static_cast<T*>(
        static_cast<reply_memory*>(task->privdata)->allocate(count * sizeof(T), alignof(T)));
}

/// A reply of the task's type, `fill`ed and put in its place in the array that it belongs to; null without
/// memory, which hiredis takes for the end of the connection.
template <class Fill>
void* make_reply(const redisReadTask* task, Fill fill) noexcept {
    try {
        auto* const reply = new (allocate<redisReply>(task, 1)) redisReply{};
        reply->type = task->type;
        fill(*reply);
        if (task->parent != nullptr) static_cast<redisReply*>(task->parent->obj)->element[task->idx] = reply;
        return reply;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

redisReplyObjectFunctions reply_functions() {
    redisReplyObjectFunctions out{}; // newer hiredis has more of them, for RESP3
    out.createString = [](const redisReadTask* task, char* text, std::size_t size) {
        return make_reply(task, [&](redisReply& reply) {
            reply.str = allocate<char>(task, size + 1);
            *std::copy_n(text, size, reply.str) = '\0'; // hiredis prints errors
            reply.len = size;
        });
    };
    // Of int or size_t, by the version of hiredis.
    out.createArray = [](const redisReadTask* task, auto size) -> void* {
        return make_reply(task, [&](redisReply& reply) {
            reply.elements = static_cast<std::size_t>(size);
            reply.element = allocate<redisReply*>(task, reply.elements);
            std::fill_n(reply.element, reply.elements, nullptr);
        });
    };
    out.createInteger = [](const redisReadTask* task, long long value) {
        return make_reply(task, [&](redisReply& reply) { reply.integer = value; });
    };
    out.createNil = [](const redisReadTask* task) { // in the place of a string, or of an array
        return make_reply(task, [](redisReply& reply) { reply.type = REDIS_REPLY_NIL; });
    };
    out.freeObject = [](void*) {}; // with all the memory, when the reply's handler has returned
    return out;
}

} // namespace

// ---- redis_connection

namespace {

/// Memory for replies that a connection keeps.
constexpr std::size_t kept_for_replies = 16u << 10;

/// Memory for formatting commands that a connection keeps.
constexpr std::size_t max_kept_text = 64u << 10;
/// Of an argument as the protocol has it: `$`, its size, CRLF, and CRLF after it.
constexpr std::size_t max_header = 25;

} // namespace

// Who owns what: hiredis owns its context and the descriptor. `impl` waits for the descriptor through an Asio
// object that must release it before hiredis closes it: hiredis calls cleanup() at that moment, whatever the
// reason. Until then the context points to `impl`, so `impl` keeps itself alive (`keep_`).
//
// hiredis may free the context inside of any call into it. Nothing here touches `context_` after such a call
// without looking at it again.

struct redis_connection::impl : std::enable_shared_from_this<impl> {
    impl(asio::io_context& io, const clock_source& clock, turn_meter& turns, target to)
        : io_(io), clock_(clock), turns_(turns), to_(std::move(to)), resolver_(io), timer_(io),
          descriptor_(io) {}

    struct sent_command {
        steady_time deadline;
        reply_handler handler;
    };

    asio::io_context& io_;
    const clock_source& clock_;
    turn_meter& turns_;
    const target to_;
    asio::ip::tcp::resolver resolver_;
    asio::steady_timer timer_;
    asio::posix::stream_descriptor descriptor_;
    redisAsyncContext* context_ = nullptr;
    std::shared_ptr<impl> keep_;
    open_handler opened_;
    lost_handler lost_;
    std::vector<std::string> addresses_; ///< those that are still to be tried, the next one last
    std::string last_failure_ = "no address";
    std::deque<sent_command> sent_;
    std::string text_; ///< of the command that is being sent
    redisReplyObjectFunctions reply_functions_ = reply_functions();
    alignas(std::max_align_t) std::array<std::byte, kept_for_replies> reply_buffer_;
    reply_memory replies_{reply_buffer_.data(), reply_buffer_.size()}; ///< one reply at a time
    bool open_ = false;
    bool closed_ = false;
    bool timer_armed_ = false;
    bool wants_read_ = false, wants_write_ = false;
    bool waits_read_ = false, waits_write_ = false;
    bool writing_ = false; ///< hiredis is writing

    // -- connecting

    void start() {
        timer_.expires_after(to_.connect_timeout);
        timer_.async_wait([self = shared_from_this()](error_code e) {
            if (!e && !self->open_ && !self->closed_)
                self->fail(errc::redis_timeout, "connecting took longer than " +
                                                    std::to_string(self->to_.connect_timeout.count()) +
                                                    " ms");
        });
        if (std::string why = unsupported(to_); !why.empty()) {
            last_failure_ = std::move(why);
            try_next_later();
            return;
        }
        if (to_.address.is_unix()) {
            addresses_.push_back(to_.address.unix_path);
            try_next_later();
            return;
        }
        error_code not_numeric;
        const auto address = asio::ip::make_address(to_.address.host, not_numeric);
        if (!not_numeric) {
            addresses_.push_back(address.to_string());
            try_next_later();
            return;
        }
        // hiredis would resolve too, but would block this thread while it does.
        resolver_.async_resolve(to_.address.host, std::to_string(to_.address.port),
                                [self = shared_from_this()](error_code e, const auto& results) {
                                    if (self->closed_) return;
                                    if (e) self->last_failure_ = "resolving failed: " + e.message();
                                    for (const auto& r : results)
                                        self->addresses_.push_back(r.endpoint().address().to_string());
                                    std::reverse(self->addresses_.begin(), self->addresses_.end());
                                    self->try_next();
                                });
    }

    void try_next_later() {
        asio::post(io_, [self = shared_from_this()] { self->try_next(); });
    }

    void try_next() {
        if (closed_ || open_) return;
        while (!addresses_.empty()) {
            const std::string address = std::move(addresses_.back());
            addresses_.pop_back();
            redisAsyncContext* const context = to_.address.is_unix()
                                                   ? redisAsyncConnectUnix(address.c_str())
                                                   : redisAsyncConnect(address.c_str(), to_.address.port);
            if (context == nullptr) {
                last_failure_ = "out of memory";
                continue;
            }
            if (context->err != 0) {
                last_failure_ = context->errstr;
                redisAsyncFree(context);
                continue;
            }
            if (adopt(context)) return;
        }
        fail(errc::redis_unavailable, last_failure_);
    }

    bool adopt(redisAsyncContext* context) {
        error_code failed;
        if (descriptor_.assign(context->c.fd, failed); failed) {
            last_failure_ = failed.message();
            redisAsyncFree(context);
            return false;
        }
        context_ = context;
        keep_ = shared_from_this();
        context->data = this;
        context->c.reader->fn = &reply_functions_;
        context->c.reader->privdata = &replies_;
        context->ev.data = this;
        context->ev.addRead = [](void* p) { static_cast<impl*>(p)->add_read(); };
        context->ev.delRead = [](void* p) { static_cast<impl*>(p)->wants_read_ = false; };
        context->ev.addWrite = [](void* p) { static_cast<impl*>(p)->add_write(); };
        context->ev.delWrite = [](void* p) { static_cast<impl*>(p)->wants_write_ = false; };
        context->ev.cleanup = [](void* p) { static_cast<impl*>(p)->cleanup(); };
        redisAsyncSetDisconnectCallback(context, [](const redisAsyncContext* c, int) {
            static_cast<impl*>(c->data)->on_disconnect(c->errstr);
        });
        if (!secure(context)) {
            redisAsyncFree(context);
            return false;
        }
        // This one makes hiredis wait for the connection to come about, so it is the last.
        redisAsyncSetConnectCallback(context, [](const redisAsyncContext* c, int status) {
            static_cast<impl*>(c->data)->on_connect(status, c->errstr);
        });
        return true;
    }

    bool secure([[maybe_unused]] redisAsyncContext* context) {
        if (!to_.tls) return true;
#if defined(MESHCACHE_HIREDIS_SSL)
        // An SSL object of our own: hiredis' contexts do not check the host's name.
        const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> settings(SSL_CTX_new(TLS_client_method()),
                                                                         &SSL_CTX_free);
        if (!settings || SSL_CTX_set_default_verify_paths(settings.get()) != 1 ||
            SSL_CTX_set_min_proto_version(settings.get(), TLS1_2_VERSION) != 1) {
            last_failure_ = "OpenSSL gave no context";
            return false;
        }
        SSL_CTX_set_verify(settings.get(), SSL_VERIFY_PEER, nullptr);
        std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(settings.get()), &SSL_free);
        const std::string& host = to_.address.host;
        error_code not_numeric;
        asio::ip::make_address(host, not_numeric);
        const bool named =
            ssl &&
            (to_.address.is_unix() ||
             (not_numeric ? SSL_set1_host(ssl.get(), host.c_str()) == 1 && send_server_name(ssl.get(), host)
                          : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()) == 1));
        if (!named) {
            last_failure_ = "OpenSSL took no host name";
            return false;
        }
        if (redisInitiateSSL(&context->c, ssl.get()) != REDIS_OK) {
            last_failure_ = context->c.errstr;
            return false;
        }
        static_cast<void>(ssl.release()); // the context owns it now
        return true;
#else
        return false; // unsupported() has refused it
#endif
    }

    // -- what hiredis calls

    void on_connect(int status, const char* why) {
        if (closed_) return;
        if (status != REDIS_OK) {
            last_failure_ = why;
            try_next_later(); // hiredis frees the context when this returns
            return;
        }
        open_ = true;
        timer_.cancel();
        asio::post(io_, [self = shared_from_this()] {
            if (self->closed_ || !self->opened_) return;
            const open_handler opened = std::exchange(self->opened_, nullptr);
            opened({}, {});
        });
    }

    void on_disconnect(const char* why) {
        if (!closed_) fail(errc::redis_unavailable, why != nullptr && *why != '\0' ? why : "closed by Redis");
    }

    void cleanup() {
        descriptor_.release();
        wants_read_ = wants_write_ = false;
        context_ = nullptr;
        // on_disconnect() may still come: hiredis holds the pointer until it has freed the context.
        asio::post(io_, [keep = std::move(keep_)] {});
    }

    void add_read() {
        wants_read_ = true;
        if (waits_read_) return;
        waits_read_ = true;
        descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                               [self = shared_from_this(), of = context_](error_code e) {
                                   self->waits_read_ = false;
                                   if (self->context_ == nullptr) return;
                                   if (self->context_ != of || e) {
                                       // A wait for the descriptor of an earlier attempt.
                                       if (self->wants_read_) self->add_read();
                                       return;
                                   }
                                   if (self->wants_read_) redisAsyncHandleRead(of);
                                   self->turns_.ended();
                               });
    }

    void add_write() {
        wants_write_ = true;
        if (waits_write_) return;
        waits_write_ = true;
        auto ready = [self = shared_from_this(), of = context_](error_code e) {
            self->waits_write_ = false;
            if (self->context_ == nullptr) return;
            if (self->context_ != of || e) {
                if (self->wants_write_) self->add_write();
                return;
            }
            self->writing_ = true;
            if (self->wants_write_) redisAsyncHandleWrite(of);
            self->writing_ = false;
            self->turns_.ended();
            // Idempotent for hiredis; a pending write keeps the wait alive.
            if (self->context_ == of && self->wants_write_) self->add_write();
        };
        // Nearly always the socket takes at once what has been sent in this turn of the loop. Only the rest
        // of a write waits for it: to wait costs two system calls.
        if (open_ && !writing_) {
            asio::post(io_, [ready = std::move(ready)] { ready({}); });
        } else {
            descriptor_.async_wait(asio::posix::stream_descriptor::wait_write, std::move(ready));
        }
    }

    static void on_reply(redisAsyncContext* context, void* reply, void*) {
        // Null: the context goes down, and fail() or close() answers everybody at once.
        if (reply == nullptr) return;
        impl& self = *static_cast<impl*>(context->data);
        if (self.closed_ || self.sent_.empty()) return;
        const auto alive = self.shared_from_this();
        const reply_handler handler = std::move(self.sent_.front().handler);
        self.sent_.pop_front();
        const reply_view view(reply);
        handler(&view);
        self.replies_.release(); // hiredis looks at it no more, and has not begun another one
    }

    // -- commands

    /// Writes the command to `text_` as the protocol has it: for hiredis' own formatter this would be most of
    /// what a small command costs.
    void format(std::span<const std::string_view> arguments) {
        std::size_t size = max_header;
        for (const std::string_view a : arguments) size += max_header + a.size();
        text_.resize(size);
        char* at = text_.data();
        const auto put = [&at](std::string_view bytes) { at = std::copy(bytes.begin(), bytes.end(), at); };
        const auto put_header = [&at, &put](char kind, std::size_t number) {
            *at++ = kind;
            at = std::to_chars(at, at + 20, number).ptr;
            put("\r\n");
        };
        put_header('*', arguments.size());
        for (const std::string_view a : arguments) {
            put_header('$', a.size());
            put(a);
            put("\r\n");
        }
        text_.resize(static_cast<std::size_t>(at - text_.data()));
    }

    void send(std::span<const std::string_view> arguments, milliseconds timeout, reply_handler handler) {
        bool taken = false;
        if (open_ && !closed_ && context_ != nullptr) {
            format(arguments);
            taken = redisAsyncFormattedCommand(context_, &impl::on_reply, nullptr, text_.data(),
                                               text_.size()) == REDIS_OK;
            if (text_.capacity() > max_kept_text) text_ = {};
        }
        if (!taken) {
            asio::post(io_, [handler = std::move(handler)] { handler(nullptr); });
            return;
        }
        sent_.push_back({clock_.steady() + timeout, std::move(handler)});
        if (!timer_armed_) arm();
    }

    /// Waits for the deadline of the command whose reply comes next. One timer, set again only when it
    /// expires.
    void arm() {
        timer_armed_ = true;
        const auto left = std::max(sent_.front().deadline - clock_.steady(), steady_time::duration{0});
        timer_.expires_after(left + milliseconds{1});
        timer_.async_wait([self = shared_from_this()](error_code e) {
            self->timer_armed_ = false;
            if (e || self->closed_ || self->sent_.empty()) return;
            if (self->sent_.front().deadline > self->clock_.steady()) {
                self->arm();
                return;
            }
            self->fail(errc::redis_timeout, "no answer in time");
        });
    }

    // -- the end

    /// Closes, and says so to the owner, later.
    void fail(error_code error, std::string why) {
        if (closed_) return;
        const bool was_open = open_;
        asio::post(io_, [self = shared_from_this(), error, why = std::move(why), was_open,
                         opened = std::move(opened_), lost = std::move(lost_)] {
            if (self->abandoned_) return;
            // Lost before the owner heard that it was open: then it never was.
            if (opened)
                opened(error, why);
            else if (was_open && lost)
                lost(error, why);
        });
        end();
    }

    void close() {
        abandoned_ = true;
        end();
    }

    void end() {
        if (closed_) return;
        closed_ = true;
        open_ = false;
        opened_ = nullptr;
        lost_ = nullptr;
        resolver_.cancel();
        timer_.cancel();
        // Inside of one of its callbacks hiredis frees the context when that returns. From on_disconnect() it
        // has been through cleanup() already.
        if (context_ != nullptr) redisAsyncFree(context_);
        const std::deque<sent_command> unanswered = std::exchange(sent_, {});
        for (const sent_command& command : unanswered) command.handler(nullptr);
    }

    bool abandoned_ = false;
};

redis_connection::redis_connection(asio::io_context& io, const clock_source& clock, turn_meter& turns,
                                   target to)
    : impl_(std::make_shared<impl>(io, clock, turns, std::move(to))) {}

redis_connection::~redis_connection() { close(); }

std::string redis_connection::unsupported([[maybe_unused]] const target& to) {
#if !defined(MESHCACHE_HIREDIS_SSL)
    if (to.tls) return "rediss:// needs hiredis 1.x built with SSL";
#endif
    return {};
}

void redis_connection::open(open_handler opened, lost_handler lost) {
    impl_->opened_ = std::move(opened);
    impl_->lost_ = std::move(lost);
    impl_->start();
}

void redis_connection::send(std::span<const std::string_view> arguments, milliseconds timeout,
                            reply_handler handler) {
    impl_->send(arguments, timeout, std::move(handler));
}

void redis_connection::close() { impl_->close(); }

bool redis_connection::is_open() const noexcept { return impl_->open_; }

} // namespace meshcache::replica
