#!/usr/bin/env bash
# The chaos suites, long: a hive killed 100 times, 1,000 clients that vanish, workers hit 20 times under
# 16 clients. CHAOS_ROUNDS sets all three counts, CHAOS_SEED repeats a run; RBEE_BUILD is the build folder.
# The short versions run with the end-to-end tests (tests/e2e/chaos-*.test.js).
set -u
cd "$(dirname "$0")"
bad=0
for suite in hive-killed clients-vanish workers-hit; do
    nice -n 19 node "$suite.js" || bad=$((bad + 1))
done
[ "$bad" -eq 0 ] && echo "all held" || echo "$bad suites failed"
exit "$bad"
