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

/* What the answer goes on from: exactly one of three. */
static void check_source(const struct inference_request *r)
{
    BUG_ON((r->prompt != NULL) + (r->prompt_tokens != NULL) + (r->messages != NULL) != 1);
    BUG_ON(r->prompt && (r->prompt_bytes == 0 || strlen(r->prompt) != r->prompt_bytes));
    BUG_ON(r->prompt && !str_is_utf8(r->prompt, r->prompt_bytes));
    BUG_ON((r->prompt_tokens != NULL) != (r->n_prompt_tokens > 0));
    for (size_t i = 0; i < r->n_prompt_tokens; i++)
        BUG_ON(r->prompt_tokens[i] < 0);
    BUG_ON(r->messages && json_array_size(r->messages) == 0);
}

static void check_chat(const struct inference_request *r)
{
    size_t n = json_array_size(r->tools);
    bool forced = r->tool_choice == TOOLS_REQUIRED || r->tool_choice == TOOLS_NAMED, named = false;

    BUG_ON((r->tools || r->template_vars || forced) && !r->messages);
    BUG_ON(r->tools && (n == 0 || n > INFERENCE_TOOLS_MAX));
    BUG_ON(r->template_vars && !json_is_object(r->template_vars));
    for (size_t i = 0; i < n; i++) {
        const char *name = inference_tool_name(r->tools, i);

        BUG_ON(!name || !name[0] || strlen(name) > INFERENCE_TOOL_NAME_MAX);
        named = named || str_eq(name, r->tool_name);
    }
    BUG_ON(forced && n == 0);
    BUG_ON(r->tool_choice == TOOLS_NAMED && !named);
    BUG_ON(r->grammar && r->json_schema);
    BUG_ON(forced && (r->grammar || r->json_schema));
}

static void check_limits(const struct inference_request *r)
{
    BUG_ON(!(r->temperature >= 0 && r->temperature <= 2) || !(r->top_p >= 0 && r->top_p <= 1));
    BUG_ON(!(r->min_p >= 0 && r->min_p <= 1));
    BUG_ON(!(r->repetition_penalty >= 0 && r->repetition_penalty <= 2));
    BUG_ON(!(r->presence_penalty >= -2 && r->presence_penalty <= 2));
    BUG_ON(!(r->frequency_penalty >= -2 && r->frequency_penalty <= 2));
    BUG_ON(r->top_logprobs > INFERENCE_TOP_LOGPROBS_MAX || (r->top_logprobs && !r->logprobs));
    BUG_ON(r->n_stop > INFERENCE_STOP_MAX || r->seed >> 53 || !r->job_id[0]);
    BUG_ON(r->timeout_ms < 0 || r->timeout_ms > INFERENCE_TIMEOUT_MAX_S * INT64_C(1000));
    BUG_ON(r->n_logit_bias > INFERENCE_BIAS_MAX);
    for (size_t i = 0; i < r->n_logit_bias; i++)
        BUG_ON(r->logit_bias[i].id < 0 || !(r->logit_bias[i].bias >= -100) ||
               r->logit_bias[i].bias > 100);
    for (size_t i = 0; i < r->n_stop; i++)
        BUG_ON(!r->stop[i][0] || strlen(r->stop[i]) > INFERENCE_STOP_BYTES_MAX);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? str_eq(a, b) : a == b;
}

static bool same_json(const json_t *a, const json_t *b)
{
    return a && b ? json_equal(a, b) : a == b;
}

static void check_same(const struct inference_request *a, const struct inference_request *b)
{
    BUG_ON(!same_text(a->prompt, b->prompt) || !str_eq(a->job_id, b->job_id));
    BUG_ON(a->n_prompt_tokens != b->n_prompt_tokens);
    BUG_ON(a->n_prompt_tokens && memcmp(a->prompt_tokens, b->prompt_tokens,
                                        a->n_prompt_tokens * sizeof *a->prompt_tokens) != 0);
    BUG_ON(!same_json(a->messages, b->messages) || !same_json(a->tools, b->tools));
    BUG_ON(!same_json(a->template_vars, b->template_vars));
    BUG_ON(!same_json(a->json_schema, b->json_schema) || !same_text(a->grammar, b->grammar));
    BUG_ON(a->tool_choice != b->tool_choice || !str_eq(a->tool_name, b->tool_name));
    BUG_ON(a->parallel_tool_calls != b->parallel_tool_calls);
    BUG_ON(a->parse_special != b->parse_special);
    BUG_ON(a->add_generation_prompt != b->add_generation_prompt);
    BUG_ON(a->continue_final_message != b->continue_final_message);
    BUG_ON(a->max_tokens != b->max_tokens || a->top_k != b->top_k);
    BUG_ON(a->seed_given && a->seed != b->seed);
    BUG_ON(a->n_stop != b->n_stop || a->stream != b->stream || a->timeout_ms != b->timeout_ms);
    for (size_t i = 0; i < a->n_stop; i++)
        BUG_ON(!str_eq(a->stop[i], b->stop[i]));
    BUG_ON(a->n_logit_bias != b->n_logit_bias || a->ignore_eos != b->ignore_eos);
    BUG_ON(a->logprobs != b->logprobs || a->top_logprobs != b->top_logprobs);
}

static void check_accepted(const struct inference_request *r)
{
    struct inference_request again;
    struct api_error e = {0};
    char *text = inference_request_text(r);

    check_source(r);
    check_chat(r);
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
