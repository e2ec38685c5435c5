/* cmd_chat.c - `chat`: options, and the loop that reads turns and commands; see chat.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "keeper/ask/prompt.h"
#include "keeper/ask/sampling.h"
#include "keeper/ask/settings.h"
#include "keeper/chat/chat.h"
#include "keeper/chat/chat_commands.h"
#include "keeper/chat/editor.h"
#include "keeper/chat/turn.h"
#include "keeper/commands/commands.h"
#include "keeper/models/download.h"
#include "keeper/shell/interrupt.h"

#define PROMPT       ">>> "
#define PROMPT_GO_ON "... "
#define HISTORY_FILE "chat-history"

struct options {
    struct keeper_flags flags;
    struct target target;
    struct sampling sampling;
    const char *system_text, *resume;
};

/* One conversation's input. */
struct input {
    struct editor *editor;
    struct history history;
    struct buf line;
    struct turn turn;
    int rc; /* of a script: what failed last, CLI_DONE while nothing has */
};

static int parse(const struct cli_command *self, struct options *o, int argc, char **argv)
{
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o->flags),
        TARGET_OPT_MODEL(o->target),
        {"system", 0, CLI_STR, &o->system_text, 0, 0, "TEXT", "what the model is to be", 0},
        {"resume", 0, CLI_STR, &o->resume, 0, 0, "FILE", "go on with what /save kept", 0},
        SAMPLING_OPTS(o->sampling),
        TARGET_OPTS(o->target),
        {"quiet", 'q', CLI_FLAG, &o->flags.quiet, 0, 0, NULL,
         "only the answers and errors; no thoughts", 0},
        {0},
    };

    return cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);
}

/* ---- the beginning ---- */
/* The conversation as options and file have it; a usage error otherwise. */
static int make_talk(const struct options *o, struct conversation *talk, struct err *err)
{
    int rc = target_check(&o->target, err);

    if (rc == 0 && o->system_text && !str_is_utf8(o->system_text, strlen(o->system_text)))
        rc = err_set(err, ERR_INVALID, "--system takes UTF-8 text");
    if (rc == 0)
        rc = o->resume ? conversation_load(o->resume, talk, err) : conversation_init(talk, err);
    if (rc == 0 && o->system_text)
        rc = conversation_set_system(talk, o->system_text, err);
    return rc ? rc : settings_take(talk->settings, &o->sampling, err);
}

static void greet(struct chat *c)
{
    size_t n = conversation_count(&c->talk);

    if (n)
        term_note(&c->keeper->term, "Going on with %zu message%s.", n, n == 1 ? "" : "s");
    if (c->interactive)
        term_note(&c->keeper->term, "You talk to %s. /help tells more, Ctrl+D ends.",
                  download_short_name(c->model.text));
}

static int open_input(struct keeper *k, struct input *in, struct err *err)
{
    char *path = path_join(config_home(k->config), HISTORY_FILE);
    struct err lost = {0};

    buf_init(&in->line, PROMPT_MAX);
    turn_init(&in->turn);
    in->rc = CLI_DONE;
    in->history = (struct history){.path = NULL};
    if (path && isatty(STDIN_FILENO) && history_open(path, &in->history, &lost))
        term_note(&k->term, "What you type is not remembered: %s.", lost.text);
    free(path);
    return editor_open(&in->history, &in->editor, err);
}

static void close_input(struct input *in)
{
    editor_close(in->editor);
    history_close(&in->history);
    buf_done(&in->line);
    turn_done(&in->turn);
}

/* ---- the loop ---- */
/* Read again as it is, would it be a command, or go on in another line? */
static bool needs_quotes(const struct turn *t)
{
    const char *text = buf_str(&t->text);

    return t->literal && ((text[0] == '/' && !strchr(text, '\n')) ||
                          str_starts(text, TURN_QUOTES) || str_ends(text, "\\"));
}

static void remember(struct chat *c, struct input *in)
{
    const char *text = buf_str(&in->turn.text);
    char *quoted =
        needs_quotes(&in->turn) ? str_printf("%s%s%s", TURN_QUOTES, text, TURN_QUOTES) : NULL;
    struct err lost = {0};

    if (c->interactive)
        editor_remember(in->editor, quoted ? quoted : text);
    if (c->interactive && history_add(&in->history, quoted ? quoted : text, &lost)) {
        term_note(&c->keeper->term, "What you type is not remembered: %s.", lost.text);
        history_close(&in->history);
    }
    free(quoted);
}

