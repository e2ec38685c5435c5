/* sampler_reference.c - see sampler_reference.h. */
#include "sampler_reference.h"

#include <math.h>
#include <stdbool.h>

#include "engine/kern/kern.h"
#include "engine/model/mask.h"

enum heap_order { BEST_ON_TOP, WORST_ON_TOP };

static bool better(struct reference_candidate a, struct reference_candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static bool above(enum heap_order order, struct reference_candidate a, struct reference_candidate b)
{
    return order == BEST_ON_TOP ? better(a, b) : better(b, a);
}

static void sift_down(struct reference_candidate *c, uint32_t n, uint32_t i, enum heap_order order)
{
    struct reference_candidate moving = c[i];

    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= n)
            break;
        if (child + 1 < n && above(order, c[child + 1], c[child]))
            child++;
        if (!above(order, c[child], moving))
            break;
        c[i] = c[child];
        i = child;
    }
    c[i] = moving;
}

static void heapify(struct reference_candidate *c, uint32_t n, enum heap_order order)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(c, n, i, order);
}

/* Takes the best of a heap of n out of it and puts it at c[n - 1]. */
static struct reference_candidate pop_best(struct reference_candidate *c, uint32_t n)
{
    struct reference_candidate best = c[0];

    c[0] = c[n - 1];
    c[n - 1] = best;
    sift_down(c, n - 1, 0, BEST_ON_TOP);
    return best;
}

/* The best d->n of all, in the order that the heap of them has. */
static void choose(const struct draw *d, struct reference_candidate *c, const float *logits,
                   const uint64_t *mask)
{
    for (uint32_t i = 0; i < d->n; i++)
        c[i] = (struct reference_candidate){
            mask_allows(mask, i) && !isnan(logits[i]) ? logits[i] : -INFINITY, (int32_t)i};
    if (d->n == d->n_vocab)
        return;
    heapify(c, d->n, WORST_ON_TOP);
    for (uint32_t i = d->n; i < d->n_vocab; i++) {
        if (!(logits[i] > c[0].logit) || !mask_allows(mask, i))
            continue;
        c[0] = (struct reference_candidate){logits[i], (int32_t)i};
        sift_down(c, d->n, 0, WORST_ON_TOP);
    }
}

/* Unnormalised probability: 1 for the best. The check also keeps inf - inf away. */
static double weight(const struct draw *d, struct reference_candidate c, float best)
{
    if (c.logit == best)
        return 1.0;
    return kern_exp((float)(((double)c.logit - (double)best) / (double)d->temperature));
}

/* Moves what top_p and min_p keep to the end of the array, best last; how many they are. */
static uint32_t keep_nucleus(const struct draw *d, struct reference_candidate *c, float best,
                             double total, double *sum)
{
    uint32_t n = d->n, kept = 0;
    double enough = d->top_p < 1.0f ? (double)d->top_p * total : INFINITY;

    *sum = 0.0;
    while (kept < n && (kept == 0 || *sum < enough)) {
        double w = weight(d, c[0], best);

        if (kept > 0 && (w < (double)d->min_p || w == 0.0))
            break;
        pop_best(c, n - kept);
        *sum += w;
        kept++;
    }
    return kept;
}

struct drawn reference_draw(struct draw *d, struct reference_candidate *c, const float *logits,
                            const uint64_t *mask)
{
    struct drawn out = {.n = d->n};
    uint32_t n = d->n, i = n - 1;
    double total = 0.0, at;
    float best;

    choose(d, c, logits, mask);
    heapify(c, n, BEST_ON_TOP);
    best = c[0].logit;
    for (uint32_t k = 0; k < n; k++)
        total += weight(d, c[k], best);
    out.sum = total;
    if (d->top_p < 1.0f || d->min_p > 0.0f)
        out.n = keep_nucleus(d, c, best, total, &out.sum);
    at = rng_unit(&d->rng) * out.sum;
    for (; i > n - out.n; i--) {
        at -= weight(d, c[i], best);
        if (at < 0.0)
            break;
    }
    out.id = c[i].id;
    return out;
}
