#!/bin/sh
# Are all sources formatted as .clang-format says? With --fix they are rewritten.
set -eu
cd "$(dirname "$0")/.."
format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$format" ]; then
    echo "skipped: clang-format is not there"
    exit 77
fi
mode="--dry-run --Werror"
[ "${1:-}" = --fix ] && mode=-i
find src tests fuzz bench -name '*.[ch]' -print0 | xargs -0 "$format" $mode
