#pragma once
// Golden files: bytes that others read, kept beside the test that makes them, in `golden/`. Running the
// tests with MESHCACHE_UPDATE_GOLDEN=1 writes them anew; the change is then read in the diff.
#include "support/catch.hpp"
#include "support/source_dir.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace meshcache::test {

/// The file's content; a failed test if it cannot be read.
inline std::string read_whole_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    INFO("reading " << path.string());
    REQUIRE(in.is_open());
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Checks that the file `path` holds exactly `actual`.
inline void check_golden(const std::filesystem::path& path, std::string_view actual) {
    if (const char* update = std::getenv("MESHCACHE_UPDATE_GOLDEN"); update != nullptr && *update == '1') {
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << actual;
    }
    INFO("golden file " << path.string() << "; MESHCACHE_UPDATE_GOLDEN=1 writes it anew");
    CHECK(std::string(actual) == read_whole_file(path));
}

/// The golden file `name` of the unit tests of `floor`.
inline std::filesystem::path golden_file(std::string_view floor, std::string_view name) {
    return source_dir() / "tests" / "unit" / floor / "golden" / name;
}

} // namespace meshcache::test
