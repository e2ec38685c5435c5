/*
 * draw.h - a random token by its logits, within what top_k, top_p and min_p leave.
 *
 * Weights are kern_exp of the distance to the best token over the temperature: the same bits on
 * every machine, which libm's exp does not promise. Sums are doubles. A NaN counts as minus
 * infinity, and so does what a mask does not allow. Which token a random number stands for is
 * defined by this, in all bits:
 *
 *   candidates  the top_k best (rank.h), or all
 *   order       without top_p and min_p: a heap of the candidates, the best on top, read from its
 *               end; it is made by rank_heapify from the ids in rising order, or with top_k from
 *               what lies in a heap of the k best, the worst on top, which begins with the first k
 *               ids and takes the place of its worst for each better one, ids rising.
 *               Else from the best on down, until the sum of weights reaches top_p of the sum of
 *               all candidates', added in the order of that heap; or until a weight is below min_p
 *               or 0. The best is kept in any case.
 *   the token   that whose weight, taken in this order off a random part of their sum, makes it
 *               negative; else the last one
 *
 * The heap is not made where it cannot matter. With top_p, all orders give the same sum but for
 * rounding, which is bounded (Higham 2002, section 4.2): only when the bound leaves open which
 * token is the last to be kept, the sum is made in its own order. And no more is sorted than is
 * kept, or hardly.
 *
 * Nothing is allocated after draw_init. One thread owns it. Sources: Fan et al. 2018 (top-k),
 * Holtzman et al. 2020 (top-p), Nguyen et al. 2024 (min-p).
 */
#ifndef RBEE_ENGINE_MODEL_DRAW_H
#define RBEE_ENGINE_MODEL_DRAW_H

#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/model/rng.h"

/* So many candidates are few: with no more the heap costs nothing that counts. */
#define DRAW_FEW 1024

struct kern;

struct draw {
    float temperature, top_p, min_p;
    uint32_t n_vocab, n; /* candidates of a draw, 1 to n_vocab */
    const struct kern *kern;
    struct rng rng;
    uint64_t *c; /* n_vocab, or n where these are few: ranks, later weights with their ids */
};

/* What came of a draw: the token, and among how many candidates of which weight it was drawn. */
struct drawn {
    int32_t id;
    uint32_t n;
    double sum;
};

/* How temperature, top_k, top_p, min_p and seed of `how` say, which are in range, the temperature
 * being above 0; n_vocab >= 1. ERR_NO_MEMORY. */
int draw_init(struct draw *d, uint32_t n_vocab, const struct engine_sampling *how, struct err *err);
/* Harmless on a zeroed one. */
void draw_done(struct draw *d);

/* From n_vocab logits. A token that the mask (mask.h) does not allow comes only where all that it
 * allows are minus infinity. */
struct drawn draw_next(struct draw *d, const float *logits, const uint64_t *mask);

#endif
