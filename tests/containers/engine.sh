# shellcheck shell=bash
# A container engine for the tests: the one that DOCKER_HOST names, or one that answers anyway, or, as root,
# a private dockerd from Debian's packages, which is gone again afterwards. Source it after scripts/lib.sh.
#
# What is not installed is installed only where the tests must run (MESHCACHE_REQUIRE_CONTAINERS=1 or
# CI=true); elsewhere a missing part is a skip, which is exit code 77.

readonly skip_code=77
engine_dir=$(mktemp -d /var/tmp/meshcache-containers.XXXXXX)
engine_pid=
readonly engine_dir

must_run() { [[ ${MESHCACHE_REQUIRE_CONTAINERS:-} == 1 || ${CI:-} == true ]]; }

# skip REASON: ends the test as skipped, or as failed where it must run.
skip() {
    if must_run; then
        warn "FAILED: $1"
        exit 1
    fi
    say "SKIPPED: $1"
    exit "$skip_code"
}

# foreign_packages SUITE NAME...: unpacks packages of another Debian suite below the test's own folder, from
# the machine's own mirror, without installing anything. For programs that this suite has not.
foreign_packages() {
    local suite=$1 apt=$engine_dir/apt-$1 mirror
    shift
    mirror=$(debian_mirror main)
    if [[ ! -f $apt/apt.conf ]]; then
        mkdir -p "$apt"/etc/{apt.conf.d,preferences.d,sources.list.d} "$apt/lists/partial" "$apt/cache/archives/partial"
        : >"$apt/status"
        printf 'deb [signed-by=%s] %s %s main\n' "$debian_keyring" "$mirror" "$suite" >"$apt/etc/sources.list"
        {
            printf 'Dir::Etc "%s/etc"; Dir::State "%s"; Dir::State::status "%s/status"; Dir::Cache "%s/cache";\n' \
                "$apt" "$apt" "$apt" "$apt"
            printf 'APT::Sandbox::User "root";\n'
            machine_apt_settings
        } >"$apt/apt.conf"
        APT_CONFIG=$apt/apt.conf apt-get -q update
    fi
    (
        cd "$apt" || exit
        APT_CONFIG=$apt/apt.conf apt-get -q download "$@"
        local archive
        for archive in ./*.deb; do dpkg-deb -x "$archive" "$engine_dir/foreign"; done
    )
}

readonly debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# debian_mirror main|security: where this machine's apt finds Debian.
# shellcheck disable=SC2016 # apt expands the format
debian_mirror() {
    local uri suite
    while read -r uri suite; do
        case $1:$suite in
            security:*-security) ;;
            *:*-*) continue ;; # updates, backports; and security, where main is wanted
            main:*) ;;
            *) continue ;;
        esac
        printf '%s\n' "${uri%/}"
        return 0
    done < <(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null)
    return 1
}

# What the machine's apt needs to reach its mirror.
machine_apt_settings() { apt-config dump | grep -E '^Acquire::(Check-|http::Proxy |https::Proxy |Retries)' || true; }

# ensure_packages NAME...: they are installed, or this is a skip.
ensure_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} == 0)) && return 0
    must_run || skip "these packages are not installed: ${missing[*]}"
    install_packages "${missing[@]}"
}

docker_answers() { docker version >/dev/null 2>&1; }

# ensure_plugins: docker's compose (2) and buildx, as packages, or unpacked from Debian 13, which has them.
ensure_plugins() {
    export DOCKER_CONFIG=$engine_dir/config
    mkdir -p "$DOCKER_CONFIG/cli-plugins"
    docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1 && return 0
    must_run || skip "docker's plugins compose and buildx are not installed"
    say "Fetching docker's plugins compose and buildx from Debian 13"
    foreign_packages trixie docker-compose docker-buildx >"$engine_dir/plugins.log" 2>&1 || {
        tail -n 20 "$engine_dir/plugins.log" >&2
        skip "docker's plugins could not be fetched"
    }
    ln -sf "$engine_dir"/foreign/usr/libexec/docker/cli-plugins/* "$DOCKER_CONFIG/cli-plugins/"
    docker compose version && docker buildx version
}

# engine_up: after it, docker, docker compose and docker buildx work.
engine_up() {
    if [[ -n ${DOCKER_HOST:-} ]]; then
        command -v docker >/dev/null || skip "DOCKER_HOST is set, but there is no docker client"
        docker_answers || skip "no engine answers at $DOCKER_HOST"
        ensure_plugins
        return 0
    fi
    if command -v docker >/dev/null && docker_answers; then
        ensure_plugins
        return 0
    fi
    [[ $(id -u) == 0 ]] || skip "no container engine answers, and starting one needs root"
    local -a wanted=(docker.io iptables)
    [[ -z $(apt-cache show docker-cli 2>/dev/null) ]] || wanted+=(docker-cli)
    ensure_packages "${wanted[@]}"
    start_private_engine
    ensure_plugins
}

start_private_engine() {
    local limit deadline=$((SECONDS + 60))
    limit=$(ulimit -Hn) # a limit above our own is refused where root lacks CAP_SYS_RESOURCE
    [[ $limit =~ ^[0-9]+$ ]] || limit=1048576
    had_bridge=$(ip link show docker0 >/dev/null 2>&1 && echo yes || echo no)
    export DOCKER_HOST=unix://$engine_dir/docker.sock
    setsid dockerd --data-root "$engine_dir/data" --exec-root "$engine_dir/exec" --pidfile "$engine_dir/docker.pid" \
        -H "$DOCKER_HOST" --default-ulimit "nofile=$limit:$limit" >"$engine_dir/dockerd.log" 2>&1 </dev/null &
    engine_pid=$!
    until docker_answers; do
        if ! kill -0 "$engine_pid" 2>/dev/null || ((SECONDS > deadline)); then
            tail -n 20 "$engine_dir/dockerd.log" >&2
            skip "dockerd did not start"
        fi
        sleep 0.2
    done
    say "A private dockerd runs: $(docker version -f '{{.Server.Version}}')"
}

# engine_down: ends what engine_up started, by its pid.
engine_down() {
    if [[ -n $engine_pid ]]; then
        local -a left
        mapfile -t left < <(docker ps -aq 2>/dev/null)
        ((${#left[@]} == 0)) || docker rm -f "${left[@]}" >/dev/null 2>&1 || true
        kill -TERM "$engine_pid" 2>/dev/null || true
        wait "$engine_pid" 2>/dev/null || true
        awk -v below="$engine_dir/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
        [[ $had_bridge == yes ]] || ip link del docker0 2>/dev/null || true
    fi
    rm -rf "$engine_dir"
}

# ensure_base_image: debian:trixie-slim, pulled, or made from Debian's packages where no image registry
# can be reached.
ensure_base_image() {
    local image=debian:trixie-slim
    docker image inspect "$image" >/dev/null 2>&1 && return 0
    if timeout 30 docker pull -q "$image" >/dev/null 2>&1; then
        say "Pulled $image"
        return 0
    fi
    [[ $(id -u) == 0 ]] || skip "$image cannot be pulled, and making it needs root"
    ensure_packages mmdebstrap
    say "No image registry can be reached: making $image from Debian's packages"
    local base=$engine_dir/base main security
    main=$(debian_mirror main) || skip "apt knows no mirror of Debian"
    security=$(debian_mirror security) || security=
    mkdir -p "$base"
    # Its apt reaches the mirror as this machine's does; the rest is what the official slim image does.
    {
        printf 'Types: deb\nURIs: %s\nSuites: trixie trixie-updates\nComponents: main\nSigned-By: %s\n' "$main" "$debian_keyring"
        [[ -z $security ]] ||
            printf '\nTypes: deb\nURIs: %s\nSuites: trixie-security\nComponents: main\nSigned-By: %s\n' "$security" "$debian_keyring"
    } >"$base/debian.sources"
    machine_apt_settings >"$base/90machine"
    printf '%s\n' 'path-exclude /usr/share/doc/*' 'path-include /usr/share/doc/*/copyright' 'path-exclude /usr/share/man/*' \
        'path-exclude /usr/share/locale/*' 'path-exclude /usr/share/info/*' >"$base/slim"
    {
        mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
            --dpkgopt="$base/slim" --aptopt='Acquire::Languages "none"' trixie "$base/root" "$base/debian.sources" &&
            rm -rf "$base/root"/var/lib/apt/lists/* "$base/root"/var/cache/apt/* "$base/root"/etc/apt/sources.list \
                "$base/root"/etc/apt/sources.list.d/* "$base/root"/etc/{apt/apt.conf.d,dpkg/dpkg.cfg.d}/99mmdebstrap \
                "$base/root"/etc/resolv.conf "$base/root"/etc/hostname &&
            install -m 644 "$base/debian.sources" "$base/root/etc/apt/sources.list.d/debian.sources" &&
            install -m 644 "$base/90machine" "$base/root/etc/apt/apt.conf.d/90machine" &&
            install -m 644 "$base/slim" "$base/root/etc/dpkg/dpkg.cfg.d/docker"
    } >"$base/log" 2>&1 || {
        tail -n 20 "$base/log" >&2
        skip "the base image could not be made"
    }
    tar -C "$base/root" --numeric-owner --one-file-system --exclude='./dev/*' -cf - . |
        docker import --change 'CMD ["bash"]' \
            --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$image" >/dev/null
    rm -rf "$base"
}
