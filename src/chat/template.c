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
                             "add_generation_prompt", !c->no_generation_prompt, "bos_token", t->bos,
                             "eos_token", t->eos);
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

static int render(const struct chat_template *t, const struct chat_conversation *c,
                  uint64_t max_steps, struct buf *out, struct err *err)
{
    struct jinja_options options = limits(max_steps);
    json_t *messages, *vars;
    int rc = chat_messages_make(c->messages, c->tools, &t->can, &messages, err);

    if (rc)
        return rc;
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

int chat_template_render(const struct chat_template *t, const struct chat_conversation *c,
                         struct buf *out, bool *thinking, struct err *err)
{
    int rc = render(t, c, CHAT_MAX_STEPS, out, err);

    if (rc == 0 && thinking)
        *thinking = !c->no_generation_prompt && t->think && ends_with_mark(out, t->think->open);
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
    t->can.knows_system = gives(t, &system_trial, "rbee-says", NULL);
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
