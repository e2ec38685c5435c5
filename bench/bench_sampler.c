/*
 * bench_sampler.c - how long the choice of one token takes: what each way of sampling costs the
 * thread that all answers share.
 *
 *   bench_sampler [N_TOKENS [ROUNDS]]
 *
 * The logits are made up: normally distributed, with a few that stand out. Times are the thread's
 * own, of each way the median and the longest.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "engine/model/rng.h"
#include "engine/model/sampler.h"
#include "timing.h"

#define DEFAULT_TOKENS 262144
#define DEFAULT_ROUNDS 21
#define MAX_ROUNDS     1000
#define N_PEAKS        20
#define DEVIATION      2.5

struct way {
    const char *name;
    float temperature, top_p, min_p;
    uint32_t top_k;
};

static const struct way ways[] = {
    {"default", 0.8f, 0.95f, 0.05f, 40},
    {"greedy", 0.0f, 1.0f, 0.0f, 0},
    {"temperature 1", 1.0f, 1.0f, 0.0f, 0},
    {"temperature 1, min_p 0.05", 1.0f, 1.0f, 0.05f, 0},
    {"temperature 1, top_p 0.5", 1.0f, 0.5f, 0.0f, 0},
    {"temperature 1, top_p 0.95", 1.0f, 0.95f, 0.0f, 0},
    {"temperature 1, top_p 0.9999", 1.0f, 0.9999f, 0.0f, 0},
    {"temperature 2, top_p 0.999", 2.0f, 0.999f, 0.0f, 0},
    {"temperature 1, top_k 100000", 1.0f, 1.0f, 0.0f, 100000},
    {"temperature 2, top_k 200000, top_p 0.999", 2.0f, 0.999f, 0.0f, 200000},
    {"default, top_k 100000", 0.8f, 0.95f, 0.05f, 100000},
};

/* Normally distributed (Box & Muller 1958). */
static double normal(struct rng *r)
{
    double length = sqrt(-2 * log(1 - rng_unit(r)));

    return length * cos(2 * 3.14159265358979 * rng_unit(r));
}

static float *make_logits(uint32_t n)
{
    float *logits = malloc(n * sizeof *logits);
    struct rng r;

    rng_seed(&r, 1);
    for (uint32_t i = 0; logits && i < n; i++)
        logits[i] = (float)(DEVIATION * normal(&r));
    for (int i = 0; logits && i < N_PEAKS; i++)
        logits[rng_next(&r) % n] = (float)(10 + 5 * rng_unit(&r));
    return logits;
}

static int measure(const struct way *w, const float *logits, uint32_t n, uint32_t rounds)
{
    struct engine_sampling how = engine_sampling_default();
    double seconds[MAX_ROUNDS];
    struct engine_sampler *s;
    struct err err;

    how.temperature = w->temperature;
    how.top_p = w->top_p;
    how.min_p = w->min_p;
    how.top_k = w->top_k;
    if (sampler_create(n, &how, &s, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    engine_sampler_next(s, logits); /* its memory is there then */
    for (uint32_t i = 0; i < rounds; i++) {
        double from = cpu_seconds();

        engine_sampler_next(s, logits);
        seconds[i] = cpu_seconds() - from;
    }
    qsort(seconds, rounds, sizeof *seconds, by_value);
    printf("%-42s %7.2f ms, longest %7.2f\n", w->name, seconds[rounds / 2] * 1e3,
           seconds[rounds - 1] * 1e3);
    engine_sampler_free(s);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t n = DEFAULT_TOKENS, rounds = DEFAULT_ROUNDS;
    float *logits;
    int rc = 0;

    if ((argc > 1 && str_to_i64(argv[1], &n)) || (argc > 2 && str_to_i64(argv[2], &rounds)) ||
        n < 1 || n > INT32_MAX || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_sampler [N_TOKENS [ROUNDS, 1 to %d]]\n", MAX_ROUNDS);
        return 1;
    }
    logits = make_logits((uint32_t)n);
    if (!logits)
        return 1;
    for (size_t i = 0; i < sizeof ways / sizeof *ways && !rc; i++)
        rc = measure(&ways[i], logits, (uint32_t)n, (uint32_t)rounds);
    free(logits);
    return rc;
}
