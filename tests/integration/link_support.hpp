#pragma once
// What the tests of the link share: one replica, as the link sees it, whose clock can be set off.
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace meshcache::test {

using namespace meshcache::replica;

/// A wall clock that can be set off; steady time is the machine's.
class shifted_clock final : public clock_source {
  public:
    wall_time wall() const noexcept override { return real_.wall() + milliseconds{shift_.load()}; }
    steady_time steady() const noexcept override { return real_.steady(); }
    std::chrono::nanoseconds thread_time() const noexcept override { return real_.thread_time(); }
    void shift(milliseconds by) noexcept { shift_.store(by.count()); }

  private:
    system_clock real_;
    std::atomic<std::int64_t> shift_{0};
};

inline link_settings settings_for(const endpoint& address) {
    link_settings s;
    s.address = address;
    s.backoff_max = milliseconds{200};
    // Generous, so that a busy machine does not look like a dead Redis.
    s.lookup_timeout = sanitized() ? milliseconds{5000} : milliseconds{2000};
    s.command_timeout = milliseconds{5000};
    return s;
}

/// One replica: a local store, a clock, and the link.
struct replica_under_test {
    explicit replica_under_test(std::uint64_t id, link_settings s)
        : local(store::cache_settings{.bytes = 16u << 20, .seed = id}), versions(id),
          redis(std::move(s), local, versions, clock, counters, nullptr) {}

    replica_under_test& start() {
        redis.start();
        return *this;
    }

    replica_under_test& start_and_wait() {
        start();
        REQUIRE(eventually([&] { return redis.stats().state == link_state::ready; }));
        return *this;
    }

    store::version now() { return versions.next(clock.wall()); }

    store::response_ptr make(const std::string& key, const std::string& content, const store::version& v,
                             milliseconds fresh = std::chrono::minutes{10}) {
        store::response_meta meta;
        meta.version = v;
        meta.status = 200;
        meta.life.response_time = clock.wall();
        meta.life.fresh_until = meta.life.stale_until = meta.life.error_until = clock.wall() + fresh;
        const std::string_view pieces[] = {content};
        return store::stored_response::make(meta, key, local.hash(key), "HTTP/1.1 200 OK\r\n", pieces);
    }

    /// As a fill does: into the local store, then to Redis.
    store::response_ptr fill_and_hold(const std::string& key, const std::string& content) {
        const store::version v = now();
        const auto response = make(key, content, v);
        if (local.insert(response, v).took()) redis.put(response);
        return response;
    }
    store::version fill(const std::string& key, const std::string& content) {
        return fill_and_hold(key, content)->meta().version;
    }

    /// As an unsafe request does.
    store::version invalidate(const std::string& key) {
        const store::version floor = now();
        redis.invalidate(key, floor);
        return floor;
    }

    /// As a request that misses does: asks Redis and keeps what it says. nullopt if the link refused to ask.
    std::optional<store::response_ptr> look_up(const std::string& key) {
        const store::version begun = now();
        auto answer = std::make_shared<std::promise<store::response_ptr>>();
        auto future = answer->get_future();
        if (!redis.lookup(key, [answer](store::response_ptr r, bool) { answer->set_value(std::move(r)); }))
            return std::nullopt;
        if (future.wait_for(patience()) != std::future_status::ready) give_up("no answer");
        const store::response_ptr response = future.get();
        if (response) local.insert(response, begun);
        return response;
    }

    /// What the local store holds, "" if nothing.
    std::string content(const std::string& key) {
        const auto held = local.peek(local.view(key));
        return held ? std::string(held->content()) : std::string();
    }

    std::uint64_t count(counter c) const { return counters.total(c); }
    bool idle() const { return redis.stats().queue_depth == 0; }

    shifted_clock clock;
    store::cache local;
    store::hybrid_clock versions;
    metrics counters;
    replica::link redis;
};

} // namespace meshcache::test
