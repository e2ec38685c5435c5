#!/usr/bin/env bash
# Runs groups of tests and counts them; the one place that knows how each kind is started.
#
#   tests/run.sh all                 everything, as CI does
#   tests/run.sh quick               check, unit, e2e of the plain build
#   tests/run.sh unit|e2e|check [BUILD]
#   tests/run.sh asan|tsan|fuzz      in build folders of their own
#
# Unit programs, scripts and end-to-end files run one more at once than there are CPUs: many of them
# mostly wait. JOBS=1 has them one by one. Fuzz targets share FUZZ_TOTAL_SECONDS, so that the sum stays what
# it is when there are more; FUZZ_SECONDS is for each of them instead.
#
# Every test program speaks TAP; its output is kept in BUILD/test-logs/ and shown when it fails. The
# last line is "N passed, N failed, N skipped"; the exit code is 0 only when nothing failed.
set -u
cd "$(dirname "$0")/.."
root=$PWD
export RBEE_TEST_DATA=${RBEE_TEST_DATA:-$root/../shared/data}
export CMOCKA_MESSAGE_OUTPUT=TAP
FUZZ_TOTAL_SECONDS=${FUZZ_TOTAL_SECONDS:-40}
FUZZ_SECONDS=${FUZZ_SECONDS:-}
JOBS=${JOBS:-$(($(nproc) + 1))}
SUITE_SECONDS=${SUITE_SECONDS:-900}

passed=0 failed=0 skipped=0
queued=() shown=0
logs=$root/build/test-logs

say() { printf '%s\n' "$*"; }

# Counts one suite's results: add NAME PASSED FAILED SKIPPED SECONDS
add() {
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
    local mark=ok
    [ "$3" -eq 0 ] || mark=FAILED
    printf '%-7s %-36s %4d passed %3d failed %3d skipped  %4ds\n' "$mark" "$1" "$2" "$3" "$4" "$5"
}

# A program that speaks flat TAP (cmocka): tests announced but not reported count as failed.
run_tap() {
    local name=$1 log=$logs/${1//\//-}.log start=$SECONDS rc plan ok bad skip lost
    shift
    timeout -k 10 "$SUITE_SECONDS" "$@" >"$log" 2>&1 </dev/null
    rc=$?
    skip=$(grep -cE '^(not )?ok [0-9]+ .*# SKIP' "$log")
    ok=$(grep -E '^ok [0-9]+' "$log" | grep -cv '# SKIP')
    bad=$(grep -E '^not ok [0-9]+' "$log" | grep -cv '# SKIP')
    plan=$(grep -oE '^1\.\.[0-9]+' "$log" | awk -F. '{n += $3} END {print n + 0}')
    lost=$((plan - ok - bad - skip))
    [ "$lost" -gt 0 ] && bad=$((bad + lost))
    if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if [ $((ok + bad + skip)) -eq 0 ]; then bad=1; fi
    add "$name" "$ok" "$bad" "$skip" $((SECONDS - start))
    [ "$bad" -eq 0 ] || { say "---- $name (exit $rc)"; tail -n 60 "$log"; say "----"; }
}

# A file of node:test: the runner's own closing counts are taken.
run_node() {
    local name=$1 file=$2 log=$logs/${1//\//-}.log start=$SECONDS rc ok bad skip
    timeout -k 10 "$SUITE_SECONDS" node --test --test-reporter=tap "$file" >"$log" 2>&1 </dev/null
    rc=$?
    ok=$(awk '/^# pass /{n = $3} END {print n + 0}' "$log")
    bad=$(awk '/^# (fail|cancelled) /{n += $3} END {print n + 0}' "$log")
    skip=$(awk '/^# (skipped|todo) /{n += $3} END {print n + 0}' "$log")
    if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if [ $((ok + bad + skip)) -eq 0 ]; then bad=1; fi
    add "$name" "$ok" "$bad" "$skip" $((SECONDS - start))
    [ "$bad" -eq 0 ] || { say "---- $name (exit $rc)"; grep -nE -A 25 '^ *not ok' "$log" | head -n 120; grep -E -A 80 '(CRASHED|LEFT): ' "$log" | head -n 160; say "----"; }
}

# A command that is one test: exit 0 passed, 77 skipped, anything else failed.
run_one() {
    local name=$1 log=$logs/${1//\//-}.log start=$SECONDS rc
    shift
    timeout -k 10 "$SUITE_SECONDS" "$@" >"$log" 2>&1 </dev/null
    rc=$?
    case $rc in
    0) add "$name" 1 0 0 $((SECONDS - start)) ;;
    77) add "$name" 0 0 1 $((SECONDS - start)); say "        $(tail -n 1 "$log")" ;;
    *) add "$name" 0 1 0 $((SECONDS - start)); say "---- $name (exit $rc)"; tail -n 60 "$log"; say "----" ;;
    esac
}

