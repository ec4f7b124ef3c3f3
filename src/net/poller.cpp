#include "poller.hpp"

#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <cerrno>

namespace meshcache::net {
namespace {

int new_set() {
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
    return fd;
}

} // namespace

poller::poller(const executor& ex, turn_meter* turns) : ex_(ex), turns_(turns), set_(ex, new_set()) {}

void poller::start() { wait(); }

error_code poller::watch(int fd, pollable& who) noexcept {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &who;
    if (::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
    return {errno, boost::system::system_category()};
}

void poller::forget(const pollable& who) noexcept {
    for (int i = at_; i < count_; ++i) {
        if (batch_[static_cast<std::size_t>(i)].data.ptr == &who)
            batch_[static_cast<std::size_t>(i)].data.ptr = nullptr;
    }
}

void poller::wait() {
    set_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) {
        if (!ec) run();
    });
}

void poller::run() {
    // Where so many were ready, more will be by now: waiting would cost a call, and find out just that.
    constexpr int many = 8;
    count_ = ::epoll_wait(set_.native_handle(), batch_.data(), most, 0);
    const int found = count_;
    for (at_ = 0; at_ < count_;) {
        const auto& event = batch_[static_cast<std::size_t>(at_++)];
        if (event.data.ptr != nullptr) static_cast<pollable*>(event.data.ptr)->on_ready(event.events);
    }
    at_ = count_ = 0;
    if (turns_ != nullptr) turns_->ended();
    if (found < many) return wait();
    // Not at once: what others have to do on this loop comes in between.
    asio::post(ex_, [this] { run(); });
}

} // namespace meshcache::net
