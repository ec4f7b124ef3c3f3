#pragma once
// A world for parse_command_line: variables, files and a machine, all made up.
#include "options.hpp"
#include "support/catch.hpp"

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace meshcache::app::test {

struct world {
    std::map<std::string, std::string, std::less<>> variables;
    std::map<std::string, std::string, std::less<>> files;
    machine_grant grant{std::uint64_t{2} << 30U, "cgroup v2", 3, "cgroup v2"};

    environment make() const {
        environment out;
        out.variable = [this](std::string_view name) -> std::optional<std::string> {
            const auto it = variables.find(name);
            if (it == variables.end()) return std::nullopt;
            return it->second;
        };
        out.read_file = [this](const std::string& path) {
            const auto it = files.find(path);
            if (it == files.end()) return parsed<std::string>::failure("No such file or directory");
            return parsed<std::string>(it->second);
        };
        out.grant = grant;
        return out;
    }

    parse_outcome parse(const std::vector<std::string>& arguments) const {
        std::vector<const char*> argv{"meshcache"};
        for (const auto& a : arguments) argv.push_back(a.c_str());
        return parse_command_line(static_cast<int>(argv.size()), argv.data(), make());
    }

    /// The configuration of a command line that must be good.
    configuration run(const std::vector<std::string>& arguments) const {
        auto outcome = parse(arguments);
        if (const auto* error = std::get_if<usage_error>(&outcome)) FAIL(error->text);
        REQUIRE(std::holds_alternative<run_server>(outcome));
        return std::get<run_server>(std::move(outcome)).settings;
    }

    /// The whole text of a command line that must be refused.
    std::string refusal(const std::vector<std::string>& arguments) const {
        auto outcome = parse(arguments);
        REQUIRE(std::holds_alternative<usage_error>(outcome));
        return std::get<usage_error>(std::move(outcome)).text;
    }

    /// What a command line prints that must be good.
    std::string printed(const std::vector<std::string>& arguments) const {
        auto outcome = parse(arguments);
        if (const auto* error = std::get_if<usage_error>(&outcome)) FAIL(error->text);
        REQUIRE(std::holds_alternative<print_text>(outcome));
        return std::get<print_text>(std::move(outcome)).text;
    }
};

} // namespace meshcache::app::test
