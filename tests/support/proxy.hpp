#pragma once
// A running meshcache: the real binary on ports that the kernel chooses, with what it says of itself.
#include "support/client.hpp"
#include "support/process.hpp"
#include "support/upstream.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::test {

/// Where the binary is.
std::string meshcache_binary();

/// Runs meshcache with `arguments` to its end.
struct finished {
    int code = 0;
    std::string output;
};
finished run_meshcache(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment = {});

/// Started by the constructor, which waits until it is ready. The destructor stops it, and checks that it
/// ended well: exit code 0 after SIGTERM, and no word of a sanitizer.
class proxy {
  public:
    /// `--upstream` is that address; `flags` come after --listen and --admin, and may repeat them.
    /// `environment` has NAME=value strings.
    explicit proxy(const std::string& upstream, std::vector<std::string> flags = {},
                   const std::vector<std::string>& environment = {});
    explicit proxy(const scripted_upstream& upstream, std::vector<std::string> flags = {})
        : proxy(upstream.flag(), std::move(flags)) {}
    ~proxy();
    proxy(const proxy&) = delete;
    proxy& operator=(const proxy&) = delete;

    const endpoint& address() const noexcept { return listen_; }
    const endpoint& admin() const noexcept { return admin_; }
    child_process& process() noexcept { return *process_; }
    std::string log() const { return process_->output(); }

    /// A new client connection.
    client connect() const { return client(listen_); }
    /// One GET on a connection of its own.
    response get(std::string_view target, std::string_view fields = {}) const;
    /// One request on a connection of its own.
    response ask(std::string_view method, std::string_view target, std::string_view fields = {},
                 std::string_view body = {}) const;

    /// GET on the admin port.
    response ask_admin(std::string_view target, std::string_view fields = {}) const;
    /// /stats, parsed.
    nlohmann::json stats() const;
    /// Waits until `redis_state` of /stats is that.
    bool wait_for_redis(std::string_view state) const;
    /// Waits until Redis has all that this replica had for it.
    bool wait_for_flush() const;

    /// SIGTERM, then the exit code; the destructor then has nothing left to stop.
    int stop();
    /// SIGKILL: as if the machine had died.
    void kill();

  private:
    std::unique_ptr<child_process> process_;
    endpoint listen_, admin_;
    std::optional<int> code_;
    bool killed_ = false;
};

} // namespace meshcache::test
