// What a client connection is between requests: next to nothing, and at any time ready for the next.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/wait.hpp"

#include <cstddef>
#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

void answer(turn& t) {
    const std::string& body = t.read_body();
    t.ok(t.target() + body, t.target() == "/kept" ? "max-age=600" : "no-store");
}

} // namespace

TEST_CASE("an idle connection takes less than 1 KiB") {
    constexpr std::size_t count = 500, each = 1024;
    scripted_upstream upstream(answer);
    proxy p(upstream, {"--threads", "1"});
    {
        client warm = p.connect();
        for (const char* target : {"/kept", "/kept", "/pass", "/pass"}) CHECK(warm.get(target).status == 200);
    }
    const std::size_t before = p.process().resident();
    std::vector<client> clients;
    for (std::size_t i = 0; i < count; ++i) {
        clients.push_back(p.connect());
        // Some have been served at once, some by a coroutine, some not at all.
        if (i % 3 > 0) CHECK(clients.back().get(i % 3 == 1 ? "/kept" : "/pass").status == 200);
    }
    CHECK(eventually([&] { return p.stats().at("connections").get<std::size_t>() == count; }));
    if (!sanitized()) CHECK(p.process().resident() < before + count * each);
    for (auto& c : clients) CHECK(c.get("/kept").status == 200);
}

TEST_CASE("many connections may be in the middle of a head at once, and are idle again afterwards") {
    constexpr std::size_t count = 200;
    scripted_upstream upstream(answer);
    proxy p(upstream, {"--threads", "1"});
    CHECK(p.get("/kept").status == 200);
    std::vector<client> clients;
    const std::string head = request_text("GET", "/kept");
    for (std::size_t i = 0; i < count; ++i) {
        clients.push_back(p.connect());
        CHECK(clients.back().send(head.substr(0, 1 + i % (head.size() - 1))));
    }
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(clients[i].send(round == 0 ? head.substr(1 + i % (head.size() - 1)) : head));
            CHECK(clients[i].read().body == "/kept");
        }
    }
    CHECK(upstream.requests() == 1);
}

TEST_CASE("a connection goes from one kind of service to the other and back") {
    scripted_upstream upstream(answer);
    proxy p(upstream, {"--threads", "1"});
    client c = p.connect();
    const std::string large(100'000, 'x');
    for (int round = 0; round < 3; ++round) {
        CHECK(c.get("/kept").body == "/kept");
        CHECK(c.get("/pass").body == "/pass");
        CHECK(c.ask("POST", "/post", {}, large).body == "/post" + large);
        // A hit, a head in two pieces, more hits at once than are answered by one write, and a miss behind
        // them.
        CHECK(c.get("/kept").body == "/kept");
        const std::string hit = request_text("GET", "/kept");
        std::string many;
        for (int i = 0; i < 40; ++i) many += hit;
        many += request_text("GET", "/pass");
        CHECK(c.send(many.substr(0, 30)));
        CHECK(c.send(many.substr(30)));
        for (int i = 0; i < 40; ++i) CHECK(c.read().body == "/kept");
        CHECK(c.read().body == "/pass");
    }
    // What was sent before the end is answered before the connection is closed.
    CHECK(c.send(request_text("GET", "/kept") + request_text("GET", "/pass")));
    c.raw().finish();
    CHECK(c.read().body == "/kept");
    CHECK(c.read().body == "/pass");
    CHECK(c.wait_for_end() != ending::none);
    CHECK(eventually([&] { return p.stats().at("connections").get<int>() == 0; }));
}
