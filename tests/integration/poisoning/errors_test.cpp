// Poisoned denial of service (catalogue E): errors that a request provokes must not become everybody's.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <array>
#include <atomic>
#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

/// Statuses that say something of one request: never stored, whatever the response says.
const std::vector<int> provoked = {401, 406, 407, 408, 411, 412, 413, 415, 416,
                                   417, 421, 425, 426, 428, 429, 431, 511};
/// Errors that may be about the resource: stored if, and as long as, the response says so.
const std::vector<int> of_resource = {400, 402, 403, 404, 405, 409, 410, 414, 418, 422, 423, 424,
                                      451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 599};

std::vector<int> both() {
    std::vector<int> all = provoked;
    all.insert(all.end(), of_resource.begin(), of_resource.end());
    return all;
}

/// Answers with the status that X-Provoke names, and those fields.
application provokable(std::string good, std::string bad) {
    return [good = std::move(good), bad = std::move(bad)](const request& asked) {
        const std::string status = asked.field("x-provoke");
        if (status.empty()) return answer{200, good, "good"};
        return answer{std::stoi(status), bad, "bad"};
    };
}

std::string provoke(int status) { return "X-Provoke: " + std::to_string(status) + "\r\n"; }

} // namespace

TEST_CASE("an error without explicit freshness is not stored") {
    for (const char* fields : {"", "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n",
                               "Cache-Control: public\r\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n",
                               "ETag: \"1\"\r\n", "Cache-Control: stale-if-error=60\r\n"}) {
        poisoning_stage stage(provokable("Cache-Control: max-age=60\r\n", fields));
        for (const int status : both()) {
            stage.next();
            INFO(status << " " << fields);
            const response attack = stage.get(provoke(status));
            CHECK(attack.status == status);
            CHECK_FALSE(attack.cached().stored());
            CHECK(stage.get().status == 200);
            CHECK(stage.fetched() == 2);
        }
    }
}

TEST_CASE("an error that a request can provoke is not stored even if it says so") {
    for (const char* fields :
         {"Cache-Control: max-age=60\r\n", "Cache-Control: public, s-maxage=60\r\n",
          "Expires: Thu, 01 Jan 2099 00:00:00 GMT\r\n", "CDN-Cache-Control: max-age=60\r\n"}) {
        poisoning_stage stage(provokable("Cache-Control: max-age=60\r\n", fields));
        for (const int status : provoked) {
            stage.next();
            INFO(status << " " << fields);
            CHECK(stage.get(provoke(status)).status == status);
            CHECK(stage.get().status == 200);
            CHECK(stage.get(provoke(status)).cached().hit());
        }
    }
}

TEST_CASE("an error of the resource is stored where nothing better is, and it says for how long") {
    poisoning_stage stage(provokable("Cache-Control: max-age=60\r\n", "Cache-Control: max-age=60\r\n"));
    for (const int status : of_resource) {
        stage.next();
        INFO(status);
        CHECK(stage.get(provoke(status)).cached().stored());
        const response again = stage.get();
        CHECK(again.status == status);
        CHECK(again.cached().hit());
        // What is good may replace it.
        CHECK(stage.get("Cache-Control: no-cache\r\n").cached().stored());
        CHECK(stage.get().status == 200);
    }
}

TEST_CASE("no error takes the place of a good answer that may be used, however it is forced") {
    for (const char* bad :
         {"", "Cache-Control: max-age=60\r\n", "Cache-Control: public, s-maxage=600\r\n",
          "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n", "Cache-Control: no-store\r\n"}) {
        poisoning_stage stage(provokable("Cache-Control: max-age=60\r\n", bad));
        for (const int status : both()) {
            stage.next();
            INFO(status << " " << bad);
            CHECK(stage.get().cached().stored());
            CHECK(stage.get(provoke(status)).cached().hit());
            for (const char* force :
                 {"Cache-Control: no-cache\r\n", "Cache-Control: max-age=0\r\n", "Pragma: no-cache\r\n",
                  "Cache-Control: no-store\r\n", "Range: bytes=0-1\r\nCache-Control: no-cache\r\n",
                  "If-Match: \"x\"\r\n", "Upgrade: x\r\nConnection: upgrade\r\n"}) {
                (void)stage.get(force + provoke(status));
                const response victim = stage.get();
                CHECK(victim.status == 200);
                // That it is gone may be true: then the good answer may leave, but nothing takes its place.
                if (status != 404 && status != 410) CHECK(victim.cached().hit());
            }
        }
    }
}

