/*
 * engine.c - engines and their sequences: the part of engine.h that decodes.
 *
 * An engine owns its KV pages, scratch and threads; the model is only borrowed. A batch is checked
 * whole before anything is changed; sequences grow after the pass has succeeded, so a failure or a
 * stop leaves them as they were. One thread owns an engine; engine_stop and engine_steps touch only
 * atomics.
 */
#include "engine/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/internal.h"

_Static_assert(ENGINE_PAGE_TOKENS == KV_PAGE_TOKENS, "a page is a page");
_Static_assert((int)ENGINE_KV_F16 == (int)KERN_KV_F16, "types of keys and values");
_Static_assert((int)ENGINE_KV_Q8_0 == (int)KERN_KV_Q8_0, "types of keys and values");

#define NO_LOGITS UINT32_MAX

/* The most tokens a batch may have; far above what any cache likes. */
#define MAX_BATCH 65536

/* ---- creation ------------------------------------------------------------ */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void fill_defaults(const struct engine_model *m, struct engine_params *p)
{
    if (p->n_ctx == 0)
        p->n_ctx = min_u32(m->hp.n_ctx_train, ENGINE_DEFAULT_CTX);
    if (p->n_batch == 0)
        p->n_batch = ENGINE_DEFAULT_BATCH;
    if (p->n_threads == 0)
        p->n_threads = min_u32(pool_usable_cpus(), POOL_MAX_THREADS);
    if (!hparams_is_encoder(&m->hp))
        return;
    p->kv_type = ENGINE_KV_F16; /* of one layer, and of one pass only */
    p->keep_prefixes = false;
    if (p->n_batch < p->n_ctx) /* a text goes through in one piece */
        p->n_batch = p->n_ctx;
}

static int check_params(const struct engine_model *m, const struct engine_params *p,
                        struct err *err)
{
    if (p->n_slots < 1 || p->n_slots > ENGINE_MAX_SLOTS)
        return err_set(err, ERR_INVALID, "%u sequences were asked for; 1 to %d are possible",
                       p->n_slots, ENGINE_MAX_SLOTS);
    if (p->n_ctx > m->hp.n_ctx_train)
        return err_set(err, ERR_INVALID,
                       "a context of %u tokens was asked for, but the model was made for %u",
                       p->n_ctx, m->hp.n_ctx_train);
    if (p->n_batch > MAX_BATCH)
        return err_set(err, ERR_INVALID, "batches of %u tokens were asked for; %d are the most",
                       p->n_batch, MAX_BATCH);
    if (p->kv_type == ENGINE_KV_Q8_0 && m->hp.head_dim % QK != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "keys and values as q8_0 need heads of a multiple of %d, but this model's "
                       "have %u",
                       QK, m->hp.head_dim);
    return 0;
}

static struct kv_shape kv_shape_of(const struct engine_model *m, const struct engine_params *p)
{
    uint32_t n_layers = hparams_is_encoder(&m->hp) ? 1 : m->hp.n_layers;

    return (struct kv_shape){n_layers, m->hp.n_kv_heads, m->hp.head_dim,
                             p->kv_type == ENGINE_KV_Q8_0 ? KERN_KV_Q8_0 : KERN_KV_F16};
}

static struct scratch_shape scratch_shape_of(const struct engine_model *m,
                                             const struct engine_params *p, uint32_t n_logits)
{
    return (struct scratch_shape){.hp = &m->hp,
                                  .n_vocab = m->w.n_vocab,
                                  .n_batch = p->n_batch,
                                  .n_ctx = p->n_ctx,
                                  .n_logits = n_logits,
                                  .n_threads = p->n_threads};
}

