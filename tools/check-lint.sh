#!/bin/sh
# Static analysis by cppcheck: errors, warnings and portability, no style opinions. Before it a name that
# banned.h cannot have, as its header is not everybody's.
set -eu
cd "$(dirname "$0")/.."
if grep -rnw json_dumps --include='*.c' src; then
    echo "json_dumps loses pieces where memory runs out: json_write (api/json_whole.h), schema_text (grammar/schema.h)"
    exit 1
fi
if ! command -v cppcheck >/dev/null 2>&1; then
    echo "skipped: cppcheck is not there"
    exit 77
fi
cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 -j 2 \
    --suppress=missingIncludeSystem --suppress=unknownMacro --library=posix,gnu \
    --suppress=readdirCalled --suppress=invalidPointerCast \
    --suppress=nullPointerArithmeticRedundantCheck --library=tools/cppcheck.cfg -D_GNU_SOURCE -DRBEE_VERSION='"0"' \
    -D__x86_64__ -Isrc src
