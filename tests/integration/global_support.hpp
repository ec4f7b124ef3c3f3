#pragma once
// What the tests of replicas that share a Redis share: an application whose answers tell how often it was
// asked, and waiting until the replicas have got there.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace meshcache::test {

/// Answers for each target with a number that grows by one with every request for it.
class numbered {
  public:
    void operator()(turn& t) {
        t.read_body();
        const std::lock_guard lock(state_->mutex);
        if (t.method() != "GET")
            t.respond(204, "", "");
        else
            t.ok(t.target() + " #" + std::to_string(++state_->counts[t.target()]), "max-age=600");
    }

  private:
    struct state {
        std::mutex mutex;
        std::map<std::string, int> counts;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// Redis holds floors in milliseconds, and refuses what was made in the very millisecond of one: an extra
/// miss, which a test that counts requests has to keep clear of.
inline void next_millisecond() {
    const auto wall = [] {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    };
    REQUIRE(eventually([&, now = wall()] { return wall() > now; }));
}

/// Waits until `p` answers `target` with `body`, from the cache.
inline bool converges(const proxy& p, const std::string& target, const std::string& body) {
    return eventually([&] {
        const response r = p.get(target, "Cache-Control: only-if-cached\r\n");
        return r.status == 200 && r.body == body && r.cached().hit();
    });
}

} // namespace meshcache::test
