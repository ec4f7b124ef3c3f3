// The link's interface, its thread, and the way to a connection and back. See redis_link_impl.hpp.
#include "announcement.hpp"
#include "redis_link_impl.hpp"
#include "scripts.hpp"

#include <boost/asio/post.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/null_sink.h>

#include <array>
#include <csignal>
#include <pthread.h>
#include <random>
#include <sched.h>
#include <utility>

namespace meshcache::replica {

namespace asio = boost::asio;

namespace {

/// Numbers for jitter. Not shared: each back-off has its own.
random_source jitter() {
    return [engine = std::minstd_rand(std::random_device{}())]() mutable {
        return std::generate_canonical<double, 24>(engine);
    };
}

std::shared_ptr<spdlog::logger> or_silence(std::shared_ptr<spdlog::logger> log) {
    if (log) return log;
    return std::make_shared<spdlog::logger>("redis", std::make_shared<spdlog::sinks::null_sink_mt>());
}

constexpr milliseconds first_backoff{50};
constexpr int breaker_threshold = 5;

} // namespace

// ---- link

link::link(link_settings settings, store::cache& local, store::hybrid_clock& versions,
           const clock_source& clock, metrics& counters, std::shared_ptr<spdlog::logger> log)
    : impl_(std::make_unique<impl>(std::move(settings), local, versions, clock, counters, std::move(log))) {}

link::~link() = default;

std::string link::check(const link_settings& settings) {
    return redis_connection::unsupported({settings.address, settings.tls, settings.command_timeout});
}

void link::start(self_description self) { impl_->start(std::move(self)); }
void link::put(store::response_ptr response) { impl_->put(std::move(response)); }
bool link::invalidate(std::string_view key, const store::version& floor) {
    return impl_->invalidate(key, floor);
}
void link::purge(std::vector<store::selector> what, const store::version& floor, purge_handler handler) {
    impl_->purge(std::move(what), floor, std::move(handler));
}
bool link::lookup(std::string_view key, lookup_handler handler) {
    return impl_->lookup(key, std::move(handler));
}
bool link::acquire(std::string_view key, const std::optional<store::version>& stale, steady_time wait_until,
                   acquire_handler handler) {
    return impl_->acquire(key, stale, wait_until, std::move(handler));
}
bool link::sync(sync_handler handler) { return impl_->sync(std::move(handler)); }
bool link::settle(const store::response_ptr& response, settle_handler handler) {
    return impl_->settle(response, std::move(handler));
}
bool link::carries(const store::stored_response& response, wall_time now) noexcept {
    return impl::usable_for(response, now) > milliseconds{0};
}
std::size_t link::drain(steady_time deadline) { return impl_->drain(deadline); }
link_stats link::stats() const { return impl_->stats(); }
steady_time link::in_sync_at(steady_time now) const noexcept { return impl_->in_sync_at(now); }
void link::replicas(list_handler handler) { impl_->replicas(std::move(handler)); }
void link::await_replicas(std::string_view position, steady_time deadline, std::stop_token given_up,
                          count_handler handler) {
    impl_->await_replicas(position, deadline, std::move(given_up), std::move(handler));
}
void link::examine(std::vector<std::string> keys, examine_handler handler) {
    impl_->examine(std::move(keys), std::move(handler));
}

// ---- any thread

link::impl::impl(link_settings settings, store::cache& local, store::hybrid_clock& versions,
                 const clock_source& clock, metrics& counters, std::shared_ptr<spdlog::logger> log)
    : settings_(std::move(settings)), local_(local), versions_(versions), clock_(clock),
      slab_(counters.make_slab()), turns_(clock, slab_, histogram::turn_redis),
      log_(or_silence(std::move(log))), names_(settings_.name_space),
      replica_(replica_name(versions.replica())), queue_(queue_limits{.bytes = settings_.queue_bytes}),
      breaker_(breaker_threshold, backoff(first_backoff, settings_.backoff_max, jitter())),
      fsm_(!settings_.password.empty() || settings_.database != 0,
           backoff(first_backoff, settings_.backoff_max, jitter())),
      write_backoff_(first_backoff, settings_.backoff_max, jitter()), last_synced_(clock.wall()),
      announce_jitter_(jitter()) {
    in_sync_at_.store(clock.steady().time_since_epoch().count());
    warm_wanted_ = settings_.warm_start;
    if (warm_wanted_) warm_state_.store(warm_state::waiting);
}

link::impl::~impl() {
    if (thread_.joinable()) {
        asio::post(io_, [this] { finish(); });
        thread_.join();
    }
}

void link::impl::start(self_description self) {
    self_ = std::move(self);
    thread_ = std::thread([this] { run(); });
}

void link::impl::put(store::response_ptr response) {
    if (!response || !carries(*response, clock_.wall())) return;
    if (queue_.put(std::move(response), clock_.steady()).wake) wake_writer();
}

steady_time link::impl::in_sync_at(steady_time now) const noexcept {
    const link_state s = state_.load(std::memory_order_acquire);
    if (s == link_state::ready || s == link_state::draining) return now;
    return steady_time(steady_time::duration(in_sync_at_.load(std::memory_order_acquire)));
}

bool link::impl::invalidate(std::string_view key, const store::version& floor) {
    const http::key_view view = local_.view(key);
    if (queue_.invalidate(view, floor, clock_.steady())) wake_writer();
    return hold_against_own(view, floor);
}

/// From now on the floor is held against what is read from Redis. What was read since it was made has been
/// observed, and may be of a fast clock: it lies below the next version.
bool link::impl::hold_against_own(http::key_view key, const store::version& floor) {
    return local_.raise_floor(key, store::floor_bound::heard(floor, versions_.next(clock_.wall())));
}

bool link::impl::lookup(std::string_view key, lookup_handler handler) {
    auto request = std::make_shared<lookup_request>();
    request->key = key;
    request->hash = local_.hash(key);
    request->handler = std::move(handler);
    return accept_lookup(std::move(request));
}

bool link::impl::acquire(std::string_view key, const std::optional<store::version>& stale,
                         steady_time wait_until, acquire_handler handler) {
    auto request = std::make_shared<lookup_request>();
    request->key = key;
    request->hash = local_.hash(key);
    request->acquire = std::move(handler);
    request->stale = stale;
    request->wait_until = wait_until;
    return accept_lookup(std::move(request));
}

bool link::impl::sync(sync_handler handler) {
    auto request = std::make_shared<lookup_request>();
    request->sync = std::move(handler);
    return accept_lookup(std::move(request));
}

bool link::impl::accept_lookup(lookup_ptr request) {
    const steady_time now = clock_.steady();
    request->deadline = now + settings_.lookup_timeout;
    bool wake = false;
    {
        const std::lock_guard lock(gate_mutex_);
        if (!gate_open_ || lookups_ >= max_lookups || !breaker_.allow(now)) {
            skipped_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
        wake = inbox_.empty();
        inbox_.push_back(std::move(request));
        ++lookups_;
    }
    if (wake) asio::post(io_, [this] { take_lookups(); });
    return true;
}

std::size_t link::impl::drain(steady_time deadline) {
    if (thread_.joinable()) {
        asio::post(io_, [this] {
            draining_ = true;
            fsm_.drain();
            set_gate(false);
            publish_state();
            check_drained();
            // There is no time to wait politely.
            if (!drained_ && fsm_.current() == link_fsm::step::wait) wait_timer_.cancel();
        });
        {
            std::unique_lock lock(drain_mutex_);
            drain_done_.wait_for(lock, deadline - clock_.steady(), [this] { return drained_; });
        }
        asio::post(io_, [this] { finish(); });
        thread_.join();
    }
    return queue_.with([](const write_queue& q) { return q.depth(); });
}

link_stats link::impl::stats() const {
    link_stats out;
    out.state = state_.load();
    out.following = following_.load();
    out.reconciling = reconciling_shown_.load();
    out.reconcile_done = reconcile_done_.load();
    out.reconcile_total = reconcile_total_.load();
    out.warm = warm_state_.load();
    out.warm_loaded = warm_loaded_.load();
    out.warm_bytes = warm_bytes_.load();
    out.warm_end = to_string(warm_end_.load());
    {
        const std::lock_guard lock(gate_mutex_);
        out.breaker_open = breaker_.is_open();
    }
    queue_.with([&out](const write_queue& q) {
        out.queue_depth = q.depth();
        out.queue_bytes = q.bytes();
    });
    const std::lock_guard lock(stats_mutex_);
    out.propagation = propagation_.summary();
    out.last_error = last_error_;
    out.log_position = shown_position_;
    return out;
}

// ---- the link's thread

void link::impl::run() {
    // Signals are for the main thread; SIGPIPE is for nobody: older hiredis writes without MSG_NOSIGNAL.
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, fault);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), "meshcache-redis");
    // Where a core is free this thread runs at once; where the loops keep all of them busy it does not
    // interrupt one for each record, and finds several when its turn comes. No harm if that is not allowed.
    const sched_param no_priority{};
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &no_priority);

    asio::post(io_, [this] {
        housekeeping();
        perform(fsm_.start());
    });
    turns_.begin();
    io_.run();
}