# Configures (once) and builds a folder, or only BUILD_TARGET of it: build_in FOLDER MESON-ARGUMENTS...
build_in() {
    local dir=$1
    shift
    if [ ! -f "$dir/build.ninja" ]; then
        meson setup "$dir" "$@" >"$logs/setup-$(basename "$dir").log" 2>&1 ||
            { tail -n 30 "$logs/setup-$(basename "$dir").log"; return 1; }
    fi
    ninja -C "$dir" -t cleandead >/dev/null 2>&1 # programs that are no tests any more
    ninja -C "$dir" ${BUILD_TARGET:-} >"$logs/build-$(basename "$dir").log" 2>&1 ||
        { grep -E 'error|warning|FAILED' -A 6 "$logs/build-$(basename "$dir").log" | head -n 60; return 1; }
}

# The build itself is a test; without it nothing else of its group can be one.
built() {
    local start=$SECONDS
    if build_in "$@"; then
        add "build/$(basename "$1")" 1 0 0 $((SECONDS - start))
    else
        add "build/$(basename "$1")" 0 1 0 $((SECONDS - start))
        return 1
    fi
}

# One that make has set up lets warnings pass.
plain() {
    [ ! -f build/build.ninja ] || grep -q -e -Werror build/build.ninja || meson configure build -Dwerror=true
    built build -Dwerror=true
}

# Builds with sanitizers take the kernels of the plain one, where it is there: they are the same.
kern_sets=()
take_kern_sets() {
    [ ! -f build/src/engine/kern/libkern.a ] || kern_sets=("-Dkern_sets_from=$root/build")
}

# Puts a suite on the list of those that run side by side: queue KIND NAME ARGUMENTS..., KIND being the
# function run_KIND.
queue() {
    queued+=("$(printf '%q ' "run_$1" "${@:2}")")
}

# Runs what is queued, JOBS at once. Each one's lines and counts wait in a file until those before it are
# done, so that they are added and shown in order.
run_queue() {
    local i
    shown=0
    rm -rf "$logs/queue"
    mkdir -p "$logs/queue"
    for i in "${!queued[@]}"; do
        while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
            wait -n
            show_done
        done
        (
            passed=0 failed=0 skipped=0
            eval "${queued[$i]}"
            say "#counts $passed $failed $skipped"
        ) >"$logs/queue/$i.out" 2>&1 &
    done
    wait
    while [ "$shown" -lt "${#queued[@]}" ]; do show_next; done
    queued=()
}

show_next() {
    local out=$logs/queue/$shown.out
    grep -v '^#counts ' "$out"
    add_counts $(sed -n 's/^#counts //p' "$out")
    shown=$((shown + 1))
}

show_done() {
    while grep -qs '^#counts ' "$logs/queue/$shown.out"; do show_next; done
}

queue_units() {
    local dir=$1 tag=$2 exe
    for exe in "$dir"/tests/unit/test_*; do
        [ -f "$exe" ] && [ -x "$exe" ] && queue tap "$tag/$(basename "$exe")" "$exe"
    done
}

# A program that could not even be counted is a failure.
add_counts() {
    passed=$((passed + ${1:-0})) failed=$((failed + ${2:-1})) skipped=$((skipped + ${3:-0}))
}

queue_scripts() {
    local script
    for script in tests/kern-*.sh; do
        [ -x "$script" ] && queue one "script/$(basename "$script" .sh)" "$script" "$1"
    done
    queue one script/jinja-compare tests/golden/jinja-compare.py "$1" snippet
}

