#pragma once
// Versions: what orders all responses of all replicas. 48-bit milliseconds, a 16-bit counter (together a
// hybrid logical clock), and the id of the replica that made it. Last writer wins, by version, in the
// local store, in the queue and in Redis.
#include <meshcache/base/clock.hpp>

#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::store {

struct version {
    std::uint64_t stamp = 0;   ///< milliseconds << 16 | counter
    std::uint64_t replica = 0; ///< who made it

    static constexpr std::size_t size = 16;

    wall_time time() const noexcept {
        return wall_time{milliseconds{static_cast<std::int64_t>(stamp >> 16)}};
    }
    /// 16 bytes, big-endian, so that byte order is version order.
    std::array<char, size> bytes() const noexcept;
    /// The reverse; nullopt unless `b` has exactly 16 bytes.
    static std::optional<version> from_bytes(std::string_view b) noexcept;
    /// `<ms>.<counter>@<replica in hex>`, for logs.
    std::string to_string() const;

    friend constexpr auto operator<=>(const version&, const version&) = default;
};

/// A version that lies further ahead of the receiver's wall clock than this is refused.
inline constexpr milliseconds max_version_lead{60'000};

/// Whether `v` is too far in the future to be believed.
inline bool too_far_ahead(const version& v, wall_time now) noexcept {
    return v.time() > now + max_version_lead;
}

/// The hybrid logical clock of one replica: strictly increasing, never behind the wall clock, never
/// behind a version that it has observed. Any thread; lock-free.
class hybrid_clock {
  public:
    explicit hybrid_clock(std::uint64_t replica) noexcept : replica_(replica) {}

    /// A new version, above all that were issued or observed.
    version next(wall_time now) noexcept;
    /// Moves the clock up to `v`. The caller has refused those that are too far ahead.
    void observe(const version& v) noexcept;
    std::uint64_t replica() const noexcept { return replica_; }

  private:
    std::atomic<std::uint64_t> last_{0};
    const std::uint64_t replica_;
};

} // namespace meshcache::store
