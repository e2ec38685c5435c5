/* embedding.c - see embedding.h. */
#include "worker/embedding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "worker/intake_text.h"
#include "worker/job.h"

/* ---- the request ----------------------------------------------------------------------------- */

static bool is_id(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= INT32_MAX;
}

/* A text, or ids: one or more of them. */
static bool is_one_input(const json_t *v)
{
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
        if (!is_id(json_array_get(v, i)))
            return false;
    return json_is_string(v) || json_array_size(v) > 0;
}

static bool is_many_inputs(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!is_one_input(json_array_get(v, i)))
            return false;
    return json_array_size(v) > 0;
}

static void take_input(struct fields *f, struct embedding *em)
{
    json_t *v = fields_any(f, "input", true);

    if (!v)
        return;
    if (!is_one_input(v) && !is_many_inputs(v)) {
        fields_fail(f, "input", "text, ids, or an array of them",
                    "input must be a text, an array of token ids (integers of 0 or more), or an "
                    "array of texts or of such arrays; arrays must not be empty.");
        return;
    }
    em->n_inputs = is_one_input(v) ? 1 : (uint32_t)json_array_size(v);
    if (json_array_size(v) > EMBEDDING_MAX_INPUTS && em->n_inputs > 1)
        fields_fail(f, "input", "at most 2048 texts", "input has %zu texts; %d are the most.",
                    json_array_size(v), EMBEDDING_MAX_INPUTS);
    em->input = json_incref(v);
}

static void take_pooling(struct fields *f, struct embedding *em)
{
    static const char *const names[] = {
        [ENGINE_POOL_MEAN] = "mean", [ENGINE_POOL_CLS] = "cls", [ENGINE_POOL_LAST] = "last"};
    const char *name;

    if (!fields_text(f, "pooling", false, 16, &name))
        return;
    for (int i = ENGINE_POOL_MEAN; i <= ENGINE_POOL_LAST; i++)
        if (str_eq(name, names[i]))
            em->pooling = (enum engine_pooling)i;
    if (em->pooling == ENGINE_POOL_MODEL)
        fields_fail(f, "pooling", "mean, cls or last", "pooling must be mean, cls or last.");
}

/* The answer up to its vectors. */
static int begin(struct embedding *em, const char *model)
{
    em->inputs = calloc(em->n_inputs, sizeof *em->inputs);
    buf_puts(&em->answer, "{\"model\":");
    json_put_string(&em->answer, model, strlen(model));
    buf_puts(&em->answer, ",\"embeddings\":[");
    return em->inputs && !buf_failed(&em->answer) ? 0 : -1;
}

int embedding_parse(const char *body, size_t n, const char *model, struct embedding **out,
                    struct api_error *e, const char *src)
{
    struct embedding *em = calloc(1, sizeof *em);
    struct fields f;
    int rc;

    if (!em) {
        api_error_set(e, API_INSUFFICIENT_MEMORY, src, "There was no memory for the request.");
        return -1;
    }
    buf_init(&em->answer, EMBEDDING_MAX_ANSWER);
    em->normalize = true;
    fields_begin(&f, body, n);
    take_input(&f, em);
    take_pooling(&f, em);
    fields_bool(&f, "normalize", &em->normalize);
    rc = fields_end(&f, e, src);
    fields_done(&f);
    if (rc == 0 && begin(em, model)) {
        api_error_set(e, API_INSUFFICIENT_MEMORY, src, "There was no memory for the request.");
        rc = -1;
    }
    if (rc) {
        embedding_free(em);
        return -1;
    }
    *out = em;
    return 0;
}

void embedding_free(struct embedding *em)
{
    if (!em)
        return;
    for (uint32_t i = 0; em->inputs && i < em->n_inputs; i++)
        free(em->inputs[i].tokens);
    free(em->inputs);
    json_decref(em->input);
    buf_done(&em->answer);
    free(em);
}

/* ---- the intake's part ----------------------------------------------------------------------- */

bool embedding_refuses(const struct intake_model *with, struct job *j)
{
    struct engine_model_info info;

    engine_model_info(with->model, &info);
    if (j->kind == JOB_EMBEDDING && !info.embeds)
        job_fail(j, API_INVALID_REQUEST,
                 "This worker's model (%s) generates text and makes no embeddings: ask one that "
                 "serves a bert or nomic-bert model.",
                 info.architecture);
    else if (j->kind == JOB_INFERENCE && info.embeds)
        job_fail(j, API_INVALID_REQUEST,
                 "This worker's model (%s) makes embeddings and generates no text: ask "
                 "/v1/embeddings of it, or /v1/inference of a worker with another model.",
                 info.architecture);
    return j->over;
}

