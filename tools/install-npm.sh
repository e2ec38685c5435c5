#!/bin/sh
# Fetches the npm packages that tests use, as the lock files of tests/*/ have them, into node_modules
# folders beside these: the published client packages (tests/sdk), a validator of JSON Schema
# (tests/schemas). Nothing of them is built or installed elsewhere, and rbee itself needs none.
#
# Where npm is missing or reaches no registry this says so and ends well: those tests are skipped then.
set -u
cd "$(dirname "$0")/../tests"

say() { echo "rbee: $*" >&2; }

# Already here, and as the lock file has them?
is_there() {
    [ -f "$1/node_modules/.package-lock.json" ] && [ ! "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ]
}

for dir in */; do
    dir=${dir%/}
    [ -f "$dir/package-lock.json" ] || continue
    is_there "$dir" && continue
    if ! command -v npm >/dev/null 2>&1; then
        say "there is no npm: tests with packages of tests/$dir will be skipped"
        continue
    fi
    say "fetching the packages of tests/$dir"
    if ! timeout -k 10 300 npm ci --prefix "$dir" --ignore-scripts --omit=optional --no-audit --no-fund \
        --fetch-retries=1 --fetch-timeout=30000 --loglevel=error >&2; then
        rm -rf "$dir/node_modules"
        say "npm reached no registry: tests with packages of tests/$dir will be skipped"
    fi
done
exit 0
