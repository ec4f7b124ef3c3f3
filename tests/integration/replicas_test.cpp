// The list of replicas in Redis, and purges that wait for all of them.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <algorithm>
#include <csignal>

using namespace meshcache::test;

namespace {

void say_ok(turn& t) {
    t.read_body();
    t.ok(t.target(), "max-age=600");
}

const std::string list_key = "mc:{default:0}:replicas";

/// `replicas` of /stats, as soon as Redis says.
nlohmann::json list_of(const proxy& p) {
    nlohmann::json list;
    if (!eventually([&] {
            list = p.stats().at("replicas");
            return list.is_array();
        }))
        give_up("there is no list of replicas");
    return list;
}

std::string id_of(const proxy& p) { return p.stats().at("replica_id"); }

/// The entry of a replica in a list, or null.
nlohmann::json entry(const nlohmann::json& list, const std::string& id) {
    for (const auto& r : list)
        if (r.at("id") == id) return r;
    return nullptr;
}

/// What a list says of a replica, or null.
nlohmann::json said(const nlohmann::json& list, const std::string& id, const char* what) {
    const auto r = entry(list, id);
    return r.is_null() ? r : r.at(what);
}

/// Waits until `p` lists exactly these as ready.
bool lists(const proxy& p, std::vector<std::string> ids) {
    std::sort(ids.begin(), ids.end());
    return eventually([&] {
        std::vector<std::string> there;
        for (const auto& r : list_of(p))
            if (r.at("state") == "ready") there.push_back(r.at("id"));
        std::sort(there.begin(), there.end());
        return there == ids;
    });
}

struct answered {
    int status = 0;
    nlohmann::json json;
};

answered purge(const proxy& p, const std::string& query) {
    client c(p.admin());
    const response r = c.ask("POST", "/purge?" + query, "Host: localhost\r\n");
    INFO(r.summary());
    return {r.status, nlohmann::json::parse(r.body)};
}

/// Three replicas of one namespace that know of each other.
struct mesh {
    redis_server redis;
    scripted_upstream upstream{say_ok};
    proxy a{upstream, with_redis(redis)}, b{upstream, with_redis(redis)}, c{upstream, with_redis(redis)};

    mesh() {
        for (const proxy* p : {&a, &b, &c}) REQUIRE(p->wait_for_redis("ready"));
        for (const proxy* p : {&a, &b, &c}) REQUIRE(lists(*p, {id_of(a), id_of(b), id_of(c)}));
        // It takes a while until a new list counts as complete.
        REQUIRE(purge(a, "tag=none&wait=replicas&timeout=20s").status == 200);
    }
};

} // namespace

