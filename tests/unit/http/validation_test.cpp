#include "support/catch.hpp"
#include "validation_support.hpp"

#include <meshcache/http/validation.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;
using test::birth;
using test::date;
using test::line;
using test::shown;
using test::stored;
using test::today;

namespace {

/// An answer of the upstream with these lines.
std::string answered(std::string_view status, std::string_view lines) {
    return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(lines) + "\r\n";
}

const char* name(validator_match m) {
    switch (m) {
    case validator_match::strong:
        return "strong";
    case validator_match::weak:
        return "weak";
    case validator_match::unnamed:
        return "unnamed";
    case validator_match::mismatch:
        return "mismatch";
    }
    return "?";
}

const char* name(head_effect e) {
    switch (e) {
    case head_effect::same:
        return "same";
    case head_effect::update:
        return "update";
    case head_effect::invalidate:
        return "invalidate";
    }
    return "?";
}

update_settings settings() {
    update_settings s;
    s.now = today;
    return s;
}

/// The head that a 304 with `news` makes of one with `lines`, without its status line; or why it was refused.
std::string freshened(std::string_view lines, std::string_view news,
                      const update_settings& how = settings()) {
    const stored before(lines);
    const test::response answer(answered("304 Not Modified", news));
    std::string out = "what was there";
    const auto refusal =
        freshen(before.head, answer.head, validating_conditions(before.head, today), how, out);
    if (refusal != update_refusal::none) return std::string(describe(refusal));
    constexpr std::string_view status_line = "HTTP/1.1 200 OK\r\n";
    return out.compare(0, status_line.size(), status_line) == 0 ? out.substr(status_line.size()) : out;
}

const std::string our_via = "Via: 1.1 meshcache\r\n";

} // namespace

TEST_CASE("a 304 is about the response whose validators it has") {
    struct row {
        std::string before, after;
        validator_match expected;
    };
    const std::string lm = line("Last-Modified", date(0)), later = line("Last-Modified", date(1));
    const std::string strong_lm = lm + line("Date", date(60));
    const std::string a = "ETag: \"a\"\r\n", weak_a = "ETag: W/\"a\"\r\n", b = "ETag: \"b\"\r\n",
                      weak_b = "ETag: W/\"b\"\r\n";
    const auto strong = validator_match::strong, weak = validator_match::weak;
    const auto unnamed = validator_match::unnamed, mismatch = validator_match::mismatch;
    const std::vector<row> rows = {
        // both have an entity tag: it decides
        {a, a, strong},
        {a, weak_a, weak},
        {weak_a, weak_a, weak},
        {weak_a, a, mismatch},
        {a, b, mismatch},
        {a, weak_b, mismatch},
        {weak_a, b, mismatch},
        {weak_a, weak_b, mismatch},
        {a + strong_lm, b + lm, mismatch},
        {a + strong_lm, a + later, strong},
        {a + strong_lm, weak_a + later, weak},
        {weak_a + strong_lm, a + lm, strong},
        {weak_a + lm, a + lm, mismatch},
        {weak_a + strong_lm, a + later, mismatch},
        {weak_a + strong_lm, weak_a + lm, strong},
        // only the answer has one
        {"", a, mismatch},
        {"", weak_a, mismatch},
        {lm, a, mismatch},
        {lm, a + lm, mismatch},
        {strong_lm, a + lm, strong},
        {strong_lm, a + later, mismatch},
        {lm, weak_a + lm, weak},
        {lm, weak_a + later, mismatch},
        {"ETag: a\r\n", a, mismatch},
        // only the stored response has one
        {a, lm, mismatch},
        {a + lm, lm, weak},
        {a + lm, later, mismatch},
        {a + strong_lm, lm, strong},
        // Last-Modified alone
        {lm, lm, weak},
        {strong_lm, lm, strong},
        {lm, later, mismatch},
        {later, lm, mismatch},
        {lm, "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT\r\n", weak},
        {"", lm, mismatch},
        {line("Date", date(0)), lm, mismatch},
        // nothing, or nothing that can be read
        {a, "", unnamed},
        {lm, "", unnamed},
        {a + lm, "", unnamed},
        {"", "", unnamed},
        {a, "ETag: a\r\n", unnamed},
        {a, a + a, unnamed},
        {lm, "Last-Modified: x\r\n", unnamed},
        {a, line("Date", date(0)), unnamed},
    };
    for (const row& r : rows) {
        INFO(shown(r.before) << " and " << shown(r.after));
        const stored before(r.before);
        const test::response after(answered("304 Not Modified", r.after));
        CHECK(std::string(name(match_validators(before.head, after.head, today))) == name(r.expected));
    }
}