static int say_bad(struct chat *c, const struct err *err)
{
    term_say(&c->keeper->term, "%s %s: %s; none of it was sent.", KEEPER_PROGRAM,
             c->keeper->command, err->text);
    return CLI_ERROR;
}

/* A whole turn, or command. CLI_GO, CLI_DONE to end, or what failed. */
static int take_turn(struct chat *c, struct input *in)
{
    const char *text = buf_str(&in->turn.text);

    remember(c, in);
    if (text[0] == '/' && !in->turn.literal)
        return chat_command(c, text);
    return chat_turn(c, text, in->turn.text.len);
}

static int take_step(struct chat *c, struct input *in, enum turn_step step, const struct err *err)
{
    int rc = CLI_GO;

    if (step == TURN_BAD)
        rc = say_bad(c, err);
    if (step == TURN_READY) {
        rc = take_turn(c, in);
        turn_clear(&in->turn);
    }
    return rc;
}

/* One line, and what comes of it: CLI_GO, CLI_DONE to end, or what failed. *over: the last. */
static int take_line(struct chat *c, struct input *in, bool *over)
{
    bool fresh = in->turn.state == TURN_FRESH;
    struct err err = {0};
    enum editor_end end;
    int rc = CLI_GO;

    buf_clear(&in->line);
    end = editor_read(in->editor, fresh ? PROMPT : PROMPT_GO_ON, &in->line, &err);
    *over = end == EDITOR_OVER;
    if (end == EDITOR_INTERRUPTED) {
        turn_clear(&in->turn);
        return CLI_INTERRUPTED;
    }
    if (end == EDITOR_FAILED) {
        *over = err.code != ERR_LIMIT;
        turn_spoil(&in->turn);
        return say_bad(c, &err);
    }
    if (end == EDITOR_LINE || in->line.len)
        rc = take_step(c, in, turn_line(&in->turn, buf_str(&in->line), in->line.len, &err), &err);
    if (*over && rc == CLI_GO)
        rc = take_step(c, in, turn_over(&in->turn, &err), &err);
    return rc;
}

/* An exit code. A person's session ends well however its turns went; a script hears of failures,
 * none of which is one of the command line. */
static int converse(struct chat *c, struct input *in)
{
    struct out *out = &c->keeper->out;
    bool over = false;

    while (!over && !out->closed && !out->error_errno) {
        int rc = take_line(c, in, &over);

        if (rc == CLI_DONE)
            break;
        if (rc != CLI_GO && !c->interactive)
            in->rc = rc == CLI_USAGE ? CLI_ERROR : rc;
        if (interrupt_seen() && !c->interactive)
            return CLI_INTERRUPTED;
        interrupt_clear();
        out->cut = false;
    }
    return in->rc;
}

static int start(struct chat *c, const struct options *o)
{
    const char *model = o->target.model ? o->target.model : c->talk.model;
    struct input in = {.editor = NULL};
    struct err err = {0};
    int rc = chat_meet(c, model ? model : TARGET_MODEL);

    if (rc != CLI_GO)
        return rc;
    if (open_input(c->keeper, &in, &err)) {
        rc = keeper_fail_err(c->keeper, API_INTERNAL, &err);
    } else {
        c->interactive = editor_is_interactive(in.editor);
        if (c->interactive)
            interrupt_session();
        greet(c);
        rc = converse(c, &in);
    }
    close_input(&in);
    return rc;
}

int cmd_chat(const struct cli_command *self, int argc, char **argv)
{
    struct keeper k = {.command = self->name};
    struct chat chat = {.keeper = &k};
    struct options o = {.system_text = NULL};
    struct err err = {0};
    int rc;

    target_init(&o.target);
    sampling_init(&o.sampling);
    o.sampling.max_tokens = SETTINGS_MAX_TOKENS;
    rc = parse(self, &o, argc, argv);
    if (rc != CLI_GO)
        return rc;
    chat.target = o.target;
    if (make_talk(&o, &chat.talk, &err))
        rc = keeper_usage(&k, "%s", err.text);
    else
        rc = keeper_begin(&k, self, &o.flags);
    if (rc == CLI_GO)
        rc = start(&chat, &o);
    chat_done(&chat);
    return keeper_end(&k, rc);
}
