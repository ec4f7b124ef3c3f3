// The command line from outside: exit codes, and errors that say what to do.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

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

TEST_CASE("what cannot be printed is a failure") {
    scripted_upstream upstream([](turn& t) { t.ok("ok"); });
    proxy p(upstream);
    const std::string at = " --admin " + p.admin().to_string();
    for (const std::string& command :
         {std::string("--help"), std::string("version"), std::string("check-config --upstream 127.0.0.1:1"),
          std::string("purge --help"), "stats" + at, "stats --json" + at, "purge --all" + at}) {
        for (const char* where : {" >/dev/full", " >&-"}) {
            const std::string line = meshcache_binary() + ' ' + command + where;
            INFO(line);
            child_process shell({"/bin/sh", "-c", line});
            CHECK(shell.wait() == 1);
            CHECK(shell.output().find("meshcache: cannot write the output: ") != std::string::npos);
        }
    }
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

TEST_CASE("a file that is no socket is not taken for one that was left behind") {
    const temporary_directory directory;
    const std::string file = directory.path() + "/data.db", link = directory.path() + "/link";
    std::ofstream(file) << "precious";
    std::filesystem::create_symlink(file, link);
    const std::vector<std::string> others{"--upstream", "127.0.0.1:1", "--memory", "64MiB"};
    for (const char* flag : {"--listen", "--admin"}) {
        for (const std::string& path : {file, link}) {
            INFO(flag << " " << path);
            auto arguments = others;
            const bool listens = std::string(flag) == "--listen";
            arguments.insert(arguments.end(),
                             {flag, "unix:" + path, listens ? "--admin" : "--listen", "127.0.0.1:0"});
            const finished f = run_meshcache(arguments);
            CHECK(f.code == 1);
            CHECK(f.output.find(path) != std::string::npos);
            CHECK(f.output.find("in use") != std::string::npos);
            std::ifstream in(file);
            CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "precious");
            CHECK(std::filesystem::is_symlink(link));
        }
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

TEST_CASE("a refused request has its line in the access log, as far as it is known") {
    scripted_upstream upstream([](turn& t) { t.ok("x", "no-store"); });
    proxy p(upstream, {"--access-log", "misses", "--header-timeout", "100ms"});
    struct row {
        const char* bytes;
        const char* line;
    };
    const row rows[] = {
        {"GET /one HTTP/1.1\r\nHost: a, b\r\n\r\n", " GET a,+b /one 400 "},
        {"GET /two\x01 HTTP/1.1\r\n\r\n", " GET - - 400 "},
        {"GET /three HTTP/1.1\r\nHost: a\r\nX: \x1b\r\n\r\n", " GET a /three 400 "},
        {"\x16\x03\x01\r\n\r\n", " - - - 400 "},
        {"GET /four HTTP/1.1\r\nHost: a\r\nX", " GET a /four 408 "},
        {"TRACE /five HTTP/1.1\r\nHost: a\r\n\r\n", " TRACE a /five 501 "},
    };
    for (const row& r : rows) {
        client c = p.connect();
        CHECK(c.get("/before").status == 200); // nothing of it may be in the line
        REQUIRE(c.send(r.bytes));
        (void)c.read();
        INFO(r.line);
        CHECK(p.process().wait_for_output(r.line));
    }
    CHECK(p.process().wait_for_output(R"(cache="meshcache; detail=\"malformed Host\"")"));
    p.stop();
    CHECK(p.log().find('\x1b') == std::string::npos);
}

TEST_CASE("an upstream that fails is in the log, whether or not requests are") {
    scripted_upstream upstream([](turn& t) {
        if (t.target() == "/cut")
            t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\nx");
        t.close();
    });
    {
        proxy p(upstream, {"--access-log", "off"});
        CHECK(p.get("/failing").status == 502);
        CHECK(p.process().wait_for_output("upstream-reset: shop.example/failing"));
    }
    proxy p(upstream, {"--access-log", "off"});
    client c = p.connect();
    REQUIRE(c.send(request_text("GET", "/cut")));
    CHECK(p.process().wait_for_output("upstream-truncated: "));
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
