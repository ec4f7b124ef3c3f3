# shellcheck shell=bash
# What the scripts share: messages, installing what is missing, building a preset. Source it; it changes
# into the checkout.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
cd "$root"

readonly least_gcc=12 least_cmake=3.25
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}
# Another clone of the same sources finds what this one has compiled.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }

# die SENTENCE [MORE...]: an error and how to mend it, each on its line.
die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    (($# == 0)) || printf '  %s\n' "$@" >&2
    exit 1
}

# run_as_root COMMAND...: by sudo where that is needed.
run_as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    else
        sudo -- "$@"
    fi
}

# can_be_root: does run_as_root stand a chance? Without a terminal nobody can type sudo's password.
can_be_root() {
    [[ $(id -u) == 0 ]] && return 0
    command -v sudo >/dev/null || return 1
    [[ -t 0 ]] || sudo -n true 2>/dev/null
}

# missing_packages NAME...: those that dpkg does not know as installed.
missing_packages() {
    local installed name
    installed=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
    for name; do
        [[ $installed == *" $name=installed "* ]] || printf '%s\n' "$name"
    done
}

# install_missing PURPOSE...: the packages of scripts/packages.sh that are not there yet. Silent and quick
# when nothing is missing.
install_missing() {
    local -a wanted
    mapfile -t wanted < <("$root/scripts/packages.sh" "$@")
    install_packages "${wanted[@]}"
}

# install_packages NAME...: from the machine's own apt sources.
install_packages() {
    local -a missing
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        die "this machine has no apt; meshcache is built with Debian's packages" \
            "On Debian 12 or 13 these are wanted: $*" \
            "docker/Dockerfile builds the same in a container."
    fi
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || return 0
    say "Installing from Debian's archive: ${missing[*]}"
    can_be_root || die "installing needs root, and there is no sudo that can be used here" \
        "Run this once as root, then try again:" \
        "apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    local log
    log=$(mktemp "${TMPDIR:-/tmp}/meshcache-apt.XXXXXX")
    # --no-remove: a machine's own packages never go for ours.
    if ! { run_as_root apt-get -q update &&
        run_as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
            -o Acquire::Retries=3 install -y --no-install-recommends --no-remove "${missing[@]}"; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "apt could not install ${missing[*]}" "The whole log: $log"
    fi
    rm -f "$log"
    if [[ " ${missing[*]} " == *" redis-server "* ]] && [[ -d /run/systemd/system ]]; then
        say "Debian starts a Redis service with that package; meshcache does not use it, so it is stopped again."
        run_as_root systemctl disable --now redis-server >/dev/null 2>&1 || true
    fi
}

# check_tools: are compiler and cmake new enough?
check_tools() {
    local gcc cmake
    gcc=$(g++ -dumpversion 2>/dev/null) || die "g++ does not run" "apt-get install build-essential"
    [[ ${gcc%%.*} -ge $least_gcc ]] ||
        die "g++ $gcc is too old; $least_gcc or newer is wanted (C++20)" "Debian 12 has it; or build with docker/Dockerfile."
    cmake=$(cmake --version 2>/dev/null | awk 'NR == 1 { print $3 }')
    [[ -n $cmake ]] || die "cmake does not run" "apt-get install cmake"
    [[ $(printf '%s\n' "$least_cmake" "$cmake" | sort -V | head -n 1) == "$least_cmake" ]] ||
        die "cmake $cmake is too old; $least_cmake or newer is wanted" "Debian 12 has it; or build with docker/Dockerfile."
}

# show_progress LOG: ninja's [done/all] on the terminal, until this is killed or the script has gone.
show_progress() {
    local step
    while kill -0 $$ 2>/dev/null; do
        step=$(tail -c 4096 "$1" 2>/dev/null | grep -ao '^\[[0-9]*/[0-9]*\]' | tail -n 1) || true
        [[ -z $step ]] || printf '\r  %s ' "$step" >&2
        sleep 0.5
    done
}

# configure_preset PRESET: where that is needed; later changes are ninja's to notice.
configure_preset() {
    local log=build/$1/build.log
    [[ ! -f build/$1/build.ninja ]] || return 0
    mkdir -p "build/$1"
    cmake --preset "$1" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        die "configuring the preset $1 failed" "The whole log: $root/$log"
    }
}

# build_preset PRESET [TARGET...]: configures, builds, and says nothing more unless it fails. The log is
# build/PRESET/build.log.
build_preset() {
    local preset=$1 log=build/$1/build.log started=$SECONDS status=0 watcher=
    shift
    configure_preset "$preset"
    local -a command=(cmake --build --preset "$preset" -j "$(nproc)")
    (($# == 0)) || command+=(--target "$@")
    say "Building preset $preset ..."
    : >"$log"
    if [[ -t 2 ]]; then
        show_progress "$log" &
        watcher=$!
    fi
    "${command[@]}" >"$log" 2>&1 || status=$?
    if [[ -n $watcher ]]; then
        kill "$watcher" 2>/dev/null || true
        wait "$watcher" 2>/dev/null || true
        printf '\r\033[K' >&2
    fi
    if ((status != 0)); then
        { grep -aE -m 20 'error:|FAILED:|undefined reference' "$log" || tail -n 30 "$log"; } >&2
        die "building the preset $preset failed" "The whole log: $root/$log"
    fi
    ((SECONDS - started < 3)) || say "Built preset $preset in $((SECONDS - started)) s."
}
