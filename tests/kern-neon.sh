#!/bin/sh
# Builds the kernels and their checks for aarch64, statically, and runs them in an emulator: the one
# way to hold neon.c to ref.c on another machine. Skips (77) where the tools are missing.
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
cc=${CC_AARCH64:-aarch64-linux-gnu-gcc}
emulator=${QEMU_AARCH64:-qemu-aarch64}
for tool in "$cc" "$emulator"; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=c17 -O3 -ffp-contract=off -D_GNU_SOURCE -Wall -Wextra -Werror -I$src/src"
for file in base/err base/utf8 engine/gguf/types engine/kern/ref engine/kern/ref_attend engine/kern/half \
            engine/kern/unpack engine/kern/pack \
            engine/kern/cpu engine/kern/neon; do
    isa=
    [ "$file" != engine/kern/neon ] || isa=-march=armv8.2-a+dotprod
    $cc $flags $isa -c "$src/src/$file.c" -o "$out/$(basename $file).o" &
done
wait
$cc $flags -O1 -static "$src/tests/unit/test_kern_plain.c" "$out"/*.o -lm -o "$out/test_kern"
"$emulator" "$out/test_kern" >"$out/log" || { cat "$out/log"; exit 1; }
cat "$out/log"
grep -q '^sets: neon ref$' "$out/log" || { echo "the emulator did not offer neon"; exit 1; }
