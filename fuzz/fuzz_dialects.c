/*
 * fuzz_dialects.c - requests to generate, in each API's words: a byte that chooses the API, then
 * the body. What is refused is told as an error; what is accepted is within the limits, and becomes
 * requests that the worker's own reader knows every field of: what it refuses of them has a name
 * that the API's client has written.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inference.h"
#include "api/json_load.h"
#include "base/str.h"
#include "hive/gateway/request.h"

#define SRC "fuzz"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_told(struct api_error *e)
{
    json_t *errors = json_object_get(e->details, "errors"), *one;
    size_t i;

    BUG_ON(e->code != API_INVALID_REQUEST || !str_is_utf8(e->message, strlen(e->message)));
    BUG_ON(!e->message[0] || (e->details && json_array_size(errors) == 0));
    json_array_foreach(errors, i, one)
    {
        BUG_ON(!json_is_string(json_object_get(one, "field")));
        BUG_ON(!json_is_string(json_object_get(one, "message")));
    }
}

/* The fields of a worker's refusal, by the client's names: each must be one of the request. */
static void check_names(const struct request_kind *kind, const json_t *asked, struct api_error *e)
{
    json_t *one;
    size_t i;

    check_told(e);
    request_rename(kind, e);
    check_told(e);
    json_array_foreach(json_object_get(e->details, "errors"), i, one)
    {
        const char *field = json_string_value(json_object_get(one, "field"));
        char name[64] = "";

        snprintf(name, sizeof name, "%.*s", (int)strcspn(field, ".["), field);
        if (!json_object_get(asked, name))
            BUG("the worker refuses '%s', which nobody has sent: %s", field, e->message);
    }
}

static void check_choice(const struct request_kind *kind, struct order *o, const json_t *asked,
                         unsigned index)
{
    struct inference_request r;
    struct api_error e = {0};
    char *text = order_body(o, index);

    BUG_ON(!text);
    inference_request_init(&r);
    if (inference_request_parse(text, strlen(text), &r, &e, SRC)) {
        check_names(kind, asked, &e);
    } else {
        BUG_ON(!r.stream || r.max_tokens == 0);
        BUG_ON(o->seed_given && !r.seed_given);
    }
    api_error_done(&e);
    inference_request_done(&r);
    free(text);
}

static void check_accepted(const struct request_kind *kind, struct order *o, const json_t *asked)
{
    unsigned n = order_n_choices(o);

    BUG_ON(o->n < 1 || o->n > ORDER_N_MAX || n < 1 || n > ORDER_CHOICES_MAX);
    BUG_ON(o->ctx_min < 0 || (o->seed_given && (o->seed < 0 || o->seed > ORDER_SEED_MAX)));
    if (o->only_load)
        return;
    check_choice(kind, o, asked, 0);
    check_choice(kind, o, asked, n - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct request_kind *const kinds[] = {
        &request_text,     &request_chat,        &request_responses,
        &request_messages, &request_ollama_chat, &request_ollama_generate};
    const struct request_kind *kind;
    struct api_error e = {0};
    struct order o;
    json_t *asked;

    if (size < 1)
        return 0;
    kind = kinds[data[0] % (sizeof kinds / sizeof kinds[0])];
    BUG_ON(order_init(&o));
    if (request_read(kind, (const char *)data + 1, size - 1, &o, &e, SRC)) {
        check_told(&e);
    } else {
        asked = json_load_bounded((const char *)data + 1, size - 1, JSON_ALLOW_NUL, NULL);
        check_accepted(kind, &o, asked);
        json_decref(asked);
    }
    api_error_done(&e);
    order_done(&o);
    return 0;
}
