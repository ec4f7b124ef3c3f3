#pragma once
// The inside of the link: what its parts share. One job a file:
//   redis_link.cpp            the interface, the thread, the way to a connection and back
//   redis_link_writes.cpp     batches to Redis
//   redis_link_reads.cpp      look-ups, and fetching what was replaced elsewhere
//   redis_link_leases.cpp     look-ups that take a lease, or wait for who has it
//   redis_link_strong.cpp     what strong reads and writes wait for
//   redis_link_log.cpp        following the change log
//   redis_link_reconcile.cpp  after a gap
//   redis_link_warm.cpp       loading what was stored before
//   redis_link_replicas.cpp   the list of replicas, and waiting for them
//   redis_link_examine.cpp    what Redis has of a key, for operators
//
// Members are of the link's thread alone, except where said.
#include "breaker.hpp"
#include "change_log.hpp"
#include "floor_memory.hpp"
#include "keys.hpp"
#include "latency.hpp"
#include "link_fsm.hpp"
#include "redis_connection.hpp"
#include "scripts.hpp"
#include "warm_start.hpp"
#include "write_queue.hpp"

#include <meshcache/base/turn_meter.hpp>
#include <meshcache/replica/link.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace meshcache::replica {

/// A bound on look-ups that wait for Redis at one time; beyond it they are skipped.
inline constexpr std::size_t max_lookups = 8192;
/// A lease is renewed when it is this old.
inline constexpr milliseconds lease_renewal = lease_time / 3;
/// How often those are looked at who wait for the lease of another, or for an acknowledgement.
inline constexpr milliseconds watch_period{50};
/// Bounds on fetching in the background what was replaced elsewhere.
inline constexpr std::size_t max_refetches = 64;
inline constexpr std::size_t max_waiting_refetches = 8192;
/// Batches in flight. Two keep Redis busy while a reply travels.
inline constexpr std::size_t max_batches = 2;
/// How long a follower's read waits for news.
inline constexpr milliseconds follow_block{5000};
inline constexpr std::size_t follow_count = 256;
/// How often, while entries keep coming, the log is asked whether it is still the one that was followed.
inline constexpr milliseconds anchor_period{500};
/// Keys that one step of a reconciliation asks for, and the pause between steps: 64 take the link's loop a
/// fraction of a millisecond.
inline constexpr std::size_t reconcile_keys = 64;
inline constexpr milliseconds reconcile_pause{1};
inline constexpr milliseconds housekeeping_period{250};
/// Pauses between two looks at the list while somebody waits for the others, and how many may wait: well
/// below the connections that the admin port has, since each takes one for up to a minute.
inline constexpr milliseconds first_roll_pause{2}, last_roll_pause{100};
inline constexpr std::size_t max_roll_waiters = 16;
/// The same words are logged once in this time, and no more than so many different ones.
inline constexpr milliseconds log_interval{30'000};
inline constexpr std::size_t max_logged = 32;
/// Floors of groups that one reply brings.
inline constexpr std::size_t groups_page = 1000;
/// Latest floors of groups that a record's maker may tell that it knew of.
inline constexpr std::size_t max_recent_groups = 256;
/// Purges whose acknowledgement somebody waits for.
inline constexpr std::size_t max_purge_waiters = 1024;
/// Memory for floors that a Redis may have to be told again.
inline constexpr std::size_t floor_memory_bytes = 4u << 20;

class link::impl {
  public:
    impl(link_settings settings, store::cache& local, store::hybrid_clock& versions,
         const clock_source& clock, metrics& counters, std::shared_ptr<spdlog::logger> log);
    ~impl();

    // ---- any thread
    void start(self_description self);
    void put(store::response_ptr response);
    bool invalidate(std::string_view key, const store::version& floor);
    bool hold_against_own(http::key_view key, const store::version& floor);
    void purge(std::vector<store::selector> what, const store::version& floor, purge_handler handler);
    bool lookup(std::string_view key, lookup_handler handler);
    bool acquire(std::string_view key, const std::optional<store::version>& stale, steady_time wait_until,
                 acquire_handler handler);
    bool sync(sync_handler handler);
    bool settle(const store::response_ptr& response, settle_handler handler);
    std::size_t drain(steady_time deadline);
    link_stats stats() const;
    steady_time in_sync_at(steady_time now) const noexcept;
    void replicas(list_handler handler);
    void await_replicas(std::string_view position, steady_time deadline, std::stop_token given_up,
                        count_handler handler);
    void examine(std::vector<std::string> keys, examine_handler handler);
    /// How long Redis should hold `response` from now on; zero or less if not at all.
    static milliseconds usable_for(const store::stored_response& response, wall_time now) noexcept;

  private:
    struct lookup_request {
        std::string key;
        std::uint64_t hash = 0;
        steady_time deadline;
        lookup_handler handler;    ///< empty once it was called
        store::version begun = {}; ///< the moment when it was sent
        steady_time sent = {};

        // Of those that take a lease:
        acquire_handler acquire;             ///< in the place of `handler`
        std::optional<store::version> stale; ///< a record of that version will not do
        steady_time wait_until = {};
        steady_time ask_again_at = {}; ///< when the lease of another has run out
        bool listed = false;           ///< among lease_waiters_: to be told what the log says of the key
        bool waits = false;            ///< for another's lease, and no longer for the look-up
        bool asking = false;           ///< a script is under way
        bool ask_again = false;        ///< news came meanwhile

        sync_handler sync;     ///< of those that ask for no record, but whether the log was read to its end
        stream_id target = {}; ///< the end that it had

        bool open() const noexcept { return handler || acquire || sync; }
    };
    using lookup_ptr = std::shared_ptr<lookup_request>;
    struct settle_request {
        store::response_ptr response;
        steady_time deadline;
        settle_handler handler;
    };
    class lease_handle;
    struct held_lease {
        store::version token;
        steady_time renewed = {};
        bool stored = false; ///< the response is queued, or in flight, or was not taken
    };

    struct known_group {
        store::selector selector;
        std::string name;
        store::version floor, known; ///< as in floor_memory
    };
    using loaded_groups = std::vector<std::pair<std::string, std::string>>; ///< name and score

    struct purge_waiter {
        store::version floor;
        std::vector<std::string> names; ///< of the selectors that Redis has not acknowledged yet
        purge_handler handler;
    };

    struct refetch {
        std::string key;
        std::uint64_t hash = 0;
        store::version at_least;
        store::insert_for why = store::insert_for::use;
    };

    struct reconcile_step;
    struct roll_waiter;

    // ---- redis_link.cpp
    bool accept_lookup(lookup_ptr request); ///< any thread
    void run();
    void perform(link_fsm::action action);
    void advance() { perform(fsm_.done()); }
    void fail(std::string_view what, std::string_view why);
    std::unique_ptr<redis_connection> connect();
    void disconnect();
    void greet(redis_connection& connection);
    void load_scripts();
    void serve();
    void finish();
    link_state current_state() const noexcept;
    void publish_state();
    void set_gate(bool open);
    /// Keeps it for stats(), and logs it as may_log() allows.
    void note_error(std::string_view what, std::string_view why);
    /// Whether these words are to be logged: an outage is a line now and then, and not one an attempt.
    bool may_log(const std::string& text);
    void housekeeping();
    /// Runs expire_lease_waits() and expire_settles() every so often while somebody waits.
    void watch();
    void collect_counts();
    void check_drained();
    /// Sends on behalf of a step of the way to `serve`: an error reply is a failure of that step, a lost
    /// connection is told by the connection itself.
    void ask(redis_connection& connection, std::initializer_list<std::string_view> arguments,
             std::string_view what, std::function<void(const reply_view&)> then);

    // ---- redis_link_writes.cpp
    void wake_writer();
    void pump();
    bool send_puts(const batch_ptr& batch);
    void append_known(const store::stored_response& response, std::vector<std::string>& out) const;
    void append_selectors(std::size_t n, const store::stored_response& response,
                          std::vector<std::string>& out) const;
    void send_floors(const batch_ptr& batch);
    void on_batch_reply(const batch_ptr& batch, const std::vector<store::response_ptr>& sent,
                        const reply_view* reply);
    void on_floors_acknowledged(const write_batch& batch, std::string_view position);
    /// Counts the time that has passed since `sent`.
    void answered(histogram h, steady_time sent) {
        slab_.observe(h, in_microseconds(clock_.steady() - sent));
    }
    /// Sends a batch of `records` and measures it; on_batch_reply() gets the answer.
    void send_batch(const batch_ptr& batch, std::span<const std::string_view> arguments, histogram command,
                    std::vector<store::response_ptr> sent);
    void on_put_verdicts(const std::vector<store::response_ptr>& sent, std::string_view verdicts);
    /// Drops the local response of exactly that version. Nothing older takes its place: what was served once
    /// is not taken back. Returns whether it was there.
    bool withdraw(http::key_view key, const store::version& version);
    void load_scripts_again();
    void on_write_error(std::string_view text);

    /// The key without a variant's part, with its hash.
    http::key_view primary_view(http::key_view key) const noexcept {
        const std::string_view primary = http::primary_of(key.bytes);
        return primary.size() == key.bytes.size() ? key : local_.view(primary);
    }

    // ---- redis_link_reads.cpp
    void take_lookups();
    void begin_lookup(const lookup_ptr& request);
    void send_lookup(const lookup_ptr& request);
    void on_lookup_reply(const lookup_ptr& request, const reply_view* reply);
    void answer(const lookup_ptr& request, acquired result);
    void answer_all_lookups();
    void count_lookup(bool failed);
    void arm_lookup_timer();
    void on_lookup_timer();
    /// The response in `record`, which was asked for at `begun`, if it may be used; else null, counted.
    store::response_ptr accept_record(std::string_view record, http::key_view key,
                                      const store::version& begun);
    /// Whether a response of another replica, of a version above the floor, may have been made before it all
    /// the same, by a clock that runs ahead; unless Redis, which knows what its maker knew, had the floor.
    bool may_be_older(const store::version& version, const store::version& floor) const noexcept;
    /// Whether floors that this replica knows of the primary key forbid a variant.
    bool variant_is_invalid(http::key_view primary, const store::version& version) const;
    /// Puts what was read into the local store, and counts; whether the store took it.
    bool take_up(store::response_ptr response, const store::version& begun, store::insert_for why);
    void want(http::key_view key, const store::version& at_least, store::insert_for why);
    void pump_refetches();

    // ---- redis_link_leases.cpp
    void send_lease(const lookup_ptr& request);
    void on_lease_reply(const lookup_ptr& request, const store::version& token, const reply_view* reply);
    void wait_for_lease(const lookup_ptr& request, milliseconds left);
    void expire_lease_waits();
    void wake_lease_waiters(http::key_view key);
    void release_lease_waiters(http::key_view key);
    void leave_lease_waiters(const lookup_ptr& request);
    void answer_lease_waiters();
    void end_lease(const std::string& key, const store::version& token, store::lease_end how);
    void outdate_lease(http::key_view key, const store::version& floor);
    void give_up_leases(const write_batch& batch);
    void on_lease_put(http::key_view key, const store::version& version, bool taken);
    void renew_leases();
    void send_end_lease(std::string_view key, const store::version& token, std::string_view what,
                        milliseconds time);

    // ---- redis_link_strong.cpp
    void send_sync(const lookup_ptr& request);
    bool is_reconciled() const noexcept;
    void answer_synced();
    void forget_settles();
    bool is_queued(const store::stored_response& response) const; ///< any thread
    void on_settled(http::key_view key, const store::version& version, settlement what);
    void expire_settles();

    // ---- redis_link_log.cpp
    void locate();
    void locate_end(std::function<void()> then);
    void check_position(std::function<void()> then);
    void check_anchor(std::function<void()> then);
    void on_gap(std::function<void()> then);
    /// Whether floors may have come and gone since there was news.
    bool is_long_ago(wall_time now) const noexcept {
        return now - last_synced_ > floor_retention - std::chrono::hours{1};
    }
    void show_position();
    void follow(bool block);
    bool is_missed(const log_entry& entry, bool has_followed) noexcept;
    void on_log_reply(const reply_view& reply, bool blocked);
    void follow_on();
    void apply(const change& c, wall_time now);
    void apply_own(const change& c, wall_time now);
    void apply_put(http::key_view key, const store::version& version);
    void apply_floor(http::key_view key, const store::version& floor, wall_time now);
    void apply_group_floor(std::string_view name, const store::version& floor, wall_time now);
    void know_group(std::string_view name, const store::selector& selector, const store::version& floor,
                    const store::version& known);
    /// What a floor made by another replica means here: responses below are dropped or refused. Above the
    /// floor itself by the clock skew, but not above what was made here in the knowledge of it.
    store::version local_floor(const store::version& floor, wall_time now);
    void load_groups(const std::shared_ptr<loaded_groups>& so_far, std::function<void()> then);
    void tell_floors_again();
    void tell_again(std::vector<floor_memory::item> floors, const std::string& set, bool of_keys);

    // ---- redis_link_reconcile.cpp
    void request_reconciliation(std::string_view why);
    void begin_reconciliation();
    void next_reconcile_step();
    void on_reconcile_step(const std::shared_ptr<reconcile_step>& step);
    void pause_reconciliation(milliseconds pause);
    void end_reconciliation();

    // ---- redis_link_warm.cpp
    /// Begins a warm start that is wanted, once it can; and goes on with one that was cut off.
    void resume_warm_start();
    void pump_warm_start();
    void ask_warm(std::span<const std::string_view> command, std::function<void(const reply_view&)> then);
    void on_warm_log(const reply_view& reply);
    void on_warm_scan(const reply_view& reply);
    void measure_warm(std::vector<std::string> names);
    void fetch_warm(std::vector<std::string> names);
    void take_warm(std::string_view name, std::string_view record, const store::version& begun);
    void refuse_warm_start(std::string_view why);
    void pause_warm_start(steady_time sent);
    void end_warm_start();

    // ---- redis_link_replicas.cpp
    void announce();
    bool on_list_error(std::string_view text);
    bool take_leave();
    using read_list_handler = std::function<void(std::optional<std::vector<listed_replica>>, bool settled)>;
    void read_list(read_list_handler handler);
    std::vector<listed_replica> listed_in(const reply_view& reply, wall_time now) const;
    void call_the_roll();
    void check_roll(const std::shared_ptr<roll_waiter>& waiter);

    // ---- redis_link_examine.cpp
    examined_record judged(std::string key, std::string_view record) const;

    const link_settings settings_;
    store::cache& local_;
    store::hybrid_clock& versions_;
    const clock_source& clock_;
    metrics_slab& slab_;
    turn_meter turns_;
    const std::shared_ptr<spdlog::logger> log_;
    const key_names names_;
    const std::string replica_; ///< our id as the log has it

    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
    std::thread thread_;

    // ---- shared with other threads
    shared_write_queue queue_; ///< its own mutex
    std::atomic<link_state> state_{link_state::connecting};
    std::atomic<bool> following_{false};
    std::atomic<steady_time::rep> in_sync_at_{0}; ///< of the last news from the log while all was well
    std::atomic<std::uint64_t> skipped_{0};       ///< look-ups, until they reach the slab

    std::atomic<std::uint64_t> reconcile_done_{0}, reconcile_total_{0};
    std::atomic<bool> reconciling_shown_{false};
    std::atomic<warm_state> warm_state_{warm_state::off};
    std::atomic<warm_end> warm_end_{warm_end::none};
    std::atomic<std::uint64_t> warm_loaded_{0}, warm_bytes_{0};

    mutable std::mutex gate_mutex_; ///< look-ups on their way in
    bool gate_open_ = false;
    breaker breaker_;
    std::vector<lookup_ptr> inbox_;
    std::size_t lookups_ = 0; ///< accepted and not answered yet

    mutable std::mutex stats_mutex_;
    latency_window propagation_;
    std::string last_error_;
    std::string shown_position_;

    std::mutex drain_mutex_;
    std::condition_variable drain_done_;
    bool drained_ = false;

    // ---- the link's thread alone
    link_fsm fsm_;
    std::unique_ptr<redis_connection> command_, follower_;
    boost::asio::steady_timer wait_timer_{io_}, write_timer_{io_}, lookup_timer_{io_}, reconcile_timer_{io_},
        warm_timer_{io_}, housekeeping_timer_{io_}, watch_timer_{io_};
    bool serving_ = false, draining_ = false, finished_ = false;
    boost::unordered_flat_map<std::string, steady_time> logged_; ///< what was logged of late, and when

    std::size_t batches_ = 0; ///< in flight
    bool writes_paused_ = false;
    backoff write_backoff_;
    int write_errors_ = 0, script_losses_ = 0; ///< in a row

    std::list<purge_waiter> purge_waiters_;

    std::deque<lookup_ptr> pending_lookups_; ///< by deadline
    bool lookup_timer_armed_ = false;

    boost::unordered_flat_map<std::string, held_lease> leases_;                       ///< ours, by key
    boost::unordered_flat_map<std::uint64_t, std::vector<lookup_ptr>> lease_waiters_; ///< by the key's hash
    bool watch_armed_ = false;
    bool loading_scripts_ = false; ///< once more, because Redis had lost them

    std::vector<lookup_ptr> syncs_; ///< that wait for the log to be read up to their target
    boost::unordered_flat_map<std::uint64_t, std::vector<settle_request>> settles_; ///< by the key's hash

    std::deque<refetch> waiting_refetches_;
    boost::unordered_flat_set<std::uint64_t> refetch_hashes_; ///< of those that wait
    std::size_t refetches_ = 0;                               ///< under way

    std::optional<stream_id> position_;
    std::uint64_t read_number_ = 0;   ///< of the last numbered entry up to there; 0: not known
    std::optional<stream_id> anchor_; ///< a position some time ago: still there, unless the log was lost
    steady_time anchor_checked_{};
    wall_time last_synced_{};
    bool out_of_touch_ = false;   ///< there was no news for so long that floors may have gone; a gap may show
    bool floors_complete_ = true; ///< see judge()
    floor_memory floors_{floor_memory_bytes};
    floor_memory groups_{floor_memory_bytes}; ///< by the names of their selectors
    std::deque<known_group> recent_groups_;   ///< the latest hard ones
    std::uint64_t refused_logged_ = 0;

    std::optional<warm_start> warm_; ///< while it is under way
    bool warm_wanted_ = false;

    bool reconcile_wanted_ = false, reconciling_ = false, overflowed_ = false;
    std::uint64_t reconcile_cursor_ = 0;
    std::uint64_t reconcile_run_ = 0; ///< tells a step's replies from those of an earlier run

    self_description self_;
    random_source announce_jitter_;
    steady_time announce_at_{};
    link_state announced_state_ = link_state::connecting;
    bool announced_ = false;      ///< this connection has said that this replica is there
    bool announcing_ = false;     ///< Redis has not answered yet
    bool announce_again_ = false; ///< as soon as it has
    bool leaving_ = false;
    std::size_t roll_waiters_ = 0;
};

} // namespace meshcache::replica
