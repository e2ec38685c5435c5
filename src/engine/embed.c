/*
 * embed.c - the "embeddings" part of engine.h: whole texts through an encoder, and a vector of
 * each. A text is a sequence of the KV while the pass runs; none is open between passes.
 */
#include <math.h>

#include "engine/internal.h"
#include "engine/model/encoder.h"

_Static_assert((int)POOLING_MEAN == ENGINE_POOL_MEAN - 1, "poolings");
_Static_assert((int)POOLING_CLS == ENGINE_POOL_CLS - 1, "poolings");
_Static_assert((int)POOLING_LAST == ENGINE_POOL_LAST - 1, "poolings");

/* ---- checks -------------------------------------------------------------- */

static int check_text(const struct engine *e, const struct engine_text *t, uint32_t i,
                      struct err *err)
{
    if (t->n < 1)
        return err_set(err, ERR_INVALID, "text %u has no tokens", i);
    if (t->n > e->params.n_ctx)
        return err_set(err, ERR_LIMIT, "text %u has %u tokens and would pass the context of %u", i,
                       t->n, e->params.n_ctx);
    for (uint32_t k = 0; k < t->n; k++)
        if (t->tokens[k] < 0 || (uint32_t)t->tokens[k] >= e->model->w.n_vocab)
            return err_set(err, ERR_INVALID,
                           "token %u of text %u is %d, but the vocabulary has %u tokens", k, i,
                           t->tokens[k], e->model->w.n_vocab);
    return 0;
}

static int check(const struct engine *e, const struct engine_text *texts, uint32_t n_texts,
                 struct err *err)
{
    uint64_t n_rows = 0;
    int rc = 0;

    if (!hparams_is_encoder(&e->model->hp))
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: a %s model generates text; embeddings are made by bert and nomic-bert "
                       "models",
                       gguf_name(e->model->gguf), hparams_family_name(e->model->hp.family));
    if (n_texts < 1 || n_texts > ENGINE_EMBED_TEXTS)
        return err_set(err, ERR_INVALID, "a pass has %u texts; 1 to %d are possible", n_texts,
                       ENGINE_EMBED_TEXTS);
    for (uint32_t i = 0; !rc && i < n_texts; i++) {
        rc = check_text(e, &texts[i], i, err);
        n_rows += texts[i].n;
    }
    if (!rc && n_rows > e->params.n_batch)
        rc = err_set(err, ERR_INVALID, "the texts of a pass have %llu tokens; %u are the most",
                     (unsigned long long)n_rows, e->params.n_batch);
    return rc;
}

/* ---- the pass ------------------------------------------------------------ */

/* Sequences of a KV without any are numbered from 0. */
static void begin_texts(struct engine *e, const struct engine_text *texts, uint32_t n_texts)
{
    struct forward *f = &e->f;

    f->n_rows = 0;
    for (uint32_t i = 0; i < n_texts; i++) {
        int seq = kv_open(f->kv, NULL);

        BUG_ON(seq != (int)i);
        kv_reserve(f->kv, seq, texts[i].n);
        for (uint32_t k = 0; k < texts[i].n; k++)
            f->rows[f->n_rows++] = (struct forward_row){
                .token = texts[i].tokens[k], .seq = seq, .pos = k, .n_seen = texts[i].n};
    }
}

static void end_texts(struct engine *e, uint32_t n_texts)
{
    for (uint32_t i = 0; i < n_texts; i++)
        kv_close(e->f.kv, (int)i);
}

/* ---- a vector of a text's rows ------------------------------------------- */

/* Values are added in the order of the rows. */
static void take_mean(const float *rows, uint32_t n_rows, uint32_t n, float *out)
{
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;

        for (uint32_t r = 0; r < n_rows; r++)
            sum += (double)rows[(size_t)r * n + i];
        out[i] = (float)(sum / n_rows);
    }
}

static void take_row(const float *row, uint32_t n, float *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = row[i];
}

/* To length 1; a vector of zeros stays. */
static void normalize(float *v, uint32_t n)
{
    double square = 0, length;

    for (uint32_t i = 0; i < n; i++)
        square += (double)v[i] * (double)v[i];
    length = sqrt(square);
    for (uint32_t i = 0; i < n && length > 0; i++)
        v[i] = (float)((double)v[i] / length);
}

static void give(const struct engine *e, const struct engine_text *t, const float *rows)
{
    uint32_t n = e->model->hp.n_embd;
    enum pooling pooling =
        t->pooling == ENGINE_POOL_MODEL ? e->model->hp.pooling : (enum pooling)(t->pooling - 1);

    if (pooling == POOLING_MEAN)
        take_mean(rows, t->n, n, t->out);
    else
        take_row(rows + (pooling == POOLING_LAST ? (size_t)(t->n - 1) * n : 0), n, t->out);
    if (t->normalize)
        normalize(t->out, n);
}

int engine_embed(struct engine *e, const struct engine_text *texts, uint32_t n_texts,
                 struct err *err)
{
    int rc = check(e, texts, n_texts, err);
    size_t row = 0;

    if (rc)
        return rc;
    begin_texts(e, texts, n_texts);
    if (!encoder_run(&e->f))
        rc = engine_why_ended(e, err);
    for (uint32_t i = 0; !rc && i < n_texts; i++) {
        give(e, &texts[i], e->f.s.x + row * e->model->hp.n_embd);
        row += texts[i].n;
    }
    end_texts(e, n_texts);
    return rc;
}
