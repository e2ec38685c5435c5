#!/bin/sh
# Static analysis by cppcheck: errors, warnings and portability, no style opinions.
set -eu
cd "$(dirname "$0")/.."
if ! command -v cppcheck >/dev/null 2>&1; then
    echo "skipped: cppcheck is not there"
    exit 77
fi
cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 -j 2 \
    --suppress=missingIncludeSystem --suppress=unknownMacro --library=posix,gnu \
    --suppress=readdirCalled --suppress=invalidPointerCast \
    --suppress=nullPointerArithmeticRedundantCheck --library=tools/cppcheck.cfg -D_GNU_SOURCE -DRBEE_VERSION='"0"' \
    -D__x86_64__ -Isrc src