TEST_CASE("a 304 replaces the fields that it has") {
    const std::string tag = "ETag: \"a\"\r\n";
    const std::string d = line("Date", date(9));
    struct row {
        std::string before, after, expected;
    };
    const std::vector<row> rows = {
        {tag, tag + d, tag + d + our_via},
        {tag + "X: 1\r\n", tag + d, "X: 1\r\n" + tag + d + our_via},
        {tag + "X: 1\r\nY: 1\r\n", tag + "x: 2\r\n" + d, "Y: 1\r\n" + tag + "x: 2\r\n" + d + our_via},
        {tag + "X: 1\r\nX: 2\r\n", tag + "X: 3\r\n" + d, tag + "X: 3\r\n" + d + our_via},
        {tag + "X: 1\r\n", tag + "X: 2\r\nX: 3\r\n" + d, tag + "X: 2\r\nX: 3\r\n" + d + our_via},
        {tag + "X: 1\r\n", tag + "X:\r\n" + d, tag + "X: \r\n" + d + our_via},
        {tag + "Cache-Control: max-age=1\r\nCache-Control: public\r\nExpires: x\r\n",
         tag + "Cache-Control: max-age=2\r\n" + d,
         "Expires: x\r\n" + tag + "Cache-Control: max-age=2\r\n" + d + our_via},
        // Date: the answer's, or now
        {tag + line("Date", date(0)), tag + d, tag + d + our_via},
        {tag + line("Date", date(0)), tag, tag + line("Date", format_date(today)) + our_via},
        // Via: that of the answer's way
        {tag + "Via: 1.1 old\r\n" + our_via, tag + d, tag + d + our_via},
        {tag + "Via: 1.1 old\r\n" + our_via, tag + "Via: 1.1 new\r\n" + d,
         tag + "Via: 1.1 new\r\n" + d + our_via},
        // what the content depends upon stays
        {tag + "Content-Length: 5\r\n", tag + "Content-Length: 10\r\n" + d,
         "Content-Length: 5\r\n" + tag + d + our_via},
        {tag + "Content-Type: a/b\r\nContent-Encoding: gzip\r\nContent-MD5: q\r\nContent-Digest: r\r\n",
         tag + "Content-Type: c/d\r\nContent-Encoding: br\r\nContent-MD5: s\r\nContent-Digest: t\r\n" + d,
         "Content-Type: a/b\r\nContent-Encoding: gzip\r\nContent-MD5: q\r\nContent-Digest: r\r\n" + tag + d +
             our_via},
        {tag, tag + "Content-Range: bytes 0-1/2\r\nContent-Type: c/d\r\nContent-Encoding: br\r\n" + d,
         tag + d + our_via},
        // other Content-* are as others
        {tag + "Content-Location: /a\r\nContent-Foo: a\r\nContent-Language: a\r\n",
         tag + "Content-Location: /b\r\nContent-Foo: b\r\nContent-Language: b\r\n" + d,
         tag + "Content-Location: /b\r\nContent-Foo: b\r\nContent-Language: b\r\n" + d + our_via},
        // what is not stored does not come in by an update
        {tag + "X: 1\r\n",
         tag +
             "Connection: close, x\r\nX: 2\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\nUpgrade: u\r\n"
             "TE: t\r\nTrailer: t\r\nProxy-Authenticate: p\r\nProxy-Connection: close\r\nAge: 7\r\n" +
             d,
         "X: 1\r\n" + tag + d + our_via},
        {tag + "Set-Cookie: a=1\r\n", tag + "Set-Cookie: a=2\r\nSet-Cookie2: b=1\r\n" + d,
         "Set-Cookie: a=1\r\n" + tag + d + our_via},
        // entity tags are weakened, not strengthened
        {"ETag: \"a\"\r\n", "ETag: W/\"a\"\r\n" + d, "ETag: W/\"a\"\r\n" + d + our_via},
        {"ETag: W/\"a\"\r\n" + line("Last-Modified", date(0)) + line("Date", date(60)),
         "ETag: \"a\"\r\n" + line("Last-Modified", date(0)) + d,
         "ETag: W/\"a\"\r\n" + line("Last-Modified", date(0)) + d + our_via},
        // a validator that was not there before comes in
        {line("Last-Modified", date(0)) + line("Date", date(60)),
         "ETag: \"n\"\r\n" + line("Last-Modified", date(0)) + d,
         "ETag: \"n\"\r\n" + line("Last-Modified", date(0)) + d + our_via},
        // a 304 without validators is believed when it was asked about this response
        {tag + "X: 1\r\n", "X: 2\r\n" + d, tag + "X: 2\r\n" + d + our_via},
        // Vary: as it was, in whatever spelling
        {tag + "Vary: a, B\r\n", tag + "Vary: b\r\nVary: A\r\n" + d,
         tag + "Vary: b\r\nVary: A\r\n" + d + our_via},
        {tag + "Vary: a\r\n", tag + d, "Vary: a\r\n" + tag + d + our_via},
        {tag + "Vary: a\r\n", tag + "Vary: b\r\n" + d, "vary"},
        // A 304 does not repeat the fields that make a response vary without its saying so.
        {"Content-Encoding: gzip\r\n" + tag + "Vary: Origin\r\n", tag + "Vary: Origin\r\n" + d,
         "Content-Encoding: gzip\r\n" + tag + "Vary: Origin\r\n" + d + our_via},
        {tag, tag + "Access-Control-Allow-Origin: https://a\r\n" + d, "vary"},
        {tag + "Vary: a\r\n", tag + "Vary: a, b\r\n" + d, "vary"},
        {tag + "Vary: a, b\r\n", tag + "Vary: a\r\n" + d, "vary"},
        {tag, tag + "Vary: a\r\n" + d, "vary"},
        {tag, tag + "Vary: *\r\n" + d, "vary"},
        {tag + "Vary: a\r\n", tag + "Vary: *\r\n" + d, "vary"},
        {tag + "Vary: a\r\n", tag + "Vary:\r\n" + d, "vary"},
        {tag, tag + "Vary:\r\n" + d, tag + "Vary: \r\n" + d + our_via},
        // another version
        {tag, "ETag: \"b\"\r\n" + d, "validator-mismatch"},
        {"", d, "validator-mismatch"},
        {"", tag + d, "validator-mismatch"},
    };
    for (const row& r : rows) {
        INFO(shown(r.before) << " and " << shown(r.after));
        CHECK(shown(freshened(r.before, r.after)) == shown(r.expected));
    }
    auto cookies = settings();
    cookies.keep_set_cookie = true;
    CHECK(freshened(tag + "Set-Cookie: a=1\r\n", tag + "Set-Cookie: a=2\r\n" + d, cookies) ==
          tag + "Set-Cookie: a=2\r\n" + d + our_via);
}

