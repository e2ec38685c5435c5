/* request_ollama_options.c - Ollama's `options`; see request.h. Source: Ollama's docs/api.md and
 * the parameters of its Modelfile, as of 2026. */
#include <stdio.h>

#include "base/str.h"
#include "hive/gateway/request.h"

/* Options of Ollama's that have one value here; any other is refused. */
static void take_fixed(struct fields *f)
{
    static const struct {
        const char *name, *why;
        double only;
    } fixed[] = {{"repeat_last_n", "the penalty looks at the last 64 tokens", 64},
                 {"typical_p", "there is no typical sampling here", 1},
                 {"tfs_z", "there is no tail-free sampling here", 1},
                 {"mirostat", "there is no mirostat here", 0}};
    double v;

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (fields_number(f, fixed[i].name, -1e9, 1e9, &v) && v != fixed[i].only)
            fields_fail(f, fixed[i].name, "one value", "%s: %s; only %g is taken.", fixed[i].name,
                        fixed[i].why, fixed[i].only);
}

/* What Ollama itself does not know any more, and n8n sends. */
static void take_newlines(struct fields *f)
{
    bool penalize = true;

    if (fields_bool(f, "penalize_newline", &penalize) && !penalize)
        fields_fail(f, "penalize_newline", "true",
                    "penalize_newline: the penalties count newlines as any other; only true is "
                    "taken.");
}

static void ignore(struct fields *f, const char *const *names)
{
    for (; *names; names++) {
        const json_t *value = fields_any(f, *names, false);

        if (value && !json_is_number(value) && !json_is_boolean(value))
            fields_fail(f, *names, "number or boolean", "%s must be a number, or true or false.",
                        *names);
    }
}

/*
 * How Ollama would load and run the model. None of it can change an answer, and programs send it
 * unasked: how that is done here is the hive's business (its configuration). The last two belong to
 * mirostat, which is refused itself.
 */
static void ignore_loading(struct fields *f)
{
    static const char *const names[] = {
        "num_batch",    "num_gpu",    "main_gpu",     "use_mmap",          "use_mlock",
        "numa",         "low_vram",   "num_thread",   "num_keep",          "vocab_only",
        "f16_kv",       "logits_all", "mirostat_eta", "draft_num_predict", "embedding_only",
        "mirostat_tau", NULL};

    ignore(f, names);
}

void request_ollama_limit(struct fields *f, struct order *o)
{
    int64_t n;

    if (!fields_int(f, "num_predict", false, -2, ORDER_TOKENS_MAX, &n))
        return;
    if (n == 0)
        fields_fail(f, "num_predict", "-2, -1, or from 1", "num_predict must not be 0.");
    order_put(o, "max_tokens", json_integer(n < 1 ? ORDER_TOKENS_MAX : n));
}

/* Below 1 it is off. */
static void take_top_k(struct fields *f, struct order *o)
{
    int64_t k;

    if (fields_int(f, "top_k", false, -1, INT32_MAX, &k))
        order_put(o, "top_k", json_integer(k < 0 ? 0 : k));
}

/* A negative seed means any. */
static void take_seed(struct fields *f, struct order *o)
{
    int64_t seed;

    o->seed_given =
        fields_int(f, "seed", false, -ORDER_SEED_MAX, ORDER_SEED_MAX, &seed) && seed >= 0;
    if (o->seed_given)
        o->seed = seed;
}

static void take_num_ctx(struct fields *f, int64_t *ctx_min)
{
    fields_int(f, "num_ctx", false, 1, INT32_MAX, ctx_min);
}

/* Ollama has it beside the options; LangExtract puts it there and here, others here alone. */
static void take_keep_alive(struct fields *f, bool *given, int64_t *keep_alive_ms)
{
    int64_t ms;

    if (!fields_go_duration_ms(f, "keep_alive", &ms) || *given)
        return;
    *given = true;
    *keep_alive_ms = ms;
}

static void read_all(struct fields *f, struct order *o)
{
    order_number(f, o, "temperature", "temperature", 0, 2);
    order_number(f, o, "top_p", "top_p", 0, 1);
    take_top_k(f, o);
    order_number(f, o, "min_p", "min_p", 0, 1);
    order_number(f, o, "repeat_penalty", "repetition_penalty", 0, 2);
    order_number(f, o, "presence_penalty", "presence_penalty", -2, 2);
    order_number(f, o, "frequency_penalty", "frequency_penalty", -2, 2);
    order_stop(f, o, "stop");
    take_seed(f, o);
    request_ollama_limit(f, o);
    take_num_ctx(f, &o->ctx_min);
    take_keep_alive(f, &o->keep_alive_given, &o->keep_alive_ms);
    take_fixed(f);
    take_newlines(f);
    ignore_loading(f);
}

/* ---- an object with fields of its own, whose failures become the request's ---- */

static void begin_inner(struct fields *f, struct fields *inner)
{
    json_t *options = fields_any(f, "options", false);

    if (options && !json_is_object(options))
        fields_fail(f, "options", "object", "options must be an object.");
    fields_begin_object(inner, json_is_object(options) ? options : NULL);
}

static void end_inner(struct fields *f, struct fields *inner)
{
    struct api_error e = {0};
    json_t *one;
    size_t i;

    fields_end(inner, &e, "hive");
    json_array_foreach(json_object_get(e.details, "errors"), i, one)
    {
        char name[128];

        snprintf(name, sizeof name, "options.%.100s",
                 json_string_value(json_object_get(one, "field")));
        fields_fail(f, name, json_string_value(json_object_get(one, "constraint")), "options: %s",
                    json_string_value(json_object_get(one, "message")));
    }
    api_error_done(&e);
    fields_done(inner);
}

void request_ollama_options(struct fields *f, struct order *o)
{
    struct fields inner;

    begin_inner(f, &inner);
    read_all(&inner, o);
    end_inner(f, &inner);
}

void request_ollama_loading(struct fields *f, int64_t *ctx_min, bool *keep_alive_given,
                            int64_t *keep_alive_ms)
{
    struct fields inner;

    begin_inner(f, &inner);
    take_num_ctx(&inner, ctx_min);
    take_keep_alive(&inner, keep_alive_given, keep_alive_ms);
    ignore_loading(&inner);
    end_inner(f, &inner);
}
