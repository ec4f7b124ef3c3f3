// A stream over one end of a socket pair, with its poller, on an event loop that the test runs by hand.
#include "stream.hpp"
#include "support/catch.hpp"

#include <meshcache/base/error.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>

#include <cstddef>
#include <exception>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace {

using namespace meshcache;
using namespace meshcache::net;

struct pair {
    pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        near = descriptor(ends[0]);
        far = descriptor(ends[1]);
    }
    descriptor near, far;
};

/// A loop, and a stream whose peer is `far`.
struct stage {
    /// `send_room`: bytes that the socket takes although the peer takes nothing; 0: what the system gives.
    explicit stage(int send_room = 0) {
        if (send_room > 0)
            (void)::setsockopt(sockets.near.get(), SOL_SOCKET, SO_SNDBUFFORCE, &send_room, sizeof send_room);
        readiness.start();
        REQUIRE_FALSE(io.open(std::move(sockets.near)));
    }
    void start(task<void> work) {
        ++running;
        asio::co_spawn(loop, std::move(work), [this](std::exception_ptr failure) {
            --running;
            if (failure) std::rethrow_exception(failure);
        });
    }
    /// Runs what can be run until `done`.
    void run_until(const std::function<bool()>& done) {
        while (!done()) loop.run_one();
    }
    void finish() {
        run_until([&] { return running == 0; });
    }
    void send(std::string_view bytes) const {
        REQUIRE(::send(sockets.far.get(), bytes.data(), bytes.size(), 0) ==
                static_cast<ssize_t>(bytes.size()));
    }
    /// All that the stream has sent and that was not received yet.
    std::string received() const {
        std::string out(1u << 20, '\0');
        const auto n = ::recv(sockets.far.get(), out.data(), out.size(), 0);
        out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return out;
    }

    pair sockets;
    asio::io_context loop;
    deadline_sweep sweep{steady_time{std::chrono::hours{1}}};
    poller readiness{loop.get_executor()};
    stream io{readiness, sweep};
    int running = 0;
};

/// What reading came to: the bytes, and the error that ended it.
struct reading {
    std::string bytes;
    error_code ec;
    int calls = 0;
    bool over = false;
};

task<void> read_all(stream& io, reading& out, std::size_t room = 16) {
    std::string into(room, '\0');
    for (;;) {
        const auto n = co_await io.read_some(into, out.ec);
        ++out.calls;
        if (out.ec) break;
        out.bytes.append(into, 0, n);
    }
    out.over = true;
}

TEST_CASE("a stream reads what comes, in whatever pieces, to the end") {
    stage s;
    reading got;
    s.start(read_all(s.io, got));
    s.send("one");
    s.run_until([&] { return got.bytes == "one"; });
    s.send("exactly sixteen.");
    s.run_until([&] { return got.bytes.size() == 19; });
    s.send("more than there is room for");
    ::shutdown(s.sockets.far.get(), SHUT_WR);
    s.finish();
    CHECK(got.bytes == "oneexactly sixteen.more than there is room for");
    CHECK(got.ec == asio::error::eof);
    CHECK(s.io.bytes_read() == got.bytes.size());
}

TEST_CASE("bytes and the end that were there before the first read are found") {
    stage s;
    s.send("early");
    s.sockets.far.reset();
    reading got;
    s.start(read_all(s.io, got));
    s.finish();
    CHECK(got.bytes == "early");
    CHECK(got.ec == asio::error::eof);
}

TEST_CASE("reading at once takes what is there and does not wait") {
    stage s;
    char into[16];
    error_code ec;
    CHECK_FALSE(s.io.may_be_readable());
    CHECK(s.io.read_now(into, ec) == 0);
    CHECK(ec == asio::error::would_block);
    s.send("abc");
    s.run_until([&] { return s.io.may_be_readable(); });
    CHECK(s.io.read_now(into, ec) == 3);
    CHECK_FALSE(ec);
    CHECK_FALSE(s.io.may_be_readable());
    s.send("0123456789abcdef");
    s.run_until([&] { return s.io.may_be_readable(); });
    CHECK(s.io.read_now(into, ec) == 16);
    CHECK(s.io.may_be_readable()); // there may be more
    CHECK(s.io.read_now(into, ec) == 0);
    CHECK_FALSE(s.io.may_be_readable());
}

