/*
 * model.c - opens, checks and loads a model: the "model" part of engine.h. It owns the mapping, the
 * tokenizer and the tables of tensors; all of it is immutable once open, so any thread may read.
 */
#include "engine/model/model.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/gguf/files.h"

/* A string value as a NUL-terminated copy (free()); *out is NULL when the key is absent. */
static int copy_text(const struct gguf *g, const char *key, char **out, struct err *err)
{
    struct gguf_str s;
    int rc;

    *out = NULL;
    if (!gguf_has(g, key))
        return 0;
    rc = gguf_get_str(g, key, &s, err);
    if (rc)
        return rc;
    if (s.len > MODEL_MAX_TEMPLATE)
        return err_set(err, ERR_LIMIT, "%s: the key '%s' has %llu bytes, but %u are the most",
                       gguf_name(g), key, (unsigned long long)s.len, MODEL_MAX_TEMPLATE);
    *out = str_ndup(s.bytes, s.len);
    return *out ? 0 : err_no_memory(err, s.len, key);
}

/* Weights of a tensor; 0 when their count passes 64 bits, which no file can hold. */
static uint64_t n_weights(const struct gguf_tensor *t)
{
    uint64_t n = 1;

    for (uint32_t i = 0; i < t->n_dims; i++)
        if (__builtin_mul_overflow(n, t->dims[i], &n))
            return 0;
    return n;
}

void model_totals(const struct gguf *g, struct model_totals *out)
{
    uint64_t bytes_of[TYPE_BF16 + 1] = {0}, most = 0;

    *out = (struct model_totals){.file_type = ""};
    for (uint32_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);

        if (!t->type)
            continue;
        out->n_params += n_weights(t);
        out->bytes += t->size_bytes;
        bytes_of[t->type->type] += t->size_bytes;
        if (bytes_of[t->type->type] > most) {
            most = bytes_of[t->type->type];
            out->file_type = t->type->name;
        }
    }
}

static int check_vocab(const struct engine_model *m, struct err *err)
{
    if (tok_n_vocab(m->tok) == m->w.n_vocab)
        return 0;
    return err_set(
        err, ERR_INVALID,
        "%s: the vocabulary has %u tokens, but the tensor 'token_embd.weight' has %u rows",
        gguf_name(m->gguf), tok_n_vocab(m->tok), m->w.n_vocab);
}

int model_build(struct gguf *g, struct engine_model **out, struct err *err)
{
    struct engine_model *m = calloc(1, sizeof *m);
    uint64_t began_ns = clock_ns(), found_ns;
    int rc;

    if (!m)
        return err_no_memory(err, sizeof *m, "the model");
    m->gguf = g;
    rc = hparams_read(g, &m->hp, err);
    if (!rc)
        rc = weights_find(g, &m->hp, &m->w, err);
    found_ns = clock_ns();
    if (!rc)
        rc = tok_create(g, &m->tok, err);
    if (!rc)
        rc = check_vocab(m, err);
    if (!rc)
        rc = copy_text(g, "general.name", &m->name, err);
    if (!rc)
        rc = copy_text(g, "tokenizer.chat_template", &m->chat_template, err);
    if (!rc)
        rc = copy_text(g, MODEL_TOOL_TEMPLATE, &m->tool_template, err);
    model_totals(g, &m->totals);
    m->times.weights_ns = found_ns - began_ns;
    m->times.tokenizer_ns = clock_ns() - found_ns;
    if (rc) {
        m->gguf = NULL;
        engine_model_close(m);
        return rc;
    }
    *out = m;
    return 0;
}

static int build_or_close(struct gguf *g, uint64_t began_ns, struct engine_model **out,
                          struct err *err)
{
    uint64_t header_ns = clock_ns() - began_ns;
    int rc = model_build(g, out, err);

    if (rc)
        gguf_close(g);
    else
        (*out)->times.header_ns = header_ns;
    return rc;
}

int engine_model_open(const char *path, struct engine_model **out, struct err *err)
{
    uint64_t began_ns = clock_ns();
    struct gguf *g;
    int rc = gguf_open(path, &g, err);

    return rc ? rc : build_or_close(g, began_ns, out, err);
}

int engine_files_open(const char *path, struct gguf_files **out, struct err *err)
{
    return gguf_files_open(path, out, err);
}

