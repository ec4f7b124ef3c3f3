#pragma once
// One request's life as a machine: results in, actions out. It decides; the session (net) carries out what
// it says and comes back with what happened. No I/O, no timers; time is an argument.
//
//   begin -> answer | refuse | relay | fetch | ask_remote | wait
//   ask_remote -> on_remote -> answer | ask_remote (a variant) | fetch
//   wait -> on_fill -> wait | follow | answer | fetch | fail
//   fetch -> on_response -> relay_response | share | on_failure -> answer (stale) | fail
//
// Used by one thread; a session keeps one and begins it anew for every request.
#include <meshcache/flow/cache_status.hpp>
#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/storability.hpp>
#include <meshcache/store/cache.hpp>
#include <meshcache/store/collapse.hpp>

#include <memory>
#include <string>

namespace meshcache::flow {

/// What the operator chose, for all requests.
struct exchange_settings {
    http::cache_policy cache;
    std::size_t max_object = 1u << 20;
    bool reject_hits = false; ///< --on-hit reject
    int reject_status = 403;
    bool remote = false;          ///< there is a Redis to ask
    bool trust_forwarded = false; ///< X-Forwarded-* of the client reach the upstream, and so enter the key
    milliseconds unshareable_for{10'000}; ///< how long "answers for this key cannot be shared" is remembered
};

/// What the session is to do next.
enum class action : std::uint8_t {
    answer,         ///< with response(); the exchange is over
    refuse,         ///< with status() and no content of an application; over
    relay,          ///< pass the request to the upstream and the answer back; nothing is shared
    ask_remote,     ///< look remote_key() up in Redis, then on_remote()
    wait,           ///< until reader() has news or the collapse time-out passes, then on_fill()
    follow,         ///< send the client what reader() gets, head first
    fetch,          ///< ask the upstream as the fetcher of key(), then on_response() or on_failure()
    relay_response, ///< pass this answer to the client alone
    share,          ///< the answer is stored: feed it to fill(), and the client from there
    fail,           ///< answer 502 or 504 with error(); over
};

class exchange {
  public:
    /// `fill_budget` may be null; all outlive the exchange.
    exchange(const exchange_settings& settings, store::cache& cache, store::collapse& collapse,
             store::byte_budget* fill_budget);
    ~exchange();
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    /// A request whose framing and URI were found sound. `head`, `uri` and `waker` stay valid until the
    /// exchange is over. The waker is used if the request has to wait for another's fill; it is called
    /// from any thread.
    action begin(const http::request_head& head, const http::request_uri& uri,
                 const http::body_framing& framing, wall_time now, steady_time steady,
                 const std::shared_ptr<store::fill_waiter>& waker);

    /// Redis's answer, or null; `begun` is the hybrid clock's version when it was asked.
    action on_remote(store::response_ptr response, const store::version& begun, wall_time now);

    /// News of the fill that is waited for; `timed_out` when the collapse time-out passed first.
    action on_fill(wall_time now, bool timed_out);

    /// The head of the upstream's final answer. `version` was taken when the request was sent.
    action on_response(const http::response_head& response, const http::body_framing& framing,
                       const store::version& version, wall_time request_time, wall_time now,
                       steady_time steady);

    /// The upstream did not answer, or not in HTTP.
    action on_failure(error_code error, wall_time now);

    // ---- what the actions refer to

    const store::response_ptr& response() const noexcept { return response_; }
    /// What answer_stored is to send, where the session made it itself.
    void answer_with(store::response_ptr response) noexcept { response_ = std::move(response); }
    int status() const noexcept { return status_; }
    error_code error() const noexcept { return error_; }
    std::string_view remote_key() const noexcept { return key_; }
    /// The key of a GET of the same URI, without a variant's part.
    std::string_view primary_key() const noexcept { return std::string_view(key_).substr(0, primary_size_); }
    http::key_view key() const noexcept { return {key_, hash_}; }
    store::fill_reader& reader() noexcept { return reader_; }
    const std::shared_ptr<store::fill>& fill() const noexcept { return fill_; }
    const std::shared_ptr<const store::streamed_head>& stream_head() const noexcept { return stream_head_; }
    /// Hands the duty to complete the fill to the caller: a pump, or the session itself.
    std::shared_ptr<store::fill> take_fill() noexcept;
    cache_outcome& outcome() noexcept { return outcome_; }
    const cache_outcome& outcome() const noexcept { return outcome_; }
    bool is_head() const noexcept { return is_head_; }

    /// The URI that a successful unsafe request invalidates (RFC 9111, section 4.4): the key, or empty.
    bool invalidates(int upstream_status) const noexcept;

    /// Ends the exchange: a fill that this request was to feed and did not is released, so that nobody waits
    /// in vain. Called by begin() and the destructor too.
    void reset() noexcept;

  private:
    /// The stored response at key_, through the note at the primary key if its responses vary.
    store::response_ptr look_up(bool count_use);
    bool go_to_variant(const store::stored_response& note);
    action found(store::response_ptr response, wall_time now, bool from_redis);
    action miss(wall_time now);
    action fetch_alone();
    action from_fill(const store::fill_view& view, wall_time now);
    bool is_fresh(const store::stored_response& response, wall_time now) const noexcept;
    bool is_ours(const store::streamed_head& head);
    bool is_ours(const store::stored_response& response);
    /// Whether the note by which we came to the variant's key is still valid.
    bool note_stands() const;
    /// Takes the stale response in the place of an answer with that status (RFC 5861, section 4).
    bool stale_for(int status, wall_time now);
    void let_go(error_code error) noexcept;
    /// Waiters go their own ways.
    void release_fill() noexcept;
    bool is_outdated(const store::fill& f) const;

    const exchange_settings& settings_;
    store::cache& cache_;
    store::collapse& collapse_;
    store::byte_budget* const fill_budget_;

    const http::request_head* head_ = nullptr;
    const http::request_uri* uri_ = nullptr;
    http::request_directives directives_;
    std::string key_; ///< primary key, or the variant's once that is known
    std::string scratch_;
    std::size_t primary_size_ = 0;
    std::uint64_t hash_ = 0;
    const std::shared_ptr<store::fill_waiter>* waker_ = nullptr; ///< not copied: a hit needs none
    std::shared_ptr<store::fill> fill_;                          ///< the one to feed
    bool fetching_ = false;                                      ///< fill_ is in the table on our behalf
    store::fill_reader reader_;
    std::shared_ptr<const store::streamed_head> stream_head_;
    store::response_ptr response_;
    store::response_ptr stale_; ///< may answer if the upstream fails
    cache_outcome outcome_;
    error_code error_;
    int status_ = 0;
    bool is_head_ = false;
    bool unsafe_ = false;
    bool at_variant_ = false;
    steady_time steady_;   ///< when the request began
    store::version epoch_; ///< variants older than this are invalid; see store/vary.hpp
};

} // namespace meshcache::flow
