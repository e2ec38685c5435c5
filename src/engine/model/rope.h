/*
 * rope.h - angles of the rotary position embedding, and the published ways to stretch them.
 *
 * Pair i of a head turns by pos * f[i] with f[i] = base^(-2i/n_rot) (Su et al. 2021). Linear
 * scaling divides every f by a factor (Chen et al. 2023). YaRN divides only the slow ones, ramps
 * between, and enlarges the result a little (Peng et al. 2023). Llama 3.1 ships its own divisors as
 * a tensor, rope_freqs.weight. Frequencies are made once, in double; angles are made per row, so
 * that no table of the whole context is held.
 */
#ifndef RBEE_ENGINE_MODEL_ROPE_H
#define RBEE_ENGINE_MODEL_ROPE_H

#include <stdbool.h>
#include <stdint.h>

enum rope_scaling { ROPE_PLAIN, ROPE_LINEAR, ROPE_YARN };

/* The paper's recommendation for the llama family (section 3.2): alpha = 1, beta = 32. */
#define ROPE_YARN_BETA_FAST 32.0f
#define ROPE_YARN_BETA_SLOW 1.0f

struct rope_params {
    uint32_t n_rot; /* values of a head that turn; even */
    bool neox;      /* pairs are (i, i + n_rot/2), else (2i, 2i + 1) */
    float freq_base;
    enum rope_scaling scaling;
    float factor;      /* context is stretched by this; >= 0, 1 = not at all */
    float orig_ctx;    /* YaRN: context before stretching */
    float attn_factor; /* YaRN: multiplies the published enlargement */
    float beta_fast, beta_slow;
};

/*
 * Writes n_rot/2 frequencies to `freq`. `divisors` (n_rot/2) or NULL. Returns what cosines and
 * sines are to be multiplied by: 1, but for YaRN.
 */
double rope_frequencies(const struct rope_params *p, const float *divisors, double *freq);

/* The n_rot/2 pairs {cos, sin} of one position, as kern->rope reads them. */
void rope_angles(const double *freq, uint32_t n_rot, double magnitude, uint32_t pos, float *cs);

#endif
