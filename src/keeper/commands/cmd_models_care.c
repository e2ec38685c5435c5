/* cmd_models_care.c - `models verify` and `prune`: is all as it was, and what is of no use? */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json_whole.h"
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/models/chore.h"
#include "keeper/node/advice.h"
#include "keeper/node/contact.h"
#include "keeper/node/model.h"
#include "keeper/shell/interrupt.h"
#include "keeper/shell/table.h"

/* ---- verify ---- */

static void say_bad(struct keeper *k, const char *ref, const json_t *event)
{
    const char *kept_as = keeper_text(event, "kept_as", NULL);
    const char *hint = keeper_text(event, "hint", NULL);
    bool pulls = str_starts(ref, "hf:");
    char *ours = str_printf("`rbee-keeper models %s %s`%s.", pulls ? "pull" : "rm", ref,
                            pulls ? " fetches it again" : ", then import it again");
    char *todo = advice_at(hint ? hint : ours ? ours : "", k->node_option);

    out_printf(&k->out, "%s: BAD: %s. It is out of use now", ref,
               keeper_text(event, "message", "?"));
    if (kept_as)
        out_printf(&k->out, " (%s)", kept_as);
    out_printf(&k->out, "%s %s\n", hint ? "." : ";", todo ? todo : "");
    free(ours);
    free(todo);
}

static void on_verified(void *arg, struct keeper *k, const json_t *event)
{
    const char *stage = keeper_text(event, "stage", ""),
               *ref = keeper_text(event, "model_ref", "?");

    (void)arg;
    if (str_eq(stage, "verified"))
        out_printf(&k->out, "%s: as it was, SHA-256 %s\n", ref, keeper_text(event, "sha256", "?"));
    else if (str_eq(stage, "noted"))
        out_printf(&k->out, "%s: nobody told its digest; from now on it is SHA-256 %s\n", ref,
                   keeper_text(event, "sha256", "?"));
    else
        say_bad(k, ref, event);
}

int cmd_models_verify(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(flags),
        KEEPER_OPT_JSON(flags),
        {"quiet", 'q', CLI_FLAG, &flags.quiet, 0, 0, NULL, "no progress, only results", 0},
        {0}};
    struct chore chore = {.path = "/v1/models/verify", .again = true, .on_result = on_verified};
    struct model_name name = {0};
    const char *word = NULL;
    struct keeper k;
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO && word)
        rc = model_name_read(&k, word, &name);
    if (rc == CLI_GO) {
        chore.json = flags.json;
        chore.body = word ? json_pack("{s:s}", "model_ref", name.text) : json_object();
        rc = chore_watch(&k, &chore);
    }
    model_name_done(&name);
    return keeper_end(&k, rc);
}

/* ---- prune ---- */

static void print_plan(struct keeper *k, const json_t *plan)
{
    static const char *const heads[] = {"WHAT", "FREES", "WHY"};
    struct table *t = table_create(heads, sizeof heads / sizeof heads[0]);
    char size[16];
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(plan, "items"), i, item)
    {
        const char *const cells[] = {
            keeper_text(item, "path", keeper_text(item, "model_ref", "?")),
            str_human_bytes((uint64_t)keeper_number(item, "size_bytes", 0), size, sizeof size),
            keeper_text(item, "why", "?")};

        if (t)
            table_add(t, cells);
    }
    if (t)
        table_print(t, "There is nothing to delete.", &k->out);
    if (keeper_number(plan, "left_out", 0) > 0)
        term_say(&k->term, "%lld more can be deleted once these are: prune again then.",
                 (long long)keeper_number(plan, "left_out", 0));
    table_free(t);
}

/* Is there a person who has seen the list, sees the question and can answer it? */
static bool may_ask(const struct keeper *k)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && k->out.tty && !k->out.closed &&
           !k->out.error_errno;
}

/* A person's line. One who interrupts instead may do so before anything is read: no read is begun
 * that would wait for a line behind it. */
