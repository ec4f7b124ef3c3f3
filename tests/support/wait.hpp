#pragma once
// How long a test waits. Every wait is for a condition, bounded by patience(): generous, since it is only
// reached by a failure, and more so under sanitizers, which slow everything down tenfold.
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace meshcache::test {

using std::chrono::milliseconds;

/// Whether this test and the binaries that it starts were built with a sanitizer.
bool sanitized() noexcept;
/// Whether MESHCACHE_TEST_QUICK asks for less volume.
bool quick();
/// One of three volumes: in a release build, in a debug build or when quick() is asked for, under sanitizers.
std::size_t volume(std::size_t release, std::size_t debug, std::size_t sanitizer);

/// The bound of every wait.
milliseconds patience() noexcept;

/// Asks again and again, every few milliseconds, until `condition` holds; false when patience() has passed
/// before that. For conditions in other processes, which cannot notify.
bool eventually(const std::function<bool()>& condition);

/// Thrown by every wait that passed its bound, and by everything on the stage that cannot go on.
[[noreturn]] void give_up(const std::string& what);

} // namespace meshcache::test
