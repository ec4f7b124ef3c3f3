#pragma once
// What the tests of strong consistency share.
#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <string>
#include <utility>
#include <vector>

namespace meshcache::test {

/// The flags of a replica that asks Redis for each request. Generous, so that a busy machine does not look
/// like a dead Redis.
inline std::vector<std::string> strongly(const redis_server& redis, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--consistency", "strong", "--redis-timeout", sanitized() ? "5s" : "2s",
                               "--redis-command-timeout", "5s"});
    return with_redis(redis, std::move(more));
}

} // namespace meshcache::test
