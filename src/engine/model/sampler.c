/*
 * sampler.c - chooses the next token from logits; see engine.h for the order of the steps.
 *
 * Here logits are changed and the largest is found; what is random is draw.h. Nothing is allocated
 * after creation. Source: Keskar et al. 2019 (repetition penalty).
 */
#include "engine/model/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/draw.h"
#include "engine/model/mask.h"
#include "engine/model/model.h"

struct engine_sampler {
    struct engine_sampling how;
    uint32_t n_vocab;
    int32_t *window; /* a ring of the last how.repeat_last_n tokens; NULL without a penalty */
    uint32_t n_window, next;
    struct engine_bias *bias; /* how.n_bias */
    uint32_t *counts;         /* of the answer's tokens; NULL without penalties on them */
    int32_t *seen;            /* those of them that are not zero */
    uint32_t n_seen;
    float *changed;   /* n_vocab, when anything changes logits */
    struct draw draw; /* zeroed when greedy */
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

static int check_range(const char *name, float v, float min, float max, struct err *err)
{
    if (v >= min && v <= max)
        return 0;
    return err_set(err, ERR_INVALID, "%s is %g, but must be from %g to %g", name, (double)v,
                   (double)min, (double)max);
}

static int check(const struct engine_sampling *how, struct err *err)
{
    int rc = check_range("temperature", how->temperature, 0.0f, 2.0f, err);

    if (!rc)
        rc = check_range("top_p", how->top_p, 0.0f, 1.0f, err);
    if (!rc)
        rc = check_range("min_p", how->min_p, 0.0f, 1.0f, err);
    if (!rc)
        rc = check_range("repetition_penalty", how->repetition_penalty, 0.0f, 2.0f, err);
    if (!rc)
        rc = check_range("presence_penalty", how->presence_penalty, -2.0f, 2.0f, err);
    if (!rc)
        rc = check_range("frequency_penalty", how->frequency_penalty, -2.0f, 2.0f, err);
    if (!rc && how->repeat_last_n > SAMPLER_MAX_WINDOW)
        rc = err_set(err, ERR_INVALID, "repeat_last_n is %u, but must be at most %u",
                     how->repeat_last_n, SAMPLER_MAX_WINDOW);
    return rc;
}

/* Does each token of the answer count? */
static bool counts_tokens(const struct engine_sampling *how)
{
    return how->presence_penalty != 0.0f || how->frequency_penalty != 0.0f;
}

/* What changes logits before anything is drawn. */
static int alloc_changes(struct engine_sampler *s, const struct engine_bias *bias, struct err *err)
{
    bool window = s->how.repetition_penalty != 1.0f && s->how.repeat_last_n > 0;
    bool counts = counts_tokens(&s->how);
    uint32_t n = s->n_vocab;

    if (window)
        s->window = malloc(s->how.repeat_last_n * sizeof *s->window);
    if (counts) {
        s->counts = calloc(n, sizeof *s->counts);
        s->seen = malloc(n * sizeof *s->seen);
    }
    if (s->how.n_bias)
        s->bias = malloc(s->how.n_bias * sizeof *s->bias);
    if (window || counts || s->how.n_bias)
        s->changed = malloc(n * sizeof *s->changed);
    if ((window && !s->window) || (counts && (!s->counts || !s->seen)) ||
        (s->how.n_bias && !s->bias) || ((window || counts || s->bias) && !s->changed))
        return err_no_memory(err, n * sizeof *s->changed, "the sampler's penalties");
    if (s->bias)
        memcpy(s->bias, bias, s->how.n_bias * sizeof *s->bias);
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
    s->how.bias = NULL;
    if (s->how.repetition_penalty == 0.0f)
        s->how.repetition_penalty = 1.0f;
    s->n_vocab = n_vocab;
    if (how->temperature > 0.0f)
        rc = draw_init(&s->draw, n_vocab, how, err);
    if (!rc)
        rc = alloc_changes(s, how->bias, err);
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

uint64_t engine_sampler_need(const struct engine_model *m)
{
    const struct engine_sampler *s = NULL;
    uint64_t token = sizeof *s->counts + sizeof *s->seen + sizeof *s->changed + sizeof *s->draw.c;

    return sizeof *s + engine_sampling_default().repeat_last_n * sizeof *s->window +
           m->w.n_vocab * token;
}

void engine_sampler_free(struct engine_sampler *s)
{
    if (!s)
        return;
    free(s->window);
    free(s->bias);
    free(s->counts);
    free(s->seen);
    free(s->changed);
    draw_done(&s->draw);
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
static void penalise_window(struct engine_sampler *s, const float *logits)
{
    float p = s->how.repetition_penalty;

    for (uint32_t i = 0; i < s->n_window; i++) {
        int32_t id = s->window[i];

        s->changed[id] = logits[id] > 0.0f ? logits[id] / p : logits[id] * p;
    }
}

static void penalise_answer(struct engine_sampler *s)
{
    for (uint32_t i = 0; i < s->n_seen; i++) {
        int32_t id = s->seen[i];

        s->changed[id] -= (float)s->counts[id] * s->how.frequency_penalty + s->how.presence_penalty;
    }
}

/* The logits that are drawn from; those given where nothing changes them. */
static const float *change(struct engine_sampler *s, const float *logits)
{
    if (!s->changed)
        return logits;
    memcpy(s->changed, logits, s->n_vocab * sizeof *logits);
    penalise_window(s, logits);
    penalise_answer(s);
    for (uint32_t i = 0; s->bias && i < s->how.n_bias; i++)
        s->changed[s->bias[i].id] += s->bias[i].bias;
    return s->changed;
}

/* One more token of the answer. */
static void count(struct engine_sampler *s, int32_t token)
{
    if (s->counts && s->counts[token]++ == 0)
        s->seen[s->n_seen++] = token;
}

/* Maxima of every sixteenth logit first: comparisons that depend on no others run side by side. */
#define LANES 16

static float largest(const float *logits, uint32_t n)
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
    return top;
}

/* The lowest id among the largest of a run that are allowed, where they pass *top. */
static void look_for_larger(const float *logits, const uint64_t *mask, uint32_t from, uint32_t to,
                            float *top, int32_t *id)
{
    float most = largest(logits + from, to - from);

    for (uint32_t i = from; i < to && most > *top; i++) {
        if (!(logits[i] > *top) || !mask_allows(mask, i))
            continue;
        *top = logits[i];
        *id = (int32_t)i;
    }
}

static int32_t likeliest(const float *logits, const uint64_t *mask, uint32_t n)
{
    float top = -INFINITY;
    int32_t id = 0;
    bool any;

    for (uint32_t i = 0, end; i < n; i = end) {
        end = mask_run_end(mask, i, n, &any);
        if (any)
            look_for_larger(logits, mask, i, end, &top, &id);
    }
    return id;
}

/* The only tokens that are allowed may all be -infinity: the first of them then. */
static int32_t within(const struct engine_sampler *s, int32_t id, const uint64_t *mask)
{
    if (mask_allows(mask, (uint32_t)id))
        return id;
    for (uint32_t i = 0; i < s->n_vocab; i++)
        if (mask_allows(mask, i))
            return (int32_t)i;
    BUG("a mask allows no token");
}

int32_t engine_sampler_next_masked(struct engine_sampler *s, const float *logits,
                                   const uint64_t *mask)
{
    int32_t id;

    BUG_ON(mask && !s->how.masked);
    logits = change(s, logits);
    if (s->how.temperature == 0.0f)
        id = likeliest(logits, mask, s->n_vocab);
    else
        id = draw_next(&s->draw, logits, mask).id;
    if (mask)
        id = within(s, id, mask);
    count(s, id);
    engine_sampler_accept(s, id);
    return id;
}

int32_t engine_sampler_next(struct engine_sampler *s, const float *logits)
{
    return engine_sampler_next_masked(s, logits, NULL);
}
