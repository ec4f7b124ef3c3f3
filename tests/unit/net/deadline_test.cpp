#include "deadline.hpp"
#include "support/catch.hpp"

#include <functional>
#include <memory>
#include <utility>

namespace {

using namespace meshcache;
using namespace meshcache::net;

const steady_time start{std::chrono::hours{1}};

struct probe final : deadline {
    explicit probe(deadline_sweep& sweep, std::function<void()> then = {})
        : deadline(sweep), then_(std::move(then)) {}
    int calls = 0;

  private:
    void on_deadline() noexcept override {
        ++calls;
        if (then_) then_();
    }
    std::function<void()> then_;
};

TEST_CASE("a deadline is called once, by the first sweep at or after its time") {
    deadline_sweep sweep(start);
    probe p(sweep);
    sweep.sweep(start + milliseconds{10});
    p.arm(milliseconds{100});
    sweep.sweep(start + milliseconds{109});
    CHECK(p.calls == 0);
    sweep.sweep(start + milliseconds{110});
    CHECK(p.calls == 1);
    sweep.sweep(start + milliseconds{1000});
    CHECK(p.calls == 1);
    CHECK(sweep.now() == start + milliseconds{1000});
}

TEST_CASE("a deadline that was cleared or never armed is never called") {
    deadline_sweep sweep(start);
    probe never(sweep), cleared(sweep), zero(sweep), negative(sweep);
    cleared.arm(milliseconds{10});
    cleared.clear();
    zero.arm(milliseconds{10});
    zero.arm(milliseconds{0});
    negative.arm(milliseconds{-1});
    sweep.sweep(start + std::chrono::hours{1000});
    CHECK(never.calls + cleared.calls + zero.calls + negative.calls == 0);
}

TEST_CASE("arming anew moves a deadline, forwards and back") {
    deadline_sweep sweep(start);
    probe later(sweep), sooner(sweep);
    later.arm(milliseconds{10});
    later.arm(milliseconds{100});
    sooner.arm(milliseconds{100});
    sooner.arm(milliseconds{10});
    sweep.sweep(start + milliseconds{50});
    CHECK(later.calls == 0);
    CHECK(sooner.calls == 1);
    sweep.sweep(start + milliseconds{100});
    CHECK(later.calls == 1);
}

TEST_CASE("a deadline that is gone is not called") {
    deadline_sweep sweep(start);
    probe before(sweep);
    auto gone = std::make_unique<probe>(sweep);
    probe after(sweep);
    for (deadline* d : {static_cast<deadline*>(&before), static_cast<deadline*>(gone.get()),
                        static_cast<deadline*>(&after)})
        d->arm(milliseconds{10});
    gone.reset();
    sweep.sweep(start + milliseconds{10});
    CHECK(before.calls == 1);
    CHECK(after.calls == 1);
}

TEST_CASE("handlers may arm their own deadline again, clear others and add new ones") {
    deadline_sweep sweep(start);
    std::unique_ptr<probe> added;
    probe* other = nullptr;
    probe* self = nullptr;
    probe first(sweep, [&] {
        self->arm(milliseconds{10});
        other->clear();
        if (!added) added = std::make_unique<probe>(sweep);
        added->arm(milliseconds{5});
    });
    probe second(sweep);
    self = &first;
    other = &second;
    first.arm(milliseconds{10});
    second.arm(milliseconds{10});
    sweep.sweep(start + milliseconds{10});
    CHECK(first.calls == 1);
    CHECK(second.calls == 0);
    REQUIRE(added);
    CHECK(added->calls == 0);
    sweep.sweep(start + milliseconds{15});
    CHECK(added->calls == 1);
    CHECK(first.calls == 1);
    sweep.sweep(start + milliseconds{20});
    CHECK(first.calls == 2);
}

TEST_CASE("handlers may destroy their own deadline, and others that are due or are not") {
    deadline_sweep sweep(start);
    std::unique_ptr<probe> due, later, self;
    self = std::make_unique<probe>(sweep, [&] {
        due.reset();
        later.reset();
        self.reset();
    });
    due = std::make_unique<probe>(sweep);
    later = std::make_unique<probe>(sweep);
    probe last(sweep);
    self->arm(milliseconds{10});
    due->arm(milliseconds{10});
    later->arm(milliseconds{1000});
    last.arm(milliseconds{10});
    sweep.sweep(start + milliseconds{10});
    CHECK_FALSE(self);
    CHECK(last.calls == 1);
}

TEST_CASE("a deadline that another handler cleared or moved is not called") {
    deadline_sweep sweep(start);
    probe cleared(sweep), moved(sweep);
    probe first(sweep, [&] {
        cleared.clear();
        moved.arm(milliseconds{100});
    });
    first.arm(milliseconds{10});
    cleared.arm(milliseconds{10});
    moved.arm(milliseconds{10});
    sweep.sweep(start + milliseconds{10});
    CHECK(first.calls == 1);
    CHECK(cleared.calls + moved.calls == 0);
    sweep.sweep(start + milliseconds{110});
    CHECK(cleared.calls == 0);
    CHECK(moved.calls == 1);
}

} // namespace
