#!/usr/bin/env bash
# The chaos suites, long: a hive killed 100 times, 1,000 clients that vanish, workers hit 20 times under
# 16 clients, and a cable that is pulled. CHAOS_ROUNDS sets the first three counts, CHAOS_SEED repeats a run;
# RBEE_BUILD is the build folder. All but the cable run with the end-to-end tests (tests/e2e/chaos-*.test.js),
# workers hit less often.
set -u
cd "$(dirname "$0")"
bad=0
for suite in hive-killed clients-vanish workers-hit; do
    nice -n 19 node "$suite.js" || bad=$((bad + 1))
done
RBEE_TEST_LONG=1 nice -n 19 node --test --test-name-pattern 'a cable pulled' ../e2e/doors.test.js || bad=$((bad + 1))
[ "$bad" -eq 0 ] && echo "all held" || echo "$bad suites failed"
exit "$bad"
