/* messages.c - see messages.h. */
#include "chat/messages.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_load.h"
#include "api/json_text.h"
#include "api/json_whole.h"
#include "base/buf.h"
#include "chat/content.h"
#include "chat/plain.h"
#include "chat/turns.h"

#define SHORT_ID_CHARS 9 /* what Mistral's templates ask for */

static void drop_nulls(json_t *object)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, key, value)
    {
        if (json_is_null(value))
            json_object_del(object, key);
    }
}

/* ---- tool calls of earlier answers --------------------------------------- */

/* The last letters and digits of an id: as many as Mistral wants, zeros before where there are
 * fewer.
 */
static json_t *short_id(const char *id)
{
    char out[SHORT_ID_CHARS];
    size_t at = SHORT_ID_CHARS;

    for (size_t i = strlen(id); i > 0 && at > 0; i--) {
        char c = id[i - 1];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            out[--at] = c;
    }
    memset(out, '0', at);
    return json_stringn(out, sizeof out);
}

static json_t *text_of_json(const json_t *value)
{
    struct buf text;

    buf_init(&text, CONTENT_MAX);
    json_put_value(&text, value, 0);
    return content_take(&text);
}

/*
 * Arguments as the template wants them; a text that holds no object, or too large a one, stays one.
 * *left: bytes that the values of all arguments of the conversation may still take; a limit for
 * each of them bounded nothing. NULL: no memory.
 */
static json_t *arguments_of(const json_t *function, const struct chat_abilities *a, uint64_t *left)
{
    uint64_t need;
    json_t *args = json_object_get(function, "arguments"), *made = NULL;
    json_error_t why = {0};

    if (json_is_string(args) && json_string_length(args) == 0)
        args = NULL;
    if (json_is_object(args) && a->arguments_as_text)
        return text_of_json(args);
    if (json_is_string(args) && !a->arguments_as_text) {
        need = json_tree_bytes(json_string_value(args), json_string_length(args));
        if (need <= *left)
            made = json_load_bounded(json_string_value(args), json_string_length(args), 0, &why);
        *left -= made ? need : 0;
    }
    if (!args)
        return a->arguments_as_text ? json_string("{}") : json_object();
    if (!made && json_error_code(&why) == json_error_out_of_memory && !json_is_too_many(&why))
        return NULL;
    return made ? made : json_incref(args);
}

static int add_call(json_t *calls, const json_t *call, const struct chat_abilities *a,
                    uint64_t *left)
{
    json_t *copy = json_copy_top(call);
    json_t *function = json_copy_top(json_object_get(call, "function"));
    int rc = json_object_set_new(function, "arguments", arguments_of(function, a, left));

    rc |= json_object_set_new(copy, "function", function);
    if (!json_object_get(copy, "type"))
        rc |= json_object_set_new(copy, "type", json_string("function"));
    if (a->short_ids)
        rc |= json_object_set_new(copy, "id", short_id(json_text(call, "id")));
    return json_array_append_new(calls, copy) | rc;
}

static int set_calls(json_t *message, const struct chat_abilities *a, uint64_t *left)
{
    json_t *calls = json_object_get(message, "tool_calls"), *made, *call;
    int rc = 0;
    size_t i;

    if (json_array_size(calls) == 0) {
        json_object_del(message, "tool_calls");
        return 0;
    }
    made = json_array();
    json_array_foreach(calls, i, call) rc |= add_call(made, call, a, left);
    return json_object_set_new(message, "tool_calls", made) | rc;
}

/* ---- results of tools ---------------------------------------------------- */

/* OpenAI's API names a result's call, and not its function; templates show that, and Hermes' fails
 * without. */
static int note_names(json_t *names, const json_t *message)
{
    json_t *call;
    int rc = 0;
    size_t i;

    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        json_t *name = json_object_get(json_object_get(call, "function"), "name");

        if (json_is_string(name) && json_text(call, "id")[0])
            rc |= json_object_set(names, json_text(call, "id"), name);
    }
    return rc;
}

static int set_name(json_t *message, const json_t *names)
{
    json_t *name = json_object_get(names, json_text(message, "tool_call_id"));

    if (!name || !content_has_role(message, "tool") || json_text(message, "name")[0])
        return 0;
    return json_object_set(message, "name", name);
}

/* ---- all of it ----------------------------------------------------------- */

/* Messages on their way to `out`, the last of which may still be joined by others. */
struct row {
    json_t *out;
    json_t *names;   /* of the functions called so far, by the calls' ids */
    struct buf text; /* of the last one and those that joined it, once there are some */
    bool joined;
};

