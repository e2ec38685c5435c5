/*
 * routes_text.c - POST /v1/render, /v1/tokenize and /v1/detokenize: questions about text and
 * tokens.
 *
 * They are jobs like inferences, since their work may be long, and end in the intake: they need no
 * slot, but count among those that wait.
 */
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "api/json_load.h"
#include "base/str.h"
#include "base/uuid.h"
#include "net/http_server.h"
#include "worker/jobs/job.h"
#include "worker/server/answer.h"
#include "worker/server/routes.h"
#include "worker/server/server.h"

static struct job *make_job(struct inference_request *r, enum job_kind kind)
{
    struct job *j = job_create(r);

    if (j)
        j->kind = kind;
    return j;
}

void route_render(struct server *s, struct http_exchange *x, const char *rest)
{
    static const char missing[] = "messages is missing.";
    struct inference_request r;
    struct api_error e;
    size_t n;
    const char *body = http_body(x, &n);
    int rc;

    (void)rest;
    inference_request_init(&r);
    rc = inference_request_parse(body, n, &r, &e, ANSWER_SRC);
    if (rc == 0 && !r.messages) {
        api_error_set(&e, API_INVALID_REQUEST, ANSWER_SRC, "%s", missing);
        e.details = json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "field", "messages", "constraint",
                              "required", "message", missing);
        rc = -1;
    }
    if (rc)
        answer_error(x, &e);
    else
        route_admit(s, x, make_job(&r, JOB_RENDER));
    inference_request_done(&r);
}

/* A text, which may be empty; NULL when it is none, or not there. */
static const char *any_text(struct fields *f, const char *name)
{
    const json_t *value = fields_any(f, name, false);
    const char *text = json_string_value(value);

    if (value && (!text || strlen(text) != json_string_length(value))) {
        fields_fail(f, name, "string", "%s must be a string without a NUL.", name);
        return NULL;
    }
    return text;
}

/* The text is "content", as llama-server names it, or "text". */
static void take_text(struct fields *f, struct inference_request *r)
{
    const char *content = any_text(f, "content"), *text = any_text(f, "text");

    text = text ? text : content;
    if (!text && json_array_size(f->errors) == 0)
        fields_fail(f, "content", "required", "content is missing.");
    r->prompt = str_dup(text ? text : "");
    r->prompt_bytes = text ? strlen(text) : 0;
}

void route_tokenize(struct server *s, struct http_exchange *x, const char *rest)
{
    bool add_special = false, parse_special = true, with_pieces = false;
    struct inference_request r;
    struct api_error e;
    struct fields f;
    struct job *j;
    size_t n;
    const char *body = http_body(x, &n);

    (void)rest;
    inference_request_init(&r);
    uuid_make(r.job_id);
    fields_begin(&f, body, n);
    take_text(&f, &r);
    fields_bool(&f, "add_special", &add_special);
    fields_bool(&f, "parse_special", &parse_special);
    fields_bool(&f, "with_pieces", &with_pieces);
    if (fields_end(&f, &e, ANSWER_SRC)) {
        answer_error(x, &e);
    } else {
        j = r.prompt ? make_job(&r, JOB_TOKENIZE) : NULL;
        if (j) {
            j->add_special = add_special;
            j->parse_special = parse_special;
            j->with_pieces = with_pieces;
        }
        route_admit(s, x, j);
    }
    fields_done(&f);
    inference_request_done(&r);
}

/* {"tokens": [...]} is what an inference's prompt_tokens are, but may be empty. */
static int take_tokens(const char *body, size_t n, struct inference_request *r)
{
    json_t *root = json_load_bounded(body, n, JSON_REJECT_DUPLICATES, NULL), *id;
    json_t *tokens = json_object_get(root, "tokens");
    bool good = json_is_array(tokens) && json_object_size(root) == 1;
    size_t i;

    r->prompt_tokens = calloc(json_array_size(tokens) + 1, sizeof *r->prompt_tokens);
    json_array_foreach(tokens, i, id)
    {
        int32_t token;

        good = good && fields_token_id(id, &token);
        if (good && r->prompt_tokens)
            r->prompt_tokens[r->n_prompt_tokens++] = token;
    }
    json_decref(root);
    return good ? 0 : -1;
}

void route_detokenize(struct server *s, struct http_exchange *x, const char *rest)
{
    static const char text[] =
        "The body must be {\"tokens\": [ids]}: integers from 0 to 2147483647.";
    struct inference_request r;
    struct api_error e;
    size_t n;
    const char *body = http_body(x, &n);

    (void)rest;
    inference_request_init(&r);
    uuid_make(r.job_id);
    if (take_tokens(body, n, &r)) {
        api_error_set(&e, API_INVALID_REQUEST, ANSWER_SRC, "%s", text);
        e.details = json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "field", "tokens", "constraint",
                              "array of ids", "message", text);
        answer_error(x, &e);
    } else {
        route_admit(s, x, r.prompt_tokens ? make_job(&r, JOB_DETOKENIZE) : NULL);
    }
    inference_request_done(&r);
}