void engine_files_close(struct gguf_files *files)
{
    gguf_files_close(files);
}

int engine_model_open_files(struct gguf_files *files, struct engine_model **out, struct err *err)
{
    uint64_t began_ns = clock_ns();
    struct gguf *g;
    int rc = gguf_open_files(files, &g, err);

    return rc ? rc : build_or_close(g, began_ns, out, err);
}

int engine_model_open_fds(const int *fds, uint32_t n_fds, const char *name,
                          struct engine_model **out, struct err *err)
{
    uint64_t began_ns = clock_ns();
    struct gguf *g;
    int rc = gguf_open_fds(fds, n_fds, name, &g, err);

    return rc ? rc : build_or_close(g, began_ns, out, err);
}

int engine_model_check(const struct engine_model *m, struct err *err)
{
    return gguf_check(m->gguf, err);
}

void engine_model_close(struct engine_model *m)
{
    if (!m)
        return;
    tok_free(m->tok);
    weights_done(&m->w);
    free(m->name);
    free(m->chat_template);
    free(m->tool_template);
    gguf_close(m->gguf);
    free(m);
}

void engine_model_open_times(const struct engine_model *m, struct engine_open_times *out)
{
    *out = m->times;
}

void engine_model_info(const struct engine_model *m, struct engine_model_info *out)
{
    const struct hparams *hp = &m->hp;

    *out = (struct engine_model_info){
        .architecture = hparams_family_name(hp->family),
        .name = m->name ? m->name : "",
        .chat_template = m->chat_template,
        .tool_template = m->tool_template,
        .tokenizer = tok_model_name(m->tok),
        .pre_tokenizer = tok_pre_name(m->tok),
        .lacks_pre_tokenizer = tok_lacks_pre(m->tok),
        .file_type = m->totals.file_type,
        .file_bytes = gguf_file_bytes(m->gguf),
        .weight_bytes = m->totals.bytes,
        .n_params = m->totals.n_params,
        .token_bytes = weights_token_bytes(&m->w),
        .n_layers = hp->n_layers,
        .n_embd = hp->n_embd,
        .n_heads = hp->n_heads,
        .n_kv_heads = hp->n_kv_heads,
        .head_dim = hp->head_dim,
        .n_ff = hp->n_ff,
        .n_vocab = m->w.n_vocab,
        .n_ctx_train = hp->n_ctx_train,
        .kv_bytes_per_token = hparams_kv_bytes_per_token(hp, KERN_KV_F16),
        .rope_freq_base = hp->rope.freq_base,
        .longest_token = tok_longest(m->tok),
        .embeds = hparams_is_encoder(hp),
        .pooling = hparams_is_encoder(hp) ? hparams_pooling_name(hp->pooling) : "",
        .raw_vectors = hp->raw,
    };
}

/* ---- loading ------------------------------------------------------------- */

struct loading {
    struct engine_load now;
    bool (*progress)(void *arg, const struct engine_load *now);
    void *arg;
};

static int report(struct loading *l, uint64_t bytes, struct err *err)
{
    l->now.layers_loaded++;
    l->now.bytes_loaded += bytes;
    if (!l->progress || l->progress(l->arg, &l->now))
        return 0;
    return err_set(err, ERR_CANCELLED, "loading was stopped after %u of %u layers",
                   l->now.layers_loaded, l->now.layers_total);
}

int engine_model_load(struct engine_model *m,
                      bool (*progress)(void *arg, const struct engine_load *now), void *arg,
                      struct err *err)
{
    struct loading l = {.progress = progress, .arg = arg};
    int rc;

    l.now.layers_total = m->w.n_layers + 1;
    l.now.bytes_total = weights_ends_bytes(&m->w);
    for (uint32_t i = 0; i < m->w.n_layers; i++)
        l.now.bytes_total += weights_layer_bytes(&m->w, i);
    rc = weights_read_ends(&m->w, err);
    if (!rc)
        rc = report(&l, weights_ends_bytes(&m->w), err);
    for (uint32_t i = 0; !rc && i < m->w.n_layers; i++) {
        rc = weights_read_layer(&m->w, i, err);
        if (!rc)
            rc = report(&l, weights_layer_bytes(&m->w, i), err);
    }
    return rc;
}
