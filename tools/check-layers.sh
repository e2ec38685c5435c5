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

allowed() {
    case $1 in
    base) echo base ;;
    config) echo "config base" ;;
    net) echo "net base" ;;
    api) echo "api base" ;;
    jinja) echo "jinja base" ;;
    grammar) echo "grammar base" ;;
    engine/gguf) echo "engine/gguf base" ;;
    engine/tok) echo "engine/tok engine/gguf base" ;;
    engine/kern) echo "engine/kern engine/gguf/types.h base" ;;
    engine/model) echo "engine/model engine/kern engine/tok engine/gguf engine/engine.h base" ;;
    engine) echo "engine base" ;;
    chat) echo "chat grammar jinja/jinja.h api base" ;;
    worker) echo "worker chat grammar engine/engine.h jinja/jinja.h api net base" ;;
    hive | hive/gateway) echo "hive api net config base" ;;
    keeper) echo "keeper api net config base" ;;
    *) echo "" ;;
    esac
}

check_includes() {
    local file dir include ok target
    while IFS= read -r file; do
        dir=$(dirname "${file#src/}")
        [ -n "$(allowed "$dir")" ] || fail "$file: its folder is not in the table of layers"
        while IFS= read -r include; do
            [ "$include" = version.h ] && continue
            case $include in */*) ;; *) fail "$file: include \"$include\" by its path from src/"; continue ;; esac
            ok=
            for target in $(allowed "$dir"); do
                case $include in "$target" | "$target"/*) ok=1 ;; esac
            done
            [ -n "$ok" ] || fail "$file includes $include, which is not below $dir"
        done < <(sed -nE 's/^ *# *include "([^"]+)".*/\1/p' "$file")
    done < <(find src -name '*.[ch]')
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
    local file name
    while IFS= read -r file; do
        name=$(basename "${file%.[ch]}")
        grep -qE "^\| $name(\.h, \.c|\.[ch]) \|" ARCHITECTURE.md ||
            fail "ARCHITECTURE.md has no line for $file"
    done < <(find src -name '*.[ch]')
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
