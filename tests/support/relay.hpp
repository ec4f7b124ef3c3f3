#pragma once
// A path between a client and a server that fails as networks do: it delays, freezes with everything open, is
// cut, and leads elsewhere. Threads of its own; all may be called from any thread.
#include "support/socket.hpp"

#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace meshcache::test {

class relay {
  public:
    /// Leads to `target` from a port of 127.0.0.1.
    explicit relay(endpoint target);
    ~relay();
    relay(const relay&) = delete;
    relay& operator=(const relay&) = delete;

    /// Where clients connect.
    const endpoint& address() const noexcept { return listener_.address(); }
    /// Connections from now on lead there; those that stand are cut.
    void lead_to(endpoint target);
    /// Nothing passes, in neither direction, and nobody hears of an end: the other side is as if its machine
    /// were gone. Connections are taken all the same.
    void freeze();
    /// What waited passes.
    void thaw();
    /// Whatever passes from now on takes that much longer, in each direction.
    void delay(milliseconds each_way);
    /// The path on which a client next says `word` is cut before the server hears of it; once, in one piece
    /// as it is read. What passes is not parsed.
    void cut_at(std::string word);
    /// Whether it has happened since.
    bool has_cut();

  private:
    struct path {
        connection client, server;
        bool cut = false;
        std::thread up, down;
    };

    void accept_all();
    void pump(path& p, connection& from, connection& to);
    bool may_pass(path& p);
    bool is_cut_at(std::string_view bytes);
    void cut_all();

    listening_socket listener_{endpoint{"127.0.0.1", 0, {}}};
    std::mutex mutex_;
    std::condition_variable changed_;
    endpoint target_;
    bool frozen_ = false;
    milliseconds delay_{0};
    std::string cut_at_;    ///< empty if at nothing
    std::list<path> paths_; ///< stay until the end
    std::thread acceptor_;
};

} // namespace meshcache::test
