/* embedding.c - see embedding.h: from texts to tokens, from vectors to the answer. */
#include "worker/jobs/embedding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "base/base64.h"
#include "base/clock.h"
#include "worker/jobs/intake_text.h"
#include "worker/jobs/job.h"

#define BASE64_AT_ONCE 96 /* floats; a multiple of three leaves no bytes over */

/* A text that is too long is told how long it is, up to so many contexts; what is longer is not
 * looked at to its end: 10 MB took 2.5 s, in which no other request was taken in. */
#define COUNTED_CONTEXTS 4

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
        int32_t id = 0;

        BUG_ON(!fields_token_id(json_array_get(ids, i), &id)); /* it was checked as it was read */
        if ((uint32_t)id >= n_vocab)
            return err_set(err, ERR_INVALID, "it names the token %d, but the vocabulary has %u", id,
                           n_vocab);
        in->tokens[i] = id;
    }
    in->n_tokens = (uint32_t)n;
    return 0;
}

static uint64_t most_counted(const struct intake_model *with)
{
    return (uint64_t)with->n_ctx * COUNTED_CONTEXTS;
}

static int tokenize(const struct intake_model *with, struct job *j, const json_t *text,
                    struct embedding_input *in, struct err *err)
{
    const struct engine_text_stop stop = {.is_asked = job_is_to_end, .arg = j};
    size_t n;
    int rc =
        engine_tokenize_most(with->model, json_string_value(text), json_string_length(text),
                             ENGINE_ADD_SPECIAL, most_counted(with), &stop, &in->tokens, &n, err);

    in->n_tokens = rc ? 0 : (uint32_t)n; /* a text is at most INT32_MAX bytes */
    return rc;
}

static void refuse_long(const struct intake_model *with, struct job *j, uint32_t i)
{
    uint64_t n = j->embedding->inputs[i].n_tokens, most = most_counted(with);
    bool counted = n <= most || !json_is_string(embedding_input(j->embedding, i));

    job_fail(j, API_CONTEXT_LENGTH_EXCEEDED,
             "Input %u has %s%llu tokens and the model's context holds %u: cut it into shorter "
             "texts.",
             i, counted ? "" : "more than ", (unsigned long long)(counted ? n : most), with->n_ctx);
    if (j->error.details)
        json_object_set_new(j->error.details, "n_ctx", json_integer(with->n_ctx));
}

/* One input's tokens; the job fails where it is wrong, too long or empty. */
static void take_in(const struct intake_model *with, struct job *j, uint32_t n_vocab, uint32_t i)
{
    struct embedding_input *in = &j->embedding->inputs[i];
    const json_t *v = embedding_input(j->embedding, i);
    struct err err;
    int rc = json_is_string(v) ? tokenize(with, j, v, in, &err) : copy_ids(v, n_vocab, in, &err);

    if (rc == ERR_CANCELLED)
        job_end_early(j, job_wished(j));
    else if (rc)
        job_fail(j, rc == ERR_NO_MEMORY ? API_INSUFFICIENT_MEMORY : API_INVALID_REQUEST,
                 "Input %u cannot be taken: %s.", i, err.text);
    else if (in->n_tokens == 0)
        job_fail(j, API_INVALID_REQUEST, "Input %u has no tokens in this model's vocabulary.", i);
    else if (in->n_tokens > with->n_ctx)
        refuse_long(with, j, i);
    j->embedding->n_tokens += in->n_tokens;
}

void embedding_take_in(const struct intake_model *with, struct job *j)
{
    struct engine_model_info info;

    engine_model_info(with->model, &info);
    for (uint32_t i = 0; !j->over && i < j->embedding->n_inputs; i++) {
        if (job_wished(j)) /* others wait behind it */
            job_end_early(j, job_wished(j));
        else
            take_in(with, j, info.n_vocab, i);
    }
}

/* ---- the engine's part ----------------------------------------------------------------------- */

/* Numbers that are read back as the same floats. */
static void put_numbers(struct buf *out, const float *vector, uint32_t n)
{
    buf_putc(out, '[');
    for (uint32_t i = 0; i < n; i++)
        buf_printf(out, i ? ",%.9g" : "%.9g", (double)vector[i]);
    buf_putc(out, ']');
}

/* Their bytes, the lowest first, whatever the machine's order. */
static void put_base64(struct buf *out, const float *vector, uint32_t n)
{
    unsigned char bytes[BASE64_AT_ONCE * 4];

    buf_putc(out, '"');
    for (uint32_t i = 0; i < n; i += BASE64_AT_ONCE) {
        uint32_t some = n - i < BASE64_AT_ONCE ? n - i : BASE64_AT_ONCE;

        for (uint32_t k = 0; k < some * 4; k++) {
            uint32_t bits;

            memcpy(&bits, &vector[i + k / 4], sizeof bits);
            bytes[k] = (unsigned char)(bits >> 8 * (k % 4));
        }
        base64_put(out, bytes, some * 4);
    }
    buf_putc(out, '"');
}

/* One that holds no number fails the buffer. */
void embedding_put(struct embedding *em, const float *vector, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!isfinite(vector[i]))
            em->answer.failed = true;
    if (em->n_done++)
        buf_putc(&em->answer, ',');
    if (em->base64)
        put_base64(&em->answer, vector, n);
    else
        put_numbers(&em->answer, vector, n);
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
