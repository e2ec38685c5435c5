/* reference.c - see reference.h. */
#include "reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kern/kern.h"

#define PI 3.14159265358979323846

struct matrix {
    double *w; /* (rows, k) */
    size_t rows, k;
    bool quantised;
};

struct ref_layer {
    struct matrix q, k, v, o, gate, up, down;
    struct matrix attn_norm, ffn_norm, bq, bk, bv, bo; /* vectors: rows 1; w NULL when absent */
    struct matrix bgate, bup, bdown;
    double *keys, *values; /* (n, n_kv_heads * head_dim) */
};

struct ref_model {
    const struct random_model *d;
    enum engine_kv kv_type;
    struct matrix embd, output, output_bias, norm, divisors;
    struct ref_layer *layers;
};

static void *must_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    assert_non_null(p);
    return p;
}

static struct matrix get(const struct gguf *g, const char *name)
{
    const struct gguf_tensor *t = gguf_find_tensor(g, name);
    struct matrix m = {0};
    struct kern_mat mat;
    float *row;

    if (!t)
        return m;
    m.k = t->dims[0];
    m.rows = t->dims[1];
    m.quantised = t->type->block_elems > 1;
    m.w = must_alloc(m.rows * m.k, sizeof(double));
    mat = (struct kern_mat){.type = t->type,
                            .data = t->data,
                            .n_rows = m.rows,
                            .k = m.k,
                            .row_bytes = t->size_bytes / m.rows};
    row = must_alloc(m.k, sizeof *row);
    for (size_t r = 0; r < m.rows; r++) {
        kern_find("ref")->get_row(&mat, r, row);
        for (size_t i = 0; i < m.k; i++)
            m.w[r * m.k + i] = row[i];
    }
    free(row);
    return m;
}

static struct matrix get_of(const struct gguf *g, uint32_t layer, const char *name)
{
    char full[64];

    snprintf(full, sizeof full, "blk.%u.%s", layer, name);
    return get(g, full);
}

static void open_model(struct ref_model *m, const struct random_model *d, size_t n)
{
    struct gguf *g;
    uint8_t *bytes;
    size_t n_bytes;

    random_model_bytes(d, &bytes, &n_bytes);
    assert_int_equal(gguf_open_memory(bytes, n_bytes, "reference", &g, NULL), 0);
    *m = (struct ref_model){.d = d,
                            .embd = get(g, "token_embd.weight"),
                            .output = get(g, d->tied ? "token_embd.weight" : "output.weight"),
                            .output_bias = get(g, "output.bias"),
                            .norm = get(g, "output_norm.weight"),
                            .divisors = get(g, "rope_freqs.weight")};
    m->layers = must_alloc(d->n_layers, sizeof *m->layers);
    for (uint32_t i = 0; i < d->n_layers; i++) {
        size_t kv = n * d->n_kv_heads * d->head_dim;

        m->layers[i] = (struct ref_layer){.q = get_of(g, i, "attn_q.weight"),
                                          .k = get_of(g, i, "attn_k.weight"),
                                          .v = get_of(g, i, "attn_v.weight"),
                                          .o = get_of(g, i, "attn_output.weight"),
                                          .gate = get_of(g, i, "ffn_gate.weight"),
                                          .up = get_of(g, i, "ffn_up.weight"),
                                          .down = get_of(g, i, "ffn_down.weight"),
                                          .attn_norm = get_of(g, i, "attn_norm.weight"),
                                          .ffn_norm = get_of(g, i, "ffn_norm.weight"),
                                          .bq = get_of(g, i, "attn_q.bias"),
                                          .bk = get_of(g, i, "attn_k.bias"),
                                          .bv = get_of(g, i, "attn_v.bias"),
                                          .bo = get_of(g, i, "attn_output.bias"),
                                          .bgate = get_of(g, i, "ffn_gate.bias"),
                                          .bup = get_of(g, i, "ffn_up.bias"),
                                          .bdown = get_of(g, i, "ffn_down.bias"),
                                          .keys = must_alloc(kv, sizeof(double)),
                                          .values = must_alloc(kv, sizeof(double))};
    }
    gguf_close(g);
    free(bytes);
}

