/* template.c - see template.h. */
#include "chat/template.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/json_whole.h"
#include "base/clock.h"
#include "base/str.h"
#include "jinja/jinja.h"

struct chat_template {
    struct jinja_program *program;
    const struct chat_format *format;
    const struct chat_think *think;
    struct chat_abilities can;
    char *bos, *eos;
};

/* ---- one render ---------------------------------------------------------- */

/* The variables of Hugging Face's apply_chat_template. */
static json_t *variables(const struct chat_template *t, json_t *messages, const json_t *tools,
                         const struct chat_conversation *c)
{
    json_t *vars = json_pack("{s:O, s:n, s:b, s:s, s:s}", "messages", messages, "documents",
                             "add_generation_prompt", !c->no_generation_prompt && !c->continues,
                             "bos_token", t->bos, "eos_token", t->eos);
    int rc = json_object_set_new(vars, "tools", tools ? json_copy_all(tools) : json_null());

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

/* Where there is no memory for it, it is missing in the prompt. */
static void put_end_mark(json_t *messages)
{
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const json_t *content = json_object_get(last, "content");
    size_t n = json_string_length(content);
    struct buf text;

    buf_init(&text, n + sizeof end_mark);
    buf_put(&text, json_string_value(content), n);
    buf_puts(&text, end_mark);
    json_object_set_new(last, "content", json_stringn(buf_str(&text), text.len));
    buf_done(&text);
}

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

static int render(const struct chat_template *t, const struct chat_conversation *c,
                  uint64_t max_steps, struct buf *out, struct err *err)
{
    struct jinja_options options = limits(max_steps);
    json_t *messages, *vars;
    int rc = chat_messages_make(c->messages, c->tools, &t->can, &messages, err);

    if (rc)
        return rc;
    options.stop = c->stop;
    if (c->continues)
        put_end_mark(messages);
    vars = variables(t, messages, t->can.knows_tools ? c->tools : NULL, c);
    rc = vars ? jinja_render(t->program, vars, &options, out, err)
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

int chat_template_render(const struct chat_template *t, const struct chat_conversation *c,
                         struct buf *out, bool *thinking, struct err *err)
{
    size_t from = out->len;
    int rc = render(t, c, CHAT_MAX_STEPS, out, err);

    if (rc == 0 && c->continues)
        rc = cut_at_end_mark(out, from, err);
    if (rc == 0 && thinking)
        *thinking = is_thinking(t, c, out);
    return rc;
}

/* ---- trying a template --------------------------------------------------- */

/* A conversation, as JSON text, and what must be in its prompt. */
struct trial {
    const char *messages, *tools;
};

static const struct trial system_trial = {
    "[{\"role\":\"system\",\"content\":\"rbee-says\"},{\"role\":\"user\",\"content\":\"hi\"}]",
    NULL};

static const struct trial late_trial = {
    "[{\"role\":\"system\",\"content\":\"rbee-first\"},{\"role\":\"user\",\"content\":\"hi\"},"
    "{\"role\":\"system\",\"content\":\"rbee-says\"},{\"role\":\"user\",\"content\":\"hi\"}]",
    NULL};

static const struct trial run_trial = {"[{\"role\":\"user\",\"content\":\"rbee-first\"},"
                                       "{\"role\":\"user\",\"content\":\"rbee-says\"}]",
                                       NULL};

static const struct trial call_trial = {
    "[{\"role\":\"user\",\"content\":\"hi\"},"
    "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"abcdef123\",\"type\":"
    "\"function\",\"function\":{\"name\":\"rbee_tool\",\"arguments\":{\"rbee_key\":\"v\"}}}]},"
    "{\"role\":\"tool\",\"tool_call_id\":\"abcdef123\",\"name\":\"rbee_tool\",\"content\":\"1\"},"
    "{\"role\":\"user\",\"content\":\"hi\"}]",
    "[{\"type\":\"function\",\"function\":{\"name\":\"rbee_tool\",\"description\":\"d\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"rbee_key\":{\"type\":\"string\","
    "\"description\":\"d\"}},\"required\":[]}}}]"};

/* Renders; true when that went well and the text is in the prompt. */
static bool gives(const struct chat_template *t, const struct trial *trial, const char *text,
                  const char *but_not)
{
    json_t *messages = json_loads(trial->messages, 0, NULL);
    json_t *tools = trial->tools ? json_loads(trial->tools, 0, NULL) : NULL;
    struct chat_conversation c = {.messages = messages, .tools = tools};
    struct buf out;
    bool good;

    buf_init(&out, CHAT_MAX_PROMPT_BYTES);
    good = messages && render(t, &c, CHAT_MAX_TRY_STEPS, &out, NULL) == 0 &&
           strstr(buf_str(&out), text) && !(but_not && strstr(buf_str(&out), but_not));
    buf_done(&out);
    json_decref(messages);
    json_decref(tools);
    return good;
}

static bool gives_both(const struct chat_template *t, const struct trial *trial)
{
    return gives(t, trial, "rbee-first", NULL) && gives(t, trial, "rbee-says", NULL);
}

/* At which places system messages and the user's are taken; tried as if at all. */
static void try_places(struct chat_template *t)
{
    t->can.knows_system = t->can.late_system = t->can.user_runs = true;
    t->can.user_runs = gives_both(t, &run_trial);
    t->can.late_system = gives_both(t, &late_trial);
    t->can.knows_system = gives(t, &system_trial, "rbee-says", NULL);
}

/* Most templates write arguments with tojson or by their items, and want an object. Some add a
 * text. */
static void try_arguments(struct chat_template *t)
{
    t->can.arguments_as_text = false;
    if (!t->can.knows_calls || gives(t, &call_trial, "rbee_key", "'rbee_key'"))
        return;
    t->can.arguments_as_text = true;
    t->can.arguments_as_text = gives(t, &call_trial, "rbee_key", NULL);
}

static void find_abilities(struct chat_template *t, const char *text)
{
    t->format = chat_format_of(text);
    t->think = chat_think_of(text);
    t->can.format = t->format;
    t->can.knows_calls = !t->format->generic;
    t->can.knows_tools = t->can.knows_calls && jinja_mentions(t->program, "tools");
    t->can.short_ids = t->format->short_ids;
    t->can.knows_developer = strstr(text, "developer'") || strstr(text, "developer\"");
    try_places(t);
    try_arguments(t);
}

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
    if (rc) {
        chat_template_free(t);
    } else {
        find_abilities(t, copy);
        *out = t;
    }
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
