#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <csignal>
#include <exception>

namespace meshcache::test {

std::string meshcache_binary() { return MESHCACHE_BINARY; }

finished run_meshcache(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment) {
    std::vector<std::string> command{meshcache_binary()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    child_process process(command, environment);
    finished f;
    f.code = process.wait();
    f.output = process.output();
    return f;
}

proxy::proxy(const std::string& upstream, std::vector<std::string> flags,
             const std::vector<std::string>& environment) {
    std::vector<std::string> command{meshcache_binary(), "--upstream", upstream};
    const auto given = [&](std::string_view name) {
        for (const std::string& flag : flags)
            if (flag == name || flag.starts_with(std::string(name) + "=")) return true;
        return false;
    };
    const auto fallback = [&](const char* name, const char* value) {
        if (!given(name)) command.insert(command.end(), {name, value});
    };
    fallback("--listen", "127.0.0.1:0");
    fallback("--admin", "127.0.0.1:0");
    fallback("--memory", "64MiB");
    fallback("--threads", "2");
    fallback("--access-log", "off");
    command.insert(command.end(), flags.begin(), flags.end());
    process_ = std::make_unique<child_process>(command, environment);
    const auto admin = process_->wait_for_line("admin listening on ");
    // "admin listening on X" has the other line's words in it, so that one is looked for with what is before
    // it.
    std::optional<std::string> listen;
    if (admin) {
        if (process_->wait_for_output(" listening on ")) {
            eventually([&] {
                const std::string text = process_->output();
                for (std::size_t at = text.find("listening on "); at != std::string::npos;
                     at = text.find("listening on ", at + 1)) {
                    const std::size_t end = text.find('\n', at);
                    if (end == std::string::npos) break;
                    if (at >= 6 && text.compare(at - 6, 6, "admin ") == 0) continue;
                    listen = text.substr(at + 13, end - at - 13);
                    return true;
                }
                return !process_->running();
            });
        }
    }
    if (!admin || !listen) {
        process_->signal(SIGKILL);
        give_up("meshcache did not start:\n" + process_->output());
    }
    const auto first_word = [](const std::string& s) { return s.substr(0, s.find_first_of(" ,\"\r\n")); };
    listen_ = parse_address(first_word(*listen));
    admin_ = parse_address(first_word(*admin));
    if (!eventually([&] { return ask_admin("/readyz").status == 200; }))
        give_up("meshcache did not become ready:\n" + process_->output());
}

proxy::~proxy() {
    try {
        if (!code_) stop();
        if (std::uncaught_exceptions() > 0) {
            UNSCOPED_INFO("meshcache said:\n" << log());
            return;
        }
        INFO("meshcache said:\n" << log());
        if (!killed_) CHECK(*code_ == 0);
        CHECK(log().find("Sanitizer") == std::string::npos);
        CHECK(log().find("runtime error") == std::string::npos);
    } catch (...) {
        // A failed check in Catch's abort mode, or a process that would not end; the next one to look
        // is the child's destructor, which kills it.
        CHECK_NOFAIL(false);
    }
}

response proxy::get(std::string_view target, std::string_view fields) const {
    return ask("GET", target, fields);
}

response proxy::ask(std::string_view method, std::string_view target, std::string_view fields,
                    std::string_view body) const {
    client c = connect();
    return c.ask(method, target, fields, body);
}

response proxy::ask_admin(std::string_view target, std::string_view fields) const {
    client c(admin_);
    // Any other name is refused there.
    const bool named = fields.find("Host: ") != std::string_view::npos;
    return c.get(target,
                 std::string(fields) + (named ? "" : "Host: localhost\r\n") + "Connection: close\r\n");
}

nlohmann::json proxy::stats() const { return nlohmann::json::parse(ask_admin("/stats").body); }

bool proxy::wait_for_redis(std::string_view state) const {
    return eventually([&] { return stats().at("redis_state").get<std::string>() == state; });
}

bool proxy::wait_for_flush() const {
    return eventually([&] { return stats().at("queue_depth") == 0; });
}

int proxy::stop() {
    process_->signal(SIGTERM);
    process_->signal(SIGCONT);
    code_ = process_->wait();
    return *code_;
}

void proxy::kill() {
    process_->signal(SIGKILL);
    code_ = process_->wait();
    killed_ = true;
}

} // namespace meshcache::test