TEST_CASE("one stream that always has something to read does not keep others waiting") {
    stage s;
    pair other;
    stream second(s.readiness, s.sweep);
    REQUIRE_FALSE(second.open(std::move(other.near)));
    const std::string much(4096, 'x');
    s.send(much);
    reading first, got;
    s.start(read_all(s.io, first, 1));
    s.start(read_all(second, got));
    REQUIRE(::send(other.far.get(), "y", 1, 0) == 1);
    s.run_until([&] { return !got.bytes.empty(); });
    CHECK(first.bytes.size() < much.size());
    s.sockets.far.reset();
    other.far.reset();
    s.finish();
    CHECK(first.bytes == much);
}

TEST_CASE("a stream writes everything, though the peer takes it in pieces") {
    stage s;
    std::string big(3u << 20, 'b');
    for (std::size_t i = 0; i < big.size(); i += 4096) big[i] = static_cast<char>('a' + i / 4096 % 26);
    const std::string_view head = "head", empty;
    // More buffers than one call takes, and some without content.
    std::vector<asio::const_buffer> gather{asio::buffer(head), asio::buffer(empty)};
    for (std::size_t at = 0; at < big.size(); at += 16 * 1024)
        gather.push_back(asio::buffer(&big[at], 16 * 1024));
    error_code failed = asio::error::would_block;
    s.start([](stage& on, auto& what, error_code& ec) -> task<void> {
        ec = co_await on.io.write(what, milliseconds{1000});
    }(s, gather, failed));
    std::string got;
    while (s.running > 0) {
        got += s.received();
        s.loop.poll();
    }
    for (std::string more = s.received(); !more.empty(); more = s.received()) got += more;
    CHECK_FALSE(failed);
    CHECK(got == "head" + big);
    CHECK(s.io.bytes_written() == got.size());
}

TEST_CASE("a deadline that passes ends the read that it was for") {
    stage s;
    reading got;
    s.io.read_deadline().arm(milliseconds{100});
    s.start(read_all(s.io, got));
    s.loop.poll();
    REQUIRE_FALSE(got.over);
    s.sweep.sweep(s.sweep.now() + milliseconds{100});
    s.finish();
    CHECK(got.ec == errc::client_timeout);
    CHECK(s.io.timed_out());
}

TEST_CASE("a peer that takes nothing makes a write time out") {
    stage s;
    const std::string big(4u << 20, 'b');
    error_code failed;
    s.start([](stage& on, std::string_view what, error_code& ec) -> task<void> {
        ec = co_await on.io.write(what, milliseconds{100});
    }(s, big, failed));
    s.loop.poll();
    REQUIRE(s.running == 1);
    s.sweep.sweep(s.sweep.now() + milliseconds{100});
    s.finish();
    CHECK(failed == errc::client_timeout);
}

TEST_CASE("a write's deadline counts although room has come in the same moment") {
    stage s;
    const std::string big(4u << 20, 'b');
    error_code failed;
    reading got;
    s.start([](stage& on, std::string_view what, error_code& ec) -> task<void> {
        ec = co_await on.io.write(what, milliseconds{100});
    }(s, big, failed));
    s.start(read_all(s.io, got));
    s.loop.poll();
    REQUIRE(s.running == 2);
    s.io.on_ready(pollable::input | pollable::output); // the writer is to be resumed after the reader
    s.sweep.sweep(s.sweep.now() + milliseconds{100});
    s.finish();
    CHECK(failed == errc::client_timeout);
}

