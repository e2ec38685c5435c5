/*
 * rng.h - xoshiro256** 1.0 (Blackman & Vigna 2018, public domain), seeded through splitmix64 as its
 * authors advise. The same seed gives the same numbers on every machine. One thread owns a state.
 */
#ifndef RBEE_ENGINE_MODEL_RNG_H
#define RBEE_ENGINE_MODEL_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
double rng_unit(struct rng *r); /* uniform in [0, 1), 53 bits */

#endif
