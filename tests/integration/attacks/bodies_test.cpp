// A8 to A10: content where nobody expects it, content that nobody reads, and expectations.
#include "support/attack.hpp"
#include "support/catch.hpp"

using namespace meshcache::test;

namespace {

const std::string after(smuggled);

std::string ask(const std::string& method, const std::string& fields, const std::string& rest) {
    return method + " $T HTTP/1.1\r\nHost: shop.example\r\n" + fields + "\r\n" + rest;
}

std::string by_length(const std::string& content) {
    return "Content-Length: " + std::to_string(content.size()) + "\r\n";
}

/// Answers each head at once, and takes what follows for the next request.
void answer_heads(turn& t, bool first = true) {
    const auto answer = [&](const head& top) {
        const std::string said = top.part(0) + " " + top.part(1) + " ";
        t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: " +
               std::to_string(said.size()) + "\r\n\r\n" + (top.part(0) == "HEAD" ? "" : said));
    };
    if (first) answer(t.asked().top);
    while (const auto next = read_head(t.raw())) answer(*next);
    t.close();
}

} // namespace

TEST_CASE("A8 content of a method that has none by custom is read as content") {
    attack_stage stage;
    std::vector<accepted_attack> rows;
    // As long for every target that a row may get, so that Content-Length can be written here.
    const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    const std::string prefix = "GET /smuggled HTTP/1.1\r\nX-Rest: "; // swallows the head of what follows
    for (const std::string method :
         {"GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "POST", "PROPFIND", "QUERY", "GETX"}) {
        for (const std::string& content :
             {inner, prefix, std::string("0\r\n\r\n"), std::string("\r\n\r\n")}) {
            const std::string answer = method + " $T " + content;
            rows.push_back({"A8 " + method + " with a length, " + std::to_string(content.size()) + " bytes",
                            ask(method, by_length(content), content + after),
                            {answer, "GET $S "}});
            rows.push_back(
                {"A8 " + method + " chunked, " + std::to_string(content.size()) + " bytes",
                 ask(method, "Transfer-Encoding: chunked\r\n", chunk(content) + "0\r\n\r\n" + after),
                 {answer, "GET $S "}});
        }
        rows.push_back({"A8 " + method + " with no content",
                        ask(method, "Content-Length: 0\r\n", after),
                        {method + " $T ", "GET $S "}});
    }
    stage.check_all(rows);
}

TEST_CASE("A8 an upstream that does not read content leaves nothing for the next client (CL.0)") {
    scripted_upstream upstream([](turn& t) { answer_heads(t); });
    proxy p(upstream, {"--threads", "1"});
    const std::string inner = "GET /poison HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    for (const std::string method : {"GET", "HEAD", "OPTIONS", "DELETE"}) {
        INFO(method);
        client c = p.connect();
        const response first = c.ask(method, "/outer/" + method, {}, inner);
        CHECK(first.status == 200);
        // What the upstream makes of the rest is nobody's answer.
        for (int i = 0; i < 3; ++i) {
            const std::string target = "/victim/" + method + std::to_string(i);
            CHECK(p.get(target).body == "GET " + target + " ");
        }
    }
    CHECK(p.get("/poison").body == "GET /poison ");
    CHECK_FALSE(p.get("/outer/GET").cached().hit());
}

