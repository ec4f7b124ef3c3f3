// When the upstream's name is resolved again.
#include "support/catch.hpp"
#include "upstream_addresses.hpp"

namespace {

using namespace meshcache;
using namespace meshcache::net;

constexpr steady_time start{std::chrono::hours{1}};

TEST_CASE("a name is resolved at once, and then at its interval") {
    resolve_schedule s(seconds{30});
    CHECK(s.due(start));
    s.asked(start);
    CHECK_FALSE(s.due(start));
    CHECK_FALSE(s.due(start + milliseconds{29'999}));
    CHECK(s.due(start + seconds{30}));
}

TEST_CASE("addresses that are of no use are asked for again within a second, not at each failure") {
    resolve_schedule s(seconds{30});
    s.asked(start);
    for (int i = 0; i < 3; ++i) s.distrust();
    CHECK_FALSE(s.due(start + milliseconds{999}));
    CHECK(s.due(start + seconds{1}));
    s.asked(start + seconds{1});
    s.distrust();
    CHECK_FALSE(s.due(start + milliseconds{1999}));
    CHECK(s.due(start + seconds{2}));
    // A short interval stays what it is.
    resolve_schedule often(milliseconds{100});
    often.asked(start);
    often.distrust();
    CHECK(often.due(start + milliseconds{100}));
}

} // namespace
