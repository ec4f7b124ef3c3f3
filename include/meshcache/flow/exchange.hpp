#pragma once
// One request's life as a machine: results in, actions out. It decides; the session (net) carries out what
// it says and comes back with what happened. No I/O, no timers; time is an argument.
//
//   begin -> answer | refuse | relay | fetch | ask_remote | wait | sync
//   sync -> on_synced -> answer | refuse | relay | fetch | ask_remote | wait
//   ask_remote -> on_remote -> answer | ask_remote (a variant) | fetch
//   wait -> on_fill -> wait | follow | answer | ask_remote | fetch | fail
//   fetch -> on_response -> relay_response | share | update | answer | fetch (without conditions)
//         -> on_failure -> answer (stale) | fail
//   begin_behind -> fetch | ask_remote | answer (there is nothing to do)
//
// Used by one thread; a session keeps one and begins it anew for every request.
#include <meshcache/flow/cache_status.hpp>
#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/storability.hpp>
#include <meshcache/http/validation.hpp>
#include <meshcache/store/cache.hpp>
#include <meshcache/store/collapse.hpp>

#include <memory>
#include <optional>
#include <string>

namespace meshcache::flow {

/// What a request is answered from.
enum class consistency : std::uint8_t {
    eventual, ///< what this replica holds
    strong,   ///< nothing older than what Redis had acknowledged when the request came
};

/// What a strong request gets when Redis does not say in time what is new.
enum class unconfirmed : std::uint8_t {
    upstream, ///< what the upstream answers
    stale,    ///< what is stored all the same, or else what the upstream answers
    refuse,   ///< 503
};

/// What the operator chose, for all requests.
struct exchange_settings {
    http::cache_policy cache;
    http::head_limits head_limits; ///< bounds of a stored head that validation updates
    http::variant_policy vary{};
    std::size_t max_object = 1u << 20;
    bool reject_hits = false; ///< --on-hit reject
    int reject_status = 403;
    bool remote = false;              ///< there is a Redis to ask
    bool collapse_globally = false;   ///< of all replicas one fetches an absent key; with `remote` only
    milliseconds max_clock_skew{250}; ///< between replicas' clocks, as floors allow for it
    bool trust_forwarded = false; ///< X-Forwarded-* of the client reach the upstream, and so enter the key
    unconfirmed when_unconfirmed = unconfirmed::upstream;
    milliseconds unshareable_for{10'000}; ///< how long "answers for this key cannot be shared" is remembered
};

/// What the session is to do next.
enum class action : std::uint8_t {
    answer,         ///< with response(); the exchange is over
    refuse,         ///< with status() and no content of an application; over
    relay,          ///< pass the request to the upstream and the answer back; nothing is shared
    sync,           ///< wait until the local store has what Redis has now, then on_synced()
    ask_remote,     ///< look remote_key() up in Redis, then on_remote()
    wait,           ///< until reader() has news or the collapse time-out passes, then on_fill()
    follow,         ///< send the client what reader() gets, head first
    fetch,          ///< ask the upstream as the fetcher of key(), then on_response() or on_failure()
    relay_response, ///< pass this answer to the client alone
    share,          ///< the answer is stored: feed it to fill(), and the client from there
    update,         ///< the stored response is valid: end fill() with stream_head() and basis()'s content
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
    /// from any thread. Unless `in_sync`, the local store may have missed what other
    /// replicas changed for so long that even what is fresh has to be validated; a strong request finds out
    /// for itself.
    action begin(const http::request_head& head, const http::request_uri& uri,
                 const http::body_framing& framing, wall_time now, steady_time steady,
                 const std::shared_ptr<store::fill_waiter>& waker, bool in_sync = true,
                 consistency wanted = consistency::eventual);
    /// A temporary, also one made by converting another pointer, would not stay.
    action begin(const http::request_head& head, const http::request_uri& uri,
                 const http::body_framing& framing, wall_time now, steady_time steady,
                 std::shared_ptr<store::fill_waiter>&& waker, bool in_sync = true,
                 consistency wanted = consistency::eventual) = delete;

    /// Whether the local store has everything that Redis had when the request came, or it could not be
    /// found out in time.
    action on_synced(bool synced, wall_time now);

