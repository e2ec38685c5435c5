#!/bin/sh
# Sets up, builds and runs every test of rbee. Needs a shell and Debian's apt; ends with a line
# "N passed, N failed, N skipped" and an exit code that tells the truth.
#
#   ./test_all.sh            everything (about 15 minutes on two cores)
#   ./test_all.sh quick      build, unit and end-to-end tests only
set -eu
cd "$(dirname "$0")"
tools/install-deps.sh test
exec tests/run.sh "${1:-all}"
