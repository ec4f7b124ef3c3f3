#pragma once
// Single flight: of the requests for one absent key, one fetches and the others wait; all get the content as
// it comes. A fill is what they share. The fetcher never waits for a waiter that is slow while
// the content fits the bound of a stored response; beyond that bound the content flows through a window.
//
// Threads: one fetcher and any number of waiters, each on its own thread. Waiters are woken by
// fill_waiter::wake(), which is called without any lock held and may be called spuriously.
#include <meshcache/base/error.hpp>
#include <meshcache/base/mutex.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/store/stored_response.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace meshcache::store {

/// Wakes one waiting request, or the fetcher. Called from any thread; must only schedule work. The last
/// reference may be given up on any thread too.
class fill_waiter {
  public:
    virtual ~fill_waiter() = default;
    virtual void wake() noexcept = 0;
};

/// What the end of a fill means to replicas that wait for it.
enum class lease_end : std::uint8_t {
    stored,      ///< the response is on its way to them
    failed,      ///< there is none: another may try
    alone,       ///< each is to fetch for himself
    unshareable, ///< the same, and for some time to come
};

/// The right to fetch a key for all replicas. A fill keeps it while it fetches.
class fill_lease {
  public:
    /// Ends it as failed, if it has not ended.
    virtual ~fill_lease() = default;
    /// Any thread; without blocking. The first call counts.
    virtual void end(lease_end how) noexcept = 0;
};

/// A bound on the bytes that all fills in flight hold together. Any thread; lock-free. Must outlive the fills
/// that use it and their readers.
class byte_budget {
  public:
    explicit byte_budget(std::size_t limit) noexcept : limit_(limit) {}
    byte_budget(const byte_budget&) = delete;
    byte_budget& operator=(const byte_budget&) = delete;

    /// Takes `n` bytes if that many are left.
    bool take(std::size_t n) noexcept;
    /// Gives back what was taken.
    void give(std::size_t n) noexcept { used_.fetch_sub(n, std::memory_order_relaxed); }
    std::size_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
    std::size_t limit() const noexcept { return limit_; }

  private:
    const std::size_t limit_;
    std::atomic<std::size_t> used_{0};
};

/// The head of a response while its content is still coming. Immutable once published.
struct streamed_head {
    response_meta meta;
    std::string text;                            ///< as stored_response::head(), without Content-Length
    std::optional<std::uint64_t> content_length; ///< known from the upstream's framing
    std::string vary_names;                      ///< as http::parse_vary; empty: does not vary
    std::string key;                             ///< under which the response will be stored
    std::string primary_key;                     ///< set if it varies: where the note will stand
    /// Under which key other replicas may hold something older than it, which nothing puts out of date unless
    /// it is stored for them; empty: nowhere, or it does not matter.
    std::string supplants;
};

enum class fill_state : std::uint8_t {
    waiting,   ///< no head yet
    streaming, ///< head known, content coming
    complete,  ///< all content published; `response` set if it was stored
    failed,    ///< `error` set; waiters without a head answer with it, others cut their connection
    released,  ///< not to be shared: each for itself
};

/// What fill::append() found.
enum class append_result : std::uint8_t {
    ok,
    full,        ///< the window is full: wait for the fetcher's waker, until has_room()
    over_budget, ///< the budget of all fills is used up: call stop_recording()
};

class fill_reader;

class fill : public std::enable_shared_from_this<fill> {
  public:
    /// `window`: how many bytes may be held for slow readers once recording has stopped; until then the
    /// fetcher bounds what is held by the largest response that it would store. `budget`: of all fills, or
    /// null.
    fill(std::string key, std::uint64_t hash, std::size_t window, byte_budget* budget = nullptr);
    ~fill();
    fill(const fill&) = delete;
    fill& operator=(const fill&) = delete;

    http::key_view key() const noexcept { return {key_, hash_}; }

    // ---- the fetcher's side; one thread. Of complete(), fail() and release() the first counts, the
    // ---- others do nothing.

