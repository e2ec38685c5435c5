/*
 * sampler.c - chooses the next token from logits; see engine.h for the order of the steps.
 *
 * Temperature changes no order among tokens, so it is applied where weights are made. Weights are
 * kern_exp of the distance to the best token (the same bits on every machine, which libm's exp does
 * not promise), sums are doubles taken in a fixed order. A NaN counts as minus infinity. No step
 * sorts a whole vocabulary: top_k keeps a heap of k; top_p and min_p take the best from a heap one
 * by one until they have enough. Nothing is allocated after creation. Sources: Fan et al. 2018
 * (top-k), Holtzman et al. 2020 (top-p), Nguyen et al. 2024 (min-p), Keskar et al. 2019 (penalty).
 */
#include "engine/model/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kern/kern.h"
#include "engine/model/model.h"
#include "engine/model/rng.h"

struct candidate {
    float logit;
    int32_t id;
};

struct engine_sampler {
    struct engine_sampling how;
    uint32_t n_vocab;
    struct rng rng;
    int32_t *window; /* a ring of the last how.repeat_last_n tokens; NULL without a penalty */
    uint32_t n_window, next;
    float *penalised;             /* n_vocab, when there is a window */
    struct candidate *candidates; /* top_k of them, or n_vocab; NULL when greedy */
    uint32_t n_candidates;
};

struct engine_sampling engine_sampling_default(void)
{
    return (struct engine_sampling){
        .temperature = 0.8f,
        .top_p = 0.95f,
        .top_k = 40,
        .min_p = 0.05f,
        .repetition_penalty = 1.0f,
        .repeat_last_n = 64,
    };
}

static int check_range(const char *name, float v, float max, struct err *err)
{
    if (v >= 0.0f && v <= max)
        return 0;
    return err_set(err, ERR_INVALID, "%s is %g, but must be from 0 to %g", name, (double)v,
                   (double)max);
}

static int check(const struct engine_sampling *how, struct err *err)
{
    int rc = check_range("temperature", how->temperature, 2.0f, err);

    if (!rc)
        rc = check_range("top_p", how->top_p, 1.0f, err);
    if (!rc)
        rc = check_range("min_p", how->min_p, 1.0f, err);
    if (!rc)
        rc = check_range("repetition_penalty", how->repetition_penalty, 2.0f, err);
    if (!rc && how->repeat_last_n > SAMPLER_MAX_WINDOW)
        rc = err_set(err, ERR_INVALID, "repeat_last_n is %u, but must be at most %u",
                     how->repeat_last_n, SAMPLER_MAX_WINDOW);
    return rc;
}

static int alloc_arrays(struct engine_sampler *s, struct err *err)
{
    bool all = s->how.top_k == 0 || s->how.top_k > s->n_vocab;

    if (s->how.repetition_penalty != 1.0f && s->how.repeat_last_n > 0) {
        s->window = malloc(s->how.repeat_last_n * sizeof *s->window);
        s->penalised = malloc(s->n_vocab * sizeof *s->penalised);
        if (!s->window || !s->penalised)
            return err_no_memory(err, s->n_vocab * sizeof *s->penalised, "the sampler's penalty");
    }
    if (s->how.temperature > 0.0f) {
        s->n_candidates = all ? s->n_vocab : s->how.top_k;
        s->candidates = malloc(s->n_candidates * sizeof *s->candidates);
        if (!s->candidates)
            return err_no_memory(err, s->n_candidates * sizeof *s->candidates, "the sampler");
    }
    return 0;
}

int sampler_create(uint32_t n_vocab, const struct engine_sampling *how, struct engine_sampler **out,
                   struct err *err)
{
    int rc = check(how, err);
    struct engine_sampler *s;

