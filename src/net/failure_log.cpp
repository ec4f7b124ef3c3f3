#include "access_log.hpp"
#include "failure_log.hpp"

#include <spdlog/spdlog.h>

namespace meshcache::net {
namespace {

constexpr std::size_t longest = 512;

} // namespace

void failure_log::note(steady_time now, std::string_view host, std::string_view target,
                       std::string_view why) {
    if (now < next_) {
        ++unwritten_;
        return;
    }
    next_ = now + interval;
    if (unwritten_ == 0) {
        log_->warn("{}: {}{}", why, escaped(host, longest), escaped(target, longest));
    } else {
        log_->warn("{}: {}{}, and {} more failures of the upstream before it", why, escaped(host, longest),
                   escaped(target, longest), unwritten_);
    }
    unwritten_ = 0;
}

} // namespace meshcache::net