    /// The fetcher's own waker: called when a full window has room again.
    void set_fetcher(std::shared_ptr<fill_waiter> fetcher);
    /// The version of the request that was sent upstream: the answer reflects nothing earlier.
    void set_asked(const version& v);
    /// That version, or nothing before the request was sent.
    std::optional<version> asked() const;
    /// Keeps `lease` until the fill ends or stops recording, and then ends it accordingly.
    void hold(std::shared_ptr<fill_lease> lease);
    /// The answer may be shared, and its content follows.
    void start_stream(std::shared_ptr<const streamed_head> head);
    /// Publishes more content. The bytes are taken in any case. Never `full` while recording, never
    /// `over_budget` after.
    append_result append(std::string_view bytes);
    bool has_room() const;
    /// No more than `max_object` will be recorded: from now on bytes that all readers have passed are
    /// given up. `others`: what replicas that wait are told. Returns false if it had been said before.
    bool stop_recording(lease_end others = lease_end::alone);
    bool recording() const;
    /// Ends readers that hold a full window while others starve: those that are furthest behind. Called by
    /// the fetcher after a grace time without room. Returns how many.
    std::size_t cut_laggards();
    /// The recorded content, whole, in pieces; valid while recording and until the fill dies.
    std::vector<std::string_view> recorded() const;
    /// All content was published. `response` is the stored response made of it, or null. Also without a
    /// stream before it: then waiters answer from `response`.
    void complete(response_ptr response);
    /// No answer, or not a whole one.
    void fail(error_code error);
    /// The answer is not to be shared: waiters go their own ways. `others`: what other replicas are told.
    void release(lease_end others = lease_end::alone);

    fill_state state() const;
    std::size_t readers() const;
    /// Bytes of memory that the content holds now.
    std::size_t held() const;

  private:
    friend class fill_reader;
    struct leaving;
    struct block;
    struct piece;
    struct reader_slot;
    class wakes;

    bool ended() const noexcept MESHCACHE_REQUIRES(mutex_);
    std::size_t window() const noexcept MESHCACHE_REQUIRES(mutex_);
    bool room() const noexcept MESHCACHE_REQUIRES(mutex_);
    void add_block(std::size_t wanted) MESHCACHE_REQUIRES(mutex_);
    void drop_passed() MESHCACHE_REQUIRES(mutex_);
    void end(fill_state state, wakes& out) MESHCACHE_REQUIRES(mutex_);
    void after_progress(wakes& out) MESHCACHE_REQUIRES(mutex_);
    std::size_t piece_at(std::uint64_t position) const noexcept MESHCACHE_REQUIRES(mutex_);

    const std::string key_;
    const std::uint64_t hash_;
    const std::size_t window_;
    const std::size_t block_size_;
    byte_budget* const budget_;

    mutable mutex mutex_;
    fill_state state_ MESHCACHE_GUARDED_BY(mutex_) = fill_state::waiting;
    std::optional<version> asked_ MESHCACHE_GUARDED_BY(mutex_);
    error_code error_ MESHCACHE_GUARDED_BY(mutex_);
    std::shared_ptr<const streamed_head> head_ MESHCACHE_GUARDED_BY(mutex_);
    response_ptr response_ MESHCACHE_GUARDED_BY(mutex_);
    std::deque<piece> content_ MESHCACHE_GUARDED_BY(mutex_);
    std::uint64_t begin_ MESHCACHE_GUARDED_BY(mutex_) = 0; ///< position of the first byte that is held
    std::uint64_t end_ MESHCACHE_GUARDED_BY(mutex_) = 0;   ///< bytes published so far
    std::size_t held_ MESHCACHE_GUARDED_BY(mutex_) = 0;
    bool recording_ MESHCACHE_GUARDED_BY(mutex_) = true;
    bool over_budget_ MESHCACHE_GUARDED_BY(mutex_) = false;
    mutable bool fetcher_waits_ MESHCACHE_GUARDED_BY(mutex_) = false;
    std::vector<reader_slot*> readers_ MESHCACHE_GUARDED_BY(mutex_);
    std::shared_ptr<fill_waiter> fetcher_ MESHCACHE_GUARDED_BY(mutex_);
    std::shared_ptr<fill_lease> lease_ MESHCACHE_GUARDED_BY(mutex_);
};

