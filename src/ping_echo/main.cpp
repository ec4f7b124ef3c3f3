// ping-echo: an upstream to try meshcache with. See echo.hpp for what it answers.
#include "server.hpp"

#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/units.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>

namespace {

namespace asio = boost::asio;

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

int serve(const meshcache::endpoint& at, const meshcache::ping_echo::answer_defaults& defaults) {
    asio::io_context io(1);
    meshcache::error_code ec;
    const auto found = asio::ip::tcp::resolver(io).resolve(at.host, std::to_string(at.port), ec);
    if (ec || found.empty()) {
        std::cerr << "ping-echo: cannot resolve " << at.host << ": " << ec.message() << '\n';
        return exit_failure;
    }
    meshcache::ping_echo::server server(io, defaults, std::cout);
    if (const auto fault = server.listen(found.begin()->endpoint())) {
        std::cerr << "ping-echo: cannot listen on " << at.to_string() << ": " << fault.message() << '\n';
        return exit_failure;
    }
    std::cout << "ping-echo listening on " << server.address() << std::endl;

    asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&io](const meshcache::error_code&, int) { io.stop(); });
    io.run();
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN); // a reader of the log that goes away is no reason to end
    std::string listen = "127.0.0.1:3000";
    std::string delay = "0s";
    std::uint64_t max_age = 60;

    CLI::App app("An upstream to try meshcache with: it echoes what it was sent and counts what reaches it.\n"
                 "GET /ping-echo?body=TEXT echoes; GET /count tells the counter, uncounted; a query may say\n"
                 "status=503, max-age=5, delay=100ms.",
                 "ping-echo");
    app.add_option("--listen", listen, "Where to listen, ADDR:PORT; port 0: the kernel chooses")
        ->capture_default_str();
    app.add_option("--max-age", max_age, "Seconds for which its answers may be stored")
        ->capture_default_str()
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{31'536'000}));
    app.add_option("--delay", delay, "Time between request and answer, as 50ms or 1s")->capture_default_str();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : exit_usage;
    }

    const auto at = meshcache::parse_endpoint(listen);
    if (!at || at->is_unix()) {
        std::cerr << "ping-echo: --listen: " << (at ? "a TCP address is wanted, as 127.0.0.1:3000" : at.error)
                  << '\n';
        return exit_usage;
    }
    const auto wait = meshcache::parse_duration(delay);
    if (!wait) {
        std::cerr << "ping-echo: --delay: " << wait.error << '\n';
        return exit_usage;
    }
    try {
        return serve(*at, {meshcache::seconds(max_age), *wait});
    } catch (const std::exception& e) {
        std::cerr << "ping-echo: " << e.what() << '\n';
        return exit_failure;
    }
}
