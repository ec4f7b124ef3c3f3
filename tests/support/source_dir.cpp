#include "support/source_dir.hpp"

namespace meshcache::test {

std::filesystem::path source_dir() { return MESHCACHE_SOURCE_DIR; }

} // namespace meshcache::test
