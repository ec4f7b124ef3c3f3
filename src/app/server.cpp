#include "heap.hpp"
#include "heap_thread.hpp"
#include "left_over_socket.hpp"
#include "log.hpp"
#include "operator_desk.hpp"
#include "purge_sweep.hpp"
#include "readiness.hpp"
#include "server.hpp"
#include "server_pages.hpp"
#include "server_settings.hpp"
#include "version.hpp"

#include <meshcache/admin/admin_server.hpp>
#include <meshcache/base/turn_meter.hpp>
#include <meshcache/net/client_limit.hpp>
#include <meshcache/net/worker.hpp>
#include <meshcache/replica/link.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <random>
#include <thread>
#include <utility>

namespace meshcache::app {
namespace {

namespace asio = boost::asio;

/// The part of --memory that fills in flight may hold; the rest is the store's.
constexpr std::size_t fill_share = 8;

/// A sanitizer looks at what is left when all destructors have run.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool checks_destructors = true;
#else
constexpr bool checks_destructors = false;
#endif

std::uint64_t random_number() {
    std::random_device device;
    return std::uniform_int_distribution<std::uint64_t>{}(device);
}

std::string hex(std::uint64_t n) {
    char out[17];
    std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(n));
    return out;
}

class server {
  public:
    explicit server(const configuration& cfg)
        : cfg_(cfg), log_(cfg.log_level, cfg.format), replica_(random_number()), started_(clock_.steady()),
          cache_({.bytes = cfg.memory - cfg.memory / fill_share,
                  .max_object = cfg.max_object,
                  .max_variants = cfg.max_variants,
                  .seed = random_number()}),
          fill_budget_(cfg.memory / fill_share), collapse_(cfg.max_object, &fill_budget_),
          versions_(replica_), proxy_(proxy_settings(cfg)),
          admin_(
              io_,
              {.ready = [this] { return readiness(); },
               .metrics = [this] { return metrics_page(sources()); },
               .stats =
                   [this](auto done) {
                       desk_.replicas([this, done](operator_desk::replica_list list) {
                           done(stats_page(sources(), std::move(list)));
                       });
                   },
               .purge =
                   [this](auto what, auto given_up, auto done) {
                       desk_.purge(std::move(what), std::move(given_up), std::move(done));
                   },
               .inspect = [this](auto what, auto done) { desk_.inspect(std::move(what), std::move(done)); }},
              cfg.admin_token) {}

    int run() {
        auto& log = *log_.messages();
        log.info("meshcache {}, replica {}, {} event {}, {} MiB of memory for the cache", version(),
                 hex(replica_), cfg_.threads, cfg_.threads == 1 ? "loop" : "loops", cfg_.memory >> 20);
        if (cfg_.consistency != consistency_mode::local) {
            if (const auto why = replica::link::check(link_settings(cfg_)); !why.empty()) {
                log.error("--redis {}: {}", cfg_.redis->redacted(), why);
                return 1;
            }
            link_.emplace(link_settings(cfg_), cache_, versions_, clock_, counters_, log_.messages());
            desk_.set_link(*link_);
        }
        shared_.emplace(net::shared_state{cache_, collapse_, fill_budget_, versions_, clock_,
                                          link_ ? &*link_ : nullptr, counters_, log_.messages(),
                                          log_.access(), connections_, &random_number, clients_});
        if (!listen()) return 1;
        if (link_) {
            link_->start(self());
            log.info("namespace {} in Redis at {}", cfg_.name_space, cfg_.redis->redacted());
        } else {
            log.info("local cache only (no --redis)");
        }
        for (auto& w : workers_) w->start();
        ready_ = true;
        wait_for_signal();
        sweep();
        heap_.emplace(cfg_.memory, [this](std::size_t waste) { hold_back(waste); });
        turn_meter turns(clock_, admin_counts_, histogram::turn_main);
        turns.begin();
        while (io_.run_one() != 0) turns.ended();
        stopper_.join();
        log.info("stopped");
        leave();
        return 0;
    }

  private:
    /// Everything has ended but, perhaps, a name that is being resolved. Asio's destructors would wait for
    /// that as long as the resolver likes, and whoever stops us may lose patience and kill.
    void leave() {
        if constexpr (checks_destructors) return;
        log_.close();
        std::_Exit(0);
    }

    bool listen() {
        for (const auto& at : {cfg_.listen, cfg_.admin}) remove_left_over(at);
        auto at = cfg_.listen;
        for (unsigned i = 0; i < cfg_.threads; ++i) {
            auto& w = workers_.emplace_back(std::make_unique<net::worker>(proxy_, *shared_, i));
            const auto ec = i > 0 && at.is_unix() ? w->share_listener(*workers_.front()) : w->listen(at);
            if (ec) return refused("--listen", at, ec);
        }
        listening_at_ = at;
        log_.messages()->info("listening on {}, upstream {}", at.to_string(), cfg_.upstream.to_string());
        at = cfg_.admin;
        if (const auto ec = admin_.listen(at)) return refused("--admin", at, ec);
        log_.messages()->info("admin listening on {}", at.to_string());
        return true;
    }

    /// What the other replicas get to know of this one.
    replica::self_description self() const {
        error_code unknown;
        replica::self_description out;
        out.version = version();
        out.host = asio::ip::host_name(unknown);
        auto at = listening_at_;
        if (at.is_wildcard() && !out.host.empty()) at.host = out.host;
        out.address = at.to_string();
        return out;
    }

    bool refused(const char* flag, const endpoint& at, error_code ec) {
        log_.messages()->error("cannot listen on {} ({}): {}", at.to_string(), flag, ec.message());
        return false;
    }

