#include "reconcile.hpp"

#include <meshcache/base/test_hooks.hpp>

namespace meshcache::replica {

verdict judge(const store::version& held, const std::optional<store::version>& in_redis,
              const std::optional<wall_time>& floor, milliseconds skew, bool floors_complete) noexcept {
    if constexpr (planted == mutant::reconcile_restores_all) return verdict::restore;
    if (in_redis && *in_redis == held) return verdict::keep;
    if (in_redis && *in_redis > held) return verdict::refresh;
    if (floor && held.time() <= *floor + skew) return verdict::drop;
    return floors_complete ? verdict::restore : verdict::drop;
}

} // namespace meshcache::replica
