#include "support/upstream.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

namespace meshcache::test {
namespace {
constexpr std::size_t kept_requests = 10'000;
constexpr std::size_t kept_bytes = std::size_t{4} << 20;
} // namespace

turn::turn(scripted_upstream& stage, connection& on, request asked, std::size_t number)
    : stage_(stage), on_(on), asked_(std::move(asked)), body_(on, request_framing(asked_.top)),
      number_(number) {}

const std::string& turn::read_body() {
    while (body_.next(asked_.body)) {
    }
    asked_.complete = body_.complete();
    return asked_.body;
}

bool turn::respond(int status, std::string_view fields, std::string_view content) {
    std::string out = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n";
    out.append(fields).append("Content-Length: ").append(std::to_string(content.size())).append("\r\n\r\n");
    if (method() != "HEAD") out.append(content);
    return send(out);
}

bool turn::ok(std::string_view content, std::string_view cache_control) {
    return respond(200, "Cache-Control: " + std::string(cache_control) + "\r\nContent-Type: text/plain\r\n",
                   content);
}

bool turn::wait(const gate& g) const {
    const auto deadline = std::chrono::steady_clock::now() + 2 * patience();
    while (!g.wait_for(milliseconds{20})) {
        if (stage_.stopping()) return false;
        if (std::chrono::steady_clock::now() > deadline) give_up("a script's gate stayed closed");
    }
    return true;
}

void turn::stall() {
    while (!stage_.stopping() && on_.ended() == ending::none) on_.fill_within(milliseconds{20});
    close();
}

void turn::close() { ended_ = true; }

void turn::reset() {
    ended_ = true;
    // Without closing the descriptor: the stage may be shutting it down from another thread just now.
    const linger now{1, 0};
    ::setsockopt(on_.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

scripted_upstream::scripted_upstream(script play, const endpoint& where)
    : address_(where), script_(std::move(play)) {
    start();
}

scripted_upstream::~scripted_upstream() { stop(); }

void scripted_upstream::play(script next) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(next);
}

void scripted_upstream::start() {
    if (address_.is_unix() && address_.unix_path.front() != '@') ::unlink(address_.unix_path.c_str());
    listener_ = std::make_unique<listening_socket>(address_);
    address_ = listener_->address();
    stopping_ = false;
    acceptor_ = std::thread([this] { accept_all(); });
}

void scripted_upstream::stop() {
    if (!acceptor_.joinable()) return;
    stopping_ = true;
    listener_->shutdown();
    acceptor_.join();
    listener_.reset();
    {
        const std::lock_guard lock(mutex_);
        for (guest& g : guests_)
            if (!g.done) g.on.shutdown();
    }
    for (guest& g : guests_) g.thread.join();
    guests_.clear();
}

std::size_t scripted_upstream::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

std::size_t scripted_upstream::requests_for(std::string_view target) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(seen_, [&](const request& r) { return r.target() == target; }));
}

std::size_t scripted_upstream::connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
}

std::size_t scripted_upstream::open_connections() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(guests_, [](const guest& g) { return !g.done; }));
}

void scripted_upstream::wait_for_requests(std::size_t n) const {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, patience(), [&] { return requests_ >= n; }))
        give_up("the upstream saw " + std::to_string(requests_) + " requests, not " + std::to_string(n));
}

std::vector<request> scripted_upstream::seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
}

request scripted_upstream::last() const {
    const std::lock_guard lock(mutex_);
    if (seen_.empty()) give_up("the upstream saw no request");
    return seen_.back();
}

std::string scripted_upstream::received() const {
    const std::lock_guard lock(mutex_);
    return received_;
}

void scripted_upstream::accept_all() {
    while (unique_fd fd = listener_->accept()) {
        const std::lock_guard lock(mutex_);
        std::erase_if(guests_, [](guest& g) {
            if (g.done) g.thread.join();
            return g.done.load();
        });
        guest& g = guests_.emplace_back();
        g.on = connection(std::move(fd));
        g.on.set_tap([this](std::string_view bytes) {
            const std::lock_guard tapped(mutex_);
            received_.append(bytes.substr(0, kept_bytes - received_.size()));
        });
        g.thread = std::thread([this, &g, index = connections_++] { serve(g, index); });
    }
}

void scripted_upstream::serve(guest& g, std::size_t index) {
    try {
        for (std::size_t number = 0;; ++number) {
            // An idle connection may stay idle for as long as the test likes.
            while (g.on.buffer().empty() && g.on.ended() == ending::none && !stopping())
                g.on.fill_within(milliseconds{1000});
            if (stopping() || g.on.ended() != ending::none) break;
            auto top = read_head(g.on);
            if (!top) break;
            request asked{std::move(*top), {}, false, index};
            script now;
            std::size_t at = 0;
            {
                const std::lock_guard lock(mutex_);
                at = requests_++;
                if (seen_.size() < kept_requests) seen_.push_back(asked);
                now = script_;
                changed_.notify_all();
            }
            turn t(*this, g.on, std::move(asked), number);
            now(t);
            if (!t.ended()) t.body().skip();
            note_body(at, t.asked().body, t.body().complete());
            if (t.ended() || t.asked().field("connection") == "close") break;
        }
    } catch (const std::exception&) {
        // A wait that passed its bound: the connection ends, and the test sees that.
    }
    const std::lock_guard lock(mutex_);
    g.on.close();
    g.done = true;
}

void scripted_upstream::note_body(std::size_t at, const std::string& body, bool complete) {
    const std::lock_guard lock(mutex_);
    if (at >= seen_.size()) return;
    seen_[at].body = body;
    seen_[at].complete = complete;
}

} // namespace meshcache::test
