/* chat_commands.c - see chat_commands.h. One row a command. */
#include "keeper/chat/chat_commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "keeper/ask/settings.h"
#include "keeper/shell/count.h"

#define WORD_MAX 64 /* bytes of a command's or setting's name, the NUL included */

struct chat_command {
    const char *name, *args, *help;
    int (*run)(struct chat *c, const char *arg); /* arg: "" for none */
};
static const struct chat_command *all_commands(void);

/* "rbee-keeper chat: text", and CLI_ERROR. */
static int refuse(struct chat *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct chat *c, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    term_say(&c->keeper->term, "%s %s: %s", KEEPER_PROGRAM, c->keeper->command, text);
    return CLI_ERROR;
}

static int run_help(struct chat *c, const char *arg)
{
    (void)arg;
    for (const struct chat_command *row = all_commands(); row->name; row++)
        if (row->help) {
            char left[WORD_MAX];

            snprintf(left, sizeof left, "%s %s", row->name, row->args);
            term_say(&c->keeper->term, "  %-21s %s", left, row->help);
        }
    term_say(&c->keeper->term,
             "\n  \"\"\" begins and ends several lines; a backslash at a line's end goes on.\n"
             "  Ctrl+C stops an answer, or clears the line; Ctrl+D ends.");
    return CLI_GO;
}

static int run_model(struct chat *c, const char *arg)
{
    if (!arg[0]) {
        term_say(&c->keeper->term, "%s on %s (%s)", c->model.text, c->keeper->node.name,
                 c->worker.id[0] ? c->worker.id : "no worker at the moment");
        return CLI_GO;
    }
    return chat_meet(c, arg);
}

static int run_system(struct chat *c, const char *arg)
{
    struct err err = {0};

    if (!arg[0])
        term_say(&c->keeper->term, "%s",
                 c->talk.system_text ? c->talk.system_text : "(no system text)");
    else if (conversation_set_system(&c->talk, str_eq(arg, "-") ? NULL : arg, &err))
        return refuse(c, "%s", err.text);
    return CLI_GO;
}

/* The path with "~/" as in a shell; free(). */
static char *expand(const char *path)
{
    const char *home = getenv("HOME");

    return str_starts(path, "~/") && home ? path_join(home, path + 2) : str_dup(path);
}

static int run_save(struct chat *c, const char *arg)
{
    char *path = arg[0] ? expand(arg) : NULL, *model = str_dup(c->model.text);
    struct err err = {0};
    int rc;

    if (!arg[0]) {
        free(model);
        return refuse(c, "/save needs a file's name");
    }
    if (!path || !model) {
        rc = err_no_memory(&err, strlen(arg), "a path");
        free(model);
    } else {
        free(c->talk.model);
        c->talk.model = model;
        rc = conversation_save(&c->talk, path, &err);
    }
    if (rc == 0)
        term_ok(&c->keeper->term, "Saved %zu message%s: %s", conversation_count(&c->talk),
                count_plural(conversation_count(&c->talk)), path);
    free(path);
    return rc ? refuse(c, "%s", err.text) : CLI_GO;
}

/* The messages of a file, its model, system and settings instead of ours. */
static int load(struct chat *c, const char *path)
{
    struct conversation talk;
    struct err err = {0};
    int rc = CLI_GO;

    if (conversation_load(path, &talk, &err))
        return refuse(c, "%s", err.text);
    if (talk.model && !str_eq(talk.model, c->model.text))
        rc = chat_meet(c, talk.model);
    if (rc != CLI_GO) {
        conversation_done(&talk);
        return rc;
    }
    conversation_done(&c->talk);
    c->talk = talk;
    c->figures = (struct figures){.ended = false};
    term_ok(&c->keeper->term, "Loaded %zu message%s: %s", conversation_count(&c->talk),
            count_plural(conversation_count(&c->talk)), path);
    return CLI_GO;
}

static int run_load(struct chat *c, const char *arg)
{
    char *path = arg[0] ? expand(arg) : NULL;
    int rc;

    if (!arg[0])
        return refuse(c, "/load needs a file's name");
    rc = path ? load(c, path) : refuse(c, "there is no memory for a path");
    free(path);
    return rc;
}

