/* openai.c - what /v1/chat/completions and /v1/completions have in common. Source: the OpenAI API
 * reference, as of 2026. */
#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/logprobs.h"

/* `"usage":{…}` of the whole answer. */
static void put_usage(const struct answer *a, struct buf *out)
{
    struct usage u = answer_usage(a);

    buf_printf(out,
               "\"usage\":{\"prompt_tokens\":%llu,\"completion_tokens\":%llu,\"total_tokens\":%llu,"
               "\"prompt_tokens_details\":{\"cached_tokens\":%llu},"
               "\"completion_tokens_details\":{\"reasoning_tokens\":%llu}}",
               (unsigned long long)u.prompt, (unsigned long long)u.completion,
               (unsigned long long)(u.prompt + u.completion), (unsigned long long)u.cached,
               (unsigned long long)u.reasoning);
}

void openai_put_head(const struct answer *a, const char *object, struct buf *out)
{
    buf_printf(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", a->id, object,
               (long long)a->created_s);
    answer_put_string(out, a->model);
    buf_printf(out, ",\"system_fingerprint\":\"%s\",", a->fingerprint);
}

/* Arguments are a text here: a client that reads it finds out what is wrong with it, and may tell
 * the model. */
const char *openai_finish_reason(const struct choice *c)
{
    switch (choice_end(c)) {
    case CHOICE_LENGTH:
        return "length";
    case CHOICE_CALLS:
    case CHOICE_BAD_CALLS:
        return "tool_calls";
    case CHOICE_DONE:
    case CHOICE_STOPPED:
        break;
    }
    return "stop";
}

void openai_put_json(struct buf *out, json_t *value, unsigned digits)
{
    char *text =
        value ? json_write(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits))
              : NULL;

    buf_puts(out, text ? text : "null");
    free(text);
    json_decref(value);
}

/* What is put behind the others is an array: its first bracket becomes a comma, its last one is
 * left out. */
void openai_keep(struct choice *c, struct buf *kept, json_t *array)
{
    size_t at = kept->len;

    if (json_array_size(array) == 0) {
        json_decref(array);
        return;
    }
    openai_put_json(kept, array, OPENAI_LOGPROB_DIGITS);
    if (buf_failed(kept) || kept->data[at] != '[') {
        choice_spoil(c, CHOICE_TOO_LARGE);
        return;
    }
    kept->data[at] = ',';
    buf_cut(kept, kept->len - 1);
    choice_count(c, kept->len - at);
}

void openai_keep_content(struct choice *c, const json_t *tokens)
{
    openai_keep(c, &c->scores[0], logprobs_content(tokens));
}

void openai_put_kept(struct buf *out, const struct buf *kept)
{
    buf_putc(out, '[');
    if (kept->len)
        buf_put(out, kept->data + 1, kept->len - 1);
    buf_putc(out, ']');
}

bool openai_finish(struct answer *a)
{
    struct buf *out = &a->out.buf;

    if (!a->order.include_usage)
        return false;
    outlet_begin(&a->out, NULL);
    buf_put(out, a->head.data, a->head.len);
    buf_puts(out, "\"choices\":[],");
    put_usage(a, out);
    buf_putc(out, '}');
    outlet_end(&a->out);
    return false;
}

void openai_whole(const struct answer *a, const char *object,
                  void (*put)(const struct choice *c, struct buf *out), struct buf *out)
{
    openai_put_head(a, object, out);
    buf_puts(out, "\"choices\":[");
    for (unsigned i = 0; i < a->n_choices; i++) {
        buf_puts(out, i ? ",{" : "{");
        put(&a->choices[i], out);
        buf_printf(out, ",\"finish_reason\":\"%s\"}", openai_finish_reason(&a->choices[i]));
    }
    buf_puts(out, "],");
    put_usage(a, out);
    buf_putc(out, '}');
}
