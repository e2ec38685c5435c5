/*
 * inference_text.c - a request as the text of its body; see inference.h. What is at its default is
 * left out where the default is "nothing". Any thread; no state.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/inference.h"

#include "api/json_whole.h"

/* Every set returns -1 when the value is NULL, for want of memory. */
static int put_source(json_t *root, const struct inference_request *r)
{
    json_t *ids;
    int rc = 0;

    if (r->messages)
        return json_object_set(root, "messages", r->messages);
    if (!r->prompt_tokens)
        return json_object_set_new(root, "prompt",
                                   json_stringn(r->prompt ? r->prompt : "", r->prompt_bytes));
    ids = json_array();
    for (size_t i = 0; i < r->n_prompt_tokens; i++)
        rc |= json_array_append_new(ids, json_integer(r->prompt_tokens[i]));
    return rc | json_object_set_new(root, "prompt_tokens", ids);
}

static json_t *tool_choice(const struct inference_request *r)
{
    static const char *const words[] = {
        [TOOLS_AUTO] = "auto", [TOOLS_NONE] = "none", [TOOLS_REQUIRED] = "required"};

    if (r->tool_choice == TOOLS_NAMED)
        return json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", r->tool_name);
    return json_string(words[r->tool_choice]);
}

static int put_chat(json_t *root, const struct inference_request *r)
{
    int rc = 0;

    if (r->tools)
        rc |= json_object_set(root, "tools", r->tools);
    if (r->tool_choice != TOOLS_AUTO)
        rc |= json_object_set_new(root, "tool_choice", tool_choice(r));
    if (!r->parallel_tool_calls)
        rc |= json_object_set_new(root, "parallel_tool_calls", json_false());
    if (!r->add_generation_prompt)
        rc |= json_object_set_new(root, "add_generation_prompt", json_false());
    if (r->continue_final_message)
        rc |= json_object_set_new(root, "continue_final_message", json_true());
    if (r->template_vars)
        rc |= json_object_set(root, "template_vars", r->template_vars);
    return rc;
}

static int put_bias(json_t *root, const struct inference_request *r)
{
    json_t *map = json_object();
    char key[16];
    int rc = 0;

    for (size_t i = 0; i < r->n_logit_bias; i++) {
        snprintf(key, sizeof key, "%d", r->logit_bias[i].id);
        rc |= json_object_set_new(map, key, json_real((double)r->logit_bias[i].bias));
    }
    return rc | json_object_set_new(root, "logit_bias", map);
}

static int put_sampling(json_t *root, const struct inference_request *r)
{
    int rc = 0;

    if (r->json_schema)
        rc |= json_object_set(root, "json_schema", r->json_schema);
    if (r->grammar)
        rc |= json_object_set_new(root, "grammar", json_string(r->grammar));
    if (r->presence_penalty != 0)
        rc |= json_object_set_new(root, "presence_penalty", json_real(r->presence_penalty));
    if (r->frequency_penalty != 0)
        rc |= json_object_set_new(root, "frequency_penalty", json_real(r->frequency_penalty));
    if (r->n_logit_bias)
        rc |= put_bias(root, r);
    if (r->logprobs)
        rc |= json_object_set_new(root, "logprobs", json_true());
    if (r->top_logprobs)
        rc |= json_object_set_new(root, "top_logprobs", json_integer(r->top_logprobs));
    if (r->parse_special)
        rc |= json_object_set_new(root, "parse_special", json_true());
    if (r->ignore_eos)
        rc |= json_object_set_new(root, "ignore_eos", json_true());
    return rc;
}

static int put_rest(json_t *root, const struct inference_request *r)
{
    int rc = 0;

    if (r->job_id[0])
        rc |= json_object_set_new(root, "job_id", json_string(r->job_id));
    if (r->seed_given)
        rc |= json_object_set_new(root, "seed", json_integer((json_int_t)r->seed));
    if (r->timeout_ms)
        rc |= json_object_set_new(root, "timeout_seconds", json_real((double)r->timeout_ms / 1000));
    return rc;
}

char *inference_request_text(const struct inference_request *r)
{
    json_t *stop = json_array(), *root;
    char *text = NULL;

    for (size_t i = 0; i < r->n_stop; i++)
        json_array_append_new(stop, json_string(r->stop[i]));
    root = json_pack("{s:I, s:f, s:f, s:I, s:f, s:f, s:o, s:b}", "max_tokens",
                     (json_int_t)r->max_tokens, "temperature", r->temperature, "top_p", r->top_p,
                     "top_k", (json_int_t)r->top_k, "min_p", r->min_p, "repetition_penalty",
                     r->repetition_penalty, "stop", stop, "stream", r->stream);
    if (!root)
        return NULL;
    if (json_array_size(stop) == r->n_stop && put_source(root, r) == 0 && put_chat(root, r) == 0 &&
        put_sampling(root, r) == 0 && put_rest(root, r) == 0)
        text = json_write(root, JSON_COMPACT);
    json_decref(root);
    return text;
}
