/* logprobs.c - see logprobs.h. */
#include "hive/gateway/logprobs.h"

#include <string.h>

#include "base/buf.h"

#define NAME_MAX_BYTES (1u << 20)

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

/* Bytes become characters as the worker's text makes them (engine/tok/stream.c): one that can be of
 * none is U+FFFD. */
static void take_byte(struct logprobs_place *p, char byte)
{
    char held[UTF8_MAX_BYTES];
    size_t n_held = p->n_held;

    memcpy(held, p->held, n_held);
    held[n_held++] = byte;
    while (n_held > 0) {
        int len = utf8_len(held, n_held);
        size_t n = len < 0 ? 1 : (size_t)len;

        if (len == 0)
            break;
        p->n++;
        n_held -= n;
        memmove(held, held + n, n_held);
    }
    memcpy(p->held, held, n_held);
    p->n_held = (uint8_t)n_held;
}

/* The token's place; the next one's is then behind it. A control token is told by its name, and is
 * no part of the text. */
static size_t take_token(struct logprobs_place *p, const json_t *token)
{
    size_t at = p->n, i;
    json_t *byte;

    if (json_is_true(json_object_get(token, "control")))
        return at;
    json_array_foreach(json_object_get(token, "bytes"), i, byte)
    {
        take_byte(p, (char)json_integer_value(byte));
        if (i == 0)
            at = p->n_held ? p->n : p->n - 1;
    }
    return at;
}

/* "bytes:\xe2\x82", as OpenAI spells a token that is no text. NULL: no room for it. */
static json_t *spelled(const json_t *bytes)
{
    struct buf name;
    json_t *out, *byte;
    size_t i;

    buf_init(&name, NAME_MAX_BYTES);
    buf_puts(&name, "bytes:");
    json_array_foreach(bytes, i, byte)
        buf_printf(&name, "\\x%02x", (unsigned)json_integer_value(byte) & 0xFF);
    out = buf_failed(&name) ? NULL : json_string(buf_str(&name));
    buf_done(&name);
    return out;
}

/* Whole characters, and such as can stand in a key. */
static bool is_text(const json_t *bytes)
{
    struct buf raw;
    json_t *byte;
    bool text;
    size_t i;

    buf_init(&raw, NAME_MAX_BYTES);
    json_array_foreach(bytes, i, byte) buf_putc(&raw, (char)json_integer_value(byte));
    text = utf8_valid(buf_str(&raw), raw.len) == raw.len && !memchr(buf_str(&raw), '\0', raw.len);
    buf_done(&raw);
    return text;
}

/* What a token is called in these lists: tokens that differ differ in it, though the text of two
 * that are no whole characters is U+FFFD for both. A new reference. */
static json_t *name_of(const json_t *token)
{
    const json_t *bytes = json_object_get(token, "bytes");
    json_t *name = is_text(bytes) ? NULL : spelled(bytes);

    return name ? name : json_incref(json_object_get(token, "t"));
}

/* Of two by one name it is the one that comes first: the likelier. */
static void add_top(json_t *out, const json_t *token)
{
    json_t *name = name_of(token);
    const char *text = json_string_value(name);

    if (text && !json_object_get(out, text))
        json_object_set(out, text, json_object_get(token, "logprob"));
    json_decref(name);
}

/* The likeliest, and the one that was chosen, whether or not it is one of them. */
static json_t *top_of(const json_t *token)
{
    json_t *out = json_object(), *other;
    size_t i;

    json_array_foreach(json_object_get(token, "top"), i, other) add_top(out, other);
    add_top(out, token);
    return out;
}

json_t *logprobs_legacy(const json_t *tokens, struct logprobs_place *place)
{
    json_t *texts = json_array(), *values = json_array(), *tops = json_array(),
           *offsets = json_array(), *token;
    size_t i;

    json_array_foreach(tokens, i, token)
    {
        json_array_append_new(texts, name_of(token));
        json_array_append(values, json_object_get(token, "logprob"));
        json_array_append_new(tops, top_of(token));
        json_array_append_new(offsets, json_integer((json_int_t)take_token(place, token)));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", texts, "token_logprobs", values,
                     "top_logprobs", tops, "text_offset", offsets);
}
