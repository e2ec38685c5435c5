/* logprobs.c - see logprobs.h. */
#include "hive/gateway/logprobs.h"

#include <string.h>

static json_t *one(const json_t *token)
{
    return json_pack("{s:O*, s:O*, s:O*}", "token", json_object_get(token, "t"), "logprob",
                     json_object_get(token, "logprob"), "bytes", json_object_get(token, "bytes"));
}

json_t *logprobs_content(const json_t *tokens)
{
    json_t *out = json_array(), *token, *other;
    size_t i, k;

    json_array_foreach(tokens, i, token)
    {
        json_t *row = one(token), *top = json_array();

        json_array_foreach(json_object_get(token, "top"), k, other)
            json_array_append_new(top, one(other));
        json_object_set_new(row, "top_logprobs", top);
        json_array_append_new(out, row);
    }
    return out;
}

/* Characters, not bytes: what begins one. */
static size_t characters(const char *text)
{
    size_t n = 0;

    for (; text && *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

size_t logprobs_length(const json_t *tokens)
{
    const json_t *token;
    size_t i, n = 0;

    json_array_foreach(tokens, i, token) n +=
        characters(json_string_value(json_object_get(token, "t")));
    return n;
}

static json_t *top_of(const json_t *token)
{
    json_t *out = json_object(), *other;
    size_t i;

    json_array_foreach(json_object_get(token, "top"), i, other)
    {
        const char *text = json_string_value(json_object_get(other, "t"));

        if (text)
            json_object_set(out, text, json_object_get(other, "logprob"));
    }
    return out;
}

json_t *logprobs_legacy(const json_t *tokens, size_t offset)
{
    json_t *texts = json_array(), *values = json_array(), *tops = json_array(),
           *offsets = json_array(), *token;
    size_t i;

    json_array_foreach(tokens, i, token)
    {
        json_t *text = json_object_get(token, "t");

        json_array_append(texts, text);
        json_array_append(values, json_object_get(token, "logprob"));
        json_array_append_new(tops, top_of(token));
        json_array_append_new(offsets, json_integer((json_int_t)offset));
        offset += characters(json_string_value(text));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", texts, "token_logprobs", values,
                     "top_logprobs", tops, "text_offset", offsets);
}
