#include "app/options.hpp"
#include "app/run_command.hpp"
#include "app/server.hpp"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <variant>

namespace {

/// `code`, or 1 if the text did not get out: to a full disk, say. Nobody is told what stderr does not take.
int print(std::FILE* to, const std::string& text, int code) {
    if (text.empty()) return code;
    const bool written = std::fwrite(text.data(), 1, text.size(), to) == text.size();
    if ((written && std::fflush(to) == 0) || to == stderr) return code;
    const std::string why = std::generic_category().message(errno);
    return print(stderr, "meshcache: cannot write the output: " + why + '\n', 1);
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
            const int code = print(stdout, result.out, result.code);
            return print(stderr, result.err, code);
        }
        return run(std::get<run_server>(outcome).settings);
    } catch (const std::exception& e) {
        return print(stderr, "meshcache: cannot run: " + std::string(e.what()) + "\n", 1);
    }
}
