/* plain.c - see plain.h. */
#include "chat/plain.h"

#include "api/json_text.h"
#include "api/json_whole.h"
#include "base/buf.h"
#include "base/str.h"
#include "chat/content.h"

static const char tools_head[] = "You can call these functions. Each line describes one as JSON:\n";

static void put_mark(struct buf *out, const char *mark)
{
    buf_puts(out, mark ? mark : "");
}

/* A call as the format has it, less what stands around each or all of them. */
static void put_call(struct buf *out, const json_t *call, const struct chat_format *f)
{
    const json_t *function = json_object_get(call, "function");
    json_t *args = json_object_get(function, "arguments"), *shown;

    if (f->shape == CALL_NAMED) {
        put_mark(out, f->call_open);
        buf_puts(out, json_text(function, "name"));
        put_mark(out, f->name_end);
        json_put_value(out, args, 0);
        put_mark(out, f->call_close);
        return;
    }
    shown =
        json_pack("{s:O, s:O}", f->name_key, json_object_get(function, "name"), f->args_key, args);
    json_put_value(out, shown, 0);
    json_decref(shown);
}

static void put_calls(struct buf *out, const json_t *calls, const struct chat_format *f)
{
    json_t *call;
    size_t i;

    json_array_foreach(calls, i, call)
    {
        if (i)
            buf_puts(out, f->list ? ", " : "\n");
        if (i == 0 || f->each)
            put_mark(out, f->open);
        if (i == 0 && f->list)
            buf_putc(out, '[');
        put_call(out, call, f);
        if (f->each)
            put_mark(out, f->close);
    }
    if (f->list)
        buf_putc(out, ']');
    if (!f->each)
        put_mark(out, f->close);
}

/* Calls become the text that the model writes, or is asked to write. */
static int say_calls(json_t *message, const struct chat_format *f)
{
    const json_t *content = json_object_get(message, "content");
    struct buf text;

    buf_init(&text, CONTENT_MAX);
    buf_put(&text, json_string_value(content), json_string_length(content));
    buf_puts(&text, text.len ? "\n" : "");
    put_calls(&text, json_object_get(message, "tool_calls"), f);
    json_object_del(message, "tool_calls");
    return json_object_set_new(message, "content", content_take(&text));
}

/* A tool's result is the user's. */
static int say_result(json_t *message)
{
    const json_t *content = json_object_get(message, "content");
    struct buf text;
    int rc;

    buf_init(&text, CONTENT_MAX);
    buf_printf(&text, "The function's result%s%s:\n", json_text(message, "name")[0] ? " of " : "",
               json_text(message, "name"));
    buf_put(&text, json_string_value(content), json_string_length(content));
    json_object_del(message, "tool_call_id");
    json_object_del(message, "name");
    rc = json_object_set_new(message, "content", content_take(&text));
    return json_object_set_new(message, "role", json_string("user")) | rc;
}

int plain_message(json_t *message, const struct chat_abilities *a)
{
    int rc = 0;

    if (json_object_get(message, "tool_calls") && !(a->knows_calls && a->shows_calls))
        rc |= say_calls(message, a->format);
    if (content_has_role(message, "tool") && !a->knows_calls)
        rc |= say_result(message);
    return rc;
}

/* Puts a text before or behind a message's content, a blank line between. */
static int join_content(json_t *message, const char *text, size_t n, bool before)
{
    const json_t *content = json_object_get(message, "content");
    struct buf b;

    buf_init(&b, CONTENT_MAX);
    if (before)
        buf_put(&b, text, n);
    if (before && json_string_length(content))
        buf_puts(&b, "\n\n");
    buf_put(&b, json_string_value(content), json_string_length(content));
    if (!before && json_string_length(content))
        buf_puts(&b, "\n\n");
    if (!before)
        buf_put(&b, text, n);
    return json_object_set_new(message, "content", content_take(&b));
}

/* A call as the format has it, with words for what is to be filled in. */
static void put_example(struct buf *out, const struct chat_format *f)
{
    put_mark(out, f->open);
    if (f->shape == CALL_NAMED) {
        put_mark(out, f->call_open);
        buf_puts(out, "<the function's name>");
        put_mark(out, f->name_end);
        buf_puts(out, "{<its arguments>}");
        put_mark(out, f->call_close);
    } else {
        buf_printf(out, "%s{\"%s\": \"<the function's name>\", \"%s\": {<its arguments>}}%s",
                   f->list ? "[" : "", f->name_key, f->args_key, f->list ? "]" : "");
    }
    put_mark(out, f->close);
}

static void put_tools(struct buf *out, const json_t *tools, const struct chat_abilities *a)
{
    json_t *tool;
    size_t i;

    buf_puts(out, tools_head);
    json_array_foreach(tools, i, tool)
    {
        json_put_value(out, json_object_get(tool, "function"), 0);
        buf_putc(out, '\n');
    }
    buf_puts(out, "To call one, answer with nothing but this:\n");
    put_example(out, a->format);
    buf_puts(out, "\n");
    if (a->parallel_calls)
        buf_puts(out, "To call several, write one behind the other. ");
    buf_puts(out, "When no function is needed, answer in words.");
}

int plain_tools(json_t *messages, const json_t *tools, const struct chat_abilities *a)
{
    json_t *first = json_array_get(messages, 0);
    struct buf text;
    int rc;

    buf_init(&text, CONTENT_MAX);
    put_tools(&text, tools, a);
    if (content_has_role(first, "system"))
        rc = join_content(first, buf_str(&text), text.len, false);
    else if (a->knows_system)
        rc = json_array_insert_new(
            messages, 0,
            json_pack("{s:s, s:s%}", "role", "system", "content", buf_str(&text), text.len));
    else
        rc = join_content(first, buf_str(&text), text.len, true);
    rc |= buf_failed(&text) ? -1 : 0;
    buf_done(&text);
    return rc;
}