static int copy_ids(const json_t *ids, uint32_t n_vocab, struct embedding_input *in,
                    struct err *err)
{
    size_t n = json_array_size(ids);

    in->tokens = malloc(n * sizeof *in->tokens);
    if (!in->tokens)
        return err_no_memory(err, n * sizeof *in->tokens, "an input's tokens");
    for (size_t i = 0; i < n; i++) {
        json_int_t id = json_integer_value(json_array_get(ids, i));

        if (id >= n_vocab)
            return err_set(err, ERR_INVALID, "it names the token %lld, but the vocabulary has %u",
                           (long long)id, n_vocab);
        in->tokens[i] = (int32_t)id;
    }
    in->n_tokens = (uint32_t)n;
    return 0;
}

static int tokenize(const struct engine_model *m, const json_t *text, struct embedding_input *in,
                    struct err *err)
{
    size_t n;
    int rc = engine_tokenize(m, json_string_value(text), json_string_length(text),
                             ENGINE_ADD_SPECIAL, &in->tokens, &n, err);

    in->n_tokens = rc ? 0 : (uint32_t)n; /* a text is at most INT32_MAX bytes */
    return rc;
}

/* Fails the job where the input is too long or empty. */
static void check_length(const struct intake_model *with, struct job *j, uint32_t i, uint32_t n)
{
    if (n == 0)
        job_fail(j, API_INVALID_REQUEST, "Input %u has no tokens in this model's vocabulary.", i);
    if (n <= with->n_ctx)
        return;
    job_fail(j, API_CONTEXT_LENGTH_EXCEEDED,
             "Input %u has %u tokens and the model's context holds %u: cut it into shorter texts.",
             i, n, with->n_ctx);
    if (j->error.details)
        json_object_set_new(j->error.details, "n_ctx", json_integer(with->n_ctx));
}

void embedding_take_in(const struct intake_model *with, struct job *j)
{
    struct embedding *em = j->embedding;
    bool one = is_one_input(em->input);
    struct engine_model_info info;

    engine_model_info(with->model, &info);
    for (uint32_t i = 0; !j->over && i < em->n_inputs; i++) {
        const json_t *v = one ? em->input : json_array_get(em->input, i);
        struct embedding_input *in = &em->inputs[i];
        struct err err;
        int rc = json_is_string(v) ? tokenize(with->model, v, in, &err)
                                   : copy_ids(v, info.n_vocab, in, &err);

        if (rc)
            job_fail(j, rc == ERR_NO_MEMORY ? API_INSUFFICIENT_MEMORY : API_INVALID_REQUEST,
                     "Input %u cannot be taken: %s.", i, err.text);
        else
            check_length(with, j, i, in->n_tokens);
        em->n_tokens += in->n_tokens;
    }
}

/* ---- the engine's part ----------------------------------------------------------------------- */

/* Numbers that are read back as the same floats. One that is none fails the buffer. */
void embedding_put(struct embedding *em, const float *vector, uint32_t n)
{
    buf_puts(&em->answer, em->n_done++ ? ",[" : "[");
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(vector[i]))
            em->answer.failed = true;
        buf_printf(&em->answer, i ? ",%.9g" : "%.9g", (double)vector[i]);
    }
    buf_putc(&em->answer, ']');
}

void embedding_finish(struct job *j, uint32_t n_embd)
{
    struct embedding *em = j->embedding;

    buf_printf(&em->answer, "],\"prompt_tokens\":%llu,\"dimensions\":%u}",
               (unsigned long long)em->n_tokens, n_embd);
    j->end.prompt_tokens = em->n_tokens;
    j->end.prefill_time_ms = clock_ms() - j->begun_ms;
    j->over = true;
    if (buf_failed(&em->answer))
        job_fail(j, API_INTERNAL,
                 "The model gave values that are no numbers, or the answer has over %u bytes.",
                 EMBEDDING_MAX_ANSWER);
    else
        j->answer = buf_take(&em->answer);
}
