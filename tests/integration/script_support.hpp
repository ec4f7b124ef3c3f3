#pragma once
// What the tests that call the scripts of Redis themselves share.
#include "change_log.hpp"
#include "keys.hpp"
#include "scripts.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <meshcache/store/version.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace meshcache::test {

using replica::key_names;

/// The bytes of a version, as a record begins with them.
inline std::string text_of(const store::version& v) {
    const auto b = v.bytes();
    return {b.data(), b.size()};
}

/// Calls the put script as the link does, for one record.
inline std::int64_t put_directly(redis_server& redis, const key_names& names, const std::string& key,
                                 const std::string& record, const std::vector<std::string>& tags = {},
                                 const std::map<std::string, store::version>& known = {}) {
    std::vector<std::string> arguments{"EVAL",
                                       std::string(replica::put_script().text),
                                       "5",
                                       names.log(),
                                       names.floors(),
                                       names.groups(),
                                       names.lengths(),
                                       names.record(key),
                                       "1000",
                                       replica::replica_name(77),
                                       "60000",
                                       "250",
                                       key,
                                       record,
                                       "600000",
                                       std::to_string(tags.size())};
    arguments.insert(arguments.end(), tags.begin(), tags.end());
    arguments.push_back(std::to_string(known.size()));
    for (const auto& [selector, floor] : known) {
        arguments.push_back(selector);
        arguments.push_back(replica::position_text(floor));
    }
    const auto reply = redis.command(arguments);
    if (!reply.ok()) give_up(reply.text);
    return reply.elements.at(0).integer;
}

} // namespace meshcache::test
