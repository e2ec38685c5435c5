/*
 * event.c - see event.h.
 *
 * The quick way knows the three events that come once a token by their first bytes, as the worker
 * writes them (api/inference_events.c); everything else, and everything unusual, is read as JSON.
 */
#include "hive/gateway/event.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_load.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"

/* ---- the quick way ---- */

struct quick {
    const char *head; /* up to and with the quote that begins the text */
    enum event_kind kind;
};

/*
 * The text's end: the first quote that no backslash escapes. NULL when there is none, or what is
 * before it is not what the inside of a JSON string may be: as it stands it goes to clients, where
 * a line feed would begin a line of its own. (An escape by number is left to the slow way, too.)
 */
static const char *string_end(const char *p, const char *end)
{
    const char *begin = p;

    while (p < end && *p != '"') {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p == '\\' && (++p == end || !*p || !strchr("\"\\/bfnrt", *p)))
            return NULL;
        p++;
    }
    return p < end && utf8_valid(begin, (size_t)(p - begin)) == (size_t)(p - begin) ? p : NULL;
}

/* What may stand behind the text: `,"i":123}` or `}`. */
static bool is_plain_tail(const char *p, const char *end)
{
    static const char index[] = ",\"i\":";

    if (end - p > (ptrdiff_t)sizeof index && memcmp(p, index, sizeof index - 1) == 0) {
        p += sizeof index - 1;
        while (p < end && *p >= '0' && *p <= '9')
            p++;
    }
    return end - p == 1 && *p == '}';
}

static bool read_quick(const char *data, size_t n, struct event *out)
{
    static const struct quick all[] = {{"{\"type\":\"token\",\"t\":\"", EVENT_TEXT},
                                       {"{\"type\":\"reasoning\",\"t\":\"", EVENT_REASONING}};
    const char *end = data + n, *close;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t n_head = strlen(all[i].head);

        if (n <= n_head || memcmp(data, all[i].head, n_head) != 0)
            continue;
        close = string_end(data + n_head, end);
        if (!close || !is_plain_tail(close + 1, end))
            return false;
        out->kind = all[i].kind;
        out->raw = data + n_head;
        out->n = (size_t)(close - out->raw);
        return true;
    }
    return false;
}

/* ---- by way of JSON ---- */

static int64_t number_of(const json_t *root, const char *name, int64_t max)
{
    json_int_t v = json_integer_value(json_object_get(root, name));

    if (v < 0)
        return 0;
    return v > max ? max : v;
}

static uint64_t count_of(const json_t *root, const char *name)
{
    return (uint64_t)number_of(root, name, EVENT_COUNT_MAX);
}

static enum event_stop stop_of(const char *text)
{
    if (str_eq(text, "EOS"))
        return EVENT_STOP_EOS;
    if (str_eq(text, "STOP_SEQUENCE"))
        return EVENT_STOP_SEQUENCE;
    return str_eq(text, "MAX_TOKENS") ? EVENT_STOP_LENGTH : EVENT_STOP_CANCELLED;
}

static void read_end(const json_t *root, struct buf *scratch, struct event_end *end)
{
    const json_t *matched = json_object_get(root, "stop_sequence_matched");

    end->prompt_tokens = count_of(root, "prompt_tokens");
    end->cached_tokens = (uint64_t)number_of(root, "cached_tokens", (int64_t)end->prompt_tokens);
    end->tokens_out = count_of(root, "tokens_out");
    end->reasoning_tokens = count_of(root, "reasoning_tokens");
    end->tool_calls = count_of(root, "tool_calls");
    end->prefill_ms = number_of(root, "prefill_time_ms", EVENT_MS_MAX);
    end->decode_ms = number_of(root, "decode_time_ms", EVENT_MS_MAX);
    end->queue_ms = number_of(root, "queue_time_ms", EVENT_MS_MAX);
    end->stop = stop_of(json_string_value(json_object_get(root, "stop_reason")));
    end->context_full = json_is_true(json_object_get(root, "context_full"));
    if (!json_is_string(matched))
        return;
    json_put_string(scratch, json_string_value(matched), json_string_length(matched));
    if (!buf_failed(scratch) && scratch->len >= 2)
        end->stop_sequence = str_ndup(scratch->data + 1, scratch->len - 2);
}

/* `n` are the event's bytes: the values of details take fifty times as much, and for as long as the
 * error lives. Nobody is shown large ones. */
static void read_error(const json_t *root, size_t n, struct api_error *e)
{
    const char *code = json_string_value(json_object_get(root, "code")),
               *message = json_string_value(json_object_get(root, "message"));
    json_t *details = json_object_get(root, "details");

    api_error_set(e, api_code_from(code, NULL), "worker", "%s",
                  message ? message : "no reason given");
    if (json_is_object(details) && n <= EVENT_ERROR_MAX)
        e->details = json_incref(details);
}

/* The text of a piece, written anew as the inside of a JSON string. */
static int read_text(const json_t *root, struct buf *scratch, struct event *out)
{
    const json_t *text = json_object_get(root, "t");

    if (!json_is_string(text) ||
        json_put_string(scratch, json_string_value(text), json_string_length(text)))
        return -1;
    out->raw = scratch->data + 1;
    out->n = scratch->len - 2;
    out->tool = (unsigned)count_of(root, "index");
    out->logprobs = json_object_get(root, "logprobs");
    if (!json_is_array(out->logprobs))
        out->logprobs = NULL;
    return 0;
}

static enum event_kind kind_of(const char *type)
{
    static const char *const names[] = {"started",   "token", "reasoning", "tool_call",
                                        "tool_args", "end",   "error"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(type, names[i]))
            return (enum event_kind)i;
    return EVENT_OTHER;
}

static int read_slow(size_t n, struct buf *scratch, struct event *out)
{
    out->kind = kind_of(json_string_value(json_object_get(out->root, "type")));
    switch (out->kind) {
    case EVENT_TEXT:
    case EVENT_REASONING:
    case EVENT_TOOL_ARGS:
        return read_text(out->root, scratch, out);
    case EVENT_TOOL_CALL:
        out->tool = (unsigned)count_of(out->root, "index");
        out->id = json_string_value(json_object_get(out->root, "id"));
        out->name = json_string_value(json_object_get(out->root, "name"));
        return out->id && out->name ? 0 : -1;
    case EVENT_END:
        read_end(out->root, scratch, &out->end);
        return 0;
    case EVENT_ERROR:
        read_error(out->root, n, &out->error);
        return 0;
    case EVENT_STARTED:
    case EVENT_OTHER:
        break;
    }
    return 0;
}

int event_read(const char *data, size_t n, struct buf *scratch, struct event *out)
{
    *out = (struct event){.kind = EVENT_OTHER};
    if (read_quick(data, n, out))
        return 0;
    buf_clear(scratch);
    out->root = json_load_bounded(data, n, JSON_ALLOW_NUL, NULL);
    return json_is_object(out->root) ? read_slow(n, scratch, out) : -1;
}

void event_done(struct event *e)
{
    api_error_done(&e->error);
    free(e->end.stop_sequence);
    e->end.stop_sequence = NULL;
    json_decref(e->root);
    e->root = NULL;
}