TEST_CASE("a 304 that names no version is believed only where it was asked about this one") {
    const stored s("ETag: \"a\"\r\n");
    const test::response bare(answered("304 Not Modified", ""));
    const test::response named(answered("304 Not Modified", "ETag: \"a\"\r\n"));
    std::string out;
    upstream_conditions asked = validating_conditions(s.head, today);
    CHECK(freshen(s.head, bare.head, asked, settings(), out) == update_refusal::none);
    asked.drop_conditionals = false; // the client's conditions went with ours
    CHECK(freshen(s.head, bare.head, asked, settings(), out) == update_refusal::mismatch);
    CHECK(freshen(s.head, named.head, asked, settings(), out) == update_refusal::none);
    asked.drop_conditionals = true;
    asked.if_none_match = "\"b\"";
    CHECK(freshen(s.head, bare.head, asked, settings(), out) == update_refusal::mismatch);
    asked.if_none_match = {};
    CHECK(freshen(s.head, bare.head, asked, settings(), out) == update_refusal::mismatch);
    CHECK(freshen(s.head, named.head, asked, settings(), out) == update_refusal::none);
}

TEST_CASE("a 304 is taken at its word where the operator says so") {
    update_settings trusting = settings();
    trusting.trust_304 = true;
    const std::string stored_lines = "ETag: \"a-gzip\"\r\nContent-Type: a/b\r\nX: 1\r\n";
    const std::string dated = line("Date", format_date(today));
    // What Apache sends for content that it compressed: our own condition held, for another tag.
    const std::string news = dated + "ETag: \"a\"\r\nX: 2\r\n";
    CHECK(freshened(stored_lines, news) == "validator-mismatch");
    CHECK(freshened(stored_lines, news, trusting) ==
          "ETag: \"a-gzip\"\r\nContent-Type: a/b\r\n" + dated + "X: 2\r\n" + our_via);
    const std::string lm = line("Last-Modified", date(0)), later = line("Last-Modified", date(9));
    CHECK(freshened(lm, dated + later, trusting) == lm + dated + our_via);

    const std::string typed = dated + "ETag: \"a-gzip\"\r\nContent-Type: c/d\r\n";
    CHECK(freshened(stored_lines, typed) ==
          "Content-Type: a/b\r\nX: 1\r\n" + dated + "ETag: \"a-gzip\"\r\n" + our_via);
    CHECK(freshened(stored_lines, typed, trusting) ==
          "X: 1\r\n" + dated + "ETag: \"a-gzip\"\r\nContent-Type: c/d\r\n" + our_via);

    // Not if the condition was somebody else's.
    const stored s(stored_lines);
    const test::response answer(answered("304 Not Modified", news));
    upstream_conditions asked = validating_conditions(s.head, today);
    asked.if_none_match = "\"b\"";
    std::string out;
    CHECK(freshen(s.head, answer.head, asked, trusting, out) == update_refusal::mismatch);
}

