#!/bin/sh
# From nothing to a story: installs what is missing, builds, starts a hive on a free port, asks the
# bundled model, and cleans up.
#
#   ./test_inference.sh [PROMPT]
#
# The tokens go to stdout, everything else to stderr. The exit code is rbee-keeper's: 0 when the
# model answered.
set -eu
cd "$(dirname "$0")"
prompt=${1:-Once upon a time}

say() { printf 'rbee: %s\n' "$*" >&2; }

home=
hive_pid=
keeper_pid=

# Also when interrupted: the hive ends its workers, and nothing stays behind.
clean_up() {
    code=$?
    trap - EXIT INT TERM HUP
    for pid in $keeper_pid $hive_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    [ -z "$home" ] || rm -rf "$home"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

tools/install-deps.sh build
say "building (the first time takes about a minute)"
log=$(mktemp)
if ! make BUILD=build >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    say "the build failed"
    exit 1
fi
rm -f "$log"

home=$(mktemp -d)
say "starting a hive on a free port"
RBEE_HOME=$home build/bin/rbee-hive daemon --addr 127.0.0.1:0 >"$home/hive.out" 2>"$home/hive.err" &
hive_pid=$!

# The hive prints its address once it listens.
url=
tries=0
while [ -z "$url" ]; do
    url=$(sed -n 's|.*listening on \(https\{0,1\}://[0-9.:]*\).*|\1|p' "$home/hive.out" 2>/dev/null || true)
    [ -n "$url" ] && break
    tries=$((tries + 1))
    if ! kill -0 "$hive_pid" 2>/dev/null || [ "$tries" -gt 100 ]; then
        say "the hive did not start:"
        cat "$home/hive.err" >&2
        exit 1
    fi
    sleep 0.1
done

say "asking the bundled model to go on from: $prompt"
# In the background and waited for, so that an interrupt reaches this script at once.
RBEE_HOME=$home build/bin/rbee-keeper infer --node "$url" --model tiny --prompt "$prompt" \
    --max-tokens 200 --temperature 0.7 &
keeper_pid=$!
code=0
wait "$keeper_pid" || code=$?
keeper_pid=
exit "$code"
