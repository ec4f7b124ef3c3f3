#pragma once
// What serves a client connection while there is something to do on it: reads requests, answers hits at once,
// and carries out what the exchange says for the others. Everything happens on its event loop's thread.
#include "body_source.hpp"
#include "connection.hpp"
#include "event.hpp"
#include "loop_context.hpp"
#include "stream.hpp"

#include <meshcache/flow/exchange.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/range.hpp>

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::net {

/// Wakes a session that waits for a fill. Outlives the session if a fill still knows it.
class session_waker;

/// Serves one connection after the other: attach(), serve_at_once(), run() if that was not enough, detach().
class session {
  public:
    explicit session(loop_context& loop);
    ~session();
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    /// Begins to serve a connection that has served that many requests before. It outlives its service.
    void attach(const connection& client, descriptor socket, std::size_t requests) noexcept;
    /// Ends the service and gives the socket back. Not while run() does.
    descriptor detach() noexcept;
    /// The socket became ready: see pollable. What run() does may come to its end by it.
    void on_ready(std::uint32_t events) noexcept { io_.on_ready(events); }

    /// How the connection stands.
    enum class state : std::uint8_t {
        idle, ///< all answers are written, and nothing is there to be read
        busy, ///< the rest takes waiting: run() does it
        over, ///< it is to be closed
    };
    /// Does what can be done without waiting.
    state serve_at_once();
    /// Goes on where serve_at_once() came to `busy`, until the connection is idle or over.
    task<state> run();

    /// Ends the connection after the exchange in progress.
    void begin_drain() noexcept { close_ = true; }
    /// Ends it now.
    void abort() noexcept;

    /// Requests that the connection has served.
    std::size_t requests() const noexcept { return requests_; }

  private:
    /// Where the reading of requests stands.
    enum class step : std::uint8_t {
        need_bytes, ///< no whole head is buffered
        flush,      ///< enough answers are queued, or the connection is to be closed after them
        work,       ///< a request that is not simply a hit
        refuse,     ///< a request that is malformed, ambiguous or over a limit
    };

    // session.cpp: reading requests
    std::optional<state> read_first();
    step serve_buffered();
    step refused(int status, std::string_view why, counter reason = counter::requests_malformed) noexcept;
    task<bool> read_more();
    void check_client() noexcept;
    task<void> linger();

    // session_answer.cpp: answers of our own and from the store
    void queue_stored(store::response_ptr response);
    bool queue_full() const noexcept;
    void forget_queue() noexcept;
    bool flush_at_once();
    task<bool> flush();
    task<void> answer_stored();
    task<void> answer_generated(int status, std::string_view why);
    /// What a stored response answers to this request: the whole, a part, or a few words about it.
    struct selection;
    void select(const store::stored_response& response, selection& out);
    std::string_view hit_fields(const store::stored_response& response);
    void append_dynamic_fields(std::string& out, const store::response_meta* stored);
    struct stream_part;
    task<void> follow();
    stream_part select_of_stream(const store::streamed_head& head);
    /// `queued`: bytes of this answer that are yet to be written.
    void log_access(int status, std::uint64_t queued = 0);
    void log_refused(int status);
    void count_status(int status) noexcept;

    // session_exchange.cpp: what the exchange says, one action after the other
    task<void> perform(flow::action next);
    task<flow::action> wait_for_fill();
    flow::action abandon();
    task<store::version> invalidate_target(const http::response_head& answer);
    void fetch_behind_answer();

    // session_strong.cpp: waiting for Redis
    struct word;
    enum class ending : std::uint8_t { answer, repeat, refuse };
    std::function<void(replica::settlement)> leave_word(std::shared_ptr<word> said);
    task<replica::settlement> wait_for_word(std::shared_ptr<word> said, steady_time::duration bound);
    task<flow::action> sync();
    task<ending> settled(store::response_ptr response, std::shared_ptr<const store::streamed_head> head,
                         bool begun);
    task<bool> may_answer(store::response_ptr response, std::shared_ptr<const store::streamed_head> head);
    task<replica::settlement> settle(store::response_ptr response,
                                     std::shared_ptr<const store::streamed_head> head);
    task<replica::settlement> told_of(store::response_ptr response);
    task<replica::settlement> settle_floor(std::vector<store::selector> what, store::version floor);
    task<bool> floor_settled(std::string_view key, store::version floor);
    task<void> floors_settled(std::vector<store::selector> what, store::version floor);

    // session_fetch.cpp: asking the upstream
    struct upload;
    /// `for_store`: the answer may be stored, so the request asks for what everybody may get.
    task<flow::action> fetch(bool for_store);
    task<error_code> read_response_head(upstream_connection& upstream, upload* up);
    task<flow::action> on_answer(upstream_lease lease, const store::version& asked, wall_time request_time,
                                 upload* up);
    void note_upstream_failure(error_code ec);
    flow::action upstream_failed(error_code ec);
    static int failure_status(error_code ec) noexcept;

    // session_relay.cpp: its answer's content
    task<bool> relay_response(upstream_connection& upstream, const http::body_framing& framing);
    task<void> share_response(upstream_lease lease, const http::body_framing& framing);

    // session_upload.cpp: the request's content
    task<void> upload_body(upload& up);
    task<void> stop_upload(upload& up);

    // tunnel.cpp: after 101
    task<void> tunnel(upstream_lease& lease);

    /// Looks now and then whether the client is still there while nothing is read from it.
    class client_watch final : public deadline {
      public:
        static constexpr milliseconds interval{500};
        client_watch(deadline_sweep& sweep, session& owner) : deadline(sweep), owner_(owner) {}

      private:
        void on_deadline() noexcept override { owner_.check_client(); }
        session& owner_;
    };

    loop_context& loop_;
    stream io_;
    client_watch watch_;
    upstream_connection* asked_ = nullptr; ///< whose answer is awaited for this client alone
    bool client_gone_ = false;
    bool cut_ = false; ///< by abort(), and not by the client
    recv_buffer in_;
    std::string_view client_, local_port_; ///< the connection's
    session_waker* own_waker_;             ///< what waker_ is
    std::shared_ptr<store::fill_waiter> waker_;
    event news_;

    http::request_head head_;
    http::response_head stored_head_; ///< of the response whose conditions are being evaluated
    http::request_uri uri_;
    http::body_framing framing_;
    std::string host_buffer_;
    std::string head_copy_; ///< the head of a request with a body, since reading the body moves the buffer
    flow::exchange exchange_;
    std::chrono::steady_clock::time_point began_{};
    std::size_t requests_ = 0;
    std::size_t sent_before_ = 0;        ///< io_.bytes_written() when the request began
    step step_ = step::need_bytes;       ///< where serve_at_once() stopped
    flow::action next_ = flow::action{}; ///< what step::work begins with
    bool close_ = false;
    bool head_started_ = false; ///< the header deadline runs
    bool repeats_ = false;      ///< the request is to begin anew; nothing was sent
    int repetitions_ = 0;
    bool upgrade_ = false; ///< the request asks for another protocol
    bool unread_ = false;  ///< bytes of the request may still come that nobody will read

    // What is to be written: heads and bodies of stored responses, and the fields made for each of them.
    static constexpr std::size_t tail_room = 256;
    static constexpr std::size_t batch = 16;
    std::vector<asio::const_buffer> out_;
    std::vector<store::response_ptr> holders_;
    std::array<char, tail_room * batch> tails_;
    std::size_t tails_used_ = 0;
    std::deque<std::string> made_; ///< heads made for one answer alone
    std::deque<http::multipart_ranges> parts_;
    std::size_t queued_bytes_ = 0;
    static constexpr std::size_t most_queued =
        256 * 1024; ///< a slow client pins no more than this and one answer

    int refuse_status_ = 0;
    counter refuse_counter_ = counter::requests_malformed;
    std::string_view refuse_why_;

    std::string text_;    ///< heads to the client
    std::string up_text_; ///< heads to the upstream
    std::vector<std::string_view> pieces_;
    std::vector<asio::const_buffer> gather_; ///< a head and pieces, or pieces, as they are relayed
};

class session_waker final : public store::fill_waiter, public std::enable_shared_from_this<session_waker> {
  public:
    session_waker(executor ex, event& target) : ex_(std::move(ex)), target_(&target) {}
    void wake() noexcept override;
    /// The session goes; on its thread.
    void detach() noexcept { target_ = nullptr; }

  private:
    executor ex_;
    event* target_; ///< read and written on the loop's thread alone
    std::atomic<bool> posted_{false};
};

} // namespace meshcache::net