TEST_CASE("the status line of a stored head stays") {
    const stored s("ETag: \"a\"\r\n", "203 Something Else");
    const test::response answer(answered("304 Not Modified", "ETag: \"a\"\r\nDate: d\r\n"));
    std::string out;
    REQUIRE(freshen(s.head, answer.head, {}, settings(), out) == update_refusal::none);
    CHECK(out == "HTTP/1.1 203 Something Else\r\nETag: \"a\"\r\nDate: d\r\n" + our_via);
}

TEST_CASE("updates do not make a head grow without end") {
    const std::string tag = "ETag: \"a\"\r\n";
    auto how = settings();
    how.limits.max_bytes = 100;
    CHECK(freshened(tag, tag + "Date: d\r\nX: " + std::string(60, 'x') + "\r\n", how) == "head-too-large");
    CHECK(freshened(tag, tag + "Date: d\r\nX: x\r\n", how) != "head-too-large");
    // One that is beyond the limits already may stay as large as it is.
    const std::string large = tag + "Date: d\r\n" + our_via + "X: " + std::string(200, 'x') + "\r\n";
    CHECK(freshened(large, tag + "Date: e\r\n", how) != "head-too-large");
    CHECK(freshened(large, tag + "Date: later\r\n", how) == "head-too-large");

    how = settings();
    how.limits.max_fields = 5;
    std::string head = tag + "Date: d\r\n" + our_via;
    std::string last;
    for (int i = 0; i < 10 && last != "head-too-large"; ++i) {
        last = freshened(head, tag + "Date: d\r\nX-" + std::to_string(i) + ": x\r\n", how);
        if (last != "head-too-large") head = last;
    }
    CHECK(last == "head-too-large");
    CHECK(stored(head).head.fields.size() == 5);
}

