#include "log.hpp"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdio>
#include <utility>

namespace meshcache::app {
namespace {

constexpr std::size_t queue_length = 8192;

/// `%*`: the message as the inside of a JSON string.
class json_message final : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& msg, const std::tm&, spdlog::memory_buf_t& dest) override {
        for (const char c : msg.payload) {
            if (c == '"' || c == '\\') {
                dest.push_back('\\');
                dest.push_back(c);
            } else if (static_cast<unsigned char>(c) < 0x20) {
                char code[8];
                const int n = std::snprintf(code, sizeof code, "\\u%04x",
                                            static_cast<unsigned>(static_cast<unsigned char>(c)));
                dest.append(code, code + n);
            } else {
                dest.push_back(c);
            }
        }
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<json_message>(); }
};

std::unique_ptr<spdlog::formatter> make_formatter(const char* pattern) {
    auto out = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    out->add_flag<json_message>('*').set_pattern(pattern);
    return out;
}

spdlog::level::level_enum level_of(log_threshold t) {
    switch (t) {
    case log_threshold::trace:
        return spdlog::level::trace;
    case log_threshold::debug:
        return spdlog::level::debug;
    case log_threshold::info:
        return spdlog::level::info;
    case log_threshold::warn:
        return spdlog::level::warn;
    case log_threshold::error:
        return spdlog::level::err;
    case log_threshold::off:
        return spdlog::level::off;
    }
    return spdlog::level::info;
}

} // namespace

log::log(log_threshold level, log_format format)
    : pool_(std::make_shared<spdlog::details::thread_pool>(queue_length, 1)) {
    const auto make = [&](const char* name, const char* pattern) {
        auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        sink->set_formatter(make_formatter(pattern));
        return std::make_shared<spdlog::async_logger>(name, std::move(sink), pool_,
                                                      spdlog::async_overflow_policy::overrun_oldest);
    };
    if (format == log_format::json) {
        messages_ = make("meshcache", R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%*"})");
        access_ = make("access", R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"access",%v})");
    } else {
        messages_ = make("meshcache", "%Y-%m-%dT%H:%M:%S.%eZ %l %v");
        access_ = make("access", "%Y-%m-%dT%H:%M:%S.%eZ access %v");
    }
    messages_->set_level(level_of(level));
    access_->set_level(spdlog::level::info);
}

log::~log() = default;

void log::close() { pool_.reset(); } // the loggers do not own it

} // namespace meshcache::app
