#pragma once
// A std::mutex that clang's thread-safety analysis understands (-Wthread-safety); elsewhere the
// annotations vanish. Members name their mutex with MESHCACHE_GUARDED_BY, private helpers the one that
// their caller holds with MESHCACHE_REQUIRES.
#include <mutex>

#if defined(__clang__)
#define MESHCACHE_ANNOTATE(x) __attribute__((x))
#else
#define MESHCACHE_ANNOTATE(x)
#endif
#define MESHCACHE_GUARDED_BY(m) MESHCACHE_ANNOTATE(guarded_by(m))
#define MESHCACHE_REQUIRES(...) MESHCACHE_ANNOTATE(requires_capability(__VA_ARGS__))

namespace meshcache {

/// Exclusive, not recursive. Lock it through scoped_lock.
class MESHCACHE_ANNOTATE(capability("mutex")) mutex {
  public:
    mutex() = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    void lock() MESHCACHE_ANNOTATE(acquire_capability()) { m_.lock(); }
    void unlock() MESHCACHE_ANNOTATE(release_capability()) { m_.unlock(); }

  private:
    std::mutex m_;
};

/// Holds a mutex for a scope. What is declared before it in the scope is destroyed after the unlock.
class MESHCACHE_ANNOTATE(scoped_lockable) scoped_lock {
  public:
    explicit scoped_lock(mutex& m) MESHCACHE_ANNOTATE(acquire_capability(m)) : m_(m) { m_.lock(); }
    ~scoped_lock() MESHCACHE_ANNOTATE(release_capability()) { m_.unlock(); }
    scoped_lock(const scoped_lock&) = delete;
    scoped_lock& operator=(const scoped_lock&) = delete;

  private:
    mutex& m_;
};

} // namespace meshcache
