#pragma once
// What an operator asks of a meshcache that runs, as one plain value. Made by operator_options.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/endpoint.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace meshcache::app {

enum class operator_verb : std::uint8_t { purge, stats, replicas, inspect };

struct operator_command {
    operator_verb verb = operator_verb::stats;
    endpoint admin;              ///< where its admin port is; no wildcard, and no port 0
    std::string token;           ///< of the admin port; empty: none
    bool json = false;           ///< print what the admin port says, for machines
    milliseconds timeout{5'000}; ///< for the answer; of a purge, that the server takes for it

    // purge
    std::vector<std::string> urls, tags, prefixes, hosts;
    bool all = false, soft = false, wait_replicas = false;

    std::string url; ///< of inspect
};

} // namespace meshcache::app
