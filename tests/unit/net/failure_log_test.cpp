#include "failure_log.hpp"
#include "support/catch.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

using namespace meshcache;
using namespace meshcache::net;

TEST_CASE("failures of the upstream are written once a second, and counted between") {
    std::ostringstream out;
    const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(out);
    sink->set_pattern("%l %v");
    failure_log log(std::make_shared<spdlog::logger>("test", sink));
    const auto taken = [&] {
        const std::string text = out.str();
        out.str({});
        return text;
    };
    const steady_time start{std::chrono::hours{1}};
    log.note(start, "shop.example", "/a", "upstream-refused");
    CHECK(taken() == "warning upstream-refused: shop.example/a\n");
    for (int i = 0; i < 1000; ++i)
        log.note(start + milliseconds{i * 999 / 1000}, "h", "/b", "upstream-reset");
    CHECK(taken() == "");
    log.note(start + seconds{1}, "h", "/c", "upstream-silent");
    CHECK(taken() == "warning upstream-silent: h/c, and 1000 more failures of the upstream before it\n");
    log.note(start + seconds{5}, "h", "/d", "upstream-silent");
    CHECK(taken() == "warning upstream-silent: h/d\n");
}

TEST_CASE("what a client sent cannot end a line of the log, or fill it") {
    std::ostringstream out;
    const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(out);
    sink->set_pattern("%v");
    failure_log log(std::make_shared<spdlog::logger>("test", sink));
    log.note(steady_time{std::chrono::hours{1}}, "h", "/\r\n\"" + std::string(10'000, 'x'), "upstream-reset");
    const std::string line = out.str();
    CHECK(line.starts_with("upstream-reset: h/\\u000d\\u000a\\\"xxx"));
    CHECK(line.size() < 1100);
    CHECK(line.find('\n') == line.size() - 1);
}
