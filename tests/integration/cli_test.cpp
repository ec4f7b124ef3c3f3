// The command line from outside: exit codes, and errors that say what to do.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <fstream>

using namespace meshcache::test;

TEST_CASE("help, version and check-config print and exit with 0") {
    CHECK(run_meshcache({"--help"}).code == 0);
    CHECK(run_meshcache({"--help"}).output.find("--upstream") != std::string::npos);
    for (const std::vector<std::string>& how : {std::vector<std::string>{"--version"}, {"version"}}) {
        const finished f = run_meshcache(how);
        CHECK(f.code == 0);
        CHECK(f.output.find("meshcache ") != std::string::npos);
        CHECK(f.output.find("Boost") != std::string::npos);
    }
    const finished f = run_meshcache({"check-config", "--upstream", "127.0.0.1:3000", "--redis",
                                      "redis://user:pa55word@127.0.0.1:6379/2"});
    CHECK(f.code == 0);
    CHECK(f.output.find("127.0.0.1:3000") != std::string::npos);
    CHECK(f.output.find("pa55word") == std::string::npos);
}

TEST_CASE("mistakes in usage and configuration exit with 2 and say what is wrong") {
    const temporary_directory directory;
    const std::string file = directory.path() + "/bad.toml";
    std::ofstream(file) << "upstream = \"127.0.0.1:3000\"\nmemroy = \"64MiB\"\n";
    struct row {
        std::vector<std::string> arguments;
        const char* says;
    };
    const row rows[] = {
        {{}, "--upstream"},
        {{"--upstream", "127.0.0.1:3000", "--wrong"}, "--wrong"},
        {{"--upstream", "nothing"}, "--upstream"},
        {{"--upstream", "127.0.0.1:3000", "--memory", "lots"}, "--memory"},
        {{"--upstream", "127.0.0.1:3000", "--redis", "http://x"}, "--redis"},
        {{"--upstream", "127.0.0.1:3000", "--redis-timeout", "5"}, "--redis-timeout"},
        {{"--upstream", "127.0.0.1:3000", "--on-hit", "reject:200"}, "--on-hit"},
        {{"--upstream", "127.0.0.1:3000", "--consistency", "eventual"}, "--redis"},
        {{"--upstream", "127.0.0.1:3000", "--admin", "0.0.0.0:9901"}, "--admin-token"},
        {{"--config", file}, "bad.toml:2"},
        {{"--config", file}, "memory"},
        {{"--config", directory.path() + "/none.toml"}, "none.toml"},
        {{"check-config", "--config", file}, "bad.toml:2"},
        {{"nonsense"}, "nonsense"},
    };
    for (const row& r : rows) {
        std::string all;
        for (const auto& a : r.arguments) all += a + " ";
        const finished f = run_meshcache(r.arguments);
        INFO(all << "\n" << f.output);
        CHECK(f.code == 2);
        CHECK(f.output.find(r.says) != std::string::npos);
    }
}

TEST_CASE("a port in use is a runtime failure that names the address") {
    scripted_upstream upstream([](turn& t) { t.ok("x"); });
    proxy p(upstream);
    const std::string used = upstream.flag(), own = p.address().to_string(), admin = p.admin().to_string();
    const auto start = [&](const std::string& listen, const std::string& admin_at) {
        return run_meshcache({"--upstream", "127.0.0.1:9", "--listen", listen, "--admin", admin_at});
    };
    for (const auto& [listen, admin_at, named] : {std::tuple{used, std::string("127.0.0.1:0"), used},
                                                  std::tuple{own, std::string("127.0.0.1:0"), own},
                                                  std::tuple{std::string("127.0.0.1:0"), admin, admin},
                                                  std::tuple{std::string("127.0.0.1:0"), used, used}}) {
        const finished f = start(listen, admin_at);
        INFO(f.output);
        CHECK(f.code == 1);
        CHECK(f.output.find(named) != std::string::npos);
        CHECK(f.output.find("in use") != std::string::npos);
    }
    CHECK(p.get("/").body == "x"); // the one that was there goes on
}

TEST_CASE("an address that is not this machine's is a runtime failure that names it") {
    const finished f =
        run_meshcache({"--upstream", "127.0.0.1:9", "--listen", "192.0.2.1:8080", "--admin", "127.0.0.1:0"});
    CHECK(f.code == 1);
    CHECK(f.output.find("192.0.2.1:8080") != std::string::npos);
}

TEST_CASE("settings come from flag, then environment, then file") {
    const temporary_directory directory;
    const std::string file = directory.path() + "/good.toml";
    std::ofstream(file) << "upstream = \"127.0.0.1:1\"\nnamespace = \"from-file\"\nmax-object = \"3MiB\"\n";
    const finished f =
        run_meshcache({"check-config", "--config", file, "--upstream", "127.0.0.1:3"},
                      {"MESHCACHE_UPSTREAM=127.0.0.1:2", "MESHCACHE_NAMESPACE=from-environment",
                       "MESHCACHE_PORT=tcp://10.0.0.1:80", "MESHCACHE_SERVICE_HOST=10.0.0.1"});
    INFO(f.output);
    CHECK(f.code == 0);
    CHECK(f.output.find("127.0.0.1:3") != std::string::npos);
    CHECK(f.output.find("from-environment") != std::string::npos);
    CHECK(f.output.find("3MiB") != std::string::npos);
}

TEST_CASE("the access log says what Cache-Status says, in text and in JSON") {
    scripted_upstream upstream([](turn& t) { t.ok("x"); });
    for (const char* format : {"text", "json"}) {
        proxy p(upstream, {"--access-log", "all", "--log-format", format});
        p.get("/logged");
        CHECK(p.process().wait_for_output("/logged"));
        CHECK(p.process().wait_for_output("fwd=uri-miss"));
        p.get("/logged");
        CHECK(p.process().wait_for_output("; hit"));
        p.stop();
        if (format == std::string("json")) {
            std::istringstream in(p.log());
            for (std::string line; std::getline(in, line);) {
                INFO(line);
                CHECK(nlohmann::json::accept(line));
            }
        }
    }
    proxy quiet(upstream, {"--access-log", "misses"});
    quiet.get("/quiet-1");
    quiet.get("/quiet-1");
    quiet.get("/quiet-2");
    CHECK(quiet.process().wait_for_output("/quiet-2"));
    const std::string log = quiet.log();
    CHECK(log.find("/quiet-1") == log.rfind("/quiet-1"));
}

TEST_CASE("what a client sends cannot forge a line of the log") {
    scripted_upstream upstream([](turn& t) { t.ok("x", "no-store"); });
    proxy p(upstream, {"--access-log", "all"});
    CHECK(p.get("/a\"b\\%0aforged", "User-Agent: \x1b[31mred\r\n").status == 400);
    CHECK(p.get("/a\"b\\%0aforged").status == 200);
    CHECK(p.process().wait_for_output("%0aforged"));
    p.stop();
    CHECK(p.log().find('\x1b') == std::string::npos);
    CHECK(p.log().find("\nforged") == std::string::npos);
}