static void close_model(struct ref_model *m)
{
    for (uint32_t i = 0; i < m->d->n_layers; i++) {
        struct ref_layer *l = &m->layers[i];
        double *all[] = {l->q.w,    l->k.w,  l->v.w,    l->o.w,     l->gate.w,      l->up.w,
                         l->down.w, l->bq.w, l->bk.w,   l->bv.w,    l->attn_norm.w, l->ffn_norm.w,
                         l->bo.w,   l->keys, l->values, l->bgate.w, l->bup.w,       l->bdown.w};

        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++)
            free(all[j]);
    }
    free(m->layers);
    free(m->embd.w);
    free(m->output.w);
    free(m->output_bias.w);
    free(m->norm.w);
    free(m->divisors.w);
}

static double to_half(double v)
{
    return kern_f16_to_f32(kern_f32_to_f16((float)v));
}

/* x as 8-bit levels of groups of 32, and back. */
static void round_to_levels(const double *x, size_t k, double *out)
{
    for (size_t b = 0; b < k; b += 32) {
        double most = 0;

        for (size_t i = b; i < b + 32; i++)
            most = fmax(most, fabs(x[i]));
        for (size_t i = b; i < b + 32; i++)
            out[i] = most > 0 ? nearbyint(x[i] * 127 / most) * (most / 127) : 0;
    }
}

/* y (rows) = W x + bias */
static void multiply(const struct matrix *w, const double *x, const struct matrix *bias, double *y)
{
    double *rounded = must_alloc(w->k, sizeof(double));

    if (w->quantised) {
        round_to_levels(x, w->k, rounded);
        x = rounded;
    }
    for (size_t r = 0; r < w->rows; r++) {
        y[r] = bias && bias->w ? bias->w[r] : 0;
        for (size_t i = 0; i < w->k; i++)
            y[r] += w->w[r * w->k + i] * x[i];
    }
    free(rounded);
}

static void norm(const double *x, const struct matrix *w, double *y)
{
    double sum = 0;

    for (size_t i = 0; i < w->k; i++)
        sum += x[i] * x[i];
    for (size_t i = 0; i < w->k; i++)
        y[i] = x[i] / sqrt(sum / (double)w->k + 1e-5) * w->w[i];
}

static void rotate(const struct ref_model *m, double *x, size_t n_heads, size_t pos)
{
    const struct random_model *d = m->d;
    size_t n_rot = d->n_rot ? d->n_rot : d->head_dim;
    bool halves = strcmp(d->arch, "qwen2") == 0;

    for (size_t h = 0; h < n_heads; h++, x += d->head_dim) {
        for (size_t i = 0; i < n_rot / 2; i++) {
            double *a = &x[halves ? i : 2 * i], *b = &x[halves ? i + n_rot / 2 : 2 * i + 1];
            double angle = (double)pos / pow(5000.0, 2.0 * (double)i / (double)n_rot), old = *a;

            if (m->divisors.w)
                angle /= m->divisors.w[i];
            if (d->scaling)
                angle /= d->factor;
            *a = old * cos(angle) - *b * sin(angle);
            *b = old * sin(angle) + *b * cos(angle);
        }
    }
}

static void attend(const struct ref_model *m, const struct ref_layer *l, const double *q,
                   size_t pos, double *out)
{
    const struct random_model *d = m->d;
    size_t kv_dim = d->n_kv_heads * d->head_dim;
    double *score = must_alloc(pos + 1, sizeof(double));

    for (size_t h = 0; h < d->n_heads; h++) {
        size_t kv = h / (d->n_heads / d->n_kv_heads) * d->head_dim;
        double most = -INFINITY, sum = 0;

        for (size_t p = 0; p <= pos; p++) {
            score[p] = 0;
            for (size_t i = 0; i < d->head_dim; i++)
                score[p] += q[h * d->head_dim + i] * l->keys[p * kv_dim + kv + i];
            score[p] /= sqrt(d->head_dim);
            most = fmax(most, score[p]);
        }
        for (size_t p = 0; p <= pos; p++)
            sum += score[p] = exp(score[p] - most);
        for (size_t i = 0; i < d->head_dim; i++) {
            double v = 0;

            for (size_t p = 0; p <= pos; p++)
                v += score[p] / sum * l->values[p * kv_dim + kv + i];
            out[h * d->head_dim + i] = v;
        }
    }
    free(score);
}

