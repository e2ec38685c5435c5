/* template.c - see template.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/json_whole.h"
#include "base/clock.h"
#include "base/str.h"
#include "chat/content.h"
#include "chat/template_internal.h"
#include "jinja/jinja.h"

/* ---- one render ---------------------------------------------------------- */

/* For templates that have the tools and the time as texts: llama.cpp's convention, as their maker's
 * library, which filled them in, is not there. */
static int set_texts(const struct chat_template *t, json_t *vars, const json_t *tools)
{
    char *text = tools ? json_write(tools, JSON_INDENT(2) | JSON_ENSURE_ASCII) : str_dup("");
    time_t now = (time_t)(clock_unix_ms() / 1000);
    char when[64];
    struct tm tm;
    int rc;

    gmtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0; /* what changes each second is in no prefix cache */
    strftime(when, sizeof when, "%b %d %Y %H:%M:%S GMT", &tm);
    rc = json_object_set_new(vars, t->format->tools_text, json_string(text));
    free(text);
    return json_object_set_new(vars, "datetime", json_string(when)) | rc;
}

/* The variables of Hugging Face's apply_chat_template. */
static json_t *variables(const struct chat_template *t, json_t *messages, const json_t *tools,
                         const struct chat_conversation *c)
{
    json_t *vars = json_pack("{s:O, s:n, s:b, s:s, s:s}", "messages", messages, "documents",
                             "add_generation_prompt", !c->no_generation_prompt && !c->continues,
                             "bos_token", t->bos, "eos_token", t->eos);
    int rc = json_object_set_new(vars, "tools",
                                 tools           ? json_copy_all(tools)
                                 : t->needs_list ? json_array()
                                                 : json_null());

    if (t->format->tools_text)
        rc |= set_texts(t, vars, tools);
    if (c->vars)
        rc |= json_object_update(vars, (json_t *)(uintptr_t)c->vars);
    if (rc == 0)
        return vars;
    json_decref(vars);
    return NULL;
}

static struct jinja_options limits(uint64_t max_steps)
{
    time_t now = (time_t)(clock_unix_ms() / 1000);
    struct jinja_options o;

    jinja_options_init(&o, now);
    localtime_r(&now, &o.now);
    o.max_steps = max_steps;
    o.max_memory_bytes = CHAT_MAX_MEMORY_BYTES;
    o.max_output_bytes = CHAT_MAX_PROMPT_BYTES;
    return o;
}

/*
 * Put behind a text that is gone on with, so that its end is found in whatever a template makes of
 * it, as transformers does for continue_final_message: the text itself may stand in many places,
 * "i" in "<|im_end|>" too, and templates trim.
 */
static const char end_mark[] = "rbee-goes-on-behind-this-5f1c0a27";

/* The last place of a text in n bytes, or NULL. */
static const char *last_of(const char *bytes, size_t n, const char *text)
{
    size_t len = strlen(text);

    for (const char *p = n < len ? bytes : bytes + n - len + 1; p > bytes; p--)
        if (memcmp(p - 1, text, len) == 0)
            return p - 1;
    return NULL;
}

static int cut_at_end_mark(struct buf *out, size_t from, struct err *err)
{
    const char *mark = last_of(buf_str(out) + from, out->len - from, end_mark);

    if (!mark)
        return err_set(err, ERR_UNSUPPORTED,
                       "this model's chat template does not show the last message's text, so "
                       "that it cannot be gone on with; end with a message of the user");
    buf_cut(out, (size_t)(mark - buf_str(out)));
    return 0;
}

int chat_template_run(const struct chat_template *t, const struct chat_conversation *c,
                      uint64_t max_steps, struct buf *out, struct err *err)
{
    struct jinja_options options = limits(max_steps);
    json_t *messages, *vars;
    int rc = chat_messages_make(c->messages, c->tools, &t->can, &messages, err);

    if (rc)
        return rc;
    options.stop = c->stop;
    vars = variables(t, messages, t->can.knows_tools ? c->tools : NULL, c);
    if (c->continues)
        rc = content_append(json_array_get(messages, json_array_size(messages) - 1), end_mark);
    rc = vars && rc == 0 ? jinja_render(t->program, vars, &options, out, err)
                         : err_no_memory(err, 0, "a template's variables");
    json_decref(vars);
    json_decref(messages);
    return rc;
}

/* Does the text end with the mark, blanks behind it aside? */
static bool ends_with_mark(const struct buf *text, const char *mark)
{
    size_t n = text->len, len = strlen(mark);

    while (n && (text->data[n - 1] == '\n' || text->data[n - 1] == ' '))
        n--;
    return n >= len && memcmp(text->data + n - len, mark, len) == 0;
}

/* The last message's text, or its last part's, has opened a thought and has not closed it. */
static bool ends_in_thought(const json_t *messages, const struct chat_think *think)
{
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1),
                 *text = json_object_get(last, "content");
    const char *open, *close;

    if (json_is_array(text))
        text = json_object_get(json_array_get(text, json_array_size(text) - 1), "text");
    if (!json_is_string(text))
        return false;
    open = last_of(json_string_value(text), json_string_length(text), think->open);
    close = last_of(json_string_value(text), json_string_length(text), think->close);
    return open && (!close || close < open);
}

static bool is_thinking(const struct chat_template *t, const struct chat_conversation *c,
                        const struct buf *prompt)
{
    if (!t->think)
        return false;
    if (c->continues)
        return ends_in_thought(c->messages, t->think);
    return !c->no_generation_prompt && ends_with_mark(prompt, t->think->open);
}

static int refuse_blind(struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "this model's chat template does not show what the user says, neither as a text "
                   "nor as parts; start the worker with --chat-template FILE, or send a prompt");
}

int chat_template_render(const struct chat_template *t, const struct chat_conversation *c,
                         struct buf *out, bool *thinking, struct err *err)
{
    size_t from = out->len;
    int rc = chat_template_run(t, c, CHAT_MAX_STEPS, out, err);

    if (rc == 0 && t->blind)
        rc = refuse_blind(err);
    if (rc == 0 && c->continues)
        rc = cut_at_end_mark(out, from, err);
    if (rc == 0 && thinking)
        *thinking = is_thinking(t, c, out);
    return rc;
}

/* ---- life ---------------------------------------------------------------- */

int chat_template_create(const char *text, size_t n_bytes, const char *bos, const char *eos,
                         struct chat_template **out, struct err *err)
{
    struct chat_template *t = calloc(1, sizeof *t);
    char *copy = str_ndup(text, n_bytes);
    int rc = 0;

    if (t) {
        t->bos = str_dup(bos);
        t->eos = str_dup(eos);
    }
    if (!t || !copy || !t->bos || !t->eos)
        rc = err_no_memory(err, n_bytes, "the chat template");
    if (!rc)
        rc = jinja_compile(text, n_bytes, &t->program, err);
    if (!rc && chat_template_try(t, copy))
        rc = err_no_memory(err, n_bytes, "trying out the chat template");
    if (rc)
        chat_template_free(t);
    else
        *out = t;
    free(copy);
    return rc;
}

void chat_template_free(struct chat_template *t)
{
    if (!t)
        return;
    jinja_free(t->program);
    free(t->bos);
    free(t->eos);
    free(t);
}

const struct chat_abilities *chat_template_abilities(const struct chat_template *t)
{
    return &t->can;
}

const struct chat_format *chat_template_format(const struct chat_template *t)
{
    return t->format;
}

const struct chat_think *chat_template_think(const struct chat_template *t)
{
    return t->think;
}