TEST_CASE("an updated head is a stored head, and the same update changes it no more") {
    test::random_source random;
    INFO("seed " << random.seed);
    const std::vector<std::string> names = {
        "X",    "x-a",          "Cache-Control", "Date", "Via",     "Content-Length",
        "Vary", "Content-Type", "Set-Cookie",    "Age",  "Expires", "Connection"};
    const auto lines = [&](std::size_t most) {
        std::string out = "ETag: \"a\"\r\n";
        for (std::size_t n = random.below(most); n != 0; --n) {
            const std::string& n1 = names[random.below(names.size())];
            if (n1 == "Vary")
                out += "Vary: a\r\n";
            else
                out += line(n1, random.text("ax, =", 6));
        }
        return out;
    };
    for (int round = 0; round < 3000; ++round) {
        const stored before("Vary: a\r\n" + lines(10));
        const test::response answer(answered("304 Not Modified", lines(10) + line("Date", date(5))));
        std::string once, twice;
        INFO(shown(before.text) << " and " << shown(answer.text));
        REQUIRE(freshen(before.head, answer.head, {}, settings(), once) == update_refusal::none);
        response_head middle;
        REQUIRE(read_stored_head(once, middle));
        REQUIRE(freshen(middle, answer.head, {}, settings(), twice) == update_refusal::none);
        REQUIRE(twice.size() == once.size());
        response_head after;
        REQUIRE(read_stored_head(twice, after));
        REQUIRE(after.fields.count(field_id::content_length) ==
                before.head.fields.count(field_id::content_length));
        REQUIRE(after.fields.count(field_id::set_cookie) == before.head.fields.count(field_id::set_cookie));
        REQUIRE(after.fields.count(field_id::connection) == before.head.fields.count(field_id::connection));
        for (const field& f : before.head.fields)
            if (f.id == field_id::other && answer.head.fields.find(f.name) == nullptr)
                REQUIRE(after.fields.find(f.name) != nullptr);
    }
}

