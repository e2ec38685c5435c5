/*
 * fuzz_request.c - the body of POST /v1/inference: any bytes. What is refused is told as an error
 * of the table and never shows the prompt; what is accepted is within every limit, and its own
 * spelling is accepted again with the same values.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/inference.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_limits(const struct inference_request *r)
{
    BUG_ON(!r->prompt || r->prompt_bytes == 0 || r->prompt[r->prompt_bytes] != '\0');
    BUG_ON(!str_is_utf8(r->prompt, r->prompt_bytes));
    BUG_ON(!(r->temperature >= 0 && r->temperature <= 2) || !(r->top_p >= 0 && r->top_p <= 1));
    BUG_ON(!(r->min_p >= 0 && r->min_p <= 1));
    BUG_ON(!(r->repetition_penalty >= 0 && r->repetition_penalty <= 2));
    BUG_ON(r->n_stop > INFERENCE_STOP_MAX || r->seed >> 53 || r->timeout_ms < 0 || !r->job_id[0]);
    for (size_t i = 0; i < r->n_stop; i++)
        BUG_ON(!r->stop[i][0] || strlen(r->stop[i]) > INFERENCE_STOP_BYTES_MAX);
}

static void check_same(const struct inference_request *a, const struct inference_request *b)
{
    BUG_ON(!str_eq(a->prompt, b->prompt) || !str_eq(a->job_id, b->job_id));
    BUG_ON(a->max_tokens != b->max_tokens || a->top_k != b->top_k);
    BUG_ON(a->seed_given && a->seed != b->seed);
    BUG_ON(a->n_stop != b->n_stop || a->stream != b->stream || a->timeout_ms != b->timeout_ms);
}

static void check_accepted(const struct inference_request *r)
{
    struct inference_request again;
    struct api_error e = {0};
    char *text = inference_request_text(r);

    check_limits(r);
    BUG_ON(!text);
    inference_request_init(&again);
    if (inference_request_parse(text, strlen(text), &again, &e, "worker"))
        BUG("an own spelling is refused: %s", e.message);
    check_same(r, &again);
    inference_request_done(&again);
    free(text);
}

static void check_refused(struct api_error *e)
{
    char *body = api_error_body(e, "id");

    BUG_ON(!body || e->code != API_INVALID_REQUEST || !e->message[0]);
    free(body);
    api_error_done(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inference_request r;
    struct api_error e = {0};

    inference_request_init(&r);
    if (inference_request_parse((const char *)data, size, &r, &e, "worker") == 0)
        check_accepted(&r);
    else
        check_refused(&e);
    inference_request_done(&r);
    return 0;
}