# queue_e2e FOLDER TAG [NAMES-TO-LEAVE-OUT]
queue_e2e() {
    local dir=$1 tag=$2 without=" ${3:-} " file name
    export RBEE_BUILD=$root/$dir
    tools/install-npm.sh
    for file in tests/e2e/*.test.js; do
        name=$(basename "$file" .test.js)
        case $without in *" $name "*) continue ;; esac
        [ -f "$file" ] && queue node "$tag/$name" "$file"
    done
}

checks() {
    run_one check/format tools/check-format.sh
    run_one check/layers tools/check-layers.sh "$1"
    run_one check/lint tools/check-lint.sh "$1"
}

asan() {
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:strict_string_checks=1:allocator_may_return_null=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1 # exit 1 may be what a test expects
    export LSAN_OPTIONS="suppressions='$root/tests/lsan.supp':print_suppressions=0"
    take_kern_sets
    built build-asan -Db_sanitize=address,undefined -Doptimization=1 -Dwerror=true "${kern_sets[@]}" || return
    queue_units build-asan asan
    queue_e2e build-asan asan-e2e
    SCHEMAS=${SCHEMAS:-40} run_queue
}

# A unit program with threads that the thread sanitizer is not told of (tests/unit/meson.build).
threads_named() {
    local file name missing=0
    for file in $(grep -lE 'pthread_create|http_rig\.h|http_peer\.h' tests/unit/test_*.c); do
        name=$(basename "$file" .c)
        sed -n '/^threaded = /,/]/p' tests/unit/meson.build | grep -q "'${name#test_}'" && continue
        say "$file has threads: name it in \`threaded\` of tests/unit/meson.build"
        missing=1
    done
    return "$missing"
}

# What they ask of hive and worker is asked, with threads that meet in the same places, by others, and
# the keeper has one thread (and one for a name server: unit/lookup): plain and under the address
# sanitizer they run all the same.
NO_TSAN='documents golden keeper keeper-chat keeper-contact keeper-exit keeper-infer-flags keeper-keys malformed quickstart references render sandbox schemas
    sdk-anthropic sdk-ollama sdk-openai slow-masks wordpiece'

tsan() {
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions="'$root/tests/tsan.supp'"
    take_kern_sets
    built build-tsan -Db_sanitize=thread -Doptimization=1 "${kern_sets[@]}" || return
    if threads_named >"$logs/tsan-threads.log"; then
        add tsan/threads-named 1 0 0 0
    else
        add tsan/threads-named 0 1 0 0
        cat "$logs/tsan-threads.log"
    fi
    queue_units build-tsan tsan
    queue_e2e build-tsan tsan-e2e "$(echo $NO_TSAN)"
    SCHEMAS=${SCHEMAS:-40} run_queue
}

fuzz_one() {
    local exe=$1 name corpus=$root/build/fuzz-work/$2 log=$logs/fuzz-$2.log
    name=$2
    mkdir -p "$corpus"
    local seeds=() dict=()
    [ -d "fuzz/corpus/$name" ] && seeds=("fuzz/corpus/$name")
    [ -f "fuzz/dict/$name.dict" ] && dict=("-dict=fuzz/dict/$name.dict")
    "$exe" -max_total_time="$3" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -print_final_stats=1 -artifact_prefix="$logs/crash-$name-" "${dict[@]}" "$corpus" \
        "${seeds[@]}" >"$log" 2>&1 </dev/null
}

fuzz() {
    local exe name pids=() names=() i n seconds
    if ! command -v clang-14 >/dev/null 2>&1; then
        add fuzz 0 0 1 0
        say "        clang-14 is not there"
        return
    fi
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 # else a finding is but a line in a log
    take_kern_sets
    BUILD_TARGET=fuzzers CC=clang-14 built build-fuzz -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false \
        -Dtests=false -Doptimization=1 "${kern_sets[@]}" || return
    n=$(find build-fuzz/fuzz -maxdepth 1 -name 'fuzz_*' -type f -executable | wc -l)
    seconds=${FUZZ_SECONDS:-$((FUZZ_TOTAL_SECONDS * JOBS / (n > 0 ? n : 1) + 1))}
    for exe in build-fuzz/fuzz/fuzz_*; do
        [ -f "$exe" ] && [ -x "$exe" ] || continue
        name=$(basename "$exe")
        name=${name#fuzz_}
        while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do wait -n; done
        fuzz_one "$exe" "$name" "$seconds" &
        pids+=($!)
        names+=("$name")
    done
    for i in "${!pids[@]}"; do
        if wait "${pids[$i]}"; then
            add "fuzz/${names[$i]}" 1 0 0 "$seconds"
        else
            add "fuzz/${names[$i]}" 0 1 0 "$seconds"
            tail -n 40 "$logs/fuzz-${names[$i]}.log"
        fi
    done
}

group=${1:-all}
dir=${2:-build}
mkdir -p "$logs"
case $group in
all)
    if plain; then
        checks build
        queue_scripts build
        queue_e2e build e2e
        queue_units build unit
        run_queue
    fi
    asan
    tsan
    fuzz
    ;;
quick)
    if plain; then
        checks build
        queue_scripts build
        queue_e2e build e2e
        queue_units build unit
        run_queue
    fi
    ;;
unit) queue_units "$dir" unit; run_queue ;;
e2e) queue_e2e "$dir" e2e; run_queue ;;
check) checks "$dir" ;;
asan) asan ;;
tsan) tsan ;;
fuzz) fuzz ;;
*)
    say "usage: tests/run.sh all|quick|unit|e2e|check|asan|tsan|fuzz" >&2
    exit 2
    ;;
esac
say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] # nothing found is nothing proved
