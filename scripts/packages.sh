#!/usr/bin/env bash
# Which Debian packages meshcache needs, said once: `packages.sh PURPOSE...` prints the names, one a line.
#   build     to compile it
#   test      to configure the tests, to run them, and for the demonstration
#   fuzz      to build and run the fuzz targets (clang)
# The names differ between Debian 12 and 13; VERSION_CODENAME decides.
set -euo pipefail

codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")

case $codename in
    bookworm) boost=libboost1.81-dev clang_runtime=libclang-rt-14-dev ;; # plain libboost-dev is 1.74 there
    *) boost=libboost-dev clang_runtime=libclang-rt-19-dev ;;
esac

packages_for() {
    case $1 in
        build)
            printf '%s\n' build-essential cmake ninja-build ccache pkg-config "$boost" libhiredis-dev \
                libspdlog-dev libfmt-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev \
                prometheus-cpp-dev libxxhash-dev libssl-dev
            ;;
        test)
            printf '%s\n' catch2 redis-server redis-tools curl openssl python3 valgrind
            # Node from elsewhere will do, and Debian's would take its place.
            command -v node >/dev/null || echo nodejs
            command -v npm >/dev/null || echo npm
            ;;
        fuzz) printf '%s\n' clang "$clang_runtime" ;;
        *)
            echo "packages.sh: '$1' is none of build, test, fuzz" >&2
            return 2
            ;;
    esac
}

for purpose in "$@"; do packages_for "$purpose"; done | sort -u
