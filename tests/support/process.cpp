#include "support/process.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace meshcache::test {
namespace {

/// A line of /proc/PID/status in KiB.
std::size_t status_kib(pid_t pid, const std::string& name) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(name + ":")) return std::stoul(line.substr(name.size() + 1));
    return 0;
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

} // namespace

child_process::child_process(const std::vector<std::string>& command,
                             const std::vector<std::string>& environment) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) give_up("pipe");
    from_ = unique_fd(ends[0]);
    const unique_fd to(ends[1]);
    // All that allocates happens before the fork: other threads may hold the allocator's locks.
    std::vector<char*> arguments, variables;
    for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
    arguments.push_back(nullptr);
    for (char** v = environ; *v; ++v) variables.push_back(*v);
    for (const std::string& v : environment) variables.push_back(const_cast<char*>(v.c_str()));
    variables.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) give_up("fork");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::syscall(SYS_exit_group, 125);
        ::dup2(to.get(), STDOUT_FILENO);
        ::dup2(to.get(), STDERR_FILENO);
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::execvpe(arguments[0], arguments.data(), variables.data());
        ::syscall(SYS_exit_group, 127); // not _exit(): a sanitizer would report on the parent's threads
    }
    reader_ = std::thread([this] { read_output(); });
}

child_process::~child_process() {
    if (!status_) {
        signal(SIGKILL);
        signal(SIGCONT);
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        status_ = status;
    }
    reader_.join();
}

void child_process::read_output() {
    char piece[16 * 1024];
    for (;;) {
        const ssize_t n = ::read(from_.get(), piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        const std::lock_guard lock(mutex_);
        if (n <= 0) at_end_ = true;
        if (n > 0) output_.append(piece, static_cast<std::size_t>(n));
        more_.notify_all();
        if (at_end_) return;
    }
}

void child_process::signal(int number) const noexcept {
    if (!status_) ::kill(pid_, number);
}

std::string child_process::output() const {
    const std::lock_guard lock(mutex_);
    return output_;
}

bool child_process::wait_for(const std::function<bool()>& condition) const {
    std::unique_lock lock(mutex_);
    more_.wait_for(lock, patience(), [&] { return condition() || at_end_; });
    return condition();
}

bool child_process::wait_for_output(const std::string& text) const {
    return wait_for([&] { return output_.find(text) != std::string::npos; });
}

std::optional<std::string> child_process::wait_for_line(const std::string& before) const {
    std::size_t at = std::string::npos, end = std::string::npos;
    const bool found = wait_for([&] {
        at = output_.find(before);
        end = at == std::string::npos ? at : output_.find('\n', at);
        return end != std::string::npos;
    });
    if (!found) return std::nullopt;
    const std::lock_guard lock(mutex_);
    return output_.substr(at + before.size(), end - at - before.size());
}

bool child_process::running() {
    if (status_) return false;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return !status_;
}

int child_process::wait() {
    if (!eventually([&] { return !running(); })) give_up("the process did not end; its output:\n" + output());
    wait_for([this] { return at_end_; });
    return exit_code(*status_);
}

std::size_t child_process::resident() const { return status_kib(pid_, "VmRSS") * 1024; }
std::size_t child_process::peak_resident() const { return status_kib(pid_, "VmHWM") * 1024; }

void child_process::reset_peak() const {
    std::ofstream("/proc/" + std::to_string(pid_) + "/clear_refs") << "5";
}

std::size_t child_process::descriptors() const {
    std::size_t n = 0;
    std::error_code ignored;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/fd", ignored))
        ++n;
    return n;
}

} // namespace meshcache::test
