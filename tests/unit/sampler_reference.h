/*
 * sampler_reference.h - the draw of draw.h in the plain way: the whole of the candidates in a heap,
 * whose best are taken out one by one, and a weight computed where it is asked for.
 */
#ifndef RBEE_TESTS_SAMPLER_REFERENCE_H
#define RBEE_TESTS_SAMPLER_REFERENCE_H

#include "engine/model/draw.h"

struct reference_candidate {
    float logit;
    int32_t id;
};

/* As draw_next. `c` has room for d->n; d->c is not touched. */
struct drawn reference_draw(struct draw *d, struct reference_candidate *c, const float *logits,
                            const uint64_t *mask);

#endif
