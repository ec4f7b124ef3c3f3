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

/// A record as the put script gets it.
struct direct_put {
    std::string key, record;
    std::vector<std::string> tags = {};
    std::map<std::string, store::version> known = {};
};

/// Calls the put script as the link does. One verdict for each record.
inline std::string put_directly(redis_server& redis, const key_names& names,
                                const std::vector<direct_put>& batch) {
    std::vector<std::string> arguments{"EVAL",
                                       std::string(replica::put_script().text),
                                       std::to_string(5 + batch.size()),
                                       names.log(),
                                       names.floors(),
                                       names.groups(),
                                       names.lengths(),
                                       names.entries()};
    std::vector<std::string> records, selectors;
    std::string listed;
    for (const direct_put& put : batch) {
        arguments.push_back(names.record(put.key));
        records.insert(records.end(), {put.record, "600000"});
        const auto version = store::version::from_bytes(std::string_view(put.record).substr(0, 16));
        replica::append_put(listed, put.key, version.value());
        if (put.tags.empty() && put.known.empty()) continue;
        selectors.push_back(std::to_string(records.size() / 2));
        selectors.push_back(std::to_string(put.tags.size()));
        selectors.insert(selectors.end(), put.tags.begin(), put.tags.end());
        selectors.push_back(std::to_string(put.known.size()));
        for (const auto& [selector, floor] : put.known)
            selectors.insert(selectors.end(), {selector, replica::position_text(floor)});
    }
    arguments.insert(arguments.end(), {"1000", replica::replica_name(77), "60000", "250", listed});
    arguments.insert(arguments.end(), records.begin(), records.end());
    arguments.insert(arguments.end(), selectors.begin(), selectors.end());
    const auto reply = redis.command(arguments);
    if (!reply.ok()) give_up(reply.text);
    return reply.text;
}

/// The same for one record, and its verdict as a number.
inline int put_directly(redis_server& redis, const key_names& names, const std::string& key,
                        const std::string& record, const std::vector<std::string>& tags = {},
                        const std::map<std::string, store::version>& known = {}) {
    return put_directly(redis, names, {{key, record, tags, known}}).at(0) - '0';
}

} // namespace meshcache::test
