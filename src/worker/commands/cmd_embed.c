/*
 * cmd_embed.c - "embed": one text on stdin, its vector on stdout as a JSON array, by an embedding
 * model; no server.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "worker/commands/commands.h"

/* Longest text: far more than any context holds. */
#define TEXT_MAX_BYTES (16u << 20)
/* Bytes of a vector's JSON. */
#define OUT_MAX_BYTES (8u << 20)

struct options {
    struct command_engine engine;
    const char *pooling;
    bool raw;
};

static int pooling_of(const char *name, enum engine_pooling *out, struct err *err)
{
    static const char *const names[] = {
        [ENGINE_POOL_MEAN] = "mean", [ENGINE_POOL_CLS] = "cls", [ENGINE_POOL_LAST] = "last"};

    *out = ENGINE_POOL_MODEL;
    if (!name)
        return 0;
    for (int i = ENGINE_POOL_MEAN; i <= ENGINE_POOL_LAST; i++) {
        if (str_eq(name, names[i])) {
            *out = (enum engine_pooling)i;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "the pooling '%.32s' is unknown; mean, cls and last are known",
                   name);
}

static int put_vector(const float *v, uint32_t n, struct err *err)
{
    struct buf out;
    int rc;

    buf_init(&out, OUT_MAX_BYTES);
    for (uint32_t i = 0; i < n; i++)
        buf_printf(&out, "%s%.9g", i ? "," : "[", (double)v[i]);
    buf_puts(&out, "]\n");
    rc = buf_failed(&out) ? err_set(err, ERR_LIMIT, "a vector of %u values is too long", n)
                          : command_write(buf_str(&out), out.len, err);
    buf_done(&out);
    return rc;
}

/* The text's tokens and its vector. */
static int embed(const struct options *o, const struct buf *in, struct engine_model *m,
                 struct engine *e, struct err *err)
{
    struct engine_text text = {.normalize = !o->raw};
    struct engine_model_info info;
    int32_t *ids = NULL;
    float *vector;
    size_t n = 0;
    int rc = pooling_of(o->pooling, &text.pooling, err);

    engine_model_info(m, &info);
    vector = malloc(info.n_embd * sizeof *vector);
    if (!vector)
        return err_no_memory(err, info.n_embd * sizeof *vector, "the vector");
    if (!rc)
        rc = engine_tokenize(m, buf_str(in), in->len, ENGINE_ADD_SPECIAL, NULL, &ids, &n, err);
    text.tokens = ids;
    text.n = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    text.out = vector;
    if (!rc)
        rc = engine_embed(e, &text, 1, err);
    if (!rc)
        rc = put_vector(vector, info.n_embd, err);
    free(vector);
    free(ids);
    return rc;
}

static int run(const struct options *o, struct err *err)
{
    struct engine_model *m = NULL;
    struct engine *e = NULL;
    struct buf in;
    int rc;

    buf_init(&in, TEXT_MAX_BYTES);
    rc = command_read_stdin(&in, err);
    if (!rc)
        rc = command_open_model(&o->engine, &m, err);
    if (!rc)
        rc = command_open_engine(&o->engine, m, 1, 0, &e, err);
    if (!rc)
        rc = embed(o, &in, m, e, err);
    engine_free(e);
    engine_model_close(m);
    buf_done(&in);
    return rc;
}

int cmd_embed(const struct cli_command *self, int argc, char **argv)
{
    struct options o = {0};
    const struct cli_opt opts[] = {
        COMMAND_ENGINE_OPTS(&o.engine),
        {"pooling", 0, CLI_STR, &o.pooling, 0, 0, "HOW",
         "mean, cls or last (default: what the model's file says)", NULL},
        {"raw", 0, CLI_FLAG, &o.raw, 0, 0, NULL, "do not bring the vector to length 1", NULL},
        {0}};
    int rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);
    struct err err = {0};

    if (rc != CLI_GO)
        return rc;
    if (!o.engine.model_path)
        return command_usage(self, "--model FILE is needed");
    rc = command_check_words(self, o.engine.kv_type, o.engine.sandbox);
    if (rc != CLI_GO)
        return rc;
    return run(&o, &err) ? command_fail(&err) : CLI_DONE;
}
