#include "listener.hpp"
#include "session.hpp"
#include "time_slice.hpp"

#include <meshcache/net/client_limit.hpp>
#include <meshcache/net/worker.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <optional>
#include <pthread.h>
#include <thread>
#include <utility>

namespace meshcache::net {

void loop_context::spawn(task<void> work) { spawn(std::move(work), false); }
void loop_context::spawn_behind(task<void> work) { spawn(std::move(work), true); }

void loop_context::spawn(task<void> work, bool is_behind) {
    ++running;
    if (is_behind) ++behind;
    const auto ended = [this, is_behind] {
        --running;
        if (is_behind) --behind;
    };
    try {
        asio::co_spawn(ex, std::move(work), [this, ended](std::exception_ptr failure) {
            ended();
            if (!failure) return;
            try {
                std::rethrow_exception(failure);
            } catch (const std::exception& e) {
                shared.log->error("a connection was dropped: {}", e.what());
            }
        });
    } catch (...) { // no memory for its frame: it has not begun
        ended();
        throw;
    }
}

class worker::impl {
  public:
    impl(const settings& cfg, shared_state& shared, unsigned index)
        : io_(1), loop_(io_.get_executor(), cfg, shared), listener_(io_.get_executor()),
          ticker_(io_.get_executor()), work_(asio::make_work_guard(io_)), index_(index) {}

    ~impl() { stop(); }

    listener& acceptor() noexcept { return listener_; }
    error_code listen(endpoint& at) { return listener_.open(at, index_ == 0); }

    void start() {
        // Without either of these the loop would look alive and serve nobody, so their failure ends the
        // process.
        const auto must_not_fail = [](std::exception_ptr failure) {
            if (failure) std::terminate();
        };
        loop_.readiness.start();
        asio::co_spawn(io_, accept_loop(), must_not_fail);
        asio::co_spawn(io_, tick(), must_not_fail);
        thread_ = std::thread([this] {
            const auto name = "mc-loop-" + std::to_string(index_);
            ::pthread_setname_np(::pthread_self(), name.c_str());
            ask_to_run_soon();
            loop_.turns.begin();
            io_.run();
        });
    }

    void begin_drain() {
        asio::post(io_, [this] {
            loop_.draining = true;
            listener_.close();
            loop_.connections.for_each(&connection::begin_drain);
            publish();
            drain_began_.store(true, std::memory_order_release);
        });
    }

    /// Before the drain has begun here, a connection may still be accepted.
    bool idle() const noexcept {
        return drain_began_.load(std::memory_order_acquire) && running_.load(std::memory_order_acquire) == 0;
    }

    void request_stop() {
        asio::post(io_, [this] {
            loop_.draining = stopping_ = true;
            listener_.close();
            loop_.pool.stop();
            loop_.connections.for_each(&connection::abort);
        });
    }

    void stop() {
        if (!thread_.joinable()) return;
        request_stop();
        work_.reset();
        thread_.join();
    }

  private:
    /// A client should not wait while another thread of the same core goes on with something longer.
    void ask_to_run_soon() {
        constexpr std::chrono::microseconds slice{100}; // the shortest that there is
        if (const auto failed = ask_for_time_slice(slice))
            loop_.shared.log->debug("no short time slices for the event loops: {}", failed.message());
    }

    void publish() noexcept { running_.store(loop_.running - loop_.behind, std::memory_order_release); }

    task<void> tick() {
        while (!(stopping_ && loop_.running == 0)) {
            ticker_.expires_after(deadline_sweep::resolution);
            (void)co_await ticker_.async_wait(use_task);
            const auto now = loop_.shared.clock.steady();
            loop_.sweep.sweep(now);
            loop_.pool.close_idle(now);
            loop_.sessions.trim();
            publish();
            loop_.turns.ended();
        }
        // A name that is being resolved can be waited for by nobody now.
        io_.stop();
    }

    /// A connection that cannot be begun is closed; why, is logged once in a row.
    void begin(accepted incoming, client_limit::place place) {
        auto& shared = loop_.shared;
        error_code failed;
        try {
            auto& client = loop_.connections.add(loop_, std::move(incoming.socket), incoming.client,
                                                 listener_.local_port(), std::move(place));
            failed = client.start();
            if (failed) client.end();
        } catch (const std::bad_alloc&) {
            shared.connections.fetch_sub(1, std::memory_order_relaxed);
            failed = {ENOMEM, boost::system::system_category()};
        }
        if (failed && failed != begin_error_)
            shared.log->error("a connection was dropped: {}", failed.message());
        begin_error_ = failed;
    }

    task<void> accept_loop() {
        auto& shared = loop_.shared;
        for (;;) {
            error_code ec;
            auto incoming = co_await listener_.accept(ec);
            if (ec == asio::error::operation_aborted || loop_.draining) co_return;
            if (ec) {
                // Out of descriptors, mostly: the connection waits in the backlog, and so do we.
                if (ec != accept_error_)
                    shared.log->warn("accepting connections fails: {}; trying again every 100 ms",
                                     ec.message());
                accept_error_ = ec;
                timer pause(io_.get_executor());
                pause.expires_after(milliseconds{100});
                (void)co_await pause.async_wait(use_task);
                continue;
            }
            accept_error_ = {};
            if (shared.connections.fetch_add(1, std::memory_order_relaxed) >= loop_.cfg.max_connections) {
                shared.connections.fetch_sub(1, std::memory_order_relaxed);
                loop_.counters.add(counter::connections_refused);
                continue; // the socket closes with `incoming`
            }
            auto place = shared.clients.enter(incoming.block);
            if (!place) {
                shared.connections.fetch_sub(1, std::memory_order_relaxed);
                loop_.counters.add(counter::connections_refused_client);
                continue;
            }
            loop_.counters.add(counter::connections_accepted);
            begin(std::move(incoming), std::move(*place));
            publish();
        }
    }

    asio::io_context io_;
    loop_context loop_;
    listener listener_;
    timer ticker_;
    asio::executor_work_guard<executor> work_;
    std::thread thread_;
    std::atomic<std::size_t> running_{0};
    std::atomic<bool> drain_began_{false};
    unsigned index_;
    bool stopping_ = false;
    error_code accept_error_; ///< the last, so that it is logged once
    error_code begin_error_;  ///< likewise
};

worker::worker(const settings& cfg, shared_state& shared, unsigned index)
    : impl_(std::make_unique<impl>(cfg, shared, index)) {}
worker::~worker() = default;

error_code worker::listen(endpoint& at) { return impl_->listen(at); }
error_code worker::share_listener(const worker& first) {
    return impl_->acceptor().share(first.impl_->acceptor());
}
void worker::start() { impl_->start(); }
void worker::begin_drain() { impl_->begin_drain(); }
bool worker::idle() const noexcept { return impl_->idle(); }
void worker::request_stop() { impl_->request_stop(); }
void worker::stop() { impl_->stop(); }

} // namespace meshcache::net
