#!/usr/bin/env bash
# Builds the images, brings docker-compose.yaml up, and walks through what two replicas promise: a miss, a
# hit, a hit on the other replica that the application never saw, Redis frozen, gone and back, a clean stop.
#
#   tests/containers/run.sh              all of it
#   tests/containers/run.sh build TARGET only builds that target of docker/Dockerfile
#
# See engine.sh for where the container engine comes from. Exit code: 0 passed, 1 failed, 77 skipped.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source-path=SCRIPTDIR source=engine.sh
source tests/containers/engine.sh

readonly host=shop.example patience=60
project=meshcache-test-$$ up=no
compose() { docker compose -p "$project" -f docker/docker-compose.yaml "$@"; }

clean_up() {
    local status=$?
    trap '' INT TERM
    if [[ $up == yes ]]; then
        ((status == 0)) || compose logs --no-color --tail 40 2>&1 || true
        compose down -v --remove-orphans --timeout 30 >/dev/null 2>&1 || true
    fi
    engine_down
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

command -v curl >/dev/null || skip 'curl is not installed'

fail() {
    warn "FAILED: $1"
    shift
    (($# == 0)) || printf '  %s\n' "$@" >&2
    exit 1
}
ok() { say "  ok: $1"; }

until_true() { # WHAT COMMAND...
    local what=$1 deadline=$((SECONDS + patience))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "waited $patience s for $what"
        sleep 0.1
    done
}

build() { # TARGET IMAGE
    local started=$SECONDS
    say "Building the image $2"
    docker build --progress=plain -f docker/Dockerfile --target "$1" -t "$2" . >"$engine_dir/build.log" 2>&1 || {
        tail -n 60 "$engine_dir/build.log" >&2
        fail "the image $2 does not build"
    }
    ok "$2 in $((SECONDS - started)) s, $(($(docker image inspect -f '{{.Size}}' "$2") >> 20)) MiB"
}

free_port() { # FIRST: the first port from there on that nobody listens on
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

status='' cache_status=''
ask() { # PORT TARGET
    local answer
    answer=$(curl -si --max-time "$patience" -H "Host: $host" "http://127.0.0.1:$1$2" | tr -d '\r') || true
    status=$(awk 'NR == 1 { print $2 }' <<<"$answer")
    cache_status=$(sed -n '1,/^$/s/^[Cc]ache-[Ss]tatus: //p' <<<"$answer")
    say "  GET :$1$2 -> $status  $cache_status"
}

expect() { # STATUS MEMBER TEXT
    [[ $status == "$1" && $cache_status =~ $2 ]] ||
        fail "$3" "expected: $1, Cache-Status like $2" "got: $status, $cache_status"
    ok "$3"
}

# Not stored, so it passes through the replica to the application.
count() { curl -s --max-time "$patience" -H "Host: $host" "http://127.0.0.1:$A_PORT/count"; }
expect_count() {
    local seen
    seen=$(count)
    [[ $seen == "$1" ]] || fail "the application should have seen $1 requests, and has seen $seen"
    ok "the application has seen $1"
}

inside() { compose exec -T "$@"; }
follows() { [[ $(inside "$1" admin-get /stats) =~ '"redis_state":'\ *'"ready"' ]]; }
has_record() { [[ -n $(inside redis redis-cli --scan --pattern "mc:{compose:*}:r:*$1*") ]]; }

engine_up
ensure_base_image

if [[ ${1:-} == build ]]; then
    build "${2:?which target?}" "meshcache-$2"
    docker image rm "meshcache-$2" >/dev/null
    exit 0
fi

build redis meshcache-redis
build ping-echo meshcache-ping-echo
build meshcache meshcache

say "The image"
[[ $(docker run --rm --entrypoint id meshcache -u) == 10001 ]] || fail "meshcache does not run as its own user"
ok "it runs as its own user"
docker run --rm --read-only --cap-drop ALL meshcache version || fail "meshcache does not run read-only"
ok "it runs on a read-only root, without capabilities"

A_PORT=$(free_port 18080)
B_PORT=$(free_port $((A_PORT + 1)))
export A_PORT B_PORT

say "Compose up"
up=yes
compose up -d --no-build --wait --wait-timeout 120 >"$engine_dir/up.log" 2>&1 || {
    cat "$engine_dir/up.log" >&2
    fail "docker compose up"
}
ok "redis, ping-echo and both replicas are healthy"
until_true 'A to follow Redis' follows replica-a
until_true 'B to follow Redis' follows replica-b

readonly target='/ping-echo?body=redis'
say "Miss, hit, and a hit on the other replica"
ask "$A_PORT" "$target"
expect 200 'meshcache; *fwd=uri-miss.*; *stored' "A's first answer is the application's"
ask "$A_PORT" "$target"
expect 200 'meshcache; *hit' "A's second answer is from its memory"
until_true 'the record to be in Redis' has_record 'body=redis'
ask "$B_PORT" "$target"
expect 200 'meshcache; *hit.*detail=redis' "B's first answer is what A stored"
expect_count 1

say "Redis frozen"
compose pause redis >/dev/null 2>&1
ask "$A_PORT" "$target"
expect 200 'meshcache; *hit' 'A answers'
ask "$B_PORT" '/ping-echo?body=frozen'
expect 200 'meshcache; *fwd=uri-miss' 'B answers what is new'
compose unpause redis >/dev/null 2>&1
until_true 'A to follow Redis' follows replica-a
until_true 'B to follow Redis' follows replica-b

say "Redis gone"
compose stop redis >/dev/null 2>&1
for port in "$A_PORT" "$B_PORT"; do
    ask "$port" "$target"
    expect 200 'meshcache; *hit' 'answered from its memory'
done
ask "$A_PORT" '/ping-echo?body=gone'
expect 200 'meshcache; *fwd=uri-miss' 'A answers what is new'
expect_count 3

say "Redis back, empty"
compose start redis >/dev/null 2>&1
until_true 'A to follow Redis' follows replica-a
until_true 'B to follow Redis' follows replica-b
ask "$A_PORT" '/ping-echo?body=back'
expect 200 'meshcache; *fwd=uri-miss.*; *stored' 'A asks the application'
until_true 'the record to be in Redis' has_record 'body=back'
ask "$B_PORT" '/ping-echo?body=back'
expect 200 'meshcache; *hit' 'B has it from A'
expect_count 4

say "A clean stop"
compose stop --timeout 30 replica-a >/dev/null 2>&1
code=$(docker inspect -f '{{.State.ExitCode}}' "$(compose ps -aq replica-a)")
[[ $code == 0 ]] || fail "replica A ended with $code"
ok "SIGTERM ends a replica with 0"

say "PASSED"
