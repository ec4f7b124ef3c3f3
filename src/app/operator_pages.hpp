#pragma once
// The admin port's JSON as pages for people. Members that are missing, or of another type than they should
// be, since the server is of another version, show as `-`. Pure; any thread.
#include <nlohmann/json_fwd.hpp>

#include <string>

namespace meshcache::app {

/// Of POST /purge.
std::string purge_page(const nlohmann::json& answer);
/// Of GET /stats.
std::string stats_page(const nlohmann::json& answer);
/// Of `replicas` of GET /stats.
std::string replicas_page(const nlohmann::json& list);
/// Why GET /stats has no list of replicas: a sentence without a full stop.
std::string no_replicas(const nlohmann::json& answer);
/// Of GET /inspect.
std::string inspection_page(const nlohmann::json& answer);

} // namespace meshcache::app