static json_t *last_of(const struct row *row)
{
    return json_array_get(row->out, json_array_size(row->out) - 1);
}

static void put_content(struct buf *out, const json_t *message)
{
    const json_t *content = json_object_get(message, "content");

    buf_puts(out, out->len ? "\n\n" : "");
    buf_put(out, json_string_value(content), json_string_length(content));
}

/* Nothing joins the last one any more: its text is made, once for however many there were. */
static int end_row(struct row *row)
{
    if (!row->joined)
        return 0;
    row->joined = false;
    return json_object_set_new(last_of(row), "content", content_take(&row->text));
}

static void join_message(struct row *row, json_t *message)
{
    if (!row->joined)
        put_content(&row->text, last_of(row));
    row->joined = true;
    put_content(&row->text, message);
    json_decref(message);
}

/*
 * Agents say things to the model in the middle of a conversation, and several in a row; templates
 * lose system messages, or fail, at a place where they have none. There they stand in the one
 * before them, else they are the user's. Messages of the user in a row become one where the
 * template, or the results of tools (`join`), want it so.
 */
static int add_message(struct row *row, json_t *message, const struct chat_abilities *a, bool join)
{
    const json_t *last = last_of(row);
    bool misplaced =
        content_has_role(message, "system") && !(last ? a->late_system : a->knows_system);
    int rc = 0;

    join = join || !a->user_runs;
    if (misplaced && !content_has_role(last, "system"))
        rc = json_object_set_new(message, "role", json_string("user"));
    if ((misplaced && content_has_role(last, "system")) ||
        (join && content_has_role(message, "user") && content_has_role(last, "user"))) {
        join_message(row, message);
        return rc;
    }
    rc |= end_row(row);
    return json_array_append_new(row->out, message) | rc;
}

/* Thoughts are known by three names among templates. */
static int set_thoughts(json_t *message)
{
    json_t *thought = json_object_get(message, "reasoning_content");
    int rc = 0;

    if (thought && !json_object_get(message, "reasoning"))
        rc |= json_object_set(message, "reasoning", thought);
    if (thought && !json_object_get(message, "thinking"))
        rc |= json_object_set(message, "thinking", thought);
    return rc;
}

static int add_normal(struct row *row, const json_t *message, const struct chat_abilities *a,
                      uint64_t *left)
{
    json_t *copy = json_copy_top(message);
    int rc;

    drop_nulls(copy);
    rc = json_object_set_new(copy, "content", content_text(copy));
    if (content_has_role(copy, "developer") && !a->knows_developer)
        rc |= json_object_set_new(copy, "role", json_string("system"));
    rc |= note_names(row->names, copy) | set_name(copy, row->names);
    rc |= set_calls(copy, a, left) | set_thoughts(copy);
    if (a->null_content && json_object_get(copy, "tool_calls"))
        rc |= json_object_set_new(copy, "content", json_null()); /* its text is apart: turns.h */
    if (a->short_ids && json_object_get(copy, "tool_call_id"))
        rc |= json_object_set_new(copy, "tool_call_id", short_id(json_text(copy, "tool_call_id")));
    rc |= plain_message(copy, a);
    return add_message(row, copy, a, !a->knows_calls && content_has_role(message, "tool")) | rc;
}

/* Last of all, so that nothing else need know of parts. */
static int make_parts(json_t *messages)
{
    json_t *message;
    int rc = 0;
    size_t i;

    json_array_foreach(messages, i, message) rc |= content_to_parts(message);
    return rc;
}

int chat_messages_make(const json_t *messages, const json_t *tools, const struct chat_abilities *a,
                       json_t **out, struct err *err)
{
    json_t *made = json_array(), *turns = turns_make(messages, a), *message;
    struct row row = {.out = made, .names = json_object()};
    uint64_t left = JSON_TREE_MAX;
    int rc = turns && row.names ? 0 : -1;
    size_t i;

    buf_init(&row.text, CONTENT_MAX);
    json_array_foreach(turns, i, message) rc |= add_normal(&row, message, a, &left);
    rc |= end_row(&row);
    buf_done(&row.text);
    json_decref(row.names);
    json_decref(turns);
    if (tools && !a->knows_tools)
        rc |= plain_tools(made, tools, a);
    if (a->content_as_parts)
        rc |= make_parts(made);
    if (rc || !made) {
        json_decref(made);
        return err_no_memory(err, 0, "the conversation");
    }
    *out = made;
    return 0;
}