TEST_CASE("a long write to a peer that takes everything lets others have their turn") {
    stage s(16 << 20);
    const std::string big(6u << 20, 'b');
    error_code ec;
    const asio::const_buffer all(big.data(), big.size());
    std::size_t sent = 0, calls = 0;
    // However much the socket has room for, one call takes a part, and says that there is more.
    while (sent < big.size()) {
        const auto left = all + sent;
        const auto n = s.io.write_now(std::span(&left, 1), ec);
        ++calls;
        sent += n;
        if (n == 0) (void)s.received();
    }
    CHECK_FALSE(ec);
    CHECK(calls > 1);
}

TEST_CASE("a read can be cancelled, and the next one begins anew") {
    stage s;
    reading got;
    s.start(read_all(s.io, got));
    s.loop.poll();
    s.io.cancel_read();
    s.finish();
    CHECK(got.ec == asio::error::operation_aborted);
    reading again;
    s.start(read_all(s.io, again));
    s.send("x");
    s.sockets.far.reset();
    s.finish();
    CHECK(again.bytes == "x");
}

TEST_CASE("to abort a stream ends what waits on it, and what would wait later") {
    stage s;
    reading got, later;
    s.start(read_all(s.io, got));
    s.loop.poll();
    s.io.abort();
    s.finish();
    CHECK(got.ec);
    s.start(read_all(s.io, later));
    s.finish();
    CHECK(later.ec);
    error_code ec;
    const std::string_view text = "x";
    const asio::const_buffer one = asio::buffer(text);
    CHECK(s.io.write_now(std::span(&one, 1), ec) == 0);
    CHECK(ec);
}

TEST_CASE("a look tells silence, bytes and the end apart, and takes nothing") {
    stage s;
    CHECK(s.io.look() == stream::sight::nothing);
    s.send("x");
    CHECK(s.io.look() == stream::sight::bytes);
    CHECK(s.io.look() == stream::sight::bytes);
    char into[8];
    error_code ec;
    CHECK(s.io.read_now(into, ec) == 1);
    s.sockets.far.reset();
    CHECK(s.io.look() == stream::sight::end);
}

/// Does something when it is called.
struct watcher final : pollable {
    explicit watcher(std::function<void()> what) : then(std::move(what)) {}
    void on_ready(std::uint32_t events) noexcept override {
        if ((events & input) != 0) then();
    }
    std::function<void()> then;
};

TEST_CASE("who is forgotten is not called, though it was found ready in the same batch") {
    asio::io_context loop;
    poller readiness(loop.get_executor());
    pair a, b;
    int calls = 0;
    std::optional<watcher> one, two;
    // Whichever comes first takes the other away.
    const auto take_away = [&](std::optional<watcher>& other) {
        ++calls;
        if (other) readiness.forget(*other);
        other.reset();
    };
    one.emplace([&] { take_away(two); });
    two.emplace([&] { take_away(one); });
    REQUIRE_FALSE(readiness.watch(a.near.get(), *one));
    REQUIRE_FALSE(readiness.watch(b.near.get(), *two));
    REQUIRE(::send(a.far.get(), "x", 1, 0) == 1);
    REQUIRE(::send(b.far.get(), "x", 1, 0) == 1);
    readiness.start();
    while (calls == 0) loop.run_one();
    loop.poll();
    CHECK(calls == 1);
}

TEST_CASE("a descriptor closes what it owns, once") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const auto is_open = [](int fd) { return ::fcntl(fd, F_GETFD) != -1; };
    {
        descriptor read(ends[0]);
        descriptor write(ends[1]);
        descriptor moved(std::move(read));
        CHECK(moved.get() == ends[0]);
        CHECK(is_open(ends[0]));
        moved = std::move(write);
        CHECK_FALSE(is_open(ends[0]));
        CHECK(moved.get() == ends[1]);
    }
    CHECK_FALSE(is_open(ends[1]));
    CHECK_FALSE(static_cast<bool>(descriptor{}));
}

} // namespace
