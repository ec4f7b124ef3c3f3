#include "support/catch.hpp"
#include "time_slice.hpp"

#include <cerrno>
#include <chrono>
#include <sched.h>
#include <sys/resource.h>
#include <thread>

namespace {

using namespace meshcache;
using namespace std::chrono_literals;

TEST_CASE("a thread may ask for short time slices and keeps its policy and its nice value") {
    error_code failed;
    int made_nice = -1, policy = -1, nice = -100;
    std::jthread([&] {
        made_nice = ::setpriority(PRIO_PROCESS, 0, 5); // on Linux, of this thread alone
        failed = net::ask_for_time_slice(100us);
        policy = ::sched_getscheduler(0);
        nice = ::getpriority(PRIO_PROCESS, 0);
    }).join();
    if (failed) {
        // A sandbox may say so, and nothing depends on it.
        CHECK((failed.value() == EPERM || failed.value() == ENOSYS));
        WARN("refused here: " << failed.message());
    }
    CHECK(made_nice == 0);
    CHECK(policy == SCHED_OTHER);
    CHECK(nice == 5);
}

} // namespace