TEST_CASE("replicas list each other, with where they are and how far they have come") {
    redis_server redis;
    scripted_upstream upstream(say_ok);
    proxy a(upstream, with_redis(redis));
    auto flags = with_redis(redis);
    flags.insert(flags.end(), {"--listen", "0.0.0.0:0"});
    proxy b(upstream, flags);
    const std::string of_a = id_of(a), of_b = id_of(b);
    REQUIRE(lists(a, {of_a, of_b}));
    REQUIRE(lists(b, {of_a, of_b}));
    const auto list = list_of(a);
    CHECK(entry(list, of_a).at("own") == true);
    CHECK(entry(list, of_b).at("own") == false);
    CHECK(entry(list, of_a).at("address") == a.address().to_string());
    CHECK(entry(list, of_a).at("version") == a.stats().at("version"));
    // Who listens everywhere is reached by the name of the machine.
    const std::string host = entry(list, of_b).at("host");
    CHECK_FALSE(host.empty());
    CHECK(entry(list, of_b).at("address") == host + ":" + std::to_string(b.address().port));
    CHECK(entry(list, of_b).at("seen_ms") < 10'000);

    a.get("/x");
    CHECK(eventually([&] {
        const auto now = list_of(b);
        const auto end = b.stats().at("log_position");
        return end != "0-0" && said(now, of_a, "log_position") == end &&
               said(now, of_b, "log_position") == end && said(now, of_a, "lag_ms") == 0;
    }));
}

TEST_CASE(
    "a replica that stops is off the list at once, one that is killed when it has been silent for long") {
    mesh m;
    const std::string of_a = id_of(m.a), of_b = id_of(m.b);
    CHECK(m.c.stop() == 0);
    CHECK(m.redis.number({"HLEN", list_key}) == 3); // and since when there is a list
    CHECK(list_of(m.a).size() == 2);
    m.b.kill();
    CHECK(list_of(m.a).size() == 2);
    CHECK(lists(m.a, {of_a}));
    // What is left of it goes when the next one comes.
    CHECK(m.redis.number({"HEXISTS", list_key, of_b}) == 1);
    proxy d(m.upstream, with_redis(m.redis));
    REQUIRE(lists(d, {of_a, id_of(d)}));
    CHECK(m.redis.number({"HEXISTS", list_key, of_b}) == 0);
}

TEST_CASE("a purge waits for all replicas, and says so") {
    mesh m;
    const auto done = purge(m.a, "all=1&wait=replicas&timeout=20s");
    CHECK(done.status == 200);
    CHECK(done.json.at("acknowledged") == true);
    CHECK(done.json.at("replicas") == nlohmann::json{{"applied", 3}, {"live", 3}});
    // All have it now, and not soon.
    for (const proxy* p : {&m.a, &m.b, &m.c})
        CHECK(p->get("/x", "Cache-Control: only-if-cached\r\n").status == 504);
    CHECK(purge(m.a, "all=1").json.contains("replicas") == false);
}

TEST_CASE("a replica that hangs is waited for in vain, and falls behind") {
    mesh m;
    const std::string of_c = id_of(m.c);
    for (const char* target : {"/1", "/2"}) {
        CHECK(m.a.get(target).status == 200);
        REQUIRE(eventually([&] {
            return m.c.get(target, "Cache-Control: only-if-cached\r\n").status == 504 ||
                   m.c.get(target).cached().hit();
        }));
    }
    m.c.process().signal(SIGSTOP);
    const auto done = purge(m.a, "tag=red&wait=replicas&timeout=300ms");
    CHECK(done.status == 202);
    CHECK(done.json.at("acknowledged") == true);
    CHECK(done.json.at("replicas") == nlohmann::json{{"applied", 2}, {"live", 3}});
    const auto lag = [&] {
        const auto ms = said(list_of(m.a), of_c, "lag_ms");
        return ms.is_number() ? ms.get<int>() : -1;
    };
    const int before = lag();
    CHECK(before > 0);
    CHECK(eventually([&] { return lag() > before + 100; }));
    m.c.process().signal(SIGCONT);
    CHECK(eventually([&] { return lag() == 0; }));
    const auto after = purge(m.a, "tag=red&wait=replicas&timeout=20s");
    CHECK(after.status == 200);
    CHECK(after.json.at("replicas") == nlohmann::json{{"applied", 3}, {"live", 3}});
}

TEST_CASE("purges that wait for a replica that hangs keep no probe out") {
    mesh m;
    const auto taken = [&] {
        const std::string name = "meshcache_purges_total{kind=\"host\",mode=\"hard\"} ";
        const std::string page = m.a.ask_admin("/metrics").body;
        const auto at = page.find(name);
        return at == std::string::npos ? -1 : std::stoi(page.substr(at + name.size()));
    };
    m.c.process().signal(SIGSTOP);
    std::vector<connection> callers;
    const auto call = [&] {
        callers.push_back(connection::to(m.a.admin()));
        REQUIRE(callers.back().send("POST /purge?host=none.example&wait=replicas&timeout=1m HTTP/1.1\r\n"
                                    "Host: localhost\r\n\r\n"));
    };
    for (int i = 0; i < 40; ++i) call();
    CHECK(eventually([&] { return taken() == 40; }));
    // As many as may wait do so; the others are answered at once, and then their connections are idle.
    CHECK(eventually([&] {
        return std::count_if(callers.begin(), callers.end(), [](connection& c) {
                   return !c.buffer().empty() || c.fill_within(milliseconds{0});
               }) == 40 - 16;
    }));
    for (int i = 0; i < 30; ++i) call(); // more than there are connections
    CHECK(eventually([&] { return taken() == 70; }));
    for (int i = 0; i < 5; ++i) {
        CHECK(m.a.ask_admin("/healthz").status == 200);
        CHECK(m.a.ask_admin("/readyz").status == 200);
    }
    // The next one is told at once that nobody knows yet.
    const auto one_more = purge(m.a, "host=none.example&wait=replicas&timeout=1m");
    CHECK(one_more.status == 202);
    CHECK(one_more.json.at("replicas").is_null());
    m.c.process().signal(SIGCONT);
}

TEST_CASE("a purge whose caller hangs up waits for nobody any more") {
    mesh m;
    m.c.process().signal(SIGSTOP);
    // As many as may wait, and nobody else can while they do.
    constexpr std::size_t most = 16;
    std::vector<client> callers;
    const auto waits = [&] {
        return !purge(m.a, "host=none.example&wait=replicas&timeout=1ms").json.at("replicas").is_null();
    };
    for (std::size_t i = 0; i < most; ++i) {
        callers.emplace_back(m.a.admin());
        REQUIRE(callers.back().send(request_text("POST", "/purge?host=none.example&wait=replicas&timeout=1m",
                                                 "Host: localhost\r\n")));
    }
    REQUIRE(eventually([&] { return !waits(); }));
    // One that only says that it sends no more is told what is known.
    client last = std::move(callers.back());
    callers.clear();
    CHECK(eventually(waits));
    last.raw().finish();
    const response r = last.read();
    INFO(r.summary());
    CHECK(r.status == 202);
    CHECK(nlohmann::json::parse(r.body).at("replicas") == nlohmann::json{{"applied", 2}, {"live", 3}});
    m.c.process().signal(SIGCONT);
}

TEST_CASE("without Redis there is nobody to wait for, and with one that hangs it is said that nobody knows") {
    scripted_upstream upstream(say_ok);
    {
        proxy alone(upstream);
        const auto done = purge(alone, "all=1&wait=replicas");
        CHECK(done.status == 200);
        CHECK(done.json.at("replicas") == nlohmann::json{{"applied", 1}, {"live", 1}});
        CHECK(alone.stats().at("replicas").is_null());
    }
    redis_server redis;
    auto flags = with_redis(redis);
    flags.insert(flags.end(), {"--redis-command-timeout", "300ms", "--redis-timeout", "100ms"});
    proxy p(upstream, flags);
    REQUIRE(p.wait_for_redis("ready"));
    redis.pause();
    const auto done = purge(p, "all=1&wait=replicas");
    CHECK(done.status == 202);
    CHECK(done.json.at("acknowledged") == false);
    CHECK(done.json.at("replicas").is_null());
    CHECK(p.stats().at("replicas").is_null());
    redis.resume();
}

TEST_CASE("a purge does not take those who are on a list that was lost for all there are") {
    mesh m;
    m.c.process().signal(SIGSTOP);
    m.redis.command({"DEL", list_key});
    const auto done = purge(m.a, "tag=red&wait=replicas&timeout=500ms");
    CHECK(done.status == 202);
    CHECK(done.json.at("replicas").is_null());
    m.c.process().signal(SIGCONT);
    const auto after = purge(m.a, "tag=red&wait=replicas&timeout=20s");
    CHECK(after.status == 200);
    CHECK(after.json.at("replicas") == nlohmann::json{{"applied", 3}, {"live", 3}});
}

TEST_CASE("whatever else stands in the list does no harm") {
    redis_server redis;
    scripted_upstream upstream(say_ok);
    redis.command({"HSET", list_key, "nonsense", "more", "0000000000000000",
                   "99999999999999 99999999999999999999-0 ready 1 h h:1", "00000000000000aa",
                   "1 0-0 ready 1 h h:1"});
    proxy a(upstream, with_redis(redis));
    CHECK(lists(a, {id_of(a)}));
    CHECK(redis.number({"HLEN", list_key}) == 2); // who comes new tidies up
    redis.command({"DEL", list_key});
    redis.command({"SET", list_key, "a string"});
    CHECK(a.get("/x").status == 200);
    CHECK(purge(a, "all=1").status == 200);
    CHECK(a.stats().at("replicas").is_null());
    redis.command({"DEL", list_key});
    CHECK(lists(a, {id_of(a)}));
    redis.command({"SCRIPT", "FLUSH"});
    CHECK(lists(a, {id_of(a)}));
}
