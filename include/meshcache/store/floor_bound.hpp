#pragma once
// A floor as the replica that raised it made it, and what it means here: clocks may differ. Pure values.
#include <meshcache/store/version.hpp>

#include <algorithm>
#include <cstdint>

namespace meshcache::store {

struct floor_bound {
    version made;   ///< what its maker's own responses are held against; of replica 0 when of several makers
    version mine;   ///< what this replica's are: above it they were made in the knowledge of the floor
    version others; ///< what everybody else's are: at or above the two

    /// A floor that means the same for all.
    static floor_bound same(const version& v) noexcept { return {v, v, v}; }

    /// One that this replica made: what others made may be older than it up to `skew` above.
    static floor_bound own(const version& v, milliseconds skew) noexcept { return {v, v, above(v, skew)}; }

    /// One of another replica. `here`: a version of this replica's clock, which has observed the floor, and
    /// everything that may lie above it and be older.
    static floor_bound heard(const version& floor, const version& here) noexcept {
        return {floor, here, std::max(floor, here)};
    }

    /// One of another replica, where it is not known what of others has been observed. `here` as above.
    static floor_bound found(const version& floor, const version& here, milliseconds skew) noexcept {
        return {floor, here, std::max(here, above(floor, skew))};
    }

    bool covers(const version& v) const noexcept {
        if (v.replica == made.replica && made.replica != 0) return v < made;
        return v < (v.replica == mine.replica ? mine : others);
    }

    /// Whether something below `v` may be valid although `v` is covered: made by one that knew of the floor.
    bool spares_older_than(const version& v) const noexcept {
        return !(v < (made.replica != 0 ? std::min(made, mine) : mine));
    }

    /// To both floors' effect. Where neither says all that the other does, the exception for a maker goes.
    void raise(const floor_bound& to) noexcept {
        if (to.made.replica == made.replica) {
            made = std::max(made, to.made);
        } else if (others <= to.made) {
            *this = to;
            return;
        } else if (made < to.others) {
            made = {};
        } else {
            return;
        }
        mine = std::max(mine, to.mine);
        others = std::max(others, to.others);
    }

    friend bool operator==(const floor_bound&, const floor_bound&) = default;

  private:
    static version above(const version& v, milliseconds skew) noexcept {
        return {v.stamp + (static_cast<std::uint64_t>(skew.count()) << 16) + 0xffff, ~std::uint64_t{0}};
    }
};

} // namespace meshcache::store
