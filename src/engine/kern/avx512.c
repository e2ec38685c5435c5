/*
 * avx512.c - the kernels for AVX-512 with VNNI: Intel since Ice Lake, AMD since Zen 4. Compiled
 * with its own flags; cpu.c sees to it that only such a CPU gets here. Keeps no state; any thread.
 */
#include "engine/kern/lanes_avx512.h"
#include "engine/kern/set.h"

const struct kern kern_avx512 = SET("avx512");