uint64_t engine_memory_need(const struct engine_model *m, uint32_t n_slots, uint32_t n_ctx,
                            uint32_t n_batch)
{
    struct engine_params p = {.n_slots = n_slots, .n_ctx = n_ctx, .n_batch = n_batch};
    struct kv_shape kv = kv_shape_of(m, &p);
    struct scratch_shape scratch;
    uint64_t bytes, kv_bytes, tables = 0;
    uint32_t n_logits;

    fill_defaults(m, &p);
    if (hparams_is_encoder(&m->hp)) { /* of the pages of a pass, each text may have one begun */
        scratch = scratch_shape_of(m, &p, 0);
        kv_bytes = kv_bytes_needed(&kv, 1, p.n_batch + ENGINE_EMBED_TEXTS * KV_PAGE_TOKENS);
    } else {
        n_logits = p.n_slots > ENGINE_LOGIT_ROWS ? p.n_slots : ENGINE_LOGIT_ROWS;
        scratch = scratch_shape_of(m, &p, min_u32(n_logits, p.n_batch));
        kv_bytes = kv_bytes_needed(&kv, p.n_slots, p.n_ctx);
        tables = (uint64_t)p.n_slots * kv_pages_for(p.n_ctx) * kv_table_bytes();
    }
    if (__builtin_add_overflow(kv_bytes, scratch_bytes(&scratch), &bytes) ||
        __builtin_add_overflow(bytes, tables, &bytes))
        return UINT64_MAX;
    return bytes;
}

static int find_kernels(const char *name, const struct kern **out, struct err *err)
{
    const struct kern *const *all = kern_available();
    char names[128] = "";
    size_t len = 0;

    *out = kern_find(name);
    if (*out)
        return 0;
    for (size_t i = 0; all[i] && len < sizeof names; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, " %s", all[i]->name);
    return err_set(err, ERR_UNSUPPORTED,
                   "the kernel set '%.32s' is not available here; there are:%s", name, names);
}

static int alloc_parts(struct engine *e, struct err *err)
{
    struct engine_params *p = &e->params;
    struct kv_shape kv = kv_shape_of(e->model, p);
    bool encoder = hparams_is_encoder(&e->model->hp);
    struct scratch_shape scratch = scratch_shape_of(e->model, p, encoder ? 0 : p->n_batch);
    int rc;

    e->new_rows = calloc(p->n_slots, sizeof *e->new_rows);
    e->logit_index = malloc(p->n_batch * sizeof *e->logit_index);
    e->f.rows = malloc(p->n_batch * sizeof *e->f.rows);
    if (!e->new_rows || !e->logit_index || !e->f.rows)
        return err_no_memory(err, p->n_batch * sizeof *e->f.rows, "the rows of a batch");
    rc = kv_create(&kv, encoder ? ENGINE_EMBED_TEXTS : p->n_slots, p->n_ctx, &e->f.kv, err);
    if (!rc && p->keep_prefixes)
        rc = kv_keep_prefixes(e->f.kv, err);
    if (!rc)
        rc = scratch_init(&e->f.s, &scratch, err);
    if (!rc)
        rc = pool_create(p->n_threads, &e->f.pool, err);
    if (!rc && e->f.kern->pack && !p->in_place)
        rc = packs_create(&e->model->w, e->f.kern, &e->packs, err);
    e->unpacked = !rc && e->f.kern->pack && !p->in_place && !e->packs;
    if (!rc && e->packs)
        e->f.w = packs_weights(e->packs);
    return rc;
}

int engine_create(const struct engine_model *m, const struct engine_params *params,
                  struct engine **out, struct err *err)
{
    struct engine_params p = *params;
    const struct kern *kern;
    struct engine *e;
    int rc;

    fill_defaults(m, &p);
    rc = check_params(m, &p, err);
    if (!rc)
        rc = find_kernels(p.kernels, &kern, err);
    if (rc)
        return rc;
    e = calloc(1, sizeof *e);
    if (!e)
        return err_no_memory(err, sizeof *e, "the engine");
    p.kernels = kern->name;
    e->model = m;
    e->params = p;
    e->f.hp = &m->hp;
    e->f.w = &m->w;
    e->f.kern = kern;
    rc = alloc_parts(e, err);
    if (rc) {
        engine_free(e);
        return rc;
    }
    forward_prepare(&e->f, e->packs != NULL);
    *out = e;
    return 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    packs_free(e->packs);
    pool_free(e->f.pool);
    scratch_done(&e->f.s);
    kv_free(e->f.kv);
    free(e->f.rows);
    free(e->new_rows);
    free(e->logit_index);
    free(e);
}

