#pragma once
// Where the sources are, for tests that read files beside them. __FILE__ does not tell: a compiler cache may make
// it relative.
#include <filesystem>

namespace meshcache::test {

/// The root of the checkout that the tests were built from.
std::filesystem::path source_dir();

} // namespace meshcache::test
