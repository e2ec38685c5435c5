/* draw.c - see draw.h. */
#include "engine/model/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kern/kern.h"
#include "engine/model/mask.h"
#include "engine/model/rank.h"

#define BLOCK 256 /* weights made at a time */

int draw_init(struct draw *d, uint32_t n_vocab, const struct engine_sampling *how, struct err *err)
{
    bool all = how->top_k == 0 || how->top_k > n_vocab;
    uint32_t room;

    *d = (struct draw){
        .temperature = how->temperature,
        .top_p = how->top_p,
        .min_p = how->min_p,
        .n_vocab = n_vocab,
        .n = all ? n_vocab : how->top_k,
        .kern = kern_find(NULL), /* whatever the engine's is: the bits are the same */
    };
    rng_seed(&d->rng, how->seed);
    room = d->n > DRAW_FEW ? n_vocab : d->n;
    d->c = malloc(room * sizeof *d->c);
    return d->c ? 0 : err_no_memory(err, room * sizeof *d->c, "the sampler");
}

void draw_done(struct draw *d)
{
    free(d->c);
    *d = (struct draw){0};
}

/* ---- candidates ---------------------------------------------------------- */

static void rank_first(struct draw *d, uint32_t n, const float *logits, const uint64_t *mask)
{
    for (uint32_t i = 0; i < n; i++)
        d->c[i] = rank_of(mask_allows(mask, i) ? logits[i] : -INFINITY, (int32_t)i);
}

/* The other way round, so that the worst is the largest. */
static void turn_round(uint64_t *c, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        c[i] = ~c[i];
}

/* Among equals the lower id, which came first, stays; a NaN is larger than nothing. */
static void offer(struct draw *d, const float *logits, const uint64_t *mask, uint32_t from,
                  uint32_t to)
{
    float worst = rank_logit(~d->c[0]);

    for (uint32_t i = from; i < to; i++) {
        if (!(logits[i] > worst) || !mask_allows(mask, i))
            continue;
        rank_heap_replace(d->c, d->n, ~rank_of(logits[i], (int32_t)i));
        worst = rank_logit(~d->c[0]);
    }
}

/* The candidates as a heap, the best on top: draw.h's order. */
static void choose_as_heap(struct draw *d, const float *logits, const uint64_t *mask)
{
    bool any;

    rank_first(d, d->n, logits, mask);
    if (d->n < d->n_vocab) {
        turn_round(d->c, d->n);
        rank_heapify(d->c, d->n);
        for (uint32_t i = d->n, end; i < d->n_vocab; i = end) {
            end = mask_run_end(mask, i, d->n_vocab, &any);
            if (any)
                offer(d, logits, mask, i, end);
        }
        turn_round(d->c, d->n);
    }
    rank_heapify(d->c, d->n);
}

/* The same candidates in no particular order. */
static void choose_anyhow(struct draw *d, const float *logits, const uint64_t *mask)
{
    rank_first(d, d->n_vocab, logits, mask);
    if (d->n < d->n_vocab)
        rank_select(d->c, d->n_vocab, d->n);
}

static float best_of(const uint64_t *c, uint32_t n)
{
    uint64_t best = c[0];

    for (uint32_t i = 1; i < n; i++)
        best = c[i] > best ? c[i] : best;
    return rank_logit(best);
}

/* ---- weights ------------------------------------------------------------- */

/* Unnormalised probabilities of n <= BLOCK ranks, 1 for the best. */
static void weights_of(const struct draw *d, const uint64_t *c, uint32_t n, float best, float *w)
{
    for (uint32_t i = 0; i < n; i++) {
        float logit = rank_logit(c[i]);
        double apart = logit == best ? 0.0 : (double)logit - (double)best; /* no inf - inf */

        w[i] = (float)(apart / (double)d->temperature);
    }
    d->kern->exp(w, n);
}

static uint32_t block_end(uint32_t i, uint32_t n)
{
    return n - i < BLOCK ? n : i + BLOCK;
}

static double sum_weights(const struct draw *d, float best)
{
    double sum = 0.0;
    float w[BLOCK];

    for (uint32_t i = 0, end; i < d->n; i = end) {
        end = block_end(i, d->n);
        weights_of(d, d->c + i, end - i, best, w);
        for (uint32_t k = 0; k < end - i; k++)
            sum += (double)w[k];
    }
    return sum;
}