uint32_t engine_n_ctx(const struct engine *e)
{
    return e->params.n_ctx;
}

uint32_t engine_n_batch(const struct engine *e)
{
    return e->params.n_batch;
}

uint32_t engine_n_vocab(const struct engine *e)
{
    return e->model->w.n_vocab;
}

uint32_t engine_n_slots(const struct engine *e)
{
    return e->params.n_slots;
}

unsigned engine_n_threads(const struct engine *e)
{
    return e->params.n_threads;
}

const char *engine_kernels(const struct engine *e)
{
    return e->f.kern->name;
}

const struct engine_model *engine_get_model(const struct engine *e)
{
    return e->model;
}

/* ---- sequences ----------------------------------------------------------- */

static int refuse_encoder(const struct engine *e, struct err *err)
{
    if (!hparams_is_encoder(&e->model->hp))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "%s: a %s model makes embeddings of texts and generates none",
                   gguf_name(e->model->gguf), hparams_family_name(e->model->hp.family));
}

int engine_seq_open(struct engine *e, struct err *err)
{
    int rc = refuse_encoder(e, err);

    return rc ? rc : kv_open(e->f.kv, err);
}

uint32_t engine_seq_reuse(struct engine *e, int seq, const int32_t *tokens, uint32_t n)
{
    return kv_reuse(e->f.kv, seq, tokens, n);
}

void engine_seq_close(struct engine *e, int seq)
{
    kv_close(e->f.kv, seq);
}

int engine_seq_fork(struct engine *e, int seq, uint32_t n_tokens, struct err *err)
{
    if (!kv_is_open(e->f.kv, seq))
        return err_set(err, ERR_INVALID, "there is no sequence %d", seq);
    if (n_tokens > kv_len(e->f.kv, seq))
        return err_set(err, ERR_INVALID, "%u tokens of sequence %d were asked for, but it has %u",
                       n_tokens, seq, kv_len(e->f.kv, seq));
    return kv_fork(e->f.kv, seq, n_tokens, err);
}

void engine_seq_truncate(struct engine *e, int seq, uint32_t n_tokens)
{
    kv_truncate(e->f.kv, seq, n_tokens);
}

uint32_t engine_seq_len(const struct engine *e, int seq)
{
    return kv_len(e->f.kv, seq);
}

/* ---- decoding ------------------------------------------------------------ */

static int check_row(const struct engine *e, const struct engine_row *rows, uint32_t i,
                     struct err *err)
{
    const struct engine_row *r = &rows[i];

    if (r->token < 0 || (uint32_t)r->token >= e->model->w.n_vocab)
        return err_set(err, ERR_INVALID,
                       "the token of row %u is %d, but the vocabulary has %u tokens", i, r->token,
                       e->model->w.n_vocab);
    if (!kv_is_open(e->f.kv, r->seq))
        return err_set(err, ERR_INVALID, "row %u is of sequence %d, which is not open", i, r->seq);
    if (i > 0 && r->seq != rows[i - 1].seq && e->new_rows[r->seq] > 0)
        return err_set(err, ERR_INVALID,
                       "the rows of sequence %d do not follow each other: row %u comes late",
                       r->seq, i);
    if (e->new_rows[r->seq] >= e->params.n_ctx - kv_len(e->f.kv, r->seq))
        return err_set(err, ERR_LIMIT,
                       "sequence %d holds %u tokens and would pass its context of %u", r->seq,
                       kv_len(e->f.kv, r->seq), e->params.n_ctx);
    return 0;
}

/* Fills f->rows and counts each sequence's new rows. Nothing else is changed yet. */
static int take_rows(struct engine *e, const struct engine_row *rows, uint32_t n_rows,
                     struct err *err)
{
    uint32_t n_logits = 0;

