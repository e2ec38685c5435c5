/* count.h - numbers among the words that a person reads. Pure. */
#ifndef RBEE_KEEPER_SHELL_COUNT_H
#define RBEE_KEEPER_SHELL_COUNT_H

#include <stdint.h>

/* A number of somebody else's as a whole one: 0 below, UINT64_MAX above what fits, or for no
 * number. */
uint64_t count_whole(double number);

/* "s", unless n is 1. */
const char *count_plural(uint64_t n);

#endif
