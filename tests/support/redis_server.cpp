#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace meshcache::test {

redis_server::redis_server(std::vector<std::string> options, std::vector<std::string> environment)
    : tcp_(unused_port()), options_(std::move(options)), environment_(std::move(environment)) {
    start();
}

redis_server::redis_server(not_started) : tcp_(unused_port()) {}

endpoint redis_server::unix_address() const { return endpoint{{}, 0, directory_.path() + "/redis.sock"}; }

std::string redis_server::url() const { return "redis://" + tcp_.to_string(); }

void redis_server::start() {
    std::vector<std::string> command{"redis-server",
                                     "--dir",
                                     directory_.path(),
                                     "--unixsocket",
                                     unix_address().unix_path,
                                     "--bind",
                                     "127.0.0.1",
                                     "--port",
                                     std::to_string(tcp_.port),
                                     "--save",
                                     "",
                                     "--daemonize",
                                     "no"};
    command.insert(command.end(), options_.begin(), options_.end());
    process_ = std::make_unique<child_process>(command, environment_);
    if (eventually([this] { return !process_->running() || answers(); }) && process_->running()) return;
    const std::string output = process_->output();
    give_up(output.empty() ? "redis-server did not start: install the package redis-server"
                           : "redis-server did not start:\n" + output);
}

bool redis_server::answers() {
    connection_.close();
    received_.clear();
    try {
        // With a password set, the error is an answer, too.
        const redis_value pong = command({"PING"});
        return pong.ok() || !pong.text.starts_with("LOADING");
    } catch (const std::exception&) {
        return false;
    }
}

void redis_server::stop(bool save) {
    if (!process_) return;
    if (save && !command({"SAVE"}).ok()) give_up("redis-server could not save");
    connection_.close();
    process_->signal(SIGTERM);
    process_->wait();
    process_.reset();
}

void redis_server::kill() {
    connection_.close();
    if (!process_) return;
    process_->signal(SIGKILL);
    process_->wait();
    process_.reset();
}

void redis_server::pause() const noexcept {
    if (process_) process_->signal(SIGSTOP);
}

void redis_server::resume() const noexcept {
    if (process_) process_->signal(SIGCONT);
}

void redis_server::restart_empty() {
    kill();
    std::error_code ignored;
    std::filesystem::remove(directory_.path() + "/dump.rdb", ignored);
    start();
}

void redis_server::restart_with_data() {
    stop(true);
    start();
}

bool redis_server::running() { return process_ && process_->running(); }

void redis_server::connect() {
    received_.clear();
    const std::string path = unix_address().unix_path;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) give_up("the path of the unix socket is too long: " + path);
    std::memcpy(address.sun_path, path.data(), path.size());
    unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        give_up(std::string("connecting to redis-server: ") + std::strerror(errno));
    connection_ = std::move(fd);
}

redis_value redis_server::command(std::span<const std::string> arguments) {
    if (!connection_) connect();
    std::string bytes = "*" + std::to_string(arguments.size()) + "\r\n";
    for (const std::string& a : arguments) bytes += "$" + std::to_string(a.size()) + "\r\n" + a + "\r\n";
    for (std::size_t sent = 0; sent < bytes.size();) {
        const ssize_t n = ::send(connection_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            connection_.close();
            give_up("redis-server does not read");
        }
        sent += static_cast<std::size_t>(n);
    }
    return read_value();
}

void redis_server::fill() {
    pollfd readable{connection_.get(), POLLIN, 0};
    char piece[64 * 1024];
    const int ready = ::poll(&readable, 1, static_cast<int>(patience().count()));
    const ssize_t n = ready > 0 ? ::read(connection_.get(), piece, sizeof piece) : 0;
    if (n <= 0) {
        connection_.close();
        give_up("redis-server does not answer");
    }
    received_.append(piece, static_cast<std::size_t>(n));
}

std::string redis_server::line() {
    std::size_t end;
    while ((end = received_.find("\r\n")) == std::string::npos) fill();
    std::string out = received_.substr(0, end);
    received_.erase(0, end + 2);
    return out;
}

redis_value redis_server::read_value() {
    const std::string head = line();
    redis_value out;
    if (head.empty()) give_up("an empty reply of redis-server");
    const std::string rest = head.substr(1);
    switch (head[0]) {
    case '+':
        out.what = redis_value::kind::text;
        out.text = rest;
        break;
    case '-':
        out.what = redis_value::kind::error;
        out.text = rest;
        break;
    case ':':
        out.what = redis_value::kind::integer;
        out.integer = std::stoll(rest);
        break;
    case '$': {
        const long long size = std::stoll(rest);
        if (size < 0) break;
        while (received_.size() < static_cast<std::size_t>(size) + 2) fill();
        out.what = redis_value::kind::text;
        out.text = received_.substr(0, static_cast<std::size_t>(size));
        received_.erase(0, static_cast<std::size_t>(size) + 2);
        break;
    }
    case '*': {
        const long long count = std::stoll(rest);
        if (count < 0) break;
        out.what = redis_value::kind::array;
        for (long long i = 0; i < count; ++i) out.elements.push_back(read_value());
        break;
    }
    default:
        give_up("an unknown reply of redis-server: " + head);
    }
    return out;
}

std::vector<std::string> with_redis(const redis_server& redis, std::vector<std::string> more) {
    std::vector<std::string> flags{"--redis", redis.url(),       "--redis-backoff-max",
                                   "200ms",   "--redis-timeout", sanitized() ? "2s" : "500ms"};
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
}

} // namespace meshcache::test
