#pragma once
// Deadlines without a timer each: one sweep per event loop looks at those that are set, a few times a second.
// Setting one is a store to memory, which is what a deadline on every operation has to cost.
#include <meshcache/base/clock.hpp>

#include <boost/intrusive/list.hpp>

namespace meshcache::net {

class deadline_sweep;

/// A point in time at which on_deadline() is called once, unless it was cleared before. Belongs to one event
/// loop; must not outlive its sweep. One that was cleared stays in the sweep's list until the next sweep, so
/// that to set it again costs no more.
class deadline
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    explicit deadline(deadline_sweep& sweep) noexcept : sweep_(sweep) {}
    virtual ~deadline() = default;
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;

    /// Calls on_deadline() once `after` has passed, to the sweep's resolution. Zero or less: never.
    void arm(milliseconds after) noexcept;
    void clear() noexcept { at_ = never; }

  protected:
    virtual void on_deadline() noexcept = 0;

  private:
    friend class deadline_sweep;
    static constexpr steady_time never = steady_time::max();
    deadline_sweep& sweep_;
    steady_time at_ = never;
};

/// The deadlines of one event loop. The owner calls sweep() every `resolution`.
class deadline_sweep {
  public:
    static constexpr milliseconds resolution{50};

    explicit deadline_sweep(steady_time now) noexcept : now_(now) {}

    /// Calls on_deadline() of those that have passed. Handlers may set, clear, add and destroy deadlines,
    /// their own too.
    void sweep(steady_time now) noexcept;
    /// The time of the last sweep.
    steady_time now() const noexcept { return now_; }

  private:
    friend class deadline;
    using deadlines = boost::intrusive::list<deadline, boost::intrusive::constant_time_size<false>>;
    deadlines set_; ///< all that are set, and those that were cleared since the last sweep
    steady_time now_;
};

} // namespace meshcache::net
