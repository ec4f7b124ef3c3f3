#pragma once
// How many connections each client address has open, over all event loops: --max-connections-per-client.
#include <meshcache/base/mutex.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace meshcache::net {

/// Which client an address counts for: an IPv4 address, mapped into IPv6 or not, or the /64 of an IPv6
/// address, which is what one customer is given. The two kinds never meet: the upper half of the former is
/// multicast.
using client_block = std::uint64_t;
client_block block_of(const boost::asio::ip::address& address) noexcept;

/// Counts connections by client_block. It knows only those that have one open, so that --max-connections
/// bounds its size. Any thread; outlives the places that it gave.
class client_limit {
  public:
    /// `most` connections of one block; 0: no limit, and nothing is counted.
    explicit client_limit(std::size_t most) noexcept : most_(most) {}
    client_limit(const client_limit&) = delete;
    client_limit& operator=(const client_limit&) = delete;

    /// One connection's place, given back by the destructor. Any thread.
    class place {
      public:
        place(place&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), block_(other.block_) {}
        place& operator=(place&&) = delete;
        ~place() {
            if (owner_ != nullptr) owner_->leave(block_);
        }

      private:
        friend class client_limit;
        place(client_limit* owner, client_block block) noexcept : owner_(owner), block_(block) {}
        client_limit* owner_;
        client_block block_;
    };

    /// A place, or nullopt if that block has all of its own. Who has no address (a unix socket) always gets
    /// one.
    std::optional<place> enter(const std::optional<client_block>& block);
    /// Blocks that have a connection open.
    std::size_t blocks() const;

  private:
    void leave(client_block block) noexcept;

    const std::size_t most_;
    mutable mutex mutex_;
    boost::unordered_flat_map<client_block, std::size_t> open_ MESHCACHE_GUARDED_BY(mutex_);
};

} // namespace meshcache::net
