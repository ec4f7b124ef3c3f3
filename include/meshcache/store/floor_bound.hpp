#pragma once
// A floor as the replica that raised it made it, and what it means here: clocks may differ. Pure values.
#include <meshcache/store/version.hpp>

#include <algorithm>

namespace meshcache::store {

struct floor_bound {
    version made; ///< what its maker's own responses are held against; of replica 0 when of several makers
    version here; ///< what everybody else's are held against: at or above `made`

    /// A floor that this replica made, or one that nothing is allowed for.
    static floor_bound own(const version& v) noexcept { return {v, v}; }

    bool covers(const version& v) const noexcept {
        return made.replica != 0 && v.replica == made.replica ? v < made : v < here;
    }
    /// To both floors' effect. Where neither says all that the other does, the exception for a maker goes.
    void raise(const floor_bound& to) noexcept {
        if (to.made.replica == made.replica) {
            made = std::max(made, to.made);
            here = std::max(here, to.here);
        } else if (here <= to.made) {
            *this = to;
        } else if (made < to.here) {
            made = {};
            here = std::max(here, to.here);
        }
    }

    friend bool operator==(const floor_bound&, const floor_bound&) = default;
};

} // namespace meshcache::store
