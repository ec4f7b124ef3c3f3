#include "options_reader.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <system_error>

namespace meshcache::app {
namespace {

struct close_file {
    void operator()(std::FILE* f) const noexcept { static_cast<void>(std::fclose(f)); }
};

parsed<std::string> system_failure(int number) {
    return parsed<std::string>::failure(std::generic_category().message(number));
}

} // namespace

parsed<std::string> read_small_file(const std::string& path) {
    constexpr std::size_t most = std::size_t{1} << 20U;
    const std::unique_ptr<std::FILE, close_file> file(std::fopen(path.c_str(), "rbe"));
    if (!file) return system_failure(errno);
    std::string content;
    std::array<char, 4096> piece{};
    while (const auto n = std::fread(piece.data(), 1, piece.size(), file.get())) {
        content.append(piece.data(), n);
        if (content.size() > most) return parsed<std::string>::failure("it is larger than 1MiB");
    }
    if (std::ferror(file.get()) != 0) return system_failure(errno);
    return content;
}

} // namespace meshcache::app
