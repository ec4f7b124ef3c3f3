#include "support/attack.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <exception>

namespace meshcache::test {
namespace {

std::string target_of(std::string_view prefix, std::size_t row) {
    return std::string(prefix).append(std::to_string(row));
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
}

std::vector<std::string> one_loop(std::vector<std::string> flags) {
    // One loop, so that there is one pool of upstream connections.
    flags.insert(flags.begin(), {"--threads", "1"});
    return flags;
}

/// Says what came. What did not come whole gets no answer.
void say_what_came(turn& t) {
    const std::string body = t.read_body();
    if (!t.asked().complete)
        t.close();
    else
        t.ok(t.method() + " " + t.target() + " " + body);
}

} // namespace

std::string post(std::string_view fields, std::string_view rest) {
    return std::string("POST $T HTTP/1.1\r\nHost: shop.example\r\n")
        .append(fields)
        .append("\r\n")
        .append(rest);
}

std::string get(std::string_view fields) {
    return std::string("GET $T HTTP/1.1\r\nHost: shop.example\r\n").append(fields).append("\r\n");
}

std::string post_chunked(std::string_view body) { return post("Transfer-Encoding: chunked\r\n", body); }

attack_stage::attack_stage(std::vector<std::string> flags)
    : upstream_(say_what_came), front_(upstream_, one_loop(std::move(flags))) {}

std::string attack_stage::with_targets(std::string_view text) const {
    std::string out(text);
    replace_all(out, "$T", target_of("/target/", row_));
    replace_all(out, "$S", target_of("/smuggled/", row_));
    return out;
}

/// Another client, who asks for the same, gets the answer to its own request.
void attack_stage::check_stored(std::string_view target) {
    const response r = front_.get(target);
    INFO("another client, who asks for " << target << ", gets " << r.summary());
    CHECK(r.status == 200);
    CHECK(r.body == "GET " + std::string(target) + " ");
}

void attack_stage::check(const refused_attack& row) {
    ++row_;
    INFO(row.name);
    const auto requests = upstream_.requests();
    const auto received = upstream_.received().size();
    try {
        client c = front_.connect();
        c.send(with_targets(row.bytes));
        const response got = c.read();
        INFO(got.summary());
        CHECK(got.status == row.status);
        CHECK(got.complete);
        CHECK(got.field("connection") == "close");
        CHECK(got.interim.empty());
        CHECK(c.wait_for_end() != ending::none);
        CHECK(upstream_.requests() == requests);
        CHECK(upstream_.received().substr(received) == "");
        for (const char* target : {"$T", "$S"}) {
            const auto before = upstream_.requests();
            check_stored(with_targets(target));
            CHECK(upstream_.requests() == before + 1); // it was not stored
        }
    } catch (const std::exception& e) {
        FAIL_CHECK(e.what());
    }
}

void attack_stage::check(const accepted_attack& row) {
    ++row_;
    INFO(row.name);
    const auto received = upstream_.received().size();
    const auto requests = upstream_.requests();
    try {
        client c = front_.connect();
        REQUIRE(c.send(with_targets(row.bytes)));
        for (const std::string& answer : row.answers) {
            const std::string expected = with_targets(answer);
            const bool no_content = expected.starts_with("HEAD ");
            const response got = c.read(no_content);
            INFO(got.summary());
            CHECK(got.status == 200);
            CHECK(got.complete);
            CHECK(got.body == (no_content ? "" : expected));
        }
        CHECK(upstream_.requests() == requests + row.answers.size());
        if (row.closes) {
            CHECK(c.wait_for_end() != ending::none);
        } else {
            const std::string next = target_of("/next/", row_);
            CHECK(c.get(next).body == "GET " + next + " ");
        }
        if (!row.never.empty()) CHECK(upstream_.received().find(row.never, received) == std::string::npos);
        check_stored(with_targets("$T"));
        check_stored(with_targets("$S"));
    } catch (const std::exception& e) {
        FAIL_CHECK(e.what());
    }
}

answer_stage::answer_stage(std::vector<std::string> flags)
    : upstream_([this](turn& t) { play(t); }), front_(upstream_, one_loop(std::move(flags))) {}

void answer_stage::play(turn& t) {
    t.read_body();
    std::map<std::string, answer_attack>::node_type row;
    {
        const std::lock_guard lock(mutex_);
        row = to_play_.extract(t.target());
    }
    if (row.empty()) {
        t.ok("good " + t.target());
        return;
    }
    t.send(row.mapped().bytes);
    if (row.mapped().end == ending::closed) t.close();
    if (row.mapped().end == ending::reset) t.reset();
}

void answer_stage::check_client(const answer_attack& row, const std::string& target, client& c) {
    REQUIRE(c.send(request_text(row.method, target, row.fields)));
    response got;
    try {
        got = c.read(row.method == "HEAD");
    } catch (const std::exception& e) {
        INFO(e.what());
        CHECK(row.expected == answer_attack::outcome::cut);
        return;
    }
    INFO(got.summary());
    switch (row.expected) {
    case answer_attack::outcome::bad_gateway:
        CHECK(got.status == 502);
        CHECK(got.complete);
        break;
    case answer_attack::outcome::cut:
        CHECK((!got.complete || got.status == 502)); // it may be known before anything was passed on
        break;
    case answer_attack::outcome::whole:
        CHECK(got.status != 502);
        CHECK(got.complete);
        CHECK(got.body == row.body);
        break;
    }
}

void answer_stage::check(const answer_attack& row) {
    INFO(row.name);
    const std::string number = std::to_string(++row_);
    const std::string target = "/target/" + number, next = "/next/" + number;
    {
        const std::lock_guard lock(mutex_);
        to_play_.emplace(target, row);
    }
    try {
        client c = front_.connect();
        check_client(row, target, c);
        const auto attacked = upstream_.last().connection;
        std::string after = "good " + next;
        try {
            after = c.get(next).body;
        } catch (const std::exception&) {
            CHECK(c.raw().ended() != ending::none); // closing is as safe
        }
        CHECK(after == "good " + next);

        const response other = front_.get(target);
        INFO("another client gets " << other.summary());
        CHECK(other.status == 200);
        CHECK(other.body == "good " + target);
        CHECK_FALSE(other.cached().hit());
        CHECK(upstream_.last().connection != attacked);
        CHECK(eventually([&] { return upstream_.open_connections() <= 1; }));
    } catch (const std::exception& e) {
        FAIL_CHECK(e.what());
    }
}

} // namespace meshcache::test
