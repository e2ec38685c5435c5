/* request.c - see request.h. */
#include "hive/gateway/request.h"

#include <stdio.h>
#include <string.h>

#include "api/inference.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"

#define NUL_SHOWN "\xef\xbf\xbd" /* U+FFFD */

static void check_choices(struct fields *f, const struct order *o)
{
    if (order_n_choices(o) <= ORDER_CHOICES_MAX)
        return;
    fields_fail(f, "n", "at most 32 answers",
                "n times the number of prompts is %u, the limit is %d.", order_n_choices(o),
                ORDER_CHOICES_MAX);
}

/* ---- conversations ---- */

/* The text with U+FFFD for each NUL (a new value), or NULL when there is none in it. */
static json_t *without_nul(const json_t *text)
{
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    struct buf out;
    json_t *made;

    if (!s || !memchr(s, '\0', n))
        return NULL;
    buf_init(&out, n * strlen(NUL_SHOWN));
    for (size_t i = 0; i < n; i++) {
        if (s[i])
            buf_putc(&out, s[i]);
        else
            buf_puts(&out, NUL_SHOWN);
    }
    if (buf_failed(&out)) /* NULs are refused by the worker: better than a part of the text */
        made = NULL;
    else
        made = json_stringn(buf_str(&out), out.len);
    buf_done(&out);
    return made;
}

static void mend_text(json_t *object, const char *name)
{
    json_t *made = without_nul(json_object_get(object, name));

    if (made)
        json_object_set_new(object, name, made);
}

/* What a tool has printed may hold anything, and stays in its agent's conversation for good. */
static void mend_message(json_t *message)
{
    json_t *part;
    size_t i;

    mend_text(message, "content");
    mend_text(message, "reasoning_content");
    json_array_foreach(json_object_get(message, "content"), i, part) mend_text(part, "text");
}

/* By a schema or a call it would begin anew within the text. */
static bool has_form(const json_t *body)
{
    const json_t *choice = json_object_get(body, "tool_choice");

    return json_object_get(body, "json_schema") || json_is_object(choice) ||
           str_eq(json_string_value(choice), "required");
}

static bool goes_on(const json_t *body)
{
    return inference_last_text(json_object_get(body, "messages")) && !has_form(body) &&
           !json_object_get(body, "continue_final_message") &&
           !json_is_true(json_object_get(body, "add_generation_prompt"));
}

void request_settle(const struct request_kind *kind, struct order *o)
{
    json_t *message;
    size_t i;

    json_array_foreach(json_object_get(o->body, "messages"), i, message) mend_message(message);
    if (!kind->begins_anew && goes_on(o->body))
        order_put(o, "continue_final_message", json_true());
}

/* ---- the whole ---- */

int request_read(const struct request_kind *kind, const char *body, size_t n, struct order *o,
                 struct api_error *e, const char *src)
{
    struct fields f;
    int rc;

    fields_begin(&f, body, n);
    kind->read(&f, o);
    request_settle(kind, o);
    check_choices(&f, o);
    rc = fields_end(&f, e, src);
    fields_done(&f);
    if (rc == 0 && order_settle_echo(o)) {
        api_error_set(e, API_INTERNAL, src, "there is no memory for what the request holds");
        rc = -1;
    }
    return rc;
}

/* What the API calls a field of the worker's; NULL when it calls it so, too. */
static const char *api_name_of(const struct request_kind *kind, const char *field)
{
    size_t n = field ? strcspn(field, ".[") : 0;

    for (const char *const(*name)[2] = kind->names; n && name && (*name)[0]; name++)
        if (strlen((*name)[0]) == n && strncmp(field, (*name)[0], n) == 0)
            return (*name)[1];
    return NULL;
}

void request_rename(const struct request_kind *kind, struct api_error *e)
{
    json_t *errors = json_object_get(e->details, "errors"), *one;
    char text[ERR_TEXT_MAX];
    size_t i;

    json_array_foreach(errors, i, one)
    {
        const char *name = api_name_of(kind, json_string_value(json_object_get(one, "field"))),
                   *message = json_string_value(json_object_get(one, "message"));

        if (!name || !message)
            continue;
        snprintf(text, sizeof text, "%s: %.*s", name, (int)(sizeof text - 64), message);
        utf8_mend(text); /* it may be cut within a character */
        json_object_set_new(one, "field", json_string(name));
        json_object_set_new(one, "message", json_string(text));
        if (json_array_size(errors) == 1)
            str_copy(e->message, sizeof e->message, text);
    }
}