void link::impl::perform(link_fsm::action action) {
    using step = link_fsm::step;
    publish_state();
    switch (action.what) {
    case step::connect_command:
        command_ = connect();
        break;
    case step::greet_command:
        greet(*command_);
        break;
    case step::load_scripts:
        load_scripts();
        break;
    case step::connect_follower:
        follower_ = connect();
        break;
    case step::greet_follower:
        greet(*follower_);
        break;
    case step::locate:
        locate();
        break;
    case step::catch_up:
        follow(false);
        break;
    case step::serve:
        serve();
        break;
    case step::wait:
        disconnect();
        wait_timer_.expires_after(action.delay);
        wait_timer_.async_wait([this](error_code e) {
            if (!finished_ && (!e || draining_)) perform(fsm_.elapsed());
        });
        break;
    case step::idle:
    case step::finish:
        break;
    }
}

void link::impl::fail(std::string_view what, std::string_view why) {
    if (finished_ || fsm_.current() == link_fsm::step::wait) return;
    slab_.add(counter::redis_errors);
    note_error(what, why);
    perform(fsm_.failed());
}

std::unique_ptr<redis_connection> link::impl::connect() {
    auto connection = std::make_unique<redis_connection>(
        io_, clock_, turns_,
        redis_connection::target{settings_.address, settings_.tls, settings_.command_timeout});
    connection->open(
        [this](error_code error, const std::string& why) {
            if (error) {
                fail("connecting", why);
                return;
            }
            slab_.add(counter::redis_connects);
            advance();
        },
        [this](error_code, const std::string& why) { fail("connection lost", why); });
    return connection;
}

