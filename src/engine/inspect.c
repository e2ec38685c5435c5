/*
 * inspect.c - engine_inspect: tells what a model file holds, also of files that cannot be run here.
 * The JSON is written by hand (base/json.h); texts from the file that are not UTF-8 are repaired.
 */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "engine/gguf/files.h"
#include "engine/model/kv.h"
#include "engine/model/model.h"
#include "engine/model/packs.h"

/* Type numbers that are told apart in the summary; published ones end near 40. */
#define MAX_TYPES  64
#define CACHE_LINE 64

static void put_key(struct buf *b, const char *key)
{
    buf_printf(b, ",\"%s\":", key);
}

static void put_u64(struct buf *b, const char *key, uint64_t v)
{
    put_key(b, key);
    buf_printf(b, "%" PRIu64, v);
}

static void put_text(struct buf *b, const char *key, const char *text)
{
    put_key(b, key);
    if (text)
        json_put_string(b, text, strlen(text));
    else
        buf_puts(b, "null");
}

/* A string value of the file, or null when it is absent or no string. It ends at a NUL, as it does
 * for the engine. */
static void put_value(struct buf *b, const char *key, const struct gguf *g, const char *gguf_key)
{
    struct gguf_str s;

    put_key(b, key);
    if (gguf_get_str(g, gguf_key, &s, NULL) == 0)
        json_put_string(b, s.bytes, strnlen(s.bytes, s.len));
    else
        buf_puts(b, "null");
}

struct type_sum {
    uint32_t n_tensors;
    uint64_t bytes;
};

static void put_type(struct buf *b, uint32_t number, const struct type_sum *sum)
{
    const char *name = number < MAX_TYPES ? type_public_name(number) : NULL;

    buf_puts(b, "{\"type\":");
    json_put_string(b, name ? name : "unknown", strlen(name ? name : "unknown"));
    buf_printf(b, ",\"supported\":%s,\"tensors\":%u", type_info(number) ? "true" : "false",
               sum->n_tensors);
    if (type_info(number))
        put_u64(b, "bytes", sum->bytes);
    buf_putc(b, '}');
}

static void put_types(struct buf *b, const struct gguf *g)
{
    struct type_sum sums[MAX_TYPES + 1] = {0}; /* the last one: all unknown numbers */
    bool first = true;

    for (uint32_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        struct type_sum *sum = &sums[t->type_number < MAX_TYPES ? t->type_number : MAX_TYPES];

        sum->n_tensors++;
        sum->bytes += t->size_bytes;
    }
    put_key(b, "tensor_types");
    buf_putc(b, '[');
    for (uint32_t i = 0; i <= MAX_TYPES; i++) {
        if (sums[i].n_tensors == 0)
            continue;
        if (!first)
            buf_putc(b, ',');
        put_type(b, i, &sums[i]);
        first = false;
    }
    buf_putc(b, ']');
}

static void put_shape(struct buf *b, const struct hparams *hp)
{
    put_u64(b, "context_length", hp->n_ctx_train);
    put_u64(b, "n_layers", hp->n_layers);
    put_u64(b, "n_embd", hp->n_embd);
    put_u64(b, "n_heads", hp->n_heads);
    put_u64(b, "n_kv_heads", hp->n_kv_heads);
    put_u64(b, "head_dim", hp->head_dim);
    put_u64(b, "n_ff", hp->n_ff);
    put_key(b, "rope_freq_base");
    buf_printf(b, "%.9g", (double)hp->rope.freq_base);
    put_u64(b, "kv_bytes_per_token", hparams_kv_bytes_per_token(hp, KERN_KV_F16));
    if (hp->head_dim % QK == 0)
        put_u64(b, "kv_bytes_per_token_q8_0", hparams_kv_bytes_per_token(hp, KERN_KV_Q8_0));
    put_key(b, "embeds");
    buf_puts(b, hparams_is_encoder(hp) ? "true" : "false");
    if (hparams_is_encoder(hp))
        put_text(b, "pooling", hparams_pooling_name(hp->pooling));
}

/* What an engine needs besides weights and KV for so many sequences of n_ctx positions: attention
 * has parts for each block of a context, and a text goes through an encoder in one piece. */
static uint64_t scratch_need(const struct engine_model *m, uint32_t n_slots, uint32_t n_ctx)
{
    uint64_t page = ENGINE_PAGE_TOKENS * hparams_kv_bytes_per_token(&m->hp, KERN_KV_F16);
    uint64_t n_pages = (uint64_t)n_slots * kv_pages_for(n_ctx);

    if (!hparams_is_encoder(&m->hp))
        page += kv_table_bytes();
    return engine_memory_need(m, n_slots, n_ctx, 0) - n_pages * page;
}

