#pragma once
// From what the operator has set to the settings of the parts that serve. Pure.
#include <meshcache/app/configuration.hpp>
#include <meshcache/net/worker.hpp>
#include <meshcache/replica/link.hpp>

namespace meshcache::app {

/// Of every worker.
net::settings proxy_settings(const configuration& cfg);

/// `cfg` has a Redis.
replica::link_settings link_settings(const configuration& cfg);

} // namespace meshcache::app
