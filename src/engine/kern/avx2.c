/*
 * avx2.c - the kernels for AVX2 with FMA and F16C: Intel since Haswell (2013), AMD since Zen.
 * Compiled with its own flags; cpu.c sees to it that only such a CPU gets here. Keeps no state; any
 * thread.
 */
#include "engine/kern/lanes_avx2.h"
#include "engine/kern/set.h"

const struct kern kern_avx2 = SET("avx2");
