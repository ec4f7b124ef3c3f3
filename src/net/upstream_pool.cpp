#include "upstream_pool.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <sys/socket.h>

namespace meshcache::net {
namespace {

/// Cancels a connection attempt that takes too long.
class connect_deadline final : public deadline {
  public:
    connect_deadline(deadline_sweep& sweep, stream_socket& socket) : deadline(sweep), socket_(socket) {}
    bool passed() const noexcept { return passed_; }

  private:
    void on_deadline() noexcept override {
        passed_ = true;
        error_code ignored;
        socket_.cancel(ignored);
    }
    stream_socket& socket_;
    bool passed_ = false;
};

} // namespace

void upstream_lease::give_back() noexcept {
    if (connection_) pool_->put_back(std::move(connection_));
}

void upstream_lease::discard() noexcept {
    if (connection_) {
        connection_.reset();
        pool_->gone();
    }
}

upstream_pool::upstream_pool(poller& readiness, const settings& cfg, deadline_sweep& sweep,
                             metrics_slab& counters)
    : ex_(readiness.get_executor()), poller_(readiness), cfg_(cfg), sweep_(sweep), counters_(counters),
      addresses_(ex_, cfg.upstream, cfg.upstream_resolve_interval) {}

upstream_pool::~upstream_pool() { in_use_.clear(); }

std::unique_ptr<upstream_connection> upstream_pool::take_idle() {
    while (!idle_.empty()) {
        // The one used last is the least likely to have been closed by the upstream.
        auto connection = std::move(idle_.back());
        idle_.pop_back();
        // Bytes that come unasked would be taken for the answer to the next request.
        if (connection->io.look() == stream::sight::nothing) return connection;
        connection.reset();
        --open_;
    }
    return nullptr;
}

upstream_lease upstream_pool::lend_idle() {
    auto connection = take_idle();
    if (!connection) return {};
    connection->reused = true;
    in_use_.push_back(connection->io);
    return {*this, std::move(connection)};
}

upstream_lease upstream_pool::acquire_idle() {
    if (stopped_ || !waiting_.empty() || idle_.size() <= promised_) return {};
    return lend_idle();
}

task<upstream_lease> upstream_pool::acquire(bool fresh, error_code& ec) {
    ec = {};
    const auto until = sweep_.now() + cfg_.upstream_connect_timeout;
    bool queued = false; // whoever has waited goes before those who come
    for (;;) {
        if (stopped_) {
            ec = errc::shutting_down;
            co_return upstream_lease{};
        }
        const std::size_t room = idle_.size() + cfg_.upstream_connections - open_;
        const bool my_turn = queued || (waiting_.empty() && room > promised_);
        if (!fresh && my_turn) {
            if (auto lease = lend_idle()) co_return lease;
        } else if (my_turn && open_ >= cfg_.upstream_connections && !idle_.empty()) {
            idle_.erase(idle_.begin());
            --open_;
        }
        if (my_turn && open_ < cfg_.upstream_connections) break;

        event turn(ex_);
        if (queued) {
            waiting_.push_front(&turn);
        } else {
            waiting_.push_back(&turn);
        }
        queued = true;
        const bool came = co_await turn.wait(std::max(until - sweep_.now(), steady_time::duration{1}));
        const bool promised = std::erase(waiting_, &turn) == 0;
        if (promised) --promised_;
        if (!came) {
            if (promised) promise(); // to the next one
            ec = errc::upstream_busy;
            counters_.add(counter::timeout_upstream_busy);
            co_return upstream_lease{};
        }
    }
    co_return co_await connect(ec);
}

task<upstream_lease> upstream_pool::connect(error_code& ec) {
    ++open_; // counts while it is being opened, too
    const auto started = std::chrono::steady_clock::now();
    const auto addresses = co_await addresses_.get(ec, sweep_.now(), cfg_.upstream_connect_timeout);
    bool late = false;
    for (std::size_t i = 0; i < addresses.size() && !stopped_; ++i) {
        const auto& address = addresses[(next_address_ + i) % addresses.size()];
        const auto spent =
            std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - started);
        const auto left = cfg_.upstream_connect_timeout - spent;
        if (left <= milliseconds::zero()) {
            late = true;
            break;
        }
        stream_socket socket(ex_);
        connect_deadline limit(sweep_, socket);
        // One address that swallows packets must not use up the time of the others.
        limit.arm(std::max(left / static_cast<int>(addresses.size() - i), milliseconds{1}));
        connecting_.push_back(&socket);
        auto [error] = co_await socket.async_connect(address, use_task);
        std::erase(connecting_, &socket);
        if (stopped_) break;
        late = limit.passed();
        if (error) continue;

        error_code ignored;
        socket.non_blocking(true, ignored);
        if (address.protocol().family() != AF_UNIX) {
            socket.set_option(asio::ip::tcp::no_delay(true), ignored);
        }
        auto connection = std::make_unique<upstream_connection>(poller_, sweep_);
        error = connection->io.open(descriptor(socket.release(ignored)));
        if (error) continue;
        next_address_ = (next_address_ + i) % addresses.size();
        counters_.add(counter::upstream_connects);
        in_use_.push_back(connection->io);
        ec = {};
        co_return upstream_lease(*this, std::move(connection));
    }
    gone();
    addresses_.distrust();
    if (stopped_) {
        ec = errc::shutting_down;
    } else if (!ec) {
        if (late) counters_.add(counter::timeout_upstream_connect);
        ec = late ? errc::upstream_connect_timeout : errc::upstream_refused;
    }
    co_return upstream_lease{};
}

void upstream_pool::put_back(std::unique_ptr<upstream_connection> connection) noexcept {
    connection->io.read_deadline().clear();
    connection->io.unlink();
    connection->idle_since = sweep_.now();
    if (stopped_ || cfg_.upstream_keepalive <= milliseconds::zero() || !connection->in.empty() ||
        connection->io.timed_out()) {
        connection.reset();
        gone();
        return;
    }
    idle_.push_back(std::move(connection));
    promise();
}

void upstream_pool::promise() noexcept {
    if (waiting_.empty()) return;
    waiting_.front()->set();
    waiting_.pop_front();
    ++promised_;
}

void upstream_pool::gone() noexcept {
    --open_;
    promise();
}

void upstream_pool::close_idle(steady_time now) {
    // Oldest first, since connections are taken from and put to the back.
    const auto first_young = std::find_if(idle_.begin(), idle_.end(), [&](const auto& c) {
        return now - c->idle_since < cfg_.upstream_keepalive;
    });
    open_ -= static_cast<std::size_t>(first_young - idle_.begin());
    idle_.erase(idle_.begin(), first_young);
    // One that will be taken again at once keeps its buffer.
    for (const auto& c : idle_) {
        if (now - c->idle_since >= deadline_sweep::resolution) c->in.release();
    }
}

void upstream_pool::stop() {
    stopped_ = true;
    addresses_.stop();
    open_ -= idle_.size();
    idle_.clear();
    for (auto& io : in_use_) io.abort();
    for (auto* socket : connecting_) {
        error_code ignored;
        socket->cancel(ignored);
    }
    while (!waiting_.empty()) promise();
}

} // namespace meshcache::net