TEST_CASE("A9 content of a request that the cache answers is not taken for the next request") {
    for (const std::string mode : {"serve", "reject"}) {
        scripted_upstream upstream(
            [](turn& t) { t.ok(t.method() + " " + t.target() + " " + t.read_body()); });
        proxy p(upstream, {"--on-hit", mode});
        CHECK(p.get("/stored").body == "GET /stored ");
        const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
        const std::string host = "Host: shop.example\r\n";
        for (const std::string method : {"GET", "HEAD"}) {
            for (const std::string& sent : std::vector<std::string>{
                     by_length(inner) + "\r\n" + inner,
                     "Transfer-Encoding: chunked\r\n\r\n" + chunk(inner) + "0\r\n\r\n",
                     "Content-Length: 0\r\n\r\n",
                     "Cache-Control: only-if-cached\r\n" + by_length(inner) + "\r\n" + inner,
                     std::string("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                     // Content that comes only after the answer could have been given.
                     by_length(inner) + "\r\n"}) {
                INFO(mode << ": " << method << " " << sent);
                client c = p.connect();
                c.send(method + " /stored HTTP/1.1\r\n" + host + sent);
                const bool late = sent.ends_with("\r\n\r\n") && sent == by_length(inner) + "\r\n";
                if (late) c.send(inner);
                (void)c.read(method == "HEAD");
                std::string next = "GET /next "; // closing is as safe
                try {
                    const response r = c.get("/next");
                    if (r.status == 200) next = r.body;
                } catch (const std::exception&) {
                    CHECK(c.raw().ended() != ending::none);
                }
                CHECK(next == "GET /next ");
            }
        }
        CHECK(upstream.requests_for("/smuggled") == 0);
        CHECK(p.get("/smuggled").status == 200);
    }
}

TEST_CASE("A8 a request whose content never comes whole is nobody's request (0.CL)") {
    attack_stage stage({"--body-timeout", "100ms"});
    for (const std::string fields : {"Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n",
                                     "Content-Length: 1000\r\nExpect: 100-continue\r\n"}) {
        for (const bool hangs_up : {true, false}) {
            INFO(fields << (hangs_up ? "the client hangs up" : "the client waits"));
            client c = stage.front().connect();
            const std::string begun = fields.starts_with("T") ? "ff\r\n" + after : after;
            c.send("POST /never HTTP/1.1\r\nHost: shop.example\r\n" + fields + "\r\n" + begun);
            if (hangs_up) c.raw().finish();
            int status = 0;
            try {
                status = c.read().status;
            } catch (const std::exception&) {
                // The connection was just closed.
            }
            CHECK(status == (hangs_up ? 0 : 408));
            CHECK((c.raw().ended() != ending::none || c.wait_for_end() != ending::none));
        }
    }
    CHECK(eventually([&] { return stage.upstream().open_connections() == 0; }));
    for (const request& seen : stage.upstream().seen()) {
        CHECK(seen.target() == "/never");
        CHECK_FALSE(seen.complete);
    }
    CHECK(stage.front().get("/never").body == "GET /never ");
}

TEST_CASE("A10 an expectation that is not 100-continue fails, and nothing of the request is forwarded") {
    attack_stage stage;
    std::vector<refused_attack> rows;
    for (const std::string value : {"", "x", "200-ok", "y 100-continue", "100-continue y", "100-continue, y",
                                    "100-continue,100-continue", "100-continue;q=1", "100-continue=1",
                                    "\"100-continue\"", "100", "100 continue", "100-continuex",
                                    "x100-continue", "102-processing", ", 100-continue", "100-continue,"}) {
        rows.push_back({"A10 Expect: " + value,
                        post("Expect: " + value + "\r\nContent-Length: 5\r\n", "hello" + after), 417});
    }
    rows.push_back({"A10 two lines",
                    post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
                    417});
    rows.push_back({"A10 on GET", get("Expect: x\r\n") + after, 417});
    rows.push_back(
        {"A10 blank before the colon", post("Expect : 100-continue\r\nContent-Length: 5\r\n", "hello"), 400});
    rows.push_back({"A10 folded", post("Expect:\r\n 100-continue\r\nContent-Length: 5\r\n", "hello"), 400});
    stage.check_all(rows);
}

TEST_CASE("A10 100-continue does not change where a request ends") {
    attack_stage stage;
    stage.check_all<accepted_attack>({
        {"A10 content at once",
         post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello" + after),
         {"POST $T hello", "GET $S "}},
        {"A10 case",
         post("Expect: 100-CONTINUE\r\nContent-Length: 5\r\n", "hello" + after),
         {"POST $T hello", "GET $S "}},
        {"A10 chunked",
         post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n" + after),
         {"POST $T hello", "GET $S "}},
        {"A10 no content", post("Expect: 100-continue\r\n", after), {"POST $T ", "GET $S "}, false, "Expect"},
        {"A10 no content by length",
         post("Expect: 100-continue\r\nContent-Length: 0\r\n", after),
         {"POST $T ", "GET $S "},
         false,
         "Expect"},
        {"A10 GET", get("Expect: 100-continue\r\n") + after, {"GET $T ", "GET $S "}, false, "Expect"},
        {"A10 HTTP/1.0",
         "POST $T HTTP/1.0\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
         {"POST $T hello"},
         true,
         "Expect"},
    });
}

TEST_CASE("A10 a final answer before 100 leaves no connection on which content and requests mix") {
    // It refuses without having read the content, keeps the connection, and reads on: what it is sent there
    // is the next request to it.
    scripted_upstream upstream([](turn& t) {
        if (t.asked().field("expect").empty()) {
            t.ok(t.method() + " " + t.target() + " " + t.read_body());
            return;
        }
        t.respond(401, "Cache-Control: max-age=60\r\n", "no");
        answer_heads(t, false);
    });
    proxy p(upstream, {"--threads", "1"});
    const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    for (const bool content_comes : {true, false}) {
        INFO("the client sends its content all the same: " << content_comes);
        client c = p.connect();
        c.send("POST /expects HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\n" + by_length(inner) +
               "\r\n" + (content_comes ? inner : ""));
        CHECK(c.read().status == 401);
        std::string next = "GET /next ";
        try {
            next = c.get("/next").body;
        } catch (const std::exception&) {
            CHECK(c.raw().ended() != ending::none);
        }
        CHECK(next == "GET /next ");
        for (int i = 0; i < 3; ++i) CHECK(p.get("/victim").body == "GET /victim ");
    }
    CHECK(p.get("/smuggled").body == "GET /smuggled ");
    CHECK_FALSE(p.get("/expects").cached().hit());
}