    void wait_for_signal() {
        signals_.async_wait([this](error_code ec, int number) {
            if (ec) return;
            if (number == SIGHUP) {
                log_.messages()->info("SIGHUP: there is nothing to reload");
            } else if (stopper_.joinable()) {
                // Whoever asks twice does not want to wait for Redis.
                log_.messages()->warn("another signal: leaving at once");
                log_.messages()->flush();
                std::_Exit(1);
            } else if (drain_until_) {
                log_.messages()->warn("a second signal: stopping at once");
                drain_timer_.cancel();
                stop(clock_.steady());
            } else {
                log_.messages()->info("{}: finishing what is in progress, for {} ms at the most",
                                      number == SIGTERM ? "SIGTERM" : "SIGINT", cfg_.drain_timeout.count());
                drain_until_ = clock_.steady() + cfg_.drain_timeout;
                for (auto& w : workers_) w->begin_drain();
                poll_drain();
            }
            wait_for_signal();
        });
    }

    void poll_drain() {
        constexpr milliseconds interval{10};
        const bool all =
            std::all_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->idle(); });
        // The queue needs a part of the time as well.
        const auto reserve = std::min<steady_time::duration>(cfg_.drain_timeout / 4, seconds{5});
        if (all || clock_.steady() >= *drain_until_ - (link_ ? reserve : steady_time::duration::zero())) {
            if (!all)
                log_.messages()->warn("--drain-timeout: connections with an exchange in progress are cut");
            if (!stopper_.joinable()) stop(*drain_until_);
            return;
        }
        drain_timer_.expires_after(interval);
        drain_timer_.async_wait([this](error_code ec) {
            if (!ec) poll_drain();
        });
    }

    /// Ends the workers and the link on a thread of its own: both take their time, and meanwhile the admin
    /// port and signals are still served.
    void stop(steady_time until) {
        stopper_ = std::thread([this, until] {
            for (auto& w : workers_) w->request_stop();
            for (auto& w : workers_) w->stop();
            if (link_) {
                const auto left = link_->drain(until);
                if (left > 0) {
                    log_.messages()->warn("{} changes did not reach Redis before the end", left);
                } else {
                    log_.messages()->info("every change has reached Redis");
                }
            }
            asio::post(io_, [this] {
                admin_.stop();
                signals_.cancel();
                drain_timer_.cancel();
                sweep_timer_.cancel();
                io_.stop();
            });
        });
    }

    void sweep() {
        constexpr milliseconds pause{50}, breath{1};
        const bool more = purge_sweep_.step();
        admin_counts_.add(counter::removed_purged, cache_.take_purged());
        sweep_timer_.expires_after(more ? breath : pause);
        sweep_timer_.async_wait([this](error_code ec) {
            if (!ec) sweep();
        });
    }

    /// What the heap wastes comes out of what fills do not use of their share, and then out of the store's.
    /// On the heap's thread.
    void hold_back(std::size_t waste) {
        const std::size_t fills = std::min(fill_budget_.used(), fill_budget_.limit());
        const std::size_t spare = fill_budget_.limit() - fills;
        cache_.hold_back(waste > spare ? waste - spare : 0);
    }

    admin::readiness readiness() {
        readiness_facts facts{
            .started = ready_, .draining = drain_until_.has_value(), .warm_once = warm_once_};
        if (link_ && cfg_.ready_after_warm) {
            const auto l = link_->stats();
            facts.after_warm = true;
            facts.warm_time_over = clock_.steady() - started_ >= cfg_.warm_timeout;
            facts.warm = l.warm;
            facts.warm_loaded = l.warm_loaded;
            facts.warm_end = l.warm_end;
        }
        auto out = judge_readiness(facts);
        // Not merely because the time was over: it may still be said what is loaded.
        if (facts.warm == replica::warm_state::done) warm_once_ = out.ready;
        return out;
    }

    page_sources sources() const {
        page_sources out{cfg_, counters_, cache_, fill_budget_, collapse_};
        out.replica_id = hex(replica_);
        out.uptime = clock_.steady() - started_;
        out.connections = connections_.load(std::memory_order_relaxed);
        if (link_) out.link = link_->stats();
        return out;
    }

    const configuration& cfg_;
    system_clock clock_;
    log log_;
    std::uint64_t replica_;
    steady_time started_;
    metrics counters_;
    metrics_slab& admin_counts_ = counters_.make_slab(); ///< of the main thread
    std::atomic<std::size_t> connections_{0};
    net::client_limit clients_{cfg_.max_connections_per_client};
    store::cache cache_;
    store::byte_budget fill_budget_;
    store::collapse collapse_;
    store::hybrid_clock versions_;
    asio::io_context io_{1}; ///< what waits in the link for an answer has timers of it
    std::optional<replica::link> link_;
    operator_desk desk_{{io_, cache_, versions_, clock_, admin_counts_, cfg_.redis_command_timeout,
                         cfg_.max_clock_skew, cfg_.trust_forwarded}};
    endpoint listening_at_;
    net::settings proxy_;
    std::optional<net::shared_state> shared_;
    std::vector<std::unique_ptr<net::worker>> workers_;
    asio::signal_set signals_{io_, SIGTERM, SIGINT, SIGHUP};
    asio::steady_timer drain_timer_{io_};
    asio::steady_timer sweep_timer_{io_};
    purge_sweep purge_sweep_{cache_};
    std::optional<heap_thread> heap_;
    admin::admin_server admin_;
    std::optional<steady_time> drain_until_;
    std::thread stopper_; ///< joinable once the stop has begun
    bool ready_ = false;
    bool warm_once_ = false; ///< the warm start was seen to have ended
};

} // namespace

int run(const configuration& cfg) {
    std::signal(SIGPIPE, SIG_IGN);
    set_up_heap();
    return server(cfg).run();
}

} // namespace meshcache::app
