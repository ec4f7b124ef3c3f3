#include "app/options.hpp"
#include "app/run_command.hpp"
#include "app/server.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <variant>

namespace {

int print(std::FILE* to, const std::string& text, int code) {
    std::fwrite(text.data(), 1, text.size(), to);
    return code;
}

} // namespace

int main(int argc, char** argv) {
    using namespace meshcache::app;
    try {
        const auto outcome = parse_command_line(argc, argv, process_environment());
        if (const auto* text = std::get_if<print_text>(&outcome)) return print(stdout, text->text, 0);
        if (const auto* error = std::get_if<usage_error>(&outcome)) return print(stderr, error->text, 2);
        if (const auto* command = std::get_if<operator_command>(&outcome)) {
            const auto result = run_command(*command);
            print(stdout, result.out, 0);
            return print(stderr, result.err, result.code);
        }
        return run(std::get<run_server>(outcome).settings);
    } catch (const std::exception& e) {
        return print(stderr, "meshcache: cannot run: " + std::string(e.what()) + "\n", 1);
    }
}
