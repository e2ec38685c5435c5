/*
 * fuzz_text_routes.c - what a worker is asked about text and tokens: a letter of the route, then
 * the body. It becomes a job whose texts and ids are what the body holds, or one answer that names
 * the field.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/json_load.h"
#include "base/str.h"
#include "exchange.h"
#include "worker/jobs/job.h"
#include "worker/server/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct job *admitted;

/* ---- behind the routes: a job as job.c makes it, kept ---- */

struct job *job_create(struct inference_request *request)
{
    struct job *j = calloc(1, sizeof *j);

    BUG_ON(!j);
    j->request = *request;
    inference_request_init(request);
    return j;
}

void route_admit(struct server *s, struct http_exchange *x, struct job *j)
{
    (void)s;
    (void)x;
    BUG_ON(!j || admitted);
    admitted = j;
}

/* ---- the checks ---- */

static json_t *read_body(const struct http_exchange *x)
{
    return json_load_bounded(x->body, x->body_bytes, JSON_ALLOW_NUL, NULL);
}

static void check_ids(const json_t *body, const struct inference_request *r)
{
    const json_t *ids = json_object_get(body, "tokens"), *id;
    size_t i;

    BUG_ON(json_array_size(ids) != r->n_prompt_tokens);
    json_array_foreach(ids, i, id)
        BUG_ON(json_number_value(id) != r->prompt_tokens[i] || r->prompt_tokens[i] < 0);
}

static void check_text(const json_t *body, const struct job *j)
{
    const struct inference_request *r = &j->request;
    const json_t *content = json_object_get(body, "content"), *text = json_object_get(body, "text");

    BUG_ON(!r->prompt || strlen(r->prompt) != r->prompt_bytes);
    BUG_ON(!str_is_utf8(r->prompt, r->prompt_bytes));
    BUG_ON(!str_eq(r->prompt, json_string_value(json_is_string(text) ? text : content)));
    BUG_ON(j->add_special != json_is_true(json_object_get(body, "add_special")));
    BUG_ON(j->parse_special == json_is_false(json_object_get(body, "parse_special")));
    BUG_ON(j->with_pieces != json_is_true(json_object_get(body, "with_pieces")));
}

static void check_job(const struct http_exchange *x, const struct job *j)
{
    json_t *body = read_body(x);

    BUG_ON(x->status != 0 || !json_is_object(body) || !j->request.job_id[0]);
    if (j->kind == JOB_DETOKENIZE)
        check_ids(body, &j->request);
    else if (j->kind == JOB_TOKENIZE)
        check_text(body, j);
    else
        BUG_ON(j->kind != JOB_RENDER || json_array_size(j->request.messages) == 0);
    json_decref(body);
}

static void check_refusal(const struct http_exchange *x)
{
    json_t *reply = json_loadb(buf_str(&x->reply), x->reply.len, 0, NULL);
    const json_t *error = json_object_get(reply, "error");

    BUG_ON(x->status != 400 || !json_string_length(json_object_get(error, "message")));
    BUG_ON(!str_eq(json_string_value(json_object_get(error, "code")), "INVALID_REQUEST"));
    json_decref(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const routes[])(struct server * s, struct http_exchange * x, const char *rest) = {
        route_tokenize, route_detokenize, route_render};
    struct http_exchange x;
    char *body;

    if (size < 1)
        return 0;
    body = exchange_body(data, size);
    exchange_begin(&x, body, size - 1);
    routes[(size_t)(data[0] - 'a') % (sizeof routes / sizeof routes[0])](NULL, &x, "");
    if (admitted) {
        check_job(&x, admitted);
        inference_request_done(&admitted->request);
        free(admitted);
        admitted = NULL;
    } else {
        check_refusal(&x);
    }
    exchange_done(&x);
    free(body);
    return 0;
}
