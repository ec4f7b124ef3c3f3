#include "reconcile.hpp"

#include <meshcache/base/test_hooks.hpp>

namespace meshcache::replica {

verdict judge(const store::version& held, const store::version& oldest,
              const std::optional<store::version>& in_redis, const std::optional<store::version>& floor,
              milliseconds skew, bool floors_complete) noexcept {
    if constexpr (planted == mutant::reconcile_keeps_all) return verdict::keep;
    if (in_redis && *in_redis == held) return verdict::keep;
    if (in_redis && *in_redis > held) return verdict::refresh;
    const auto allowed = static_cast<std::uint64_t>(skew.count()) << 16;
    if (floor && oldest.stamp <= floor->stamp + allowed) return verdict::drop;
    return floors_complete ? verdict::restore : verdict::drop;
}

} // namespace meshcache::replica
