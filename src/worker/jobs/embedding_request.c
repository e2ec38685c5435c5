/* embedding_request.c - the body of POST /v1/embeddings; see embedding.h. */
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "base/json.h"
#include "base/str.h"
#include "worker/jobs/embedding.h"

static bool is_id(const json_t *v)
{
    int32_t id;

    return fields_token_id(v, &id);
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
        fields_fail(
            f, "input", "text, ids, or an array of them",
            "input must be a text, an array of token ids (integers from 0 to 2147483647), or an "
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

/* true, false, or "model". */
static void take_scaling(struct fields *f, struct embedding *em)
{
    const json_t *v = fields_any(f, "normalize", false);

    em->by_model = str_eq(json_string_value(v), "model");
    em->normalize = !json_is_false(v);
    if (v && !json_is_boolean(v) && !em->by_model)
        fields_fail(f, "normalize", "true, false or \"model\"",
                    "normalize must be true or false, or \"model\".");
}

static void take_encoding(struct fields *f, struct embedding *em)
{
    const char *format = "float";

    fields_text(f, "encoding_format", false, 16, &format);
    em->base64 = str_eq(format, "base64");
    if (!em->base64 && !str_eq(format, "float"))
        fields_fail(f, "encoding_format", "float or base64",
                    "encoding_format must be float or base64.");
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
    fields_begin(&f, body, n);
    take_input(&f, em);
    take_pooling(&f, em);
    take_encoding(&f, em);
    take_scaling(&f, em);
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

const json_t *embedding_input(const struct embedding *em, uint32_t i)
{
    return is_one_input(em->input) ? em->input : json_array_get(em->input, i);
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
