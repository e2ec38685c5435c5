#!/bin/sh
# Fetches the client packages that tests/e2e/sdk-*.test.js put between themselves and a hive: those of
# tests/sdk/package-lock.json, unmodified, into tests/sdk/node_modules. Nothing of them is built or
# installed elsewhere, and rbee itself needs none of them.
#
# Where npm is missing or reaches no registry this says so and ends well: those tests are skipped then.
set -u
cd "$(dirname "$0")/../tests/sdk"

say() { echo "rbee: $*" >&2; }

# Already here, and as the lock file has them?
if [ -f node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
    say "there is no npm: the tests with the published client packages will be skipped"
    exit 0
fi
say "fetching client packages for tests/e2e/sdk-*.test.js"
if ! timeout -k 10 300 npm ci --ignore-scripts --omit=optional --no-audit --no-fund --fetch-retries=1 \
    --fetch-timeout=30000 --loglevel=error >&2; then
    rm -rf node_modules
    say "npm reached no registry: the tests with the published client packages will be skipped"
fi
exit 0
