#include "link_fsm.hpp"

namespace meshcache::replica {

link_fsm::action link_fsm::enter(step next) {
    step_ = next;
    return {next, milliseconds{0}};
}

link_fsm::action link_fsm::start() {
    if (step_ != step::idle) return {step_, milliseconds{0}};
    return enter(step::connect_command);
}

link_fsm::action link_fsm::done() {
    switch (step_) {
    case step::connect_command:
        return enter(greet_ ? step::greet_command : step::load_scripts);
    case step::greet_command:
        return enter(step::load_scripts);
    case step::load_scripts:
        return enter(step::connect_follower);
    case step::connect_follower:
        return enter(greet_ ? step::greet_follower : step::locate);
    case step::greet_follower:
        return enter(step::locate);
    case step::locate:
        return enter(step::catch_up);
    case step::catch_up:
        pause_.reset();
        return enter(step::serve);
    case step::idle:
    case step::serve:
    case step::wait:
    case step::finish:
        break;
    }
    return {step_, milliseconds{0}};
}

link_fsm::action link_fsm::failed() {
    if (step_ == step::idle || step_ == step::wait || step_ == step::finish) return {step_, milliseconds{0}};
    step_ = step::wait;
    return {step::wait, pause_.next()};
}

link_fsm::action link_fsm::elapsed() {
    if (step_ != step::wait) return {step_, milliseconds{0}};
    return enter(step::connect_command);
}

link_fsm::action link_fsm::stop() { return enter(step::finish); }

link_state link_fsm::state() const noexcept {
    if (step_ == step::finish) return link_state::stopped;
    if (draining_) return link_state::draining;
    switch (step_) {
    case step::idle:
    case step::connect_command:
    case step::wait:
        return link_state::connecting;
    case step::serve:
        return link_state::ready;
    default:
        return link_state::loading;
    }
}

std::string_view to_string(link_state s) noexcept {
    switch (s) {
    case link_state::connecting:
        return "connecting";
    case link_state::loading:
        return "loading";
    case link_state::ready:
        return "ready";
    case link_state::draining:
        return "draining";
    case link_state::stopped:
        return "stopped";
    }
    return "unknown";
}

std::string_view to_string(warm_state s) noexcept {
    switch (s) {
    case warm_state::off:
        return "off";
    case warm_state::waiting:
        return "waiting";
    case warm_state::running:
        return "running";
    case warm_state::done:
        return "done";
    }
    return "unknown";
}

} // namespace meshcache::replica
