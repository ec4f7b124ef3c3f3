#!/usr/bin/env bash
# run.sh MESHCACHE WORK: installs the public suite below WORK, unless it is there, and runs it against the
# binary MESHCACHE (conform.mjs). Exit code: 0 passed, 1 failed, 77 skipped: node or npm is missing, or npm
# found no registry. With CI=true nothing is skipped.
set -euo pipefail

meshcache=$(realpath "$1") work=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
    if [[ ${CI:-} == true ]]; then
        echo "FAILED: $1" >&2
        exit 1
    fi
    echo "SKIPPED: $1"
    exit 77
}

command -v node >/dev/null || skip 'there is no node; the Debian package is nodejs'
[[ $(node -p 'parseInt(process.versions.node)') -ge 18 ]] || skip "node $(node --version) is older than 18"

mkdir -p "$work"
cd "$work"
if ! cmp -s "$here/package-lock.json" installed-lock.json; then
    command -v npm >/dev/null || skip 'there is no npm'
    rm -f installed-lock.json
    cp "$here/package.json" "$here/package-lock.json" .
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1 </dev/null || {
        tail -n 20 npm.log >&2
        skip 'npm could not install http-cache-tests'
    }
    cp package-lock.json installed-lock.json
fi
exec node --no-warnings "$here/conform.mjs" "$work/node_modules" "$meshcache" "$work"