/// What a reader sees of a fill at one moment.
struct fill_view {
    fill_state state = fill_state::waiting;
    error_code error;
    std::shared_ptr<const streamed_head> head; ///< set from `streaming` on, if there was a stream
    response_ptr response;                     ///< set when complete and stored
    std::size_t available = 0;                 ///< bytes that this reader can take now
    bool cut = false;                          ///< this reader was ended for being too slow
    bool at_end = false;                       ///< complete, and this reader has taken everything
};

/// One request's place in a fill. Detaches in its destructor. Used by one thread. One that attaches after
/// the beginning of the content was given up sees the fill as `released`.
class fill_reader {
  public:
    fill_reader() noexcept;
    fill_reader(std::shared_ptr<fill> f, std::shared_ptr<fill_waiter> waiter);
    fill_reader(fill_reader&&) noexcept;
    fill_reader& operator=(fill_reader&&) noexcept;
    ~fill_reader();

    explicit operator bool() const noexcept { return slot_ != nullptr; }
    const std::shared_ptr<fill>& of() const noexcept { return fill_; }

    /// The waiter is woken when the state changes, when this reader is cut, and, if the last look or peek
    /// found nothing available, when there is more.
    fill_view look() const;
    /// The next bytes in up to `out.size()` pieces; returns how many pieces were set. They stay valid until
    /// consume() or destruction, whatever the fetcher does.
    std::size_t peek(std::span<std::string_view> out);
    /// `n` of the peeked bytes were sent.
    void consume(std::size_t n);

  private:
    void detach() noexcept;

    std::shared_ptr<fill> fill_;
    std::unique_ptr<fill::reader_slot> slot_;
};

/// The fills in progress by key, and the keys that turned out not to be worth waiting for. Any thread.
class collapse {
  public:
    /// `window` and `budget`: see fill.
    explicit collapse(std::size_t window, byte_budget* budget = nullptr);
    ~collapse();
    collapse(const collapse&) = delete;
    collapse& operator=(const collapse&) = delete;

    struct joined {
        std::shared_ptr<fill> f;
        bool fetcher = false; ///< the caller is to fetch; everybody else waits
    };
    /// Joins the fill for that key, or starts it.
    joined join(http::key_view key);
    /// The fill for that key, or null.
    std::shared_ptr<fill> find(http::key_view key) const;
    /// Takes the fill out of the table, so that the next request starts anew. Idempotent. The fetcher calls
    /// it before it completes, fails or releases the fill.
    void leave(const fill& f);

    /// Remembers, until `until`, that answers for this key cannot be shared, so that the next requests do
    /// not wait for one another. Held in a table of fixed size; a forgotten key costs only a wait.
    void remember_unshareable(std::uint64_t hash, steady_time until) noexcept;
    bool is_unshareable(std::uint64_t hash, steady_time now) const noexcept;
    void forget_unshareable(std::uint64_t hash) noexcept;

    std::size_t fills() const;

  private:
    struct table_shard;
    table_shard& shard_of(std::uint64_t hash) const noexcept;
    std::atomic<std::uint64_t>& marker_of(std::uint64_t hash) const noexcept;

    std::vector<std::unique_ptr<table_shard>> shards_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> markers_;
    const std::size_t window_;
    byte_budget* const budget_;
};

/// The fetcher's promise to end its fill: when it goes and the fill is still open, because a coroutine was
/// destroyed, say, the fill leaves the table and fails, so that nobody waits for ever. Used by the
/// fetcher's thread; the table must outlive it.
class fetcher_guard {
  public:
    fetcher_guard() noexcept = default;
    explicit fetcher_guard(collapse& table, std::shared_ptr<fill> f,
                           error_code error = errc::shutting_down) noexcept
        : table_(&table), fill_(std::move(f)), error_(error) {}
    fetcher_guard(fetcher_guard&& other) noexcept = default;
    fetcher_guard& operator=(fetcher_guard&& other) noexcept {
        fetcher_guard taken(std::move(other));
        std::swap(table_, taken.table_);
        std::swap(fill_, taken.fill_);
        std::swap(error_, taken.error_);
        return *this;
    }
    ~fetcher_guard();

    const std::shared_ptr<fill>& of() const noexcept { return fill_; }
    /// The error to fail with, from now on.
    void set_error(error_code error) noexcept { error_ = error; }

  private:
    collapse* table_ = nullptr;
    std::shared_ptr<fill> fill_;
    error_code error_;
};

} // namespace meshcache::store