    /// The same for a fetch behind an answer: to validate a stale response, or to have the whole of one of
    /// which a client took a part. Nobody waits for its end, and the request's own conditions, ranges and
    /// directives do not count.
    action begin_behind(const http::request_head& head, const http::request_uri& uri, wall_time now,
                        steady_time steady);

    /// The version of a record at remote_key() that will not do, since it is stale; or nothing.
    std::optional<store::version> remote_known() const noexcept;
    /// It was said on another replica that answers for this key cannot be shared. Before on_remote().
    void remember_unshareable(steady_time steady) noexcept;

    /// Before on_remote(): whether Redis said for certain that it has nothing at remote_key().
    void note_absent(bool absent) noexcept { absent_ = absent; }

    /// Redis's answer, or null; `begun` is the hybrid clock's version when it was asked.
    action on_remote(store::response_ptr response, const store::version& begun, wall_time now);
    /// What the store did with what on_remote() put into it last, for the counters; or nothing.
    const std::optional<store::insert_outcome>& remote_insert() const noexcept { return remote_insert_; }

    /// News of the fill that is waited for; `timed_out` when the collapse time-out passed first.
    action on_fill(wall_time now, bool timed_out);

    /// What the request that fetches is to ask: the stored response's validators, what the client asked, or
    /// neither. The views live until the next call, or until the exchange is over.
    const http::upstream_conditions& conditions(wall_time now);

    /// Whether the request that was sent can have that status for an answer: 206 only to Range, 304 only to
    /// If-None-Match and If-Modified-Since, the client's or, after conditions(), our own.
    bool asked_for(int status) const noexcept;
    /// What came is about this request alone: those who wait for it fetch for themselves.
    void release_others() noexcept { release_fill(); }

    /// Before the floor of a successful unsafe request is raised. Whether its answer may be stored all the
    /// same: then on_response() is to get a version above that floor in the place of `asked`, which was taken
    /// when the request was sent. So it is with the answer to POST where the policy permits it, unless
    /// another floor lies above `asked`, or the upstream has answered before it had the whole request
    /// (`whole_request`). Another replica's unsafe request that overlaps with this one and whose floor comes
    /// later may lie below the new version: two such requests have no order.
    bool outlives_own_floor(const store::version& asked, bool whole_request) noexcept;

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
    /// Whether the answer was stored, once that is known: for Cache-Status (RFC 9211, section 2.5).
    void note_stored(bool stored) noexcept { outcome_.stored = stored; }
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
    /// Whether the request is to be answered with what Redis has acknowledged, and nothing else.
    bool is_strong() const noexcept { return wanted_ == consistency::strong; }
    /// Whether it is answered although Redis did not say in time what is new.
    bool is_unconfirmed() const noexcept { return unconfirmed_; }
    /// The same request, which is refused because Redis does not say whether it has the answer.
    action refuse_unconfirmed() noexcept;

    /// The stored response that is being validated, or may answer if the upstream fails; or null.
    const store::response_ptr& basis() const noexcept { return basis_; }
    /// Whether stream_head() and basis() make a new stored response: after `update`, and beside the answer
    /// to HEAD, which its client gets as it is.
    bool updates() const noexcept { return updates_; }
    /// Whether the client's answer leaves something to fetch behind it: see begin_behind().
    bool wants_fetch_behind() const noexcept { return fetch_behind_; }

    /// Whether a successful unsafe request invalidates what is stored for its URI (RFC 9111, section 4.4).
    bool invalidates(int upstream_status) const noexcept;
    /// Whether the answer shows that what is stored at primary_key() and is older than it is out of date, and
    /// does not take its place. What is stored is known here; of a strong request it may be elsewhere, too.
    bool outdates_stored() const noexcept { return outdates_stored_; }
    /// Replaces `out` by the primary key that a GET of another path of the same host would have had.
    void key_of_path(std::string_view path_query, std::string& out) const;

    /// Ends the exchange: a fill that this request was to feed and did not is released, so that nobody waits
    /// in vain. Called by begin() and the destructor too.
    void reset() noexcept;

