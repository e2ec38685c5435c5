/*
 * template_try.c - what a template can do, found out by rendering small conversations with it and
 * looking for what was said in them.
 */
#include <string.h>

#include "chat/template_internal.h"
#include "jinja/jinja.h"

/* A conversation, as JSON text, and whether there are tools. */
struct trial {
    const char *messages;
    bool tools;
};

static const char tools_text[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"rbee_tool\",\"description\":\"d\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"rbee_key\":{\"type\":\"string\","
    "\"description\":\"d\"}},\"required\":[]}}}]";

#define SAID(role, text) "{\"role\":\"" role "\",\"content\":\"" text "\"}"
#define CALL(id, key)                                                                              \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"rbee_tool\",\"arguments\":" \
    "{\"" key "\":\"v\"}}}"
#define RESULT(id)                                                                                 \
    "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"name\":\"rbee_tool\",\"content\":\"1\"}"
#define CALLED(calls, results)                                                                     \
    "[" SAID("user", "hi") ",{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[" calls      \
                           "]}," results "," SAID("assistant", "ho") "," SAID("user", "hi") "]"

static const struct trial user_trial = {"[" SAID("user", "rbee-says") "]", false};

static const struct trial system_trial = {
    "[" SAID("system", "rbee-says") "," SAID("user", "hi") "]", false};

/* At all places where such a message may stand: templates pass over it, or fail, at some. */
// clang-format off
#define HI SAID("user", "hi")
#define PLACES(role)                                                                               \
    "[" SAID(role, "rbee-first") "," SAID(role, "rbee-also") "," HI ","                            \
    SAID(role, "rbee-says") "," HI "," SAID("assistant", "ho") "," SAID(role, "rbee-last") "," HI "]"
// clang-format on

static const struct trial late_trial = {PLACES("system"), false};

static const struct trial developer_trial = {PLACES("developer"), false};

static const struct trial run_trial = {
    "[" SAID("user", "rbee-first") "," SAID("user", "rbee-says") "]", false};

/* The arguments' keys stand nowhere else: what is told of the tool has another. */
static const struct trial call_trial = {CALLED(CALL("abcdef123", "rbee-says"), RESULT("abcdef123")),
                                        true};

static const struct trial pair_trial = {
    CALLED(CALL("abcdef123", "rbee-first") "," CALL("abcdef124", "rbee-says"),
           RESULT("abcdef123") "," RESULT("abcdef124")),
    true};

enum finding { FAILS, LACKS, SHOWS };

/* 0 with the prompt in *out. */
static int render(struct chat_template *t, const struct trial *trial, struct buf *out)
{
    json_t *messages = json_loads(trial->messages, 0, NULL);
    json_t *tools = trial->tools ? json_loads(tools_text, 0, NULL) : NULL;
    struct chat_conversation c = {.messages = messages, .tools = tools};
    int rc = ERR_NO_MEMORY;

    if (messages && (tools || !trial->tools))
        rc = chat_template_run(t, &c, CHAT_MAX_TRY_STEPS, out, NULL);
    t->untried |= rc == ERR_NO_MEMORY;
    json_decref(messages);
    json_decref(tools);
    return rc;
}

/* Is the text in the prompt? */
static enum finding look(struct chat_template *t, const struct trial *trial, const char *text,
                         const char *but_not)
{
    enum finding found = FAILS;
    struct buf out;

    buf_init(&out, CHAT_MAX_PROMPT_BYTES);
    if (render(t, trial, &out) == 0)
        found = strstr(buf_str(&out), text) && !(but_not && strstr(buf_str(&out), but_not)) ? SHOWS
                                                                                            : LACKS;
    buf_done(&out);
    return found;
}

static bool gives(struct chat_template *t, const struct trial *trial, const char *text,
                  const char *but_not)
{
    return look(t, trial, text, but_not) == SHOWS;
}

/* All of the texts, up to a NULL. */
static bool gives_each(struct chat_template *t, const struct trial *trial, const char *const *texts)
{
    struct buf out;
    bool each;

    buf_init(&out, CHAT_MAX_PROMPT_BYTES);
    each = render(t, trial, &out) == 0;
    for (; *texts && each; texts++)
        each = strstr(buf_str(&out), *texts) != NULL;
    buf_done(&out);
    return each;
}

static bool gives_both(struct chat_template *t, const struct trial *trial)
{
    static const char *const both[] = {"rbee-first", "rbee-says", NULL};

    return gives_each(t, trial, both);
}

/* Of PLACES. */
static bool gives_all(struct chat_template *t, const struct trial *trial)
{
    static const char *const all[] = {"rbee-first", "rbee-also", "rbee-says", "rbee-last", NULL};

    return gives_each(t, trial, all);
}

/* Hermes' template for tools goes over them, and fails where they are none; not where their list is
 * empty. */
static void try_without_tools(struct chat_template *t)
{
    bool fails = look(t, &user_trial, "rbee-says", NULL) == FAILS;

    t->needs_list = fails;
    t->needs_list = fails && look(t, &user_trial, "rbee-says", NULL) != FAILS;
}

/* Those of models that see images, too, may go over parts, and over a text as if it had none. One
 * that fails on both forms may ask for more than this trial has. */
static void try_content(struct chat_template *t)
{
    enum finding as_text = look(t, &user_trial, "rbee-says", NULL);

    if (as_text == SHOWS)
        return;
    t->can.content_as_parts = true;
    t->can.content_as_parts = gives(t, &user_trial, "rbee-says", NULL);
    t->blind = as_text == LACKS && !t->can.content_as_parts;
}

/* At which places system messages and the user's are taken; tried as if at all. */
static void try_places(struct chat_template *t)
{
    t->can.knows_system = t->can.late_system = t->can.user_runs = true;
    t->can.user_runs = gives_both(t, &run_trial);
    t->can.late_system = gives_all(t, &late_trial);
    t->can.knows_system = gives(t, &system_trial, "rbee-says", NULL);
}

/* Most templates write arguments with tojson or by their items, and want an object. Some add a
 * text. False: they are shown in neither form. */
static bool try_arguments(struct chat_template *t)
{
    t->can.arguments_as_text = false;
    if (gives(t, &call_trial, "rbee-says", "'rbee-says'"))
        return true;
    t->can.arguments_as_text = true;
    t->can.arguments_as_text = gives(t, &call_trial, "rbee-says", NULL);
    return t->can.arguments_as_text;
}

/* DeepSeek-R1's template looks for calls only where the content is null, as OpenAI's API has it;
 * Llama 3's takes one a message. Granite's never shows them, though its models write them. */
static void try_calls(struct chat_template *t)
{
    t->can.shows_calls = t->can.parallel_calls = true;
    t->can.null_content = false;
    if (!t->can.knows_calls)
        return;
    if (!try_arguments(t)) {
        t->can.null_content = true;
        t->can.null_content = try_arguments(t);
        if (!t->can.null_content) { /* of one that fails on the trial nobody knows */
            t->can.shows_calls = look(t, &call_trial, "rbee-says", NULL) == FAILS;
            return;
        }
    }
    t->can.parallel_calls = gives_both(t, &pair_trial);
}

int chat_template_try(struct chat_template *t, const char *text)
{
    t->format = chat_format_of(text);
    t->think = chat_think_of(text);
    t->can.format = t->format;
    t->can.knows_calls = !t->format->generic;
    t->can.knows_tools =
        t->can.knows_calls &&
        jinja_mentions(t->program, t->format->tools_text ? t->format->tools_text : "tools");
    t->can.short_ids = t->format->short_ids;
    t->can.knows_developer = strstr(text, "developer'") || strstr(text, "developer\"");
    try_without_tools(t);
    try_content(t);
    try_places(t);
    t->can.knows_developer = t->can.knows_developer && gives_all(t, &developer_trial);
    try_calls(t);
    return t->untried ? ERR_NO_MEMORY : 0;
}