TEST_CASE("a stale answer that may be used is preferred to an error, and kept") {
    // Fresh for no time at all, and usable while the application fails.
    poisoning_stage stage(provokable("Cache-Control: max-age=0, stale-if-error=600\r\nETag: \"1\"\r\n",
                                     "Cache-Control: max-age=60\r\n"));
    for (const int status : both()) {
        stage.next();
        INFO(status);
        CHECK(stage.get().status == 200);
        for (int i = 0; i < 2; ++i) {
            const response got = stage.get(provoke(status));
            // What may be served stale in their place, RFC 5861 names; the others are for who provoked them.
            if (status == 500 || status == 502 || status == 503 || status == 504)
                CHECK(got.body == "good");
            else
                CHECK(got.status == status);
            CHECK_FALSE(got.cached().stored());
        }
        const response victim = stage.get();
        CHECK(victim.status == 200);
        CHECK(victim.body == "good");
    }
}

TEST_CASE("errors provoked by the form of a request are not stored") {
    // Answers as applications do to what they do not like: with an error that says nothing of caching.
    poisoning_stage stage([](const request& asked) {
        const auto has = [&](const char* name) { return asked.top.fields.has(name); };
        int status = 200;
        if (asked.top.raw.size() > 8192)
            status = 431;
        else if (asked.field("x-meta").find('\xff') != std::string::npos)
            status = 400;
        else if (asked.field("cookie").size() > 4096)
            status = 400;
        else if (has("x-http-method-override") || has("x-method-override"))
            status = 405;
        else if (asked.field("x-waf").find("<script>") != std::string::npos)
            status = 403;
        else if (has("if-match"))
            status = 412;
        else if (has("range"))
            status = 416;
        else if (has("expect"))
            status = 417;
        else if (has("upgrade"))
            status = 426;
        else if (has("content-encoding"))
            status = 415;
        else if (asked.field("accept") == "application/evil")
            status = 406;
        else if (has("transfer-encoding"))
            status = 501;
        else if (has("x-crash"))
            status = 500;
        answer a{status, "Date: Thu, 26 Nov 2026 00:00:00 GMT\r\n", "x"};
        if (status == 200) a.fields = "Cache-Control: max-age=60\r\n";
        return a;
    });
    std::string many;
    for (int i = 0; i < 100; ++i)
        many += "X-Oversized-" + std::to_string(i) + ": " + std::string(100, 'x') + "\r\n";
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"HHO: one large field", "X-Oversized: " + std::string(16'000, 'x') + "\r\n"},
        {"HHO: many fields", many},
        {"HHO: a large cookie", "Cookie: a=" + std::string(5000, 'x') + "\r\n"},
        {"HMC: a byte beyond ASCII", "X-Meta: \xff\r\n"},
        {"HMO: an override", "X-HTTP-Method-Override: DELETE\r\n"},
        {"HMO: another", "X-Method-Override: DELETE\r\n"},
        {"a firewall", "X-WAF: <script>\r\n"},
        {"If-Match", "If-Match: \"x\"\r\n"},
        {"Range", "Range: bytes=100000-\r\n"},
        {"Expect", "Expect: 100-continue\r\n"},
        {"Upgrade", "Connection: upgrade\r\nUpgrade: evil/1\r\n"},
        {"Content-Encoding", "Content-Encoding: evil\r\n"},
        {"Accept", "Accept: application/evil\r\n"},
        {"a crash", "X-Crash: 1\r\n"},
    };
    for (const auto& [name, lines] : rows) {
        for (const bool attacker_first : {true, false}) {
            stage.next();
            INFO(name << (attacker_first ? " first" : " second"));
            if (!attacker_first) CHECK(stage.get().cached().stored());
            (void)stage.get(lines);
            CHECK(stage.get().status == 200);
            (void)stage.get(lines + "Cache-Control: no-cache\r\n");
            const response victim = stage.get();
            CHECK(victim.status == 200);
            CHECK(victim.cached().hit());
        }
    }
}

