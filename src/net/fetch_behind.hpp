#pragma once
// Fetches that no client waits for: a stale response that was served is validated behind the answer (RFC
// 5861, section 3), and the whole is fetched of which a client took a part. Used on the loop's thread.
#include "loop_context.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace meshcache::net {

/// Starts the fetch for the GET of the request whose head `head` is, unless --upstream-connections is half
/// used up by such fetches, the same is being fetched already, or the last such fetch failed a moment ago:
/// that of the same key, by its hash `key`, or any for want of an upstream. `client` and `local_port` are
/// those of the request, whose fields select the variant and go upstream.
void fetch_behind(loop_context& loop, std::uint64_t key, std::string_view head, std::string client,
                  std::string local_port);

} // namespace meshcache::net