  private:
    void adopt(const http::request_head& head, const http::request_uri& uri, steady_time steady);
    /// The stored response at key_, through the note at the primary key if its responses vary.
    store::response_ptr look_up(bool count_use);
    bool go_to_variant(const store::stored_response& note);
    action answer_or_miss(wall_time now);
    action found(store::response_ptr response, wall_time now, bool from_redis);
    action miss(wall_time now);
    action fetch_alone();
    bool may_be_elsewhere() const noexcept;
    std::string supplanted_by(const store::streamed_head& head) const;
    action fetch_part(wall_time now);
    action from_fill(const store::fill_view& view, wall_time now);
    bool is_fresh(const store::stored_response& response, wall_time now) const noexcept;
    /// Whether it may answer this request, fresh or within stale-while-revalidate or the request's max-stale.
    bool may_answer(const http::lifetime& life, wall_time now) const noexcept;
    /// Waits for a fill, or looks at what has come of it.
    action join(std::shared_ptr<store::fill> f, wall_time now);
    bool is_ours(const store::streamed_head& head);
    bool is_ours(const store::stored_response& response);
    /// Whether the note by which we came to the variant's key is still valid.
    bool note_stands() const;
    bool usable_variant(const store::stored_response& response) const noexcept;
    struct updated;
    /// Makes stream_head(), and a fill for it if there is none.
    void start_head(const store::response_meta& meta, std::string names, std::string text,
                    std::optional<std::uint64_t> content_length);
    http::update_settings update_settings(wall_time now) const noexcept;
    action on_not_modified(const http::response_head& response, const store::version& version,
                           wall_time request_time, wall_time now, steady_time steady);
    void on_head_answer(const http::response_head& response, const store::version& version,
                        wall_time request_time, wall_time now);
    /// The answer is stored: begins the stream that feeds fill().
    action share(const http::response_head& response, const http::body_framing& framing,
                 const store::version& version, const http::lifetime& life, std::string names, wall_time now);
    action on_post_answer(const http::response_head& response, const http::body_framing& framing,
                          const store::version& version, wall_time request_time, wall_time now);
    http::store_refusal beyond_bounds(const http::response_head& response, const http::body_framing& framing,
                                      std::string& names) const;
    bool wants_whole_of(const http::response_head& part, wall_time request_time, wall_time now) const;
    bool may_serve_stale(error_code error, wall_time now) const noexcept;
    void answer_stale(wall_time now);
    /// Takes the stale response in the place of an answer with that status (RFC 5861, section 4).
    bool stale_for(int status, wall_time now);
    void let_go(error_code error) noexcept;
    /// Nobody else is to have this answer, nor to wait for the next ones.
    void keep_to_ourselves(steady_time steady) noexcept;
    /// Waiters go their own ways.
    void release_fill(store::lease_end others = store::lease_end::alone) noexcept;
    bool is_outdated(const store::fill& f) const;
    bool is_purged(const store::fill_view& view) const;

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
    store::response_ptr basis_;
    std::unique_ptr<http::response_head> basis_head_; ///< of basis_, once conditions() has read it
    http::upstream_conditions asked_;                 ///< what conditions() said last
    cache_outcome outcome_;
    error_code error_;
    int status_ = 0;
    int overtaken_ = 0; ///< fills that were waited for, and purged meanwhile
    bool is_head_ = false;
    bool unsafe_ = false;
    bool at_variant_ = false;
    bool joined_late_ = false; ///< what is waited for was asked for before this request began
    bool in_sync_ = true;
    bool asked_stale_ = false; ///< Redis was asked for something newer than the stale record it had
    bool behind_ = false;      ///< begun by begin_behind()
    consistency wanted_ = consistency::eventual;
    bool unconfirmed_ = false;    ///< on_synced(false)
    bool asked_remote_ = false;   ///< on_remote() was called
    bool absent_ = false;         ///< note_absent()
    bool validates_ = true;       ///< basis_ has not been found out of date
    bool as_client_asks_ = false; ///< the client's own conditions and ranges go upstream
    bool updates_ = false;
    bool fetch_behind_ = false;
    bool outdates_stored_ = false;
    bool stores_post_ = false; ///< outlives_own_floor() said so
    std::optional<store::insert_outcome> remote_insert_;
    steady_time steady_;   ///< when the request began
    store::version epoch_; ///< variants older than this are invalid; see store/vary.hpp
};

} // namespace meshcache::flow