void link::impl::disconnect() {
    serving_ = false;
    following_.store(false);
    announced_ = false;
    set_gate(false);
    lookup_timer_.cancel();
    write_timer_.cancel();
    reconcile_timer_.cancel();
    warm_timer_.cancel();
    // Closing answers what was sent with null: batches go back into the queue, look-ups end.
    if (command_) command_->close();
    if (follower_) follower_->close();
    command_.reset();
    follower_.reset();
    answer_all_lookups();
    forget_settles();
    if (reconciling_) {
        reconciling_ = false;
        reconcile_wanted_ = true;
    }
    ++reconcile_run_;
    waiting_refetches_.clear();
    refetch_hashes_.clear();
    writes_paused_ = false;
    publish_state();
}

void link::impl::ask(redis_connection& connection, std::initializer_list<std::string_view> arguments,
                     std::string_view what, std::function<void(const reply_view&)> then) {
    connection.send({arguments.begin(), arguments.size()}, settings_.command_timeout,
                    [this, what, then = std::move(then)](const reply_view* reply) {
                        if (reply == nullptr) return;
                        if (reply->is_error())
                            fail(what, reply->text());
                        else
                            then(*reply);
                    });
}

void link::impl::greet(redis_connection& connection) {
    const bool select = settings_.database != 0;
    const auto after_auth = [this, select](const reply_view&) {
        if (!select) advance();
    };
    if (!settings_.password.empty()) {
        if (settings_.user.empty())
            ask(connection, {"AUTH", settings_.password}, "AUTH", after_auth);
        else
            ask(connection, {"AUTH", settings_.user, settings_.password}, "AUTH", after_auth);
    }
    if (select)
        ask(connection, {"SELECT", std::to_string(settings_.database)}, "SELECT",
            [this](const reply_view&) { advance(); });
}

void link::impl::load_scripts() {
    for (const script* s :
         {&put_script(), &lease_script(), &end_lease_script(), &announce_script(), &list_script()})
        ask(*command_, {"SCRIPT", "LOAD", s->text}, "SCRIPT LOAD", [](const reply_view&) {});
    ask(*command_, {"SCRIPT", "LOAD", purge_script().text}, "SCRIPT LOAD",
        [this](const reply_view&) { advance(); });
}

void link::impl::serve() {
    serving_ = true;
    following_.store(true);
    batches_ = 0;
    write_errors_ = script_losses_ = 0;
    write_backoff_.reset();
    {
        const std::lock_guard lock(gate_mutex_);
        breaker_.reset();
    }
    set_gate(!draining_);
    if (may_log("connected"))
        log_->info("redis {}: connected, following the change log", settings_.address.to_string());
    follow(true);
    pump();
    pump_refetches();
    if (reconcile_wanted_) begin_reconciliation();
    resume_warm_start();
    publish_state();
}

