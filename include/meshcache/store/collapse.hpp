#pragma once
// Single flight: of the requests for one absent key, one fetches and the others wait; all get the content as
// it comes. A fill is what they share. The fetcher never waits for a waiter that is slow while
// the content fits the bound of a stored response; beyond that bound the content flows through a window.
//
// Threads: one fetcher and any number of waiters, each on its own thread. Waiters are woken by
// fill_waiter::wake(), which is called without any lock held and may be called spuriously.
#include <meshcache/base/error.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/store/stored_response.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::store {

/// Wakes one waiting request, or the fetcher. Called from any thread; must only schedule work.
class fill_waiter {
  public:
    virtual ~fill_waiter() = default;
    virtual void wake() noexcept = 0;
};

/// The head of a response while its content is still coming. Immutable once published.
struct streamed_head {
    response_meta meta;
    std::string text;                            ///< as stored_response::head(), without Content-Length
    std::optional<std::uint64_t> content_length; ///< known from the upstream's framing
    std::string vary_names;                      ///< as http::parse_vary; empty: does not vary
    std::string key;                             ///< under which the response will be stored
    std::string primary_key;                     ///< set if it varies: where the note will stand
};

/// Bytes of a fill, shared by its readers. Only the fetcher appends; what was published never moves.
struct fill_block {
    std::unique_ptr<char[]> data;
    std::size_t capacity = 0;
};

enum class fill_state : std::uint8_t {
    waiting,   ///< no head yet
    streaming, ///< head known, content coming
    complete,  ///< all content published; `response` set if it was stored
    failed,    ///< `error` set; waiters without a head answer with it, others cut their connection
    released,  ///< not to be shared: each for itself
};

class fill_reader;

class fill : public std::enable_shared_from_this<fill> {
  public:
    /// `window`: how many bytes may be held; it bounds this fill's memory.
    fill(std::string key, std::uint64_t hash, std::size_t window);
    ~fill();

    http::key_view key() const noexcept { return {key_, hash_}; }

    // ---- the fetcher's side; one thread

    /// The fetcher's own waker: called when a full window has room again.
    void set_fetcher(std::shared_ptr<fill_waiter> fetcher);
    /// The answer may be shared, and its content follows.
    void start_stream(std::shared_ptr<const streamed_head> head);
    /// Publishes more content. Returns false when the window is full afterwards: wait for the waker,
    /// until has_room(). The bytes are taken in any case.
    bool append(std::string_view bytes);
    bool has_room() const;
    /// No more than `max_object` will be recorded: from now on bytes that all readers have passed are
    /// given up. Returns false if it had been said before.
    bool stop_recording();
    bool recording() const;
    /// Ends readers that hold a full window while others starve: those that are furthest behind. Called by the
    /// fetcher after a grace time without room. Returns how many.
    std::size_t cut_laggards();
    /// The recorded content, whole, in pieces; valid while recording and until the fill dies.
    std::vector<std::string_view> recorded() const;
    /// All content was published. `response` is the stored response made of it, or null. Also without a
    /// stream before it: then waiters answer from `response`.
    void complete(response_ptr response);
    /// No answer, or not a whole one.
    void fail(error_code error);
    /// The answer is not to be shared: waiters go their own ways.
    void release();

    fill_state state() const;
    std::size_t readers() const;

  private:
    friend class fill_reader;
    struct reader_slot;

    void wake_all(std::unique_lock<std::mutex>& lock);

    const std::string key_;
    const std::uint64_t hash_;
    const std::size_t window_;
    mutable std::mutex mutex_;
    fill_state state_ = fill_state::waiting;
    error_code error_;
    std::shared_ptr<const streamed_head> head_;
    response_ptr response_;
    struct content;
    std::unique_ptr<content> content_;
    std::vector<reader_slot*> readers_;
    std::shared_ptr<fill_waiter> fetcher_;
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

/// One request's place in a fill. Detaches in its destructor. Used by one thread.
class fill_reader {
  public:
    fill_reader() = default;
    fill_reader(std::shared_ptr<fill> f, std::shared_ptr<fill_waiter> waiter);
    fill_reader(fill_reader&&) noexcept;
    fill_reader& operator=(fill_reader&&) noexcept;
    ~fill_reader();

    explicit operator bool() const noexcept { return slot_ != nullptr; }
    const std::shared_ptr<fill>& of() const noexcept { return fill_; }

    fill_view look() const;
    /// The next bytes in up to `out.size()` pieces; returns how many pieces were set. They stay valid until
    /// consume() or destruction, whatever the fetcher does.
    std::size_t peek(std::span<std::string_view> out);
    /// `n` of the peeked bytes were sent.
    void consume(std::size_t n);

  private:
    std::shared_ptr<fill> fill_;
    std::unique_ptr<fill::reader_slot> slot_;
};

/// The fills in progress by key, and the keys that turned out not to be worth waiting for. Any thread.
class collapse {
  public:
    /// `window`: see fill. `seed` as the store's.
    explicit collapse(std::size_t window);
    ~collapse();

    struct joined {
        std::shared_ptr<fill> f;
        bool fetcher = false; ///< the caller is to fetch; everybody else waits
    };
    /// Joins the fill for that key, or starts it.
    joined join(http::key_view key);
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
    std::vector<std::unique_ptr<table_shard>> shards_;
    struct marker;
    std::unique_ptr<marker[]> markers_;
    const std::size_t window_;
};

} // namespace meshcache::store
