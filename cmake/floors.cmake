# meshcache_floor(NAME [DEPENDS floor...] [LIBRARIES target...])
#
# One static library meshcache_NAME from src/NAME/*.cpp. Its public headers are in
# include/meshcache/NAME; the others stay beside their sources.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

add_library(meshcache_flags INTERFACE)
target_include_directories(meshcache_flags INTERFACE "${PROJECT_SOURCE_DIR}/include")
target_compile_options(meshcache_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow
  -Wold-style-cast -Wcast-qual -Wundef $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: false alarms on std::string's operator+ when it is inlined.
  target_compile_options(meshcache_flags INTERFACE -Wno-restrict)
endif()
if(MESHCACHE_WERROR)
  target_compile_options(meshcache_flags INTERFACE -Werror)
endif()
if(MESHCACHE_SANITIZE)
  target_compile_options(meshcache_flags INTERFACE -fsanitize=${MESHCACHE_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(meshcache_flags INTERFACE -fsanitize=${MESHCACHE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With sanitizers GCC inlines the frame's operator new, and not its delete: a false alarm in every coroutine.
    target_compile_options(meshcache_flags INTERFACE -Wno-mismatched-new-delete -Wno-maybe-uninitialized)
  endif()
  if(MESHCACHE_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio uses atomic_thread_fence, which TSan does not model; the warning is about that alone.
    target_compile_options(meshcache_flags INTERFACE -Wno-tsan)
  endif()
endif()

function(meshcache_floor name)
  cmake_parse_arguments(FLOOR "" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
  add_library(meshcache_${name} STATIC ${sources})
  target_include_directories(meshcache_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src/${name}")
  target_link_libraries(meshcache_${name} PUBLIC meshcache_flags Boost::headers PRIVATE ${FLOOR_LIBRARIES})
  foreach(lower ${FLOOR_DEPENDS})
    target_link_libraries(meshcache_${name} PUBLIC meshcache_${lower})
  endforeach()
endfunction()