/* Puts weights where the logits are in ranks `from` to `to` - 1. */
static void put_weights(struct draw *d, uint32_t from, uint32_t to, float best)
{
    uint32_t bits[BLOCK];
    float w[BLOCK];

    for (uint32_t i = from, end; i < to; i = end) {
        end = block_end(i, to);
        weights_of(d, d->c + i, end - i, best, w);
        memcpy(bits, w, sizeof bits);
        for (uint32_t k = 0; k < end - i; k++)
            d->c[i + k] = (uint64_t)bits[k] << 32 | (uint32_t)d->c[i + k];
    }
}

static double weight_at(const uint64_t *c)
{
    uint32_t bits = (uint32_t)(*c >> 32);
    float w;

    memcpy(&w, &bits, sizeof w);
    return (double)w;
}

/* ---- the draw ------------------------------------------------------------ */

/* Of n with weights, the first at `c`, the next `step` behind it. */
static struct drawn pick(struct draw *d, const uint64_t *c, int step, uint32_t n, double sum)
{
    struct drawn out = {.n = n, .sum = sum};
    double at = rng_unit(&d->rng) * sum;

    for (; n > 1; n--, c += step) {
        at -= weight_at(c);
        if (at < 0.0)
            break;
    }
    out.id = rank_id(*c);
    return out;
}

static struct drawn draw_of_all(struct draw *d, const float *logits, const uint64_t *mask)
{
    double sum = 0.0;

    choose_as_heap(d, logits, mask);
    put_weights(d, 0, d->n, rank_logit(d->c[0]));
    for (uint32_t i = 0; i < d->n; i++)
        sum += weight_at(&d->c[i]);
    return pick(d, d->c + d->n - 1, -1, d->n, sum);
}

/* The candidates that top_p and min_p keep: the best n. */
struct nucleus {
    struct rank_sorter sorter;
    uint32_t n_weighed; /* the best so many have weights, in place of their logits */
    float best;
    double least, most; /* what is enough of the weights lies between */
    uint32_t n;
    double sum;
};

static void weigh_more(struct draw *d, struct nucleus *u)
{
    uint32_t to = block_end(u->n_weighed, d->n);

    rank_sort_more(&u->sorter, to);
    put_weights(d, u->n_weighed, to, u->best);
    u->n_weighed = to;
}

/* false: whether one more is kept depends on what exactly is enough. */
static bool keep(struct draw *d, struct nucleus *u)
{
    rank_sort_begin(&u->sorter, d->c, d->n);
    u->n_weighed = u->n = 0;
    u->sum = 0.0;
    while (u->n < d->n && (u->n == 0 || u->sum < u->most)) {
        double w;

        if (u->n > 0 && u->sum >= u->least)
            return false;
        if (u->n == u->n_weighed)
            weigh_more(d, u);
        w = weight_at(&d->c[u->n]);
        if (u->n > 0 && (w < (double)d->min_p || w == 0.0))
            break;
        u->sum += w;
        u->n++;
    }
    return true;
}

/*
 * The nucleus of candidates in no particular order. Of two sums of the same n numbers >= 0 in
 * different orders each is within a factor of 1 +- (n - 1) 2^-53, or hardly more, of the true one.
 */
static bool keep_by_bounds(struct draw *d, struct nucleus *u)
{
    double slack = (double)d->n * 0x1p-52;

    u->best = best_of(d->c, d->n);
    u->least = u->most = INFINITY;
    if (d->top_p < 1.0f) {
        double sum = sum_weights(d, u->best);

        u->least = (double)d->top_p * (sum * (1.0 - slack));
        u->most = (double)d->top_p * (sum * (1.0 + slack));
    }
    return keep(d, u);
}

/* The nucleus of candidates that are a heap. */
static void keep_by_heap(struct draw *d, struct nucleus *u)
{
    u->best = rank_logit(d->c[0]);
    u->most = d->top_p < 1.0f ? (double)d->top_p * sum_weights(d, u->best) : INFINITY;
    u->least = u->most;
    keep(d, u);
}

static struct drawn draw_of_nucleus(struct draw *d, const float *logits, const uint64_t *mask)
{
    struct nucleus u;
    bool done = false;

    if (d->n > DRAW_FEW) {
        choose_anyhow(d, logits, mask);
        done = keep_by_bounds(d, &u);
    }
    if (!done) {
        choose_as_heap(d, logits, mask);
        keep_by_heap(d, &u);
    }
    return pick(d, d->c, 1, u.n, u.sum);
}

struct drawn draw_next(struct draw *d, const float *logits, const uint64_t *mask)
{
    if (d->top_p < 1.0f || d->min_p > 0.0f)
        return draw_of_nucleus(d, logits, mask);
    return draw_of_all(d, logits, mask);
}
