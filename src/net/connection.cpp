#include "connection.hpp"
#include "loop_context.hpp"
#include "session.hpp"

#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

namespace meshcache::net {

connection::connection(loop_context& loop, descriptor socket, const client_text& client,
                       std::string_view local_port, client_limit::place place) noexcept
    : deadline(loop.sweep), loop_(loop), socket_(std::move(socket)), place_(std::move(place)),
      client_(client), local_port_(local_port) {
    ++loop_.running;
}

connection::~connection() {
    loop_.readiness.forget(*this);
    loop_.shared.connections.fetch_sub(1, std::memory_order_relaxed);
    --loop_.running;
}

error_code connection::start() {
    arm(loop_.cfg.header_timeout);
    return loop_.readiness.watch(socket_.get(), *this);
}

void connection::end() noexcept { loop_.connections.remove(*this); }

void connection::on_ready(std::uint32_t events) noexcept {
    if (at_work_) return at_work_->on_ready(events);
    if ((events & input) == 0) return;
    try {
        serve(events);
    } catch (const std::exception& e) {
        loop_.shared.log->error("a connection was dropped: {}", e.what());
        end();
    }
}

void connection::serve(std::uint32_t events) {
    auto lease = loop_.sessions.take(loop_);
    lease->attach(*this, std::move(socket_), requests_);
    lease->on_ready(events);
    switch (lease->serve_at_once()) {
    case session::state::idle:
        rest(std::move(lease));
        return;
    case session::state::over:
        lease->detach();
        loop_.sessions.give(std::move(lease));
        end();
        return;
    case session::state::busy:
        clear();
        at_work_ = std::move(lease);
        loop_.spawn(attend());
        return;
    }
}

task<void> connection::attend() {
    // Whatever happens, the connection goes on without a coroutine, or ends.
    struct ending {
        connection& c;
        bool sound = false, stays = false;
        ~ending() {
            auto lease = std::move(c.at_work_);
            if (stays) {
                c.rest(std::move(lease));
                return;
            }
            if (sound) {
                lease->detach();
                c.loop_.sessions.give(std::move(lease));
            }
            c.end();
        }
    } ending{*this};
    ending.stays = co_await at_work_->run() == session::state::idle;
    ending.sound = true;
}

void connection::rest(session_lease lease) noexcept {
    requests_ = lease->requests();
    socket_ = lease->detach();
    loop_.sessions.give(std::move(lease));
    arm(requests_ > 0 ? loop_.cfg.keepalive_timeout : loop_.cfg.header_timeout);
}

void connection::on_deadline() noexcept {
    loop_.counters.add(counter::timeout_keepalive);
    end();
}

void connection::begin_drain() noexcept {
    if (!at_work_) return end();
    at_work_->begin_drain();
}

void connection::abort() noexcept {
    if (!at_work_) return end();
    at_work_->abort();
}

} // namespace meshcache::net