/* What is left of keys or values once they are kept. */
static void keep(enum engine_kv type, double *x, size_t n)
{
    if (type == ENGINE_KV_Q8_0)
        round_to_levels(x, n, x);
    for (size_t i = 0; type == ENGINE_KV_F16 && i < n; i++)
        x[i] = to_half(x[i]);
}

/* x = x + attention(x) */
static void attention(const struct ref_model *m, const struct ref_layer *l, size_t pos, double *x)
{
    const struct random_model *d = m->d;
    size_t kv_dim = d->n_kv_heads * d->head_dim, q_dim = d->n_heads * d->head_dim;
    double *h = must_alloc(d->n_embd, sizeof(double)), *q = must_alloc(q_dim, sizeof(double));
    double *out = must_alloc(q_dim, sizeof(double));
    double *k = l->keys + pos * kv_dim, *v = l->values + pos * kv_dim;

    norm(x, &l->attn_norm, h);
    multiply(&l->q, h, &l->bq, q);
    multiply(&l->k, h, &l->bk, k);
    multiply(&l->v, h, &l->bv, v);
    rotate(m, q, d->n_heads, pos);
    rotate(m, k, d->n_kv_heads, pos);
    keep(m->kv_type, k, kv_dim);
    keep(m->kv_type, v, kv_dim);
    if (m->kv_type == ENGINE_KV_Q8_0)
        round_to_levels(q, q_dim, q);
    attend(m, l, q, pos, out);
    multiply(&l->o, out, &l->bo, h);
    for (size_t i = 0; i < d->n_embd; i++)
        x[i] += h[i];
    free(h);
    free(q);
    free(out);
}

/* x = x + feed_forward(x) */
static void feed_forward(const struct ref_model *m, const struct ref_layer *l, double *x)
{
    const struct random_model *d = m->d;
    double *h = must_alloc(d->n_embd, sizeof(double));
    double *gate = must_alloc(d->n_ff, sizeof(double)), *up = must_alloc(d->n_ff, sizeof(double));

    norm(x, &l->ffn_norm, h);
    multiply(&l->gate, h, &l->bgate, gate);
    multiply(&l->up, h, &l->bup, up);
    for (size_t i = 0; i < d->n_ff; i++)
        gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
    multiply(&l->down, gate, &l->bdown, h);
    for (size_t i = 0; i < d->n_embd; i++)
        x[i] += h[i];
    free(h);
    free(gate);
    free(up);
}

void reference_logits(const struct random_model *d, enum engine_kv kv_type, const int32_t *ids,
                      size_t n, double *logits)
{
    double *x = must_alloc(d->n_embd, sizeof(double)), *h = must_alloc(d->n_embd, sizeof(double));
    struct ref_model m;

    open_model(&m, d, n);
    m.kv_type = kv_type;
    for (size_t pos = 0; pos < n; pos++) {
        memcpy(x, m.embd.w + (size_t)ids[pos] * d->n_embd, d->n_embd * sizeof(double));
        for (uint32_t i = 0; i < d->n_layers; i++) {
            attention(&m, &m.layers[i], pos, x);
            feed_forward(&m, &m.layers[i], x);
        }
        norm(x, &m.norm, h);
        multiply(&m.output, h, &m.output_bias, logits + pos * RANDOM_MODEL_VOCAB);
    }
    close_model(&m);
    free(x);
    free(h);
}
