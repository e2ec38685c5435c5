/* cmd_models_push.c - `models push`: a model of this machine's hive goes to another one. */
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/models/push.h"
#include "keeper/node/model.h"

struct pushing {
    struct keeper_flags flags; /* of the node it goes to */
    const char *what, *limit;
    uint64_t limit_rate;
};

static int check(struct keeper *k, struct pushing *o)
{
    if (!o->what)
        return keeper_usage(k, "name a model");
    if (!o->flags.node)
        return keeper_usage(k, "--node names the machine that it is for");
    return keeper_limit_rate(k, o->limit, &o->limit_rate);
}

/* The keeper's own node has to be on this machine: its files are read from the disk. */
static int run(struct keeper *from, struct keeper *to, const struct pushing *o)
{
    struct model_name name = {0};
    int rc;

    if (!from->node.local)
        return keeper_usage(from,
                            "the files are read on this machine, but the keeper's node is %.100s: "
                            "set [keeper] node to this machine's hive",
                            from->node.name);
    rc = model_name_read(from, o->what, &name);
    if (rc == CLI_GO)
        rc = push_model(from, to, name.text, o->limit_rate);
    model_name_done(&name);
    return rc;
}

int cmd_models_push(const struct cli_command *self, int argc, char **argv)
{
    struct pushing o = {0};
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o.flags),
        {"quiet", 'q', CLI_FLAG, &o.flags.quiet, 0, 0, NULL, "no progress, only errors", 0},
        {"limit-rate", 0, CLI_STR, &o.limit, 0, 0, "R", "bytes a second, as 500k or 10m (k = 1024)",
         0},
        {0}};
    struct keeper from = {.command = self->name}, to = {.command = self->name};
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &o.what, 1, &n);
    /* The key in the environment is the target's, unless --api-key says another one. */
    const struct keeper_flags own = {.quiet = o.flags.quiet, .kept_key_only = !o.flags.api_key};

    if (rc == CLI_GO)
        rc = check(&to, &o);
    if (rc != CLI_GO)
        return rc;
    rc = keeper_begin(&to, self, &o.flags);
    if (rc == CLI_GO) {
        rc = keeper_begin(&from, self, &own);
        if (rc == CLI_GO)
            rc = run(&from, &to, &o);
        keeper_close(&from);
    }
    return keeper_end(&to, rc);
}
