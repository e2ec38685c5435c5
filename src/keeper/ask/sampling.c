/* sampling.c - see sampling.h. */
#include "keeper/ask/sampling.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"

void sampling_init(struct sampling *s)
{
    struct inference_request r;

    inference_request_init(&r);
    *s = (struct sampling){.max_tokens = r.max_tokens, .top_k = r.top_k};
    s->temperature = r.temperature;
    s->top_p = r.top_p;
    s->min_p = r.min_p;
    s->repetition_penalty = r.repetition_penalty;
}

/* ---- what is more than a number ---- */
static int fill_stop(const struct sampling *s, struct inference_request *r, struct err *err)
{
    for (size_t i = 0; i < s->stop.n; i++) {
        size_t n = strlen(s->stop.items[i]);

        if (n < 1 || n > INFERENCE_STOP_BYTES_MAX || !str_is_utf8(s->stop.items[i], n))
            return err_set(err, ERR_INVALID, "--stop takes UTF-8 text of 1 to %d bytes, not of %zu",
                           INFERENCE_STOP_BYTES_MAX, n);
        r->stop[i] = str_dup(s->stop.items[i]);
        if (!r->stop[i])
            return err_no_memory(err, n, "a stop text");
        r->n_stop++;
    }
    return 0;
}

/* "15=-2.5" */
static int read_bias(const char *text, struct inference_bias *out, struct err *err)
{
    const char *mark = strchr(text, '=');
    char id_text[16];
    int64_t id = -1;
    double bias = 0;

    if (mark && mark - text < (ptrdiff_t)sizeof id_text) {
        memcpy(id_text, text, (size_t)(mark - text));
        id_text[mark - text] = '\0';
        if (str_to_i64(id_text, &id) || str_to_f64(mark + 1, &bias))
            id = -1;
    }
    if (id < 0 || id > INT32_MAX || bias < -100 || bias > 100)
        return err_set(err, ERR_INVALID,
                       "--logit-bias takes a token's id and a number from -100 to 100, such as "
                       "15=-2.5, not '%.40s'",
                       text);
    *out = (struct inference_bias){(int32_t)id, (float)bias};
    return 0;
}

static int fill_bias(const struct sampling *s, struct inference_request *r, struct err *err)
{
    int rc = 0;

    if (s->logit_bias.n == 0)
        return 0;
    r->logit_bias = calloc(s->logit_bias.n, sizeof *r->logit_bias);
    if (!r->logit_bias)
        return err_no_memory(err, s->logit_bias.n * sizeof *r->logit_bias, "the biases");
    for (size_t i = 0; i < s->logit_bias.n && rc == 0; i++)
        rc = read_bias(s->logit_bias.items[i], &r->logit_bias[r->n_logit_bias++], err);
    return rc;
}

/* ---- files ---- */
static bool is_json(const char *given)
{
    given += strspn(given, " \t\r\n");
    return given[0] == '{' || str_eq(given, "true") || str_eq(given, "false");
}

static int parse_schema(const char *text, size_t n, const char *from, json_t **out, struct err *err)
{
    json_error_t at;
    json_t *root = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &at);

    if (!root)
        return err_set(err, ERR_INVALID, "--json-schema: %.200s is not JSON (line %d, column %d)",
                       from, at.line, at.column);
    if (!json_is_object(root) && !json_is_boolean(root)) {
        json_decref(root);
        return err_set(err, ERR_INVALID,
                       "--json-schema: %.200s is no schema, which is an object, true or false",
                       from);
    }
    *out = root;
    return 0;
}

int sampling_schema(const char *given, json_t **out, struct err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc;

    if (is_json(given))
        return parse_schema(given, strlen(given), "the text", out, err);
    rc = path_read_file(given, SAMPLING_FILE_MAX, &text, &n, err);
    if (rc)
        err_prefix(err, "--json-schema");
    else
        rc = parse_schema(text, n, given, out, err);
    free(text);
    return rc;
}

int sampling_grammar(const char *path, char **out, struct err *err)
{
    size_t n = 0;
    int rc = path_read_file(path, INFERENCE_GRAMMAR_BYTES_MAX, out, &n, err);

    if (rc) {
        err_prefix(err, "--grammar");
        return rc;
    }
    if (n > 0 && str_is_utf8(*out, n) && strlen(*out) == n)
        return 0;
    free(*out);
    *out = NULL;
    return err_set(err, ERR_INVALID, "--grammar: %.200s (%zu bytes) is not a GBNF text in UTF-8",
                   path, n);
}

static int fill_form(const struct sampling *s, struct inference_request *r, struct err *err)
{
    int rc = 0;

    if (s->json_schema && s->grammar)
        return err_set(err, ERR_INVALID, "only one of --json-schema and --grammar may be given");
    if (s->json_schema)
        rc = sampling_schema(s->json_schema, &r->json_schema, err);
    if (s->grammar)
        rc = sampling_grammar(s->grammar, &r->grammar, err);
    return rc;
}

int sampling_fill(const struct sampling *s, struct inference_request *r, struct err *err)
{
    int rc;

    if (s->timeout_ms < 0 || s->timeout_ms > INT64_C(1000) * INFERENCE_TIMEOUT_MAX_S)
        return err_set(err, ERR_INVALID, "--timeout takes 0 to %d seconds",
                       INFERENCE_TIMEOUT_MAX_S);
    r->max_tokens = (uint32_t)s->max_tokens;
    r->temperature = s->temperature;
    r->top_p = s->top_p;
    r->top_k = (uint32_t)s->top_k;
    r->min_p = s->min_p;
    r->repetition_penalty = s->repetition_penalty;
    r->presence_penalty = s->presence_penalty;
    r->frequency_penalty = s->frequency_penalty;
    r->ignore_eos = s->ignore_eos;
    r->seed = (uint64_t)s->seed;
    r->seed_given = s->seed_given;
    r->timeout_ms = s->timeout_ms;
    rc = fill_stop(s, r, err);
    if (rc == 0)
        rc = fill_bias(s, r, err);
    return rc ? rc : fill_form(s, r, err);
}