static bool hear(char *line, int size)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

    while (!interrupt_seen())
        if (poll(&p, 1, INTERRUPT_LOOK_MS) > 0)
            return fgets(line, size, stdin) != NULL;
    return false;
}

/* Asks a person who sits at a terminal. */
static bool may_delete(struct keeper *k, const json_t *plan)
{
    char size[16], line[16];
    bool answered;

    str_human_bytes((uint64_t)keeper_number(plan, "freed_bytes", 0), size, sizeof size);
    if (!may_ask(k)) {
        term_say(&k->term, "Nothing was deleted. --yes deletes this and frees %s.", size);
        return false;
    }
    fprintf(stderr, "Delete this, which frees %s? [y/N] ", size);
    fflush(stderr);
    answered = hear(line, sizeof line);
    if (answered && (line[0] == 'y' || line[0] == 'Y'))
        return true;
    if (!answered)
        fputc('\n', stderr); /* what is said next gets a row of its own */
    if (!interrupt_seen())
        term_say(&k->term, "Nothing was deleted.");
    return false;
}

/* How many could not be deleted; each is told. */
static size_t say_kept(struct keeper *k, const json_t *done)
{
    const json_t *item;
    size_t i, n = 0;

    json_array_foreach(json_object_get(done, "items"), i, item)
    {
        const char *why = keeper_text(item, "kept", NULL);

        if (!why)
            continue;
        term_say(&k->term, "%s could not be deleted: %s",
                 keeper_text(item, "path", keeper_text(item, "model_ref", "?")), why);
        n++;
    }
    return n;
}

static int delete_all(struct keeper *k, const json_t *plan, bool json)
{
    char url[KEEPER_URL_MAX], size[16];
    json_t *body = json_pack("{s:s}", "plan", keeper_text(plan, "plan", "")), *done = NULL;
    struct client_ask ask = {.method = "POST"};
    char *text = body ? json_write(body, JSON_COMPACT) : NULL;
    struct api_error e = {0};
    int rc;

    json_decref(body);
    ask.url = keeper_url(k, url, "/v1/models/prune");
    ask.body = text;
    rc = client_json(k->client, &ask, &done, &e) ||
                 !contact_has(k, done, "freed_bytes", JSON_INTEGER, &e)
             ? contact_refused(k, &e)
             : CLI_DONE;
    free(text);
    if (rc == CLI_DONE && json)
        keeper_print_json(k, done);
    str_human_bytes((uint64_t)keeper_number(done, "freed_bytes", 0), size, sizeof size);
    if (rc == CLI_DONE && say_kept(k, done)) {
        term_say(&k->term, "The others were deleted; %s are free again.", size);
        rc = CLI_ERROR;
    } else if (rc == CLI_DONE && !json) {
        term_ok(&k->term, "Deleted; %s are free again.", size);
    }
    json_decref(done);
    return rc;
}

int cmd_models_prune(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    bool yes = false;
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(flags),
        KEEPER_OPT_JSON(flags),
        {"yes", 'y', CLI_FLAG, &yes, 0, 0, NULL, "delete without asking", 0},
        {0}};
    struct api_error e;
    json_t *plan = NULL;
    struct keeper k;
    bool any;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO && contact_list(&k, "/v1/models/prune", "items", &plan, &e))
        rc = keeper_fail(&k, &e);
    any = json_array_size(json_object_get(plan, "items")) > 0;
    if (rc == CLI_GO && flags.json && !(yes && any))
        keeper_print_json(&k, plan);
    else if (rc == CLI_GO && !flags.json)
        print_plan(&k, plan);
    if (rc == CLI_GO && any && (yes || (!flags.json && may_delete(&k, plan))))
        rc = delete_all(&k, plan, flags.json);
    else if (rc == CLI_GO && interrupt_seen())
        rc = keeper_cancelled(&k);
    json_decref(plan);
    return keeper_end(&k, rc == CLI_GO ? CLI_DONE : rc);
}