void link::impl::finish() {
    if (finished_) return;
    finished_ = true;
    fsm_.stop();
    disconnect();
    wait_timer_.cancel();
    housekeeping_timer_.cancel();
    watch_timer_.cancel();
    collect_counts();
    state_.store(link_state::stopped);
    work_.reset();
    // After what closing has posted. Not left to run dry: resolving a name may take long, and is of no use
    // any more.
    asio::post(io_, [this] { io_.stop(); });
}

link_state link::impl::current_state() const noexcept {
    const link_state s = fsm_.state();
    return s == link_state::ready && (reconciling_ || reconcile_wanted_) ? link_state::loading : s;
}

void link::impl::publish_state() {
    const link_state s = current_state();
    reconciling_shown_.store(reconciling_);
    state_.store(s);
    if (s != link_state::connecting && (!announced_ || s != announced_state_)) announce();
}

void link::impl::set_gate(bool open) {
    const std::lock_guard lock(gate_mutex_);
    gate_open_ = open;
}

void link::impl::note_error(std::string_view what, std::string_view why) {
    std::string text(what);
    text += ": ";
    text += why;
    {
        const std::lock_guard lock(stats_mutex_);
        last_error_ = text;
    }
    if (may_log(text))
        log_->warn("redis {}: {}", settings_.address.to_string(), text);
    else
        log_->debug("redis {}: {}", settings_.address.to_string(), text);
}

bool link::impl::may_log(const std::string& text) {
    const steady_time now = clock_.steady();
    if (const auto found = logged_.find(text); found != logged_.end()) {
        if (now - found->second < log_interval) return false;
        found->second = now;
        return true;
    }
    if (logged_.size() >= max_logged) {
        boost::unordered::erase_if(logged_, [now](const auto& l) { return now - l.second >= log_interval; });
        if (logged_.size() >= max_logged) return false;
    }
    logged_.emplace(text, now);
    return true;
}

void link::impl::housekeeping() {
    if (finished_) return;
    collect_counts();
    check_drained();
    if (clock_.steady() >= announce_at_) announce();
    floors_.expire(clock_.wall() - floor_retention);
    groups_.expire(clock_.wall() - group_retention);
    if (serving_) renew_leases();
    if (overflowed_ && serving_ && !draining_ && !reconciling_) {
        const bool room =
            queue_.with([this](const write_queue& q) { return q.bytes() < settings_.queue_bytes / 2; });
        if (room) {
            overflowed_ = false;
            request_reconciliation("the queue had overflowed");
        }
    }
    if (!warm_) resume_warm_start();
    turns_.ended();
    housekeeping_timer_.expires_after(housekeeping_period);
    housekeeping_timer_.async_wait([this](error_code e) {
        if (!e) housekeeping();
    });
}

void link::impl::watch() {
    if (watch_armed_ || finished_ || (lease_waiters_.empty() && settles_.empty())) return;
    watch_armed_ = true;
    watch_timer_.expires_after(watch_period);
    watch_timer_.async_wait([this](error_code) {
        watch_armed_ = false;
        if (serving_) expire_lease_waits();
        expire_settles();
        watch();
    });
}

void link::impl::collect_counts() {
    const queue_counts counts = queue_.with([](write_queue& q) { return q.take_counts(); });
    slab_.add(counter::redis_puts_coalesced, counts.coalesced);
    slab_.add(counter::redis_puts_dropped_full, counts.full);
    slab_.add(counter::redis_puts_dropped_large, counts.too_large);
    slab_.add(counter::redis_puts_dropped_floor, counts.below);
    slab_.add(counter::redis_invalidations_merged, counts.merged);
    slab_.add(counter::redis_lookups_skipped, skipped_.exchange(0, std::memory_order_relaxed));
    if (counts.overflowed && !overflowed_) {
        overflowed_ = true;
        log_->warn("redis {}: the write queue is full; the oldest records are dropped, to be put again later",
                   settings_.address.to_string());
    }
    if (counts.merged != 0)
        log_->warn("redis {}: too many invalidations wait; they were merged into one for everything",
                   settings_.address.to_string());
}

void link::impl::check_drained() {
    if (!draining_) return;
    if (!queue_.with([](const write_queue& q) { return q.empty(); })) return;
    if (!take_leave()) return;
    {
        const std::lock_guard lock(drain_mutex_);
        drained_ = true;
    }
    drain_done_.notify_all();
}

} // namespace meshcache::replica
