// Cache deception (catalogue F): what a path looks like never makes an answer shareable. Only the
// application's own word does.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

/// What an attacker appends to the path of a page with secrets, so that it looks static.
std::vector<std::string> static_looking() {
    std::vector<std::string> out;
    for (const char* extension : {"css", "js", "png", "jpg", "gif", "ico", "svg", "woff2", "pdf", "zip",
                                  "txt", "xml", "json", "avif", "CSS", "Js"})
        out.push_back(std::string("/x.") + extension);
    for (const char* delimiter : {"%2f", "%2F", ";",   "%3b", "%3f", "%3F", "%23",   "%00",    "%0a", "%0A",
                                  "%0d", "%09", "%20", "%5c", "%26", "%2e", "%252f", "%c0%af", ":",   "!",
                                  "$",   "'",   "(",   ")",   "*",   "+",   ",",     "=",      "@",   "~",
                                  "|",   "^",   "`",   "{",   "}",   "\\",  "\"",    "<",      ">",   "."})
        out.push_back(std::string(delimiter) + "x.css");
    for (const char* path : {"/static/..%2faccount", "/static/../account", "/static/%2e%2e/account",
                             "/assets/..;/account", "/static/..%5caccount", "/robots.txt", "/favicon.ico",
                             "/sitemap.xml", "/index.html", "/..%2frobots.txt", "/.well-known/security.txt",
                             "/..%2f..%2ffavicon.ico", "?x.css", "?/x.css", "//x.css", "/.css"})
        out.emplace_back(path);
    return out;
}

struct row {
    const char* name;
    std::string request, response;
    bool said_nothing = false;
};

} // namespace

TEST_CASE("a page with secrets is not stored, whatever static file its path looks like") {
    const row rows[] = {
        {"private", "", "Cache-Control: private\r\n"},
        {"private and an age", "", "Cache-Control: private, max-age=600\r\n"},
        {"no-store", "", "Cache-Control: no-store\r\n"},
        {"Set-Cookie", "", "Cache-Control: max-age=600\r\nSet-Cookie: session=1\r\n"},
        {"Authorization", "Authorization: Bearer secret\r\n", "Cache-Control: max-age=600\r\n"},
        {"nothing said", "", ""},
        {"nothing said, and a type", "", "Content-Type: text/css\r\n"},
        {"nothing said, and a tag", "Cookie: session=1\r\n", "ETag: \"1\"\r\n"},
        {"a session, and a date", "Cookie: session=1\r\n",
         "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n"},
        {"no-cache", "", "Cache-Control: no-cache\r\n"},
        {"max-age=0", "", "Cache-Control: max-age=0, must-revalidate\r\n"},
        {"Pragma", "", "Pragma: no-cache\r\nExpires: 0\r\n"},
    };
    for (const row& r : rows) {
        scripted_upstream upstream(
            [&](turn& t) { t.respond(200, r.response, "secret of " + t.asked().field("x-who")); });
        proxy p(upstream, {"--threads", "1"});
        for (const std::string& suffix : static_looking()) {
            const std::string target = "/account" + suffix;
            INFO(r.name << ": " << target);
            // The victim is lured there first, then the attacker asks for what was stored.
            CHECK(p.get(target, "X-Who: victim\r\n" + r.request).body == "secret of victim");
            const response stolen = p.get(target, "X-Who: attacker\r\n");
            CHECK_FALSE(stolen.cached().hit());
            CHECK(stolen.body == "secret of attacker");
        }
    }
}

TEST_CASE(
    "a static file is stored because the application says so, and only at the path that it was asked for") {
    scripted_upstream upstream([](turn& t) {
        // An application that maps everything below to one page.
        if (t.target() == "/app.css") return void(t.ok("file", "public, max-age=600"));
        t.respond(200, "Cache-Control: private\r\n", "page");
    });
    proxy p(upstream);
    CHECK(p.get("/app.css").cached().stored());
    CHECK(p.get("/app.css").cached().hit());
    for (const char* target :
         {"/app.css/", "/app.css/account", "/app.css?", "/app.css;x", "/APP.CSS", "/app%2ecss", "//app.css",
          "/./app.css", "/x/../app.css", "/app.css%20", "/app.css%00"}) {
        INFO(target);
        const response r = p.get(target);
        CHECK(r.body == "page");
        CHECK_FALSE(r.cached().hit());
        CHECK(p.get("/app.css").body == "file");
    }
}
