/*
 * neon.c - the kernels for aarch64 with the dot product instructions: Armv8.2 and later, among them
 * Neoverse N1 and Apple's M1. Compiled with its own flags; cpu.c sees to it that only such a CPU
 * gets here. Keeps no state; any thread.
 */
#include "engine/kern/lanes_neon.h"
#include "engine/kern/set.h"

const struct kern kern_neon = SET("neon");