TEST_CASE("an answer to HEAD updates the stored response, invalidates it, or says nothing") {
    struct row {
        std::string before, after;
        head_effect expected;
        std::string_view status = "200 OK", stored_status = "200 OK";
    };
    const std::string a = "ETag: \"a\"\r\n", lm = line("Last-Modified", date(0)),
                      l5 = "Content-Length: 5\r\n";
    const auto same = head_effect::same, update = head_effect::update, invalidate = head_effect::invalidate;
    const std::vector<row> rows = {
        {a + l5, a, update},
        {a + l5, a + l5, update},
        {a + lm + l5, a + lm + l5, update},
        {a + lm + l5, lm, update},
        {a + l5, "ETag: \"b\"\r\n", invalidate},
        {a + l5, "ETag: W/\"a\"\r\n", invalidate},
        {"ETag: W/\"a\"\r\n", "ETag: W/\"a\"\r\n", update},
        {l5, a, invalidate},
        {l5, a + l5, invalidate},
        {a + l5, a + "Content-Length: 6\r\n", invalidate},
        {a + l5, "Content-Length: 6\r\n", invalidate},
        {a + l5, a + "Content-Length: 05\r\n", update},
        {a + l5, a + "Content-Length: x\r\n", invalidate},
        {a + l5, a + l5 + l5, invalidate},
        {a, a + l5, invalidate},
        {a + l5, a + a, invalidate},
        {lm, line("Last-Modified", date(1)), invalidate},
        {lm, line("Last-Modified", date(-1)), invalidate},
        {lm, "Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT\r\n", update},
        {lm, "Last-Modified: x\r\n", invalidate},
        {"Last-Modified: x\r\n", "Last-Modified: x\r\n", update},
        {a + lm, a + line("Last-Modified", date(1)), invalidate},
        {l5, l5, update},
        {l5, "Content-Length: 6\r\n", invalidate},
        {a + l5, l5, update},
        // nothing to compare
        {l5, "", update},
        {"", "", update},
        {a + l5, "", same},
        {lm + l5, "Cache-Control: max-age=9\r\n", same},
        // only a 200 says something, and only of a 200
        {a, "ETag: \"b\"\r\n", same, "404 x"},
        {a, "ETag: \"b\"\r\n", same, "304 x"},
        {a, "ETag: \"b\"\r\n", same, "500 x"},
        {a, "ETag: \"b\"\r\n", same, "410 x"},
        {a, a, same, "206 x"},
        {a, a, invalidate, "200 OK", "404 x"},
        {"", "", invalidate, "200 OK", "301 x"},
        {"", "", same, "404 x", "404 x"},
    };
    for (const row& r : rows) {
        INFO(shown(r.before) << " and " << r.status << " " << shown(r.after));
        const stored before(r.before, r.stored_status);
        const test::response after(answered(r.status, r.after));
        CHECK(std::string(name(head_freshens(before.head, after.head, today))) == name(r.expected));
    }
}

TEST_CASE("an answer to HEAD updates by the rules of a 304") {
    const stored before("X: 1\r\nY: 1\r\nContent-Length: 5\r\nContent-Type: a/b\r\nVary: a\r\n");
    const auto updated = [&](std::string_view lines) {
        const test::response answer(answered("200 OK", lines));
        std::string out;
        const auto refusal = update_from_head(before.head, answer.head, settings(), out);
        return refusal == update_refusal::none ? out : std::string(describe(refusal));
    };
    CHECK(shown(updated(
              "X: 2\r\nContent-Length: 5\r\nContent-Type: c/d\r\nSet-Cookie: c\r\nAge: 3\r\nDate: d\r\n")) ==
          shown("HTTP/1.1 200 OK\r\nY: 1\r\nContent-Length: 5\r\nContent-Type: a/b\r\nVary: a\r\nX: "
                "2\r\nDate: d\r\n" +
                our_via));
    CHECK(updated("Vary: b\r\n") == "vary");
}

TEST_CASE("an updated response is as old as the answer that updated it") {
    const stored updated("Cache-Control: max-age=100\r\n" + line("Date", date(0)));
    const test::response answer(answered("304 Not Modified", "Age: 30\r\n"));
    const wall_time sent = at(birth + 10), received = at(birth + 12);
    const lifetime life = updated_lifetime(updated.head, answer.head, sent, received, cache_policy{});
    CHECK(life.initial_age == seconds{32});
    CHECK(life.fresh_until == received + seconds{68});
    CHECK(life.explicit_lifetime);
    const test::response young(answered("304 Not Modified", ""));
    CHECK(updated_lifetime(updated.head, young.head, sent, received, cache_policy{}).initial_age ==
          seconds{12});
    // Targeted fields of the stored response still count.
    const stored targeted("Cache-Control: no-store\r\nCDN-Cache-Control: max-age=7\r\n" +
                          line("Date", date(12)));
    CHECK(updated_lifetime(targeted.head, young.head, received, received, cache_policy{}).fresh_until ==
          received + seconds{7});
}

TEST_CASE("refusals of updates have words") {
    CHECK(describe(update_refusal::none) == "none");
    CHECK(describe(update_refusal::mismatch) == "validator-mismatch");
    CHECK(describe(update_refusal::vary) == "vary");
    CHECK(describe(update_refusal::too_large) == "head-too-large");
}
