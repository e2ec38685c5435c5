/* cmd_models.c - `models pull` and `rm`: what comes into a node's catalog, and what goes. */
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/models/download.h"
#include "keeper/models/one_model.h"
#include "keeper/node/contact.h"
#include "keeper/node/keeper.h"

#define REMOVE_TIMEOUT_MS 30000

static int pull(struct one_model *o, const struct download_wish *wish)
{
    struct download d;
    struct api_error e;

    if (download_run_as(&o->k, o->name.text, wish, &d, &e))
        return contact_refused(&o->k, &e);
    if (d.was_there || !wish->background)
        download_say(&o->k, &d);
    else
        out_printf(&o->k.out, "Downloading %s in the background, as %s.\n", o->name.text, d.id);
    return CLI_DONE;
}

int cmd_models_pull(const struct cli_command *self, int argc, char **argv)
{
    struct one_model o = {0};
    struct download_wish wish = {0};
    const char *limit = NULL;
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o.flags),
        {"quiet", 'q', CLI_FLAG, &o.flags.quiet, 0, 0, NULL, "no progress, only errors", 0},
        {"background", 'b', CLI_FLAG, &wish.background, 0, 0, NULL, "begin it and do not wait", 0},
        {"limit-rate", 0, CLI_STR, &limit, 0, 0, "R", "bytes a second, as 500k or 10m (k = 1024)",
         0},
        {"connections", 0, CLI_INT, &wish.connections, 1, 16, "N", "connections it may use", 0},
        {0}};
    int rc = one_model_begin(&o, self, opts, argc, argv);

    if (rc == CLI_GO)
        rc = keeper_limit_rate(&o.k, limit, &wish.limit_rate);
    if (rc == CLI_GO)
        rc = pull(&o, &wish);
    return one_model_end(&o, rc);
}

/* A model in use is refused as a bad request, though the command was right. */
static int fail_to_remove(struct keeper *k, struct api_error *e)
{
    bool in_use = client_last(k->client)->status == 409;
    int rc = keeper_fail(k, e);

    if (in_use && rc == CLI_USAGE)
        keeper_advise(k, "`rbee-keeper workers list` shows its workers, `rbee-keeper workers stop "
                         "WORKER` stops one; or use --force.");
    return rc == CLI_USAGE ? CLI_ERROR : rc;
}

static void say_removed(struct keeper *k, const char *name, const json_t *answer)
{
    int64_t freed = keeper_number(answer, "freed_bytes", -1);
    int64_t held = keeper_number(answer, "held_bytes", 0);
    char size[16];

    if (held > 0)
        out_printf(&k->out, "Removed %s; %s are free when its worker has ended.\n", name,
                   str_human_bytes((uint64_t)held, size, sizeof size));
    else if (freed >= 0)
        out_printf(&k->out, "Removed %s; it freed %s.\n", name,
                   str_human_bytes((uint64_t)freed, size, sizeof size));
    else
        out_printf(&k->out, "Removed %s.\n", name);
}

int cmd_models_rm(const struct cli_command *self, int argc, char **argv)
{
    struct one_model o = {0};
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o.flags),
        {"force", 'f', CLI_FLAG, &o.force, 0, 0, NULL, "also when a worker uses it", 0},
        {0}};
    struct client_ask ask = {.method = "DELETE", .timeout_ms = REMOVE_TIMEOUT_MS};
    char url[KEEPER_URL_MAX];
    json_t *answer = NULL;
    struct api_error e;
    int rc = one_model_begin(&o, self, opts, argc, argv);

    ask.url = url;
    if (rc == CLI_GO && (!one_model_url(&o, "/v1/models", o.force ? "&force=1" : "", url, &e) ||
                         contact_once(&o.k, &ask, "rbee-keeper models list", &answer, &e) ||
                         !contact_has(&o.k, answer, "removed", JSON_STRING, &e)))
        rc = fail_to_remove(&o.k, &e);
    if (rc == CLI_GO) {
        say_removed(&o.k, o.name.text, answer);
        rc = CLI_DONE;
    }
    json_decref(answer);
    return one_model_end(&o, rc);
}
