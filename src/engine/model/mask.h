/*
 * mask.h - which tokens may be chosen: bit (id % 64) of word id / 64; NULL allows all.
 *
 * Masks are looked at where they matter: what is not allowed counts as minus infinity, but no
 * logits are copied for it, and 64 tokens of which none is allowed are passed by at once.
 */
#ifndef RBEE_ENGINE_MODEL_MASK_H
#define RBEE_ENGINE_MODEL_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool mask_allows(const uint64_t *mask, uint32_t id)
{
    return !mask || (mask[id / 64] >> id % 64 & 1);
}

/* Where the tokens end that can be looked at together with the i-th of n; *any: one of them is
 * allowed. */
static inline uint32_t mask_run_end(const uint64_t *mask, uint32_t i, uint32_t n, bool *any)
{
    uint32_t end = mask ? (i / 64 + 1) * 64 : n;

    *any = !mask || mask[i / 64];
    return end < n ? end : n;
}

#endif
