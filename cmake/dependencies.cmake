# Every library comes from Debian. hiredis has no CMake package in Debian 12, so it comes by pkg-config.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
pkg_check_modules(PROMETHEUS_CPP prometheus-cpp-core) # for its version, which its CMake package does not tell

pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
# TLS came to hiredis with 1.0; without it, rediss:// is refused at the start.
pkg_check_modules(HIREDIS_SSL IMPORTED_TARGET hiredis_ssl)
if(HIREDIS_SSL_FOUND)
  target_link_libraries(PkgConfig::HIREDIS INTERFACE PkgConfig::HIREDIS_SSL OpenSSL::SSL)
  target_compile_definitions(PkgConfig::HIREDIS INTERFACE MESHCACHE_HIREDIS_SSL)
endif()
add_library(hiredis::hiredis ALIAS PkgConfig::HIREDIS)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)
add_library(tomlplusplus::tomlplusplus ALIAS PkgConfig::TOMLPLUSPLUS)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
add_library(xxhash::xxhash ALIAS PkgConfig::XXHASH)

# What every translation unit that uses Asio must agree on.
add_library(meshcache_asio INTERFACE)
target_link_libraries(meshcache_asio INTERFACE Boost::headers Threads::Threads)
# An exchange holds some ten coroutine frames at a time, and Asio keeps two of them for the next by itself.
target_compile_definitions(meshcache_asio INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_HAS_STD_INVOKE_RESULT BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=16)
