/*
 * encoder.c - see encoder.h. The arithmetic of one layer (Devlin et al. 2018; norms behind):
 *
 *   q, k, v = wq x + bq, wk x + bk, wv x + bv;  nomic-bert: turn q and k by their position
 *   x = norm(x + wo attend(q, all k and v of the row's text) + bo)
 *   bert:        x = norm(x + down gelu(up x + b) + b)
 *   nomic-bert:  x = norm(x + down (silu(gate x) * up x))           (Nussbaum et al. 2024)
 */
#include "engine/model/encoder.h"

#include "engine/model/attention.h"
#include "engine/model/product.h"
#include "engine/model/rope.h"

/* Every layer uses the one that the KV has. */
#define KV_LAYER 0

struct norm_job {
    struct forward *f;
    const float *weight, *bias; /* (E) */
};

static void norm_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct norm_job *job = arg;
    const struct forward *f = job->f;
    size_t n = f->hp->n_embd;

    (void)thread;
    for (size_t i = begin; i < end; i++) {
        float *x = f->s.x + i * n;

        f->kern->layer_norm(x, job->weight, job->bias, n, f->hp->norm_eps, x);
    }
}

/* x = norm(x) */
static void norm(struct forward *f, const float *weight, const float *bias)
{
    struct norm_job job = {f, weight, bias};

    forward_each_row(f, norm_task, &job, f->hp->n_embd);
}

/* ---- embeddings ---------------------------------------------------------- */

/* dst += row of w, by way of h, which is not in use yet. */
static void add_row(struct forward *f, const struct kern_mat *w, size_t row, unsigned thread,
                    float *h, float *dst)
{
    struct kern_mat view;

    rows_view(&f->window, w, row, row + 1, f->s.threads[thread].window, &view);
    f->kern->get_row(&view, row, h);
    f->kern->add(dst, h, f->hp->n_embd);
}

/* x = token + type + position, and the angles of rotary positions */
static void embed_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    struct forward *f = arg;
    size_t n = f->hp->n_embd, n_rot = f->hp->rope.n_rot;

    for (size_t i = begin; i < end; i++) {
        float *x = f->s.x + i * n, *h = f->s.h + i * n;
        struct kern_mat w;
        size_t row = (size_t)f->rows[i].token;

        rows_view(&f->window, &f->w->token_embd, row, row + 1, f->s.threads[thread].window, &w);
        f->kern->get_row(&w, row, x);
        if (f->w->token_type)
            f->kern->add(x, f->w->token_type, n);
        if (f->w->pos_embd.data)
            add_row(f, &f->w->pos_embd, f->rows[i].pos, thread, h, x);
        rope_angles(f->s.freq, f->hp->rope.n_rot, f->rope_magnitude, f->rows[i].pos,
                    f->s.cs + i * n_rot);
    }
}

/* ---- a layer ------------------------------------------------------------- */

static struct product product_of(struct forward *f)
{
    return (struct product){.kern = f->kern, .threads = f->s.threads, .rows = &f->window};
}

static struct kern_acts stream(struct forward *f)
{
    return forward_activations(f, f->s.x, f->hp->n_embd, f->s.hq);
}

static void attention(struct forward *f, const struct layer *l)
{
    struct product in = product_of(f), out = product_of(f);

    in.x = stream(f);
    in.out[0] = (struct product_out){.w = &l->wq, .y = f->s.q, .bias = l->bq};
    in.out[1] = (struct product_out){.w = &l->wk, .y = f->s.k, .bias = l->bk};
    in.out[2] = (struct product_out){.w = &l->wv, .y = f->s.v, .bias = l->bv};
    in.n_out = 3;
    product_run(&in, f->pool);
    attention_keep(f, KV_LAYER);
    attention_attend(f, KV_LAYER);
    out.x = forward_activations(f, f->s.att, hparams_q_dim(f->hp), f->s.attq);
    out.out[0] = (struct product_out){.w = &l->wo, .y = f->s.h, .bias = l->bo, .residual = f->s.x};
    out.n_out = 1;
    product_run(&out, f->pool);
    norm(f, l->attn_norm, l->attn_norm_bias);
}

/* The feed-forward's inner values; where they are is returned. */
static float *inner(struct forward *f, const struct layer *l)
{
    struct product p = product_of(f);

    p.x = stream(f);
    if (f->hp->family == FAMILY_BERT) {
        p.out[0] = (struct product_out){.w = &l->up, .y = f->s.up, .bias = l->b_up, .gelu = true};
        p.n_out = 1;
        product_run(&p, f->pool);
        return f->s.up;
    }
    p.out[0] = (struct product_out){.w = &l->gate, .y = f->s.gate, .bias = l->b_gate};
    p.out[1] = (struct product_out){.w = &l->up, .y = f->s.up, .bias = l->b_up};
    p.n_out = 2;
    product_run_gated(&p, f->pool);
    return f->s.gate;
}

static void feed_forward(struct forward *f, const struct layer *l)
{
    struct product p = product_of(f);

    p.x = forward_activations(f, inner(f, l), f->hp->n_ff, f->s.gateq);
    p.out[0] =
        (struct product_out){.w = &l->down, .y = f->s.h, .bias = l->b_down, .residual = f->s.x};
    p.n_out = 1;
    product_run(&p, f->pool);
    norm(f, l->ffn_norm, l->ffn_norm_bias);
}

bool encoder_run(struct forward *f)
{
    rows_begin(&f->window);
    forward_each_row(f, embed_task, f, f->hp->n_embd);
    norm(f, f->w->embd_norm, f->w->embd_bias);
    for (uint32_t i = 0; i < f->hp->n_layers; i++) {
        if (forward_must_end(f))
            return false;
        if (f->window.n_passes == 0 && i + 1 < f->hp->n_layers)
            weights_expect_layer(f->w, i + 1);
        attention(f, &f->w->layers[i]);
        feed_forward(f, &f->w->layers[i]);
        atomic_fetch_add_explicit(&f->steps, 1, memory_order_relaxed);
    }
    if (rows_failed(&f->window))
        return false;
    rows_end(&f->window);
    return true;
}