static int show_settings(struct chat *c, const char *name)
{
    struct buf text;
    struct err err = {0};
    int rc;

    buf_init(&text, SETTINGS_TEXT_MAX);
    rc = settings_show(c->talk.settings, name, &text, &err);
    if (text.len)
        text.data[--text.len] = '\0'; /* the last line feed */
    if (rc == 0)
        term_say(&c->keeper->term, "%s", buf_str(&text));
    buf_done(&text);
    return rc ? refuse(c, "%s", err.text) : CLI_GO;
}

static int run_set(struct chat *c, const char *arg)
{
    size_t n = strcspn(arg, " \t");
    const char *value = arg + n + strspn(arg + n, " \t");
    char name[WORD_MAX];
    struct err err = {0};

    if (n >= sizeof name)
        return refuse(c, "there is no setting of %zu letters; /set shows all", n);
    memcpy(name, arg, n);
    name[n] = '\0';
    if (!value[0])
        return show_settings(c, n ? name : NULL);
    if (settings_set(c->talk.settings, name, value, &err))
        return refuse(c, "%s", err.text);
    return CLI_GO;
}

static int run_stats(struct chat *c, const char *arg)
{
    bool on;

    if (!arg[0])
        chat_say_figures(c);
    else if (str_to_bool(arg, &on))
        return refuse(c, "/stats takes on or off, not '%.40s'", arg);
    else
        c->show_figures = on;
    return CLI_GO;
}

static int run_clear(struct chat *c, const char *arg)
{
    (void)arg;
    term_ok(&c->keeper->term, "Forgot %zu message%s", conversation_count(&c->talk),
            count_plural(conversation_count(&c->talk)));
    conversation_clear(&c->talk);
    c->figures = (struct figures){.ended = false};
    return CLI_GO;
}

static int run_bye(struct chat *c, const char *arg)
{
    (void)c;
    (void)arg;
    return CLI_DONE;
}

static const struct chat_command commands[] = {
    {"/help", "", "this list", run_help},
    {"/model", "[MODEL]", "talk on with another model; without one: who it is", run_model},
    {"/system", "[TEXT|-]", "what the model is to be; - takes it away", run_system},
    {"/set", "[NAME [VALUE]]", "sampling and limits: all, one, set one (default: undo)", run_set},
    {"/stats", "[on|off]", "the last answer's figures; on: behind each answer", run_stats},
    {"/save", "FILE", "keep the conversation", run_save},
    {"/load", "FILE", "go on with a kept one", run_load},
    {"/clear", "", "forget what was said", run_clear},
    {"/bye", "", "end (also Ctrl+D)", run_bye},
    {"/?", "", NULL, run_help}, /* as people know them from elsewhere */
    {"/exit", "", NULL, run_bye},
    {"/quit", "", NULL, run_bye},
    {0},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0] - 1)

static const struct chat_command *all_commands(void)
{
    return commands;
}

static int unknown(struct chat *c, const char *name)
{
    const char *names[N_COMMANDS + 1] = {NULL}, *near;

    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    near = cli_nearest(name, names);
    return refuse(c,
                  "there is no command '%.60s'%s%s%s; /help shows all. (A message that begins with "
                  "a slash goes between two \"\"\".)",
                  name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* What follows the name, without the blanks around it; free(). */
static char *argument(const char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n && strchr(" \t", text[n - 1]))
        n--;
    return str_ndup(text, n);
}

int chat_command(struct chat *c, const char *line)
{
    size_t n = strcspn(line, " \t");
    char name[WORD_MAX], *arg;
    int rc = CLI_ERROR;

    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name), line);
    arg = argument(line + n);
    if (!arg)
        return refuse(c, "there is no memory for a command");
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (str_eq(commands[i].name, name)) {
            rc = !commands[i].args[0] && arg[0]
                     ? refuse(c, "%s takes nothing behind it, not '%.40s'", name, arg)
                     : commands[i].run(c, arg);
            free(arg);
            return rc;
        }
    free(arg);
    return unknown(c, name);
}
