#!/usr/bin/env bash
# Checks the Kubernetes manifests and the compose file without a cluster: kustomize renders each overlay,
# check.mjs holds what comes out against the API's types and the project's rules, and docker compose reads
# its file. Exit code: 0 passed, 1 failed, 77 skipped.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source-path=SCRIPTDIR source=engine.sh
source tests/containers/engine.sh
trap engine_down EXIT

# ensure_kubectl: any that knows kustomize; Debian 13's, unpacked, where there is none.
kubectl=kubectl
ensure_kubectl() {
    # Debian 12's own is too old for the field "patches".
    kubectl kustomize k8s/overlays/local >/dev/null 2>&1 && return 0
    must_run || skip 'there is no kubectl that renders the overlays'
    say "Fetching kubectl from Debian 13"
    foreign_packages trixie kubectl >"$engine_dir/kubectl.log" 2>&1 || {
        tail -n 20 "$engine_dir/kubectl.log" >&2
        skip 'kubectl could not be fetched'
    }
    kubectl=$engine_dir/foreign/usr/bin/kubectl
}

ensure_kubectl
if ! command -v npm >/dev/null; then ensure_packages nodejs npm; fi
say "$(node --version), $("$kubectl" version --client 2>/dev/null | head -n 1)"

(cd tests/containers/manifests && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >"$engine_dir/npm.log" 2>&1) || {
    tail -n 20 "$engine_dir/npm.log" >&2
    skip 'npm could not install what checks the manifests'
}

check() { node tests/containers/manifests/check.mjs "$@"; }

say "What check.mjs must refuse"
if check tests/containers/manifests/faulty.yaml >"$engine_dir/faulty.log" 2>&1; then
    warn "FAILED: faulty.yaml passed"
    exit 1
fi
for sentence in failureTreshold 'containerPort' 'which is not its port' 'must be above' 'read-only root' 'leads to the sidecar'; do
    grep -q "$sentence" "$engine_dir/faulty.log" || {
        cat "$engine_dir/faulty.log" >&2
        warn "FAILED: nothing was said of: $sentence"
        exit 1
    }
done

say "The overlays"
for overlay in k8s/overlays/*/; do
    name=$(basename "$overlay")
    "$kubectl" kustomize "$overlay" >"$engine_dir/$name.yaml"
    check "$engine_dir/$name.yaml"
done

say "The compose file"
if command -v docker >/dev/null; then
    ensure_plugins
elif must_run; then
    ensure_packages docker.io
    ensure_plugins
else
    skip 'there is no docker to read the compose file'
fi
docker compose -f docker/docker-compose.yaml config -q
say "PASSED"
