/*
 * forward.c - see forward.h. The arithmetic of one layer, with the shapes of weights.h and
 * scratch.h (Touvron et al. 2023):
 *
 *   h = norm(x);  q, k, v = wq h, wk h, wv h;  turn q and k by their position;  keep k and v
 *   x = x + wo attend(q, all k and v of the row's own sequence up to its own position)
 *   h = norm(x);  x = x + down (silu(gate h) * up h)
 */
#include "engine/model/forward.h"

#include <string.h>

#include "engine/model/attention.h"
#include "engine/model/product.h"
#include "engine/model/rope.h"
#include "engine/model/share.h"

void forward_prepare(struct forward *f, bool packing)
{
    rows_init(&f->window, f->w->file, packing, &f->w->token_embd);
    f->rope_magnitude = rope_frequencies(&f->hp->rope, f->w->rope_divisors, f->s.freq);
}

void forward_each_row(struct forward *f, pool_fn *task, void *arg, size_t n)
{
    share_run(f->pool, task, arg, f->n_rows, SHARE_WORK_PER_VALUE * n);
}

/* ---- embeddings and angles ----------------------------------------------- */

static void embed_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    struct forward *f = arg;
    size_t n_rot = f->hp->rope.n_rot;

    for (size_t i = begin; i < end; i++) {
        size_t row = (size_t)f->rows[i].token;
        struct kern_mat w;

        rows_view(&f->window, &f->w->token_embd, row, row + 1, f->s.threads[thread].window, &w);
        f->kern->get_row(&w, row, f->s.x + i * f->hp->n_embd);
        rope_angles(f->s.freq, f->hp->rope.n_rot, f->rope_magnitude, f->rows[i].pos,
                    f->s.cs + i * n_rot);
    }
}

/* ---- norm, and quantised activations ------------------------------------- */

struct norm_job {
    struct forward *f;
    const float *weight; /* (E) */
};

static void norm_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct norm_job *job = arg;
    const struct forward *f = job->f;
    size_t n = f->hp->n_embd;

    (void)thread;
    for (size_t i = begin; i < end; i++) {
        float *h = f->s.h + i * n;

        f->kern->rms_norm(f->s.x + i * n, job->weight, n, f->hp->norm_eps, h);
        if (f->s.hq)
            f->kern->quantize(h, n, f->s.hq + i * (n / QK));
    }
}

/* h (n_rows, E) = norm(x), as floats and quantised. */
static struct kern_acts normed(struct forward *f, const float *weight)
{
    struct norm_job job = {f, weight};

    forward_each_row(f, norm_task, &job, f->hp->n_embd);
    return (struct kern_acts){.k = f->hp->n_embd, .n_cols = f->n_rows, .f = f->s.h, .q = f->s.hq};
}

struct quantize_job {
    struct forward *f;
    const float *x; /* (n_rows, k) */
    size_t k;
    struct kern_q8 *q;
};

static void quantize_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct quantize_job *job = arg;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        job->f->kern->quantize(job->x + i * job->k, job->k, job->q + i * (job->k / QK));
}

struct kern_acts forward_activations(struct forward *f, const float *x, size_t k, struct kern_q8 *q)
{
    struct quantize_job job = {f, x, k, q};

    if (q)
        forward_each_row(f, quantize_task, &job, k);
    return (struct kern_acts){.k = k, .n_cols = f->n_rows, .f = x, .q = q};
}

/* ---- attention ----------------------------------------------------------- */

/*
 * After the last layer's keys and values are kept, rows whose logits nobody asked for have done
 * their work: the others move to the front.
 */
static void keep_wanted_rows(struct forward *f)
{
    size_t e = f->hp->n_embd, q = hparams_q_dim(f->hp);
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->n_rows; i++) {
        if (!f->rows[i].want_logits)
            continue;
        if (n != i) {
            f->rows[n] = f->rows[i];
            memcpy(f->s.x + n * e, f->s.x + i * e, e * sizeof(float));
            memcpy(f->s.q + n * q, f->s.q + i * q, q * sizeof(float));
        }
        n++;
    }
    f->n_rows = n;
}

static void project_qkv(struct forward *f, const struct layer *l)
{
    struct product p = {
        .kern = f->kern,
        .threads = f->s.threads,
        .rows = &f->window,
        .x = normed(f, l->attn_norm),
        .out = {{.w = &l->wq, .y = f->s.q, .bias = l->bq},
                {.w = &l->wk, .y = f->s.k, .bias = l->bk},
                {.w = &l->wv, .y = f->s.v, .bias = l->bv}},
        .n_out = 3,
    };

    product_run(&p, f->pool);
}

static void attention(struct forward *f, uint32_t layer, bool last)
{
    const struct layer *l = &f->w->layers[layer];
    struct product p = {
        .kern = f->kern,
        .threads = f->s.threads,
        .rows = &f->window,
        .out = {{.w = &l->wo, .y = f->s.h, .bias = l->bo, .residual = f->s.x}},
        .n_out = 1,
    };

    project_qkv(f, l);
    attention_keep(f, layer);
    if (last)
        keep_wanted_rows(f);
    if (f->n_rows == 0)
        return;
    attention_attend(f, layer);
    p.x = forward_activations(f, f->s.att, hparams_q_dim(f->hp), f->s.attq);
    product_run(&p, f->pool);
}

/* ---- feed-forward -------------------------------------------------------- */

static void feed_forward(struct forward *f, const struct layer *l)
{
    struct product in = {
        .kern = f->kern,
        .threads = f->s.threads,
        .rows = &f->window,
        .x = normed(f, l->ffn_norm),
        .out = {{.w = &l->gate, .y = f->s.gate, .bias = l->b_gate},
                {.w = &l->up, .y = f->s.up, .bias = l->b_up}},
        .n_out = 2,
    };
    struct product out = {
        .kern = f->kern,
        .threads = f->s.threads,
        .rows = &f->window,
        .out = {{.w = &l->down, .y = f->s.h, .bias = l->b_down, .residual = f->s.x}},
        .n_out = 1,
    };

    product_run_gated(&in, f->pool);
    out.x = forward_activations(f, f->s.gate, f->hp->n_ff, f->s.gateq);
    product_run(&out, f->pool);
}

static void final_logits(struct forward *f)
{
    struct product p = {
        .kern = f->kern,
        .threads = f->s.threads,
        .rows = &f->window,
        .x = normed(f, f->w->output_norm),
        .out = {{.w = &f->w->output, .y = f->s.logits, .bias = f->w->output_bias}},
        .n_out = 1,
    };

    product_run(&p, f->pool);
}

bool forward_must_end(struct forward *f)
{
    return atomic_exchange(&f->stop, false) || (f->in_vain && f->in_vain(f->in_vain_arg)) ||
           rows_failed(&f->window);
}

bool forward_run(struct forward *f)
{
    rows_begin(&f->window);
    forward_each_row(f, embed_task, f, f->hp->n_embd);
    for (uint32_t i = 0; i < f->hp->n_layers; i++) {
        if (forward_must_end(f))
            return false;
        if (f->window.n_passes == 0 && i + 1 < f->hp->n_layers)
            weights_expect_layer(f->w, i + 1);
        attention(f, i, i + 1 == f->hp->n_layers);
        if (f->n_rows > 0)
            feed_forward(f, &f->w->layers[i]);
        atomic_fetch_add_explicit(&f->steps, 1, memory_order_relaxed);
    }
    if (f->n_rows > 0)
        final_logits(f);
    if (rows_failed(&f->window))
        return false;
    rows_end(&f->window);
    return true;
}
