#include "version.hpp"

#include <CLI/Version.hpp>
#include <boost/version.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/version.h>
#include <toml++/toml.h>

#include <openssl/opensslv.h>
#include <xxhash.h>

// What only the build knows comes from CMake; a build without it still says what it does not know.
#ifndef MESHCACHE_VERSION
#define MESHCACHE_VERSION "unknown"
#endif
#ifndef MESHCACHE_BUILD_TYPE
#define MESHCACHE_BUILD_TYPE "unknown"
#endif
#ifndef MESHCACHE_HIREDIS_VERSION
#define MESHCACHE_HIREDIS_VERSION "unknown"
#endif
#ifndef MESHCACHE_PROMETHEUS_CPP_VERSION
#define MESHCACHE_PROMETHEUS_CPP_VERSION "unknown"
#endif

namespace meshcache::app {
namespace {

std::string triple(int major, int minor, int patch) {
    return std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(patch);
}

constexpr std::string_view compiler =
#if defined(__clang__)
    "clang " __clang_version__;
#elif defined(__GNUC__)
    "g++ " __VERSION__;
#else
    "unknown";
#endif

} // namespace

std::string_view version() noexcept { return MESHCACHE_VERSION; }

std::string version_text() {
    std::string out = "meshcache " + std::string(version()) + '\n';
    const auto line = [&out](std::string_view name, std::string_view value) {
        std::string padded(name);
        padded.resize(15, ' ');
        out += padded + std::string(value) + '\n';
    };
    line("compiler", compiler);
    line("build", MESHCACHE_BUILD_TYPE);
    line("Boost", triple(BOOST_VERSION / 100'000, BOOST_VERSION / 100 % 1'000, BOOST_VERSION % 100));
    line("CLI11", CLI11_VERSION);
    line("hiredis", MESHCACHE_HIREDIS_VERSION);
    line("nlohmann_json",
         triple(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH));
    line("OpenSSL", OPENSSL_VERSION_STR);
    line("prometheus-cpp", MESHCACHE_PROMETHEUS_CPP_VERSION);
    line("spdlog", triple(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH));
    line("toml++", triple(TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH));
    line("xxHash", triple(XXH_VERSION_MAJOR, XXH_VERSION_MINOR, XXH_VERSION_RELEASE));
    return out;
}

} // namespace meshcache::app