    if (rc)
        return rc;
    s = calloc(1, sizeof *s);
    if (!s)
        return err_no_memory(err, sizeof *s, "the sampler");
    s->how = *how;
    if (s->how.repetition_penalty == 0.0f)
        s->how.repetition_penalty = 1.0f;
    s->n_vocab = n_vocab;
    rng_seed(&s->rng, how->seed);
    rc = alloc_arrays(s, err);
    if (rc) {
        engine_sampler_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

int engine_sampler_create(const struct engine_model *m, const struct engine_sampling *how,
                          struct engine_sampler **out, struct err *err)
{
    return sampler_create(m->w.n_vocab, how, out, err);
}

void engine_sampler_free(struct engine_sampler *s)
{
    if (!s)
        return;
    free(s->window);
    free(s->penalised);
    free(s->candidates);
    free(s);
}

void engine_sampler_accept(struct engine_sampler *s, int32_t token)
{
    BUG_ON(token < 0 || (uint32_t)token >= s->n_vocab);
    if (!s->window)
        return;
    s->window[s->next] = token;
    s->next = (s->next + 1) % s->how.repeat_last_n;
    if (s->n_window < s->how.repeat_last_n)
        s->n_window++;
}

/* Each token of the window is penalised once, however often it is there. */
static const float *penalise(struct engine_sampler *s, const float *logits)
{
    float p = s->how.repetition_penalty;

    if (!s->window)
        return logits;
    memcpy(s->penalised, logits, s->n_vocab * sizeof *logits);
    for (uint32_t i = 0; i < s->n_window; i++) {
        int32_t id = s->window[i];

        s->penalised[id] = logits[id] > 0.0f ? logits[id] / p : logits[id] * p;
    }
    return s->penalised;
}

static float not_nan(float logit)
{
    return isnan(logit) ? -INFINITY : logit;
}

/* Maxima of every sixteenth logit first: comparisons that depend on no others run side by side. */
#define LANES 16

static int32_t likeliest(const float *logits, uint32_t n)
{
    float best[LANES], top = -INFINITY;
    uint32_t i = 0;

    for (uint32_t k = 0; k < LANES; k++)
        best[k] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (uint32_t k = 0; k < LANES; k++)
            best[k] = logits[i + k] > best[k] ? logits[i + k] : best[k];
    for (; i < n; i++)
        top = logits[i] > top ? logits[i] : top;
    for (uint32_t k = 0; k < LANES; k++)
        top = best[k] > top ? best[k] : top;
    for (i = 0; i < n && top > -INFINITY; i++)
        if (logits[i] == top)
            return (int32_t)i;
    return 0;
}

/* ---- heaps of candidates ------------------------------------------------- */

enum heap_order { BEST_ON_TOP, WORST_ON_TOP };

static bool better(struct candidate a, struct candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static bool above(enum heap_order order, struct candidate a, struct candidate b)
{
    return order == BEST_ON_TOP ? better(a, b) : better(b, a);
}

static void sift_down(struct candidate *c, uint32_t n, uint32_t i, enum heap_order order)
{
    struct candidate moving = c[i];

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

static void heapify(struct candidate *c, uint32_t n, enum heap_order order)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(c, n, i, order);
}

/* Takes the best of a heap of n out of it and puts it at c[n - 1]. */
static struct candidate pop_best(struct candidate *c, uint32_t n)
{
    struct candidate best = c[0];

    c[0] = c[n - 1];
    c[n - 1] = best;
    sift_down(c, n - 1, 0, BEST_ON_TOP);
    return best;
}

/* Fills the candidates with the n_candidates best of all logits, in no particular order. */
static void choose_candidates(struct engine_sampler *s, const float *logits)
{
    struct candidate *c = s->candidates;
    uint32_t n = s->n_candidates;

    for (uint32_t i = 0; i < n; i++)
        c[i] = (struct candidate){not_nan(logits[i]), (int32_t)i};
    if (n == s->n_vocab)
        return;
    heapify(c, n, WORST_ON_TOP);
    for (uint32_t i = n; i < s->n_vocab; i++) {
        if (!(logits[i] > c[0].logit)) /* among equals the lower id, which came first, stays */
            continue;
        c[0] = (struct candidate){logits[i], (int32_t)i};
        sift_down(c, n, 0, WORST_ON_TOP);
    }
}

/* ---- the draw ------------------------------------------------------------ */

/* Unnormalised probability: 1 for the best. The check also keeps inf - inf away. */
static double weight(const struct engine_sampler *s, struct candidate c, float best)
{
    if (c.logit == best)
        return 1.0;
    return kern_exp((float)(((double)c.logit - (double)best) / (double)s->how.temperature));
}

/*
 * Moves the candidates that top_p and min_p keep to the end of the array, best last, and returns
 * how many they are; *sum is what they weigh together.
 */
static uint32_t keep_nucleus(struct engine_sampler *s, float best, double total, double *sum)
{
    uint32_t n = s->n_candidates, kept = 0;
    double enough = s->how.top_p < 1.0f ? (double)s->how.top_p * total : INFINITY;

    *sum = 0.0;
    while (kept < n && (kept == 0 || *sum < enough)) {
        double w = weight(s, s->candidates[0], best);

        if (kept > 0 && w < (double)s->how.min_p)
            break;
        pop_best(s->candidates, n - kept);
        *sum += w;
        kept++;
    }
    return kept;
}

static int32_t draw(struct engine_sampler *s)
{
    struct candidate *c = s->candidates;
    uint32_t n = s->n_candidates, kept = n;
    double total = 0.0, sum, at;
    float best;

    heapify(c, n, BEST_ON_TOP);
    best = c[0].logit;
    for (uint32_t i = 0; i < n; i++)
        total += weight(s, c[i], best);
    sum = total;
    if (s->how.top_p < 1.0f || s->how.min_p > 0.0f)
        kept = keep_nucleus(s, best, total, &sum);
    at = rng_unit(&s->rng) * sum;
    for (uint32_t i = n - 1; i > n - kept; i--) {
        at -= weight(s, c[i], best);
        if (at < 0.0)
            return c[i].id;
    }
    return c[n - kept].id;
}

int32_t engine_sampler_next(struct engine_sampler *s, const float *logits)
{
    int32_t id;

    logits = penalise(s, logits);
    if (s->how.temperature == 0.0f) {
        id = likeliest(logits, s->n_vocab);
    } else {
        choose_candidates(s, logits);
        id = draw(s);
    }
    engine_sampler_accept(s, id);
    return id;
}