    for (uint32_t i = 0; i < n_rows; i++) {
        int rc = check_row(e, rows, i, err);
        int seq = rows[i].seq;

        if (rc)
            return rc;
        e->f.rows[i] = (struct forward_row){.token = rows[i].token,
                                            .seq = seq,
                                            .pos = kv_len(e->f.kv, seq) + e->new_rows[seq],
                                            .n_seen = kv_len(e->f.kv, seq) + ++e->new_rows[seq],
                                            .want_logits = rows[i].want_logits};
        e->logit_index[i] = rows[i].want_logits ? n_logits++ : NO_LOGITS;
    }
    e->f.n_rows = n_rows;
    return 0;
}

static void reserve_kv(struct engine *e)
{
    for (uint32_t i = 0; i < e->params.n_slots; i++)
        if (e->new_rows[i] > 0)
            kv_reserve(e->f.kv, (int)i, e->new_rows[i]);
    for (uint32_t i = 0; i < e->f.n_rows; i++)
        kv_label(e->f.kv, e->f.rows[i].seq, e->f.rows[i].pos, e->f.rows[i].token);
}

/* After a pass: sequences grow by their rows, or give the pages back. */
static void settle_kv(struct engine *e, bool grow)
{
    for (uint32_t i = 0; i < e->params.n_slots; i++) {
        if (e->new_rows[i] == 0)
            continue;
        if (grow)
            kv_grow(e->f.kv, (int)i, e->new_rows[i]);
        else
            kv_truncate(e->f.kv, (int)i, kv_len(e->f.kv, (int)i));
    }
}

static void forget_rows(struct engine *e)
{
    for (uint32_t i = 0; i < e->params.n_slots; i++)
        e->new_rows[i] = 0;
}

int engine_why_ended(struct engine *e, struct err *err)
{
    int why = rows_failed(&e->f.window);

    if (why)
        return gguf_unreadable(e->model->gguf, why, err);
    return err_set(err, ERR_CANCELLED, "the batch was stopped");
}

int engine_decode(struct engine *e, const struct engine_row *rows, uint32_t n_rows, struct err *err)
{
    int rc = refuse_encoder(e, err);

    e->n_last = 0;
    if (rc)
        return rc;
    if (n_rows < 1 || n_rows > e->params.n_batch)
        return err_set(err, ERR_INVALID, "a batch has %u rows; 1 to %u are possible", n_rows,
                       e->params.n_batch);
    rc = take_rows(e, rows, n_rows, err);
    if (!rc) {
        bool done;

        reserve_kv(e);
        done = forward_run(&e->f);
        settle_kv(e, done);
        if (done)
            e->n_last = n_rows;
        else
            rc = engine_why_ended(e, err);
    }
    forget_rows(e);
    return rc;
}

/* Bytes packed at a time: read and written some tens of milliseconds long. */
#define TUNE_BYTES (32u << 20)

bool engine_tune(struct engine *e)
{
    return e->packs && packs_step(e->packs, e->f.pool, &e->f.window, e->f.s.threads, TUNE_BYTES);
}

bool engine_is_unpacked(const struct engine *e)
{
    return e->unpacked;
}

const float *engine_logits(const struct engine *e, uint32_t i)
{
    BUG_ON(i >= e->n_last || e->logit_index[i] == NO_LOGITS);
    return e->f.s.logits + (size_t)e->logit_index[i] * e->model->w.n_vocab;
}

uint64_t engine_steps(const struct engine *e)
{
    return atomic_load_explicit(&e->f.steps, memory_order_relaxed);
}

void engine_stop(struct engine *e)
{
    atomic_store(&e->f.stop, true);
}

void engine_ask_whether_in_vain(struct engine *e, bool (*in_vain)(void *arg), void *arg)
{
    e->f.in_vain = in_vain;
    e->f.in_vain_arg = arg;
}

/* ---- what is here -------------------------------------------------------- */

unsigned engine_usable_cpus(void)
{
    return pool_usable_cpus();
}

#define MAX_SETS 8

/* Written once, under `once` below; a fact about the CPU. */
static const char *set_names[MAX_SETS + 1];

static void name_sets(void)
{
    const struct kern *const *all = kern_available();

    for (size_t i = 0; all[i]; i++) {
        BUG_ON(i == MAX_SETS);
        set_names[i] = all[i]->name;
    }
}

const char *const *engine_kernel_sets(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, name_sets);
    return set_names;
}
