#!/usr/bin/env bash
# Does every include point downward, do keeper and hive stay free of the engine, and does no program
# link libcurl?
#
#   tools/check-layers.sh [BUILD]
#
# The table below is the architecture: a folder may include itself and what stands behind it. Outside
# src/engine only engine/engine.h is known of it, outside src/jinja only jinja/jinja.h.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
bad=0

fail() { echo "$*"; bad=1; }

# The rooms of a program, each of which may know those before it.
worker_rooms="sandbox jobs schedule server commands"
hive_rooms="process disk http machine catalog fetch workers doors models chores gateway routes"
keeper_rooms="shell node models ask chat commands"

# allowed_room PROGRAM ROOM ROOMS: what is below of the program, before what is below all of it. From models
# on the hive's know what the daemon's parts share; the gateway's routes are of the one table.
allowed_room() {
    local room
    for room in $3; do
        [ "$1/$room" = hive/models ] && below="hive/hive.h $below"
        [ "$1/$room" = hive/gateway ] && below="hive/routes/routes.h $below"
        below="$1/$room $below"
        [ "$room" = "$2" ] && return
    done
    below=""
}

# Sets `below` (a subshell for each of thousands of includes took half a minute).
allowed() {
    case $1 in
    base) below=base ;;
    config) below="config base" ;;
    net) below="net base" ;;
    api) below="api base" ;;
    jinja) below="jinja base" ;;
    grammar) below="grammar base" ;;
    engine/gguf) below="engine/gguf base" ;;
    engine/tok) below="engine/tok engine/gguf base" ;;
    engine/kern) below="engine/kern engine/gguf/types.h base" ;;
    engine/model) below="engine/model engine/kern engine/tok engine/gguf engine/engine.h base" ;;
    engine) below="engine base" ;;
    chat) below="chat grammar jinja/jinja.h api base" ;;
    worker) below="worker chat grammar engine/engine.h jinja/jinja.h api net base" ;;
    worker/*) below="chat grammar engine/engine.h jinja/jinja.h api net base"; allowed_room worker "${1#*/}" "$worker_rooms" ;;
    hive) below="hive api net config base" ;;
    hive/*) below="api net config base"; allowed_room hive "${1#*/}" "$hive_rooms" ;;
    keeper) below="keeper api net config base" ;;
    keeper/*) below="api net config base"; allowed_room keeper "${1#*/}" "$keeper_rooms" ;;
    *) below="" ;;
    esac
}

check_include() {
    local file=$1 dir=$2 include=$3 target
    [ "$include" = version.h ] && return
    case $include in */*) ;; *) fail "$file: include \"$include\" by its path from src/"; return ;; esac
    for target in $below; do
        case $include in "$target" | "$target"/*) return ;; esac
    done
    fail "$file includes $include, which is not below $dir"
}

check_includes() {
    local file dir include below seen=
    while IFS=: read -r file include; do
        dir=${file#src/} dir=${dir%/*}
        allowed "$dir"
        if [ -z "$below" ] && [ "$dir" != "$seen" ]; then
            fail "$file: its folder is not in the table of layers"
            seen=$dir
        fi
        check_include "$file" "$dir" "$include"
    done < <(grep -rE --include='*.[ch]' '^ *# *include "' src | sed -nE 's/^([^:]+): *# *include "([^"]+)".*/\1:\2/p')
}

# Functions that programs or archives define, sorted.
defined() { nm "$@" 2>/dev/null | awk '$2 == "T" && $3 !~ /^_/ {print $3}' | sort -u; }

check_links() {
    local program=$1 exe=$build/src/$1/$2
    if [ ! -x "$exe" ]; then
        fail "$exe is not built"
        return
    fi
    if comm -12 <(defined "$exe") <(defined $(find "$build/src/engine" -name '*.a')) | head -5 | grep .; then
        fail "$program links the engine"
    fi
    if ldd "$exe" | grep -E 'pcre2'; then
        fail "$program links the tokenizer's library"
    fi
}

# libcurl brings 33 libraries: 7 MB of memory, and longer to load than a warm answer takes to come.
check_curl() {
    local exe=$build/src/$1
    if ldd "$exe" | grep -E 'libcurl'; then
        fail "$exe links libcurl"
    fi
}

# ARCHITECTURE.md has a line for every file.
check_listed() {
    local file missing
    missing=$(find src -name '*.[ch]' | awk -v table=ARCHITECTURE.md '
        BEGIN { while ((getline line < table) > 0) if (match(line, /^\| [^ ,|]+/)) listed[row(line)] = 1 }
        function row(line) { sub(/^\| /, "", line); sub(/ \|.*/, "", line); return line }
        { name = $0; sub(/.*\//, "", name); whole = name; sub(/\.[ch]$/, "", name)
          if (!((name ".h, .c") in listed) && !((name ".h") in listed) && !((name ".c") in listed)) print $0 }')
    for file in $missing; do fail "ARCHITECTURE.md has no line for $file"; done
}

check_includes
check_listed
check_links keeper rbee-keeper
check_links hive rbee-hive
check_curl keeper/rbee-keeper
check_curl worker/llm-worker-rbee
check_curl hive/rbee-hive
[ "$bad" -eq 0 ] && echo "layers: all includes point downward; keeper and hive link no engine, and none libcurl"
exit $bad
