/* rope.c - see rope.h. */
#include "engine/model/rope.h"

#include <math.h>

#define PI 3.14159265358979323846

/* The pair, as a real number, that makes `turns` full turns over the original context. */
static double yarn_pair(const struct rope_params *p, double turns)
{
    return p->n_rot * log(p->orig_ctx / (turns * 2.0 * PI)) / (2.0 * log(p->freq_base));
}

/* 1 for pairs that turn fast and are left alone, 0 for those fully stretched. */
static double yarn_keep(double low, double high, double pair)
{
    double y = (pair - low) / fmax(0.001, high - low);

    return 1.0 - fmin(1.0, fmax(0.0, y));
}

static double stretch_yarn(const struct rope_params *p, double *freq)
{
    double low = fmax(0.0, floor(yarn_pair(p, p->beta_fast)));
    double high = fmin(p->n_rot - 1.0, ceil(yarn_pair(p, p->beta_slow)));

    for (uint32_t i = 0; i < p->n_rot / 2; i++) {
        double keep = yarn_keep(low, high, i);

        freq[i] = freq[i] * keep + freq[i] / p->factor * (1.0 - keep);
    }
    return p->attn_factor * (1.0 + 0.1 * log(p->factor));
}

double rope_frequencies(const struct rope_params *p, const float *divisors, double *freq)
{
    for (uint32_t i = 0; i < p->n_rot / 2; i++) {
        freq[i] = pow(p->freq_base, -2.0 * i / p->n_rot);
        if (divisors)
            freq[i] /= divisors[i];
    }
    if (p->scaling == ROPE_YARN)
        return stretch_yarn(p, freq);
    if (p->scaling == ROPE_LINEAR)
        for (uint32_t i = 0; i < p->n_rot / 2; i++)
            freq[i] /= p->factor;
    return 1.0;
}

void rope_angles(const double *freq, uint32_t n_rot, double magnitude, uint32_t pos, float *cs)
{
    for (uint32_t i = 0; i < n_rot / 2; i++) {
        double angle = pos * freq[i];

        cs[2 * i] = (float)(cos(angle) * magnitude);
        cs[2 * i + 1] = (float)(sin(angle) * magnitude);
    }
}
