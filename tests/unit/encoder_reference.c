/*
 * encoder_reference.c - an encoder's pass in plain double arithmetic, written from the papers
 * (Devlin et al. 2018; Nussbaum et al. 2024), with none of the engine's own code but the half
 * floats and the reading of single weights.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "encoder_internal.h"
#include "engine/gguf/gguf.h"
#include "engine/kern/kern.h"

struct pass {
    const struct encoder_model *d;
    struct gguf *g;
    size_t n;  /* rows */
    double *x; /* (n, E) */
};

static double *numbers(size_t n)
{
    double *p = calloc(n, sizeof *p);

    assert_non_null(p);
    return p;
}

/* Weight i of row r; 0 where the tensor is absent. */
static double weight_of(const struct gguf_tensor *t, size_t r, size_t i)
{
    const uint8_t *row;
    uint16_t h;
    float v;

    if (!t)
        return 0;
    row = (const uint8_t *)t->data + r * (t->size_bytes / (t->n_dims > 1 ? t->dims[1] : 1));
    if (t->type->type == TYPE_F32) {
        memcpy(&v, row + 4 * i, 4);
        return v;
    }
    if (t->type->type == TYPE_F16) {
        memcpy(&h, row + 2 * i, 2);
        return kern_f16_to_f32(h);
    }
    row += i / QK * t->type->block_bytes; /* Q8_0 */
    memcpy(&h, row, 2);
    return (double)kern_f16_to_f32(h) * (int8_t)row[2 + i % QK];
}

static double weight(const struct pass *p, const char *name, size_t r, size_t i)
{
    return weight_of(gguf_find_tensor(p->g, name), r, i);
}

static const struct gguf_tensor *of_layer(const struct pass *p, uint32_t layer, const char *name)
{
    char full[64];

    snprintf(full, sizeof full, "blk.%u.%s", layer, name);
    return gguf_find_tensor(p->g, full);
}

/* As activations are before they meet quantised weights. */
static void round_to_levels(double *x, size_t k)
{
    for (size_t b = 0; b < k; b += QK) {
        double most = 0;

        for (size_t i = b; i < b + QK; i++)
            most = fmax(most, fabs(x[i]));
        for (size_t i = b; i < b + QK; i++)
            x[i] = most > 0 ? nearbyint(x[i] * 127 / most) * (most / 127) : 0;
    }
}

/* y (n, rows) = W x + bias of rows `first` on, x (n, k) */
static double *linear(const struct pass *p, uint32_t layer, const char *name, size_t first,
                      size_t rows, size_t k, const double *in)
{
    double *y = numbers(p->n * rows), *x = numbers(k);
    const struct gguf_tensor *w, *b;
    char full[48];

    snprintf(full, sizeof full, "%s.weight", name);
    w = of_layer(p, layer, full);
    snprintf(full, sizeof full, "%s.bias", name);
    b = of_layer(p, layer, full);
    for (size_t c = 0; c < p->n; c++) {
        memcpy(x, in + c * k, k * sizeof *x);
        if (p->d->type == TYPE_Q8_0)
            round_to_levels(x, k);
        for (size_t r = 0; r < rows; r++) {
            y[c * rows + r] = weight_of(b, 0, first + r);
            for (size_t i = 0; i < k; i++)
                y[c * rows + r] += weight_of(w, first + r, i) * x[i];
        }
    }
    free(x);
    return y;
}

/* x = norm(x + y) by the vectors "<name>.weight" and ".bias"; y may be NULL, and is freed. */
static void add_and_norm(struct pass *p, const char *name, double *y)
{
    size_t e = p->d->n_embd;
    char w[64], b[64];

    snprintf(w, sizeof w, "%s.weight", name);
    snprintf(b, sizeof b, "%s.bias", name);
    for (size_t c = 0; c < p->n; c++) {
        double *x = p->x + c * e, mean = 0, square = 0;

        for (size_t i = 0; i < e; i++) {
            x[i] += y ? y[c * e + i] : 0;
            mean += x[i] / (double)e;
        }
        for (size_t i = 0; i < e; i++)
            square += (x[i] - mean) * (x[i] - mean) / (double)e;
        for (size_t i = 0; i < e; i++)
            x[i] = (x[i] - mean) / sqrt(square + (double)ENCODER_EPS) * weight(p, w, 0, i) +
                   weight(p, b, 0, i);
    }
    free(y);
}

