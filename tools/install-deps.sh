#!/bin/sh
# Installs the Debian packages that are missing, and only those, saying which.
#
#   tools/install-deps.sh build      what the three programs need to be built
#   tools/install-deps.sh test       that, and what the whole test suite needs; then tools/install-npm.sh
#
# Runs apt-get as root, or through sudo. On another system it says what to install by hand.
set -eu

build="build-essential pkg-config meson ninja-build libevent-dev node-llhttp libcurl4-openssl-dev
libssl-dev libjansson-dev libsqlite3-dev libxxhash-dev libpcre2-dev libinih-dev libedit-dev
ca-certificates"
test="libcmocka-dev clang-14 libclang-rt-14-dev llvm-14 clang-format-14 clang-tidy-14 cppcheck
valgrind curl nodejs python3-jinja2 procps iproute2 man-db gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

say() { echo "rbee: $*" >&2; }

case ${1:-build} in
build) wanted=$build ;;
test) wanted="$build $test" ;;
*) echo "usage: tools/install-deps.sh build|test" >&2; exit 2 ;;
esac

# The end, with what comes from elsewhere than Debian.
done_well() {
    [ "${1:-build}" != test ] || "$(dirname "$0")/install-npm.sh"
    exit 0
}

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    # Not Debian: go on when the tools are there, the build says what else it misses.
    if command -v meson >/dev/null 2>&1 && command -v ninja >/dev/null 2>&1; then
        done_well "$@"
    fi
    say "this system has no apt-get. Install the equivalents of these Debian packages by hand:"
    say $wanted
    exit 1
fi

# Under another name in newer releases: the library of llhttp, which node-llhttp had the sources of; the
# tools of clang without a number (what needs 14 is skipped by the tests, which say so).
other_name() {
    case $1 in
    node-llhttp) echo libllhttp-dev ;;
    clang-14 | llvm-14 | clang-format-14 | clang-tidy-14) echo "${1%-14}" ;;
    libclang-rt-14-dev) echo libclang-rt-dev ;;
    esac
}

is_installed() {
    [ "$1" != node-llhttp ] || [ -f /usr/share/llhttp/llhttp.c ] || return 1 # not in newer ones
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

missing=
for package in $wanted; do
    # A node of another make than Debian's will do as well.
    if [ "$package" = nodejs ] && command -v node >/dev/null 2>&1; then
        continue
    fi
    other=$(other_name "$package")
    is_installed "$package" || { [ -n "$other" ] && is_installed "$other"; } ||
        missing="$missing $package"
done
[ -n "$missing" ] || done_well "$@"

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        say "these packages are missing and can only be installed as root:"
        say "    apt-get install$missing"
        exit 1
    fi
    as_root=sudo
fi
is_known() { [ -n "$(LC_ALL=C apt-cache --quiet=0 policy "$1" 2>/dev/null | grep 'Candidate: [^(]')" ]; }

# Each by the name that this release has for it.
by_known_names() {
    known=
    for package in $missing; do
        other=$(other_name "$package")
        if [ "$package" = node-llhttp ] && is_known libllhttp-dev; then
            package=libllhttp-dev # there the other package has no sources
        elif [ -n "$other" ] && ! is_known "$package" && is_known "$other"; then
            package=$other
        fi
        known="$known $package"
    done
    missing=$known
}

install() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        $missing >&2
}
# The lists on the machine may be missing or old.
if ! $as_root apt-get -q update >&2; then
    say "the lists of packages could not be fetched; is there a network? By hand: apt-get install$missing"
    exit 1
fi
by_known_names
say "installing:$missing"
if ! install; then
    say "the packages could not be installed, apt-get says why above. By hand: apt-get install$missing"
    exit 1
fi
done_well "$@"