TEST_CASE("errors of meshcache's own are not stored") {
    poisoning_stage stage(echo_uri,
                          {"--max-header-size", "4KiB", "--max-header-count", "20", "--max-target", "200"});
    std::string many;
    for (int i = 0; i < 30; ++i) many += "X-" + std::to_string(i) + ": v\r\n";
    const std::string get = "GET $T HTTP/1.1\r\nHost: shop.example\r\n";
    const std::vector<std::pair<std::string, int>> rows = {
        {get + "X: " + std::string(5000, 'x') + "\r\n\r\n", 431},
        {get + many + "\r\n", 431},
        {get + "X: a\x01\r\n\r\n", 400},
        {get + "X: a\rb\r\n\r\n", 400},
        {get + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {get + "Host: b\r\n\r\n", 400},
        {get + "Cache-Control: only-if-cached\r\n\r\n", 504},
    };
    for (const auto& [bytes, status] : rows) {
        stage.next();
        INFO(bytes.substr(0, 80));
        CHECK(stage.send(bytes).status == status);
        CHECK(stage.get().status == 200);
        CHECK(stage.get().cached().hit());
    }
}

TEST_CASE("a failing upstream is not stored, and a good answer is not lost by it") {
    std::atomic<bool> fails{true};
    scripted_upstream upstream([&](turn& t) {
        if (!fails) return void(t.ok("good"));
        if (t.target() == "/truncated")
            t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\nhalf");
        if (t.target() == "/malformed") t.send("HTTP/1.1 200 OK\r\nX\x01: y\r\n\r\n");
        t.close();
    });
    proxy p(upstream);
    for (const char* target : {"/closed", "/truncated", "/malformed"}) {
        INFO(target);
        for (int i = 0; i < 2; ++i) {
            client c = p.connect();
            c.send(request_text("GET", target));
            const response r = c.read();
            CHECK((r.status == 502 || !r.complete));
        }
    }
    fails = false;
    for (const char* target : {"/closed", "/truncated", "/malformed"}) CHECK(p.get(target).cached().stored());
    fails = true;
    for (const char* target : {"/closed", "/truncated", "/malformed"}) {
        INFO(target);
        client c = p.connect();
        c.send(request_text("GET", target, "Cache-Control: no-cache\r\n"));
        (void)c.read();
        const response victim = p.get(target);
        CHECK(victim.cached().hit());
        CHECK(victim.body == "good");
    }
}

TEST_CASE("a redirect that reflects who asks is the same for everybody") {
    poisoning_stage stage([](const request& asked) {
        answer a{301, "Cache-Control: max-age=60\r\n", ""};
        const std::string proto = asked.field("x-forwarded-proto");
        const std::string host = asked.field("x-forwarded-host");
        a.fields += "Location: " + proto + "://" + host + ":" + asked.field("x-forwarded-port") +
                    asked.field("x-forwarded-prefix") + asked.field("x-original-url") + asked.target() +
                    "\r\n";
        return a;
    });
    for (const char* lines :
         {"X-Forwarded-Host: evil.example\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Port: 666\r\n",
          "X-Forwarded-Prefix: /evil\r\n", "X-Original-URL: /evil\r\n", "X_Forwarded_Host: evil.example\r\n",
          "X-Forwarded-Scheme: nothttps\r\n",
          "X-Forwarded-Host: evil.example\r\nX-Forwarded-Scheme: nothttps\r\n"}) {
        stage.next();
        INFO(lines);
        const std::string location =
            "http://shop.example:" + std::to_string(stage.front().address().port) + stage.target();
        CHECK(stage.get(lines).field("location") == location);
        const response victim = stage.get();
        CHECK(victim.cached().hit());
        CHECK(victim.field("location") == location);
    }
}