/* Halves of a head turn against each other. */
static void rotate(const struct pass *p, double *x)
{
    size_t dim = p->d->n_embd / p->d->n_heads;

    for (size_t c = 0; c < p->n; c++) {
        for (size_t h = 0; h < p->d->n_heads; h++) {
            double *head = x + c * p->d->n_embd + h * dim;

            for (size_t i = 0; i < dim / 2; i++) {
                double angle =
                    (double)c / pow((double)ENCODER_ROPE_BASE, 2.0 * (double)i / (double)dim);
                double a = head[i], b = head[i + dim / 2];

                head[i] = a * cos(angle) - b * sin(angle);
                head[i + dim / 2] = a * sin(angle) + b * cos(angle);
            }
        }
    }
}

static void to_halves(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (double)kern_f16_to_f32(kern_f32_to_f16((float)x[i]));
}

/* One row and head: out (dim) */
static void attend(const struct pass *p, const double *q, const double *k, const double *v,
                   size_t at, double *out)
{
    size_t e = p->d->n_embd, dim = e / p->d->n_heads;
    double *score = numbers(p->n), most = -INFINITY, sum = 0;

    for (size_t o = 0; o < p->n; o++) {
        for (size_t i = 0; i < dim; i++)
            score[o] += q[at + i] * k[o * e + at % e + i] / sqrt((double)dim);
        most = fmax(most, score[o]);
    }
    for (size_t o = 0; o < p->n; o++)
        sum += score[o] = exp(score[o] - most);
    for (size_t i = 0; i < dim; i++)
        for (size_t o = 0; o < p->n; o++)
            out[at + i] += score[o] / sum * v[o * e + at % e + i];
    free(score);
}

static double *attention(struct pass *p, uint32_t layer)
{
    const struct encoder_model *d = p->d;
    size_t e = d->n_embd, dim = e / d->n_heads;
    const char *names[] = {"attn_q", "attn_k", "attn_v"};
    double *qkv[3], *all = numbers(p->n * e), *out;

    for (size_t j = 0; j < 3; j++)
        qkv[j] =
            linear(p, layer, d->fused ? "attn_qkv" : names[j], d->fused ? j * e : 0, e, e, p->x);
    for (size_t j = 0; d->nomic && j < 2; j++)
        rotate(p, qkv[j]);
    to_halves(qkv[1], p->n * e);
    to_halves(qkv[2], p->n * e);
    for (size_t at = 0; at < p->n * e; at += dim)
        attend(p, qkv[0], qkv[1], qkv[2], at, all);
    out = linear(p, layer, "attn_output", 0, e, e, all);
    for (size_t j = 0; j < 3; j++)
        free(qkv[j]);
    free(all);
    return out;
}

static double *feed_forward(struct pass *p, uint32_t layer)
{
    size_t e = p->d->n_embd, ff = p->d->n_ff;
    double *up = linear(p, layer, "ffn_up", 0, ff, e, p->x), *gate = NULL, *out;

    if (p->d->nomic)
        gate = linear(p, layer, "ffn_gate", 0, ff, e, p->x);
    for (size_t i = 0; i < p->n * ff; i++)
        up[i] *= gate ? gate[i] / (1 + exp(-gate[i])) : 0.5 * (1 + erf(up[i] / sqrt(2)));
    out = linear(p, layer, "ffn_down", 0, e, ff, up);
    free(up);
    free(gate);
    return out;
}

void encoder_reference(const struct encoder_model *d, const int32_t *ids, size_t n, double *rows)
{
    struct pass p = {.d = d, .n = n, .x = rows};
    size_t n_bytes, e = d->n_embd;
    uint8_t *bytes;
    char name[64];

    encoder_model_bytes(d, &bytes, &n_bytes);
    assert_int_equal(gguf_open_memory(bytes, n_bytes, "reference", &p.g, NULL), 0);
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < e; i++)
            rows[c * e + i] = weight(&p, "token_embd.weight", (size_t)ids[c], i) +
                              weight(&p, "token_types.weight", 0, i) +
                              weight(&p, "position_embd.weight", c, i);
    add_and_norm(&p, "token_embd_norm", NULL);
    for (uint32_t l = 0; l < d->n_layers; l++) {
        snprintf(name, sizeof name, "blk.%u.attn_output_norm", l);
        add_and_norm(&p, name, attention(&p, l));
        snprintf(name, sizeof name, "blk.%u.layer_output_norm", l);
        add_and_norm(&p, name, feed_forward(&p, l));
    }
    gguf_close(p.g);
    free(bytes);
}
