/*
 * avxvnni.c - the kernels for AVX2 with AVX-VNNI: Intel's client CPUs since Alder Lake (2021),
 * which have no AVX-512, and AMD since Zen 5. Compiled with its own flags; cpu.c sees to it that
 * only such a CPU gets here. Keeps no state; any thread.
 */
#include "engine/kern/lanes_avx2.h"
#include "engine/kern/set.h"

const struct kern kern_avxvnni = SET("avxvnni");
