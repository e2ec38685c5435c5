/* turns.c - see turns.h. */
#include "chat/turns.h"

#include <stdint.h>
#include <stdlib.h>

#include "api/json_text.h"
#include "api/json_whole.h"
#include "chat/content.h"

/* The results behind calls: messages[from..end). */
struct results {
    const json_t *messages;
    size_t from, end;
    json_t *by_id; /* the places of each id's results, the first one last */
    bool *given;   /* one for each */
};

static void results_done(struct results *r)
{
    json_decref(r->by_id);
    free(r->given);
}

static int note_result(json_t *by_id, const char *id, size_t place)
{
    json_t *places = json_object_get(by_id, id);

    if (!places && json_object_set_new(by_id, id, json_array()))
        return -1;
    return json_array_append_new(json_object_get(by_id, id), json_integer((json_int_t)place));
}

static int results_find(struct results *r, const json_t *messages, size_t from)
{
    int rc = 0;

    *r = (struct results){.messages = messages, .from = from, .end = from, .by_id = json_object()};
    while (content_has_role(json_array_get(messages, r->end), "tool"))
        r->end++;
    r->given = calloc(r->end - from + 1, sizeof *r->given);
    if (!r->given || !r->by_id)
        return -1;
    for (size_t i = r->end; i > from && rc == 0; i--)
        rc = note_result(r->by_id, json_text(json_array_get(messages, i - 1), "tool_call_id"),
                         i - 1);
    return rc;
}

static int give_result(struct results *r, size_t place, json_t *out)
{
    r->given[place - r->from] = true;
    return json_array_append(out, json_array_get(r->messages, place));
}

/* The first result of this id that was not given yet. */
static int give_result_of(struct results *r, const char *id, json_t *out)
{
    json_t *places = json_object_get(r->by_id, id);
    size_t n = json_array_size(places), place;

    if (n == 0)
        return 0;
    place = (size_t)json_integer_value(json_array_get(places, n - 1));
    return json_array_remove(places, n - 1) | give_result(r, place, out);
}

static int give_others(struct results *r, json_t *out)
{
    int rc = 0;

    for (size_t i = r->from; i < r->end; i++)
        if (!r->given[i - r->from])
            rc |= give_result(r, i, out);
    return rc;
}

/* The message with these calls, or with none (NULL): all that was said and thought. */
static int put_first(const json_t *message, json_t *calls, json_t *out)
{
    json_t *copy = json_copy_top(message);
    int rc =
        calls ? json_object_set(copy, "tool_calls", calls) : json_object_del(copy, "tool_calls");

    return json_array_append_new(out, copy) | rc;
}

static int put_calls(json_t *calls, json_t *out)
{
    return json_array_append_new(out,
                                 json_pack("{s:s, s:O}", "role", "assistant", "tool_calls", calls));
}

/* Each call with its result; the first one with what was said, unless that was `said` already. */
static int put_each(const json_t *message, struct results *r, bool said, json_t *out)
{
    json_t *call;
    int rc = 0;
    size_t i;

    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        json_t *one = json_pack("[O]", call);

        rc |= !one || i || said ? put_calls(one, out) : put_first(message, one, out);
        rc |= give_result_of(r, json_text(call, "id"), out);
        json_decref(one);
    }
    return rc | give_others(r, out);
}

static bool says_something(const json_t *message)
{
    const json_t *content = json_object_get(message, "content");

    return json_string_length(content) || json_array_size(content);
}

/* Puts the calls of message *i and, where they go with them, its results; *i is then the last of
 * those. */
static int put_turn(const json_t *messages, size_t *i, const struct chat_abilities *a, json_t *out)
{
    const json_t *message = json_array_get(messages, *i);
    json_t *calls = json_object_get(message, "tool_calls");
    bool apart = a->null_content && says_something(message);
    struct results r;
    int rc = apart ? put_first(message, NULL, out) : 0;

    if (a->parallel_calls || json_array_size(calls) == 1)
        return rc | (apart ? put_calls(calls, out) : put_first(message, calls, out));
    if (results_find(&r, messages, *i + 1) == 0)
        rc |= put_each(message, &r, apart, out);
    else
        rc = -1;
    *i = r.end - 1;
    results_done(&r);
    return rc;
}

json_t *turns_make(const json_t *messages, const struct chat_abilities *a)
{
    json_t *out, *message;
    int rc = 0;

    if (!a->knows_calls || (a->parallel_calls && !a->null_content))
        return json_incref((json_t *)(uintptr_t)messages);
    out = json_array();
    for (size_t i = 0; rc == 0 && (message = json_array_get(messages, i)); i++)
        rc = json_array_size(json_object_get(message, "tool_calls"))
                 ? put_turn(messages, &i, a, out)
                 : json_array_append(out, message);
    if (rc == 0)
        return out;
    json_decref(out);
    return NULL;
}