/* A row of logits, in whole cache lines as scratch.c has it. */
static uint64_t logits_row(const struct engine_model *m)
{
    return (m->w.n_vocab * sizeof(float) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* The same for one sequence of the default context, for each one more, and for each position more,
 * rounded up, each sequence with a sampler of its own; a row of logits, which is in none of these
 * for those past ENGINE_LOGIT_ROWS; and what pages take beside their keys and values. */
static void put_scratch(struct buf *b, const struct engine_model *m)
{
    uint32_t longest = m->hp.n_ctx_train;
    uint32_t n_ctx = longest < ENGINE_DEFAULT_CTX ? longest : ENGINE_DEFAULT_CTX;
    uint32_t more = longest - n_ctx;
    uint64_t one = scratch_need(m, 1, n_ctx), table = 0, sampler = 0, row = 0;

    if (!hparams_is_encoder(&m->hp)) {
        table = (kv_table_bytes() + ENGINE_PAGE_TOKENS - 1) / ENGINE_PAGE_TOKENS;
        sampler = engine_sampler_need(m);
        row = logits_row(m);
    }
    put_u64(b, "kv_table_bytes_per_token", table);
    put_u64(b, "scratch_bytes", one + sampler);
    put_u64(b, "scratch_bytes_per_slot", scratch_need(m, 2, n_ctx) - one + sampler);
    put_u64(b, "logits_bytes_per_slot", row);
    put_u64(b, "scratch_bytes_per_position",
            more ? (scratch_need(m, 1, longest) - one + more - 1) / more : 0);
}

/* What the model itself takes besides its tensors as they lie in the file: norms and biases are
 * turned into floats, matrices are packed, and the header becomes tables. */
static void put_tables(struct buf *b, const struct engine_model *m)
{
    put_u64(b, "packing_bytes", packs_padding(&m->w) + m->w.n_vectors * sizeof(float));
    put_u64(b, "tables_bytes", gguf_memory_bytes(m->gguf) + tok_memory_bytes(m->tok));
}

static void put_runnable(struct buf *b, const struct engine_model *m)
{
    put_u64(b, "n_vocab", m->w.n_vocab);
    put_text(b, "tokenizer", tok_model_name(m->tok));
    put_text(b, "pre_tokenizer", tok_pre_name(m->tok));
    if (tok_lacks_pre(m->tok)) {
        put_key(b, "pre_tokenizer_missing");
        buf_puts(b, "true");
    }
    put_tables(b, m);
    put_scratch(b, m);
}

static void put_file(struct buf *b, const struct gguf *g)
{
    struct model_totals totals;

    model_totals(g, &totals);
    buf_printf(b, "{\"format\":\"GGUF\",\"version\":%u", gguf_version(g));
    put_text(b, "file", gguf_name(g));
    put_u64(b, "file_bytes", gguf_file_bytes(g));
    put_u64(b, "parts", gguf_n_parts(g));
    put_value(b, "architecture", g, "general.architecture");
    put_value(b, "name", g, "general.name");
    put_value(b, "license", g, "general.license");
    put_text(b, "file_type", totals.file_type);
    put_u64(b, "n_params", totals.n_params);
    put_u64(b, "weight_bytes", totals.bytes);
    put_u64(b, "keys", gguf_n_keys(g));
    put_u64(b, "tensors", gguf_n_tensors(g));
    put_types(b, g);
}

static int inspect(struct gguf *g, struct buf *out, struct err *err)
{
    struct engine_model *m = NULL;
    struct err why = {0};
    struct hparams hp;
    int rc;

    put_file(out, g);
    if (hparams_read(g, &hp, NULL) == 0)
        put_shape(out, &hp);
    rc = model_build(g, &m, &why);
    if (rc == 0)
        put_runnable(out, m);
    put_value(out, "chat_template", g, "tokenizer.chat_template");
    if (gguf_has(g, MODEL_TOOL_TEMPLATE))
        put_value(out, "chat_template_tool_use", g, MODEL_TOOL_TEMPLATE);
    put_key(out, "supported");
    buf_puts(out, rc == 0 ? "true" : "false");
    put_text(out, "reason", rc == 0 ? NULL : why.text);
    put_key(out, "damaged");
    buf_puts(out, rc == 0 || rc == ERR_UNSUPPORTED ? "false" : "true");
    buf_putc(out, '}');
    if (m)
        engine_model_close(m);
    else
        gguf_close(g);
    if (rc == ERR_NO_MEMORY || rc == ERR_IO) /* it was changed while it was read: no judgement */
        return err_set(err, rc, "%s", why.text);
    return 0;
}

int engine_inspect_files(struct gguf_files *files, struct buf *out, struct err *err)
{
    struct gguf *g;
    int rc = gguf_open_files(files, &g, err);

    if (rc == 0)
        rc = inspect(g, out, err);
    if (rc == 0 && buf_failed(out) && !buf_is_over(out))
        rc = err_no_memory(err, out->len, "what the file holds");
    else if (rc == 0 && buf_failed(out))
        rc = err_set(err, ERR_LIMIT, "what '%s' holds does not fit in %zu bytes", files->path,
                     out->max);
    return rc;
}

int engine_inspect(const char *path, struct buf *out, struct err *err)
{
    struct gguf_files *files;
    int rc = gguf_files_open(path, &files, err);

    if (rc)
        return rc;
    rc = engine_inspect_files(files, out, err);
    gguf_files_close(files);
    return rc;
}
