// The part of body_source that needs no socket: what it makes of bytes that are there already.
#include "body_source.hpp"
#include "support/catch.hpp"

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace meshcache;
using namespace meshcache::net;
using http::body_kind;

/// A body whose bytes come as the test says. Its stream has no connection.
struct body {
    explicit body(const http::body_framing& framing) : source(io, in, framing, milliseconds{1000}) {}

    void receive(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto room = in.prepare(64, 1u << 16);
            const auto n = std::min(room.size(), bytes.size());
            std::copy_n(bytes.begin(), n, room.begin());
            in.commit(n);
            bytes.remove_prefix(n);
        }
    }
    /// What is there, taken out of the buffer; "!" behind it when the coding is malformed.
    std::string take() {
        std::vector<std::string_view> pieces;
        const bool sound = source.take_buffered(pieces);
        std::string out;
        for (const auto piece : pieces) out += piece;
        source.release_pieces();
        return sound ? out : out + "!";
    }

    asio::io_context loop;
    deadline_sweep sweep{steady_time{std::chrono::hours{1}}};
    poller readiness{loop.get_executor()};
    stream io{readiness, sweep};
    recv_buffer in;
    body_source source;
};

TEST_CASE("the framing is taken off what was buffered, and what follows stays in the buffer") {
    struct row {
        body_kind kind;
        std::uint64_t length;
        std::string_view bytes, content;
        bool done;
        std::string_view rest;
    };
    const row rows[] = {
        {body_kind::none, 0, "next", "", true, "next"},
        {body_kind::length, 0, "next", "", true, "next"},
        {body_kind::length, 5, "", "", false, ""},
        {body_kind::length, 5, "abc", "abc", false, ""},
        {body_kind::length, 5, "abcde", "abcde", true, ""},
        {body_kind::length, 5, "abcdenext", "abcde", true, "next"},
        {body_kind::until_close, 0, "", "", false, ""},
        {body_kind::until_close, 0, "abc", "abc", false, ""},
        {body_kind::chunked, 0, "0\r\n\r\n", "", true, ""},
        {body_kind::chunked, 0, "0\r\n\r\nnext", "", true, "next"},
        {body_kind::chunked, 0, "3\r\nabc\r\n", "abc", false, ""},
        {body_kind::chunked, 0, "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\nnext", "abcde", true, "next"},
        {body_kind::chunked, 0, "A\r\nabc", "abc", false, ""},
        {body_kind::chunked, 0, "3\r", "", false, ""},
        {body_kind::chunked, 0, "x\r\n", "!", false, "x\r\n"},
        {body_kind::chunked, 0, "3\r\nabcX", "abc!", false, "X"},
    };
    for (const auto& r : rows) {
        body b({r.kind, r.length});
        b.receive(r.bytes);
        INFO(r.bytes);
        CHECK(b.take() == r.content);
        CHECK(b.source.done() == r.done);
        if (r.content.find('!') == std::string_view::npos) CHECK(b.in.view() == r.rest);
    }
}

TEST_CASE("a body is the same in whatever pieces it comes") {
    struct row {
        body_kind kind;
        std::uint64_t length;
        std::string_view bytes;
    };
    const row rows[] = {
        {body_kind::length, 11, "hello world"},
        {body_kind::chunked, 0, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"},
    };
    for (const auto& r : rows) {
        for (std::size_t step = 1; step <= r.bytes.size(); ++step) {
            body b({r.kind, r.length});
            std::string content;
            for (std::size_t at = 0; at < r.bytes.size(); at += step) {
                b.receive(r.bytes.substr(at, step));
                content += b.take();
            }
            INFO(r.bytes << " by " << step);
            CHECK(content == "hello world");
            CHECK(b.source.done());
            CHECK(b.in.empty());
        }
    }
}

TEST_CASE("a body of tiny chunks comes in a bounded number of pieces, and whole") {
    for (const std::size_t chunks : {std::size_t{1}, body_source::most_pieces - 1, body_source::most_pieces,
                                     body_source::most_pieces + 1, std::size_t{5000}}) {
        INFO(chunks);
        body b({body_kind::chunked, 0});
        std::string bytes, content;
        for (std::size_t i = 0; i < chunks; ++i) bytes += "1\r\n" + std::string(1, 'a' + i % 26) + "\r\n";
        b.receive(bytes + "0\r\n\r\nnext");
        std::vector<std::string_view> pieces;
        // Once more for the last chunk, if the last pieces filled the room.
        for (std::size_t round = 0; round <= chunks / body_source::most_pieces; ++round) {
            CHECK_FALSE(b.source.done());
            pieces.clear();
            REQUIRE(b.source.take_buffered(pieces));
            CHECK(pieces.size() <= body_source::most_pieces);
            for (const auto piece : pieces) content += piece;
            b.source.release_pieces();
        }
        CHECK(b.source.done());
        CHECK(content.size() == chunks);
        CHECK(content.back() == static_cast<char>('a' + (chunks - 1) % 26));
        CHECK(b.in.view() == "next");
        CHECK(pieces.capacity() <= body_source::most_pieces);
    }
}

TEST_CASE("a gather list is shortened by what was sent") {
    const std::string_view a = "abc", c = "defgh";
    std::vector<asio::const_buffer> list{asio::buffer(a), asio::const_buffer(), asio::buffer(c)};
    struct row {
        std::size_t sent, buffers, bytes;
    };
    for (const auto& r : {row{0, 3, 8}, row{2, 3, 6}, row{3, 1, 5}, row{7, 1, 1}, row{8, 0, 0}}) {
        auto copy = list;
        const auto left = drop_front(copy, r.sent);
        INFO(r.sent);
        CHECK(left.size() == r.buffers);
        CHECK(asio::buffer_size(left) == r.bytes);
    }
}

} // namespace
