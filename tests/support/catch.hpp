#pragma once
// The one place that knows which Catch2 is installed: 2 on Debian 12, 3 on Debian 13.
#ifdef MESHCACHE_CATCH2_V3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
