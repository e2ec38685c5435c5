/* cmd_explain.c - `explain`: would each node run a model now, with what memory, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "keeper/commands.h"
#include "keeper/interrupt.h"
#include "keeper/keeper.h"
#include "keeper/model.h"
#include "keeper/table.h"
#include "keeper/workers.h"

#define EXPLAIN_MS 30000 /* the hive has the file looked into before it answers */

struct explain {
    struct keeper_flags flags;
    const char *model, *backend;
    int64_t device, slots, ctx;
    struct table *table;
    json_t *answers; /* one for each node that was asked, in the order of the table */
    size_t n_would;  /* nodes that would run it */
};

static int parse(const struct cli_command *self, struct explain *o, int argc, char **argv)
{
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o->flags),
        KEEPER_OPT_JSON(o->flags),
        {"model", 'm', CLI_STR, &o->model, 0, 0, "MODEL",
         "hf:org/repo[:Q4_K_M], a .gguf file, or tiny (tiny)", 0},
        {"backend", 0, CLI_STR, &o->backend, 0, 0, "B", "auto, cpu, cuda, metal or vulkan (auto)",
         0},
        {"device", 0, CLI_INT, &o->device, 0, 255, "N", "which of the backend's devices", 0},
        {"slots", 0, CLI_INT, &o->slots, 1, 64, "N", "requests at once", 0},
        {"ctx", 0, CLI_INT, &o->ctx, 1, 16777216, "N", "context of a request, in tokens", 0},
        {0},
    };

    return cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);
}

static char *question(const struct explain *o, const char *model_ref)
{
    json_t *body = json_pack("{s:s, s:s}", "model_ref", model_ref, "backend", o->backend);
    char *text;

    if (body && o->device > 0)
        json_object_set_new(body, "device", json_integer(o->device));
    if (body && o->slots)
        json_object_set_new(body, "slots", json_integer(o->slots));
    if (body && o->ctx)
        json_object_set_new(body, "ctx", json_integer(o->ctx));
    text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

/* What stands in the place of an answer when there is none. */
static json_t *refusal(const struct api_error *e)
{
    const char *code = api_error_info(e->code)->code;

    return json_pack("{s:s, s:s, s:s}", "decision",
                     e->code == API_MODEL_NOT_FOUND ? "pull first" : "refuse", "code", code,
                     "reason", e->message);
}

static const char *bytes_of(const json_t *answer, const char *group, const char *name, char dst[16])
{
    int64_t n = keeper_number(json_object_get(answer, group), name, -1);

    return n < 0 ? "-" : str_human_bytes((uint64_t)n, dst, 16);
}

static void note(struct explain *o, const char *node, json_t *answer)
{
    char need[16], have[16];
    const char *decision = keeper_text(answer, "decision", "?");
    const char *const cells[] = {node, decision, bytes_of(answer, "need", "total_bytes", need),
                                 bytes_of(answer, "have", "usable_bytes", have),
                                 keeper_text(answer, "reason", "")};

    o->n_would +=
        str_eq(decision, "reuse") || str_eq(decision, "start") || str_eq(decision, "make_room");
    if (o->table)
        table_add(o->table, cells);
    json_object_set_new(answer, "asked_node", json_string(node));
    json_array_append_new(o->answers, answer);
}

/* Asks the node that the keeper is connected to. CLI_GO, or an exit code. */
static int ask_node(struct keeper *k, struct explain *o, const char *node)
{
    char url[KEEPER_URL_MAX], *body = NULL;
    struct client_ask ask = {.method = "POST", .timeout_ms = EXPLAIN_MS};
    struct model_name model;
    struct api_error e = {0};
    json_t *answer = NULL;
    int rc = model_name_read(k, o->model, &model);

    if (rc == CLI_GO && !(body = question(o, model.text))) {
        struct err err;

        err_no_memory(&err, strlen(model.text), "the question");
        rc = keeper_fail_err(k, API_INTERNAL, &err);
    }
    if (rc == CLI_GO) {
        ask.url = keeper_url(k, url, "/v1/workers/explain");
        ask.body = body;
        if (client_json(k->client, &ask, &answer, &e)) {
            if (interrupt_seen())
                rc = keeper_fail(k, &e);
            else
                answer = refusal(&e);
            api_error_done(&e);
        }
    }
    if (answer)
        note(o, node, answer);
    free(body);
    model_name_done(&model);
    return rc;
}

/* One node, connected to for this question alone. */
static int visit(struct keeper *k, struct explain *o, const char *node)
{
    struct keeper_flags flags = o->flags;
    int rc;

    flags.node = node;
    rc = keeper_connect(k, &flags);
    if (rc == CLI_GO)
        rc = ask_node(k, o, node);
    client_close(k->client);
    k->client = NULL;
    return rc;
}

/* The node that was named, or this machine and all that the keeper knows. */
static int visit_all(struct keeper *k, struct explain *o)
{
    int rc = CLI_GO;

    if (o->flags.node)
        return visit(k, o, o->flags.node);
    if (!config_node_find(k->config, "localhost"))
        rc = visit(k, o, "localhost");
    for (size_t i = 0; i < config_n_nodes(k->config) && !interrupt_seen(); i++) {
        int one = visit(k, o, config_node_at(k->config, i)->name);

        rc = rc == CLI_GO ? one : rc;
    }
    return rc;
}

/* What the need is made of, and who would be ended: for one node there is place for it. */
static void print_details(struct keeper *k, const json_t *a)
{
    char weights[16], kv[16], scratch[16], frees[16], id[WORKERS_SHORT_BYTES];
    const json_t *end;
    size_t i;

    if (!json_object_get(a, "need"))
        return;
    out_printf(&k->out,
               "Weights %s, KV cache %s (%lld slots of %lld positions, %s), to compute in %s.\n",
               bytes_of(a, "need", "weights_bytes", weights), bytes_of(a, "need", "kv_bytes", kv),
               (long long)keeper_number(a, "slots", 0), (long long)keeper_number(a, "ctx", 0),
               keeper_text(a, "kv_type", "?"), bytes_of(a, "need", "scratch_bytes", scratch));
    json_array_foreach(json_object_get(a, "ends"), i, end) out_printf(
        &k->out, "Would be ended: %s (%s), which gives %s back.\n",
        workers_short_id(keeper_text(end, "worker_id", "?"), id),
        keeper_text(end, "model_ref", "?"),
        str_human_bytes((uint64_t)keeper_number(end, "frees_bytes", 0), frees, sizeof frees));
}

static void print(struct keeper *k, const struct explain *o)
{
    if (o->flags.json) {
        json_t *root = json_pack("{s:O}", "nodes", o->answers);

        if (root)
            keeper_print_json(k, root);
        json_decref(root);
        return;
    }
    table_print(o->table, "No node could be asked.", &k->out);
    if (json_array_size(o->answers) == 1)
        print_details(k, json_array_get(o->answers, 0));
}

int cmd_explain(const struct cli_command *self, int argc, char **argv)
{
    static const char *const heads[] = {"NODE", "DECISION", "NEEDS", "MAY TAKE", "WHY"};
    struct explain o = {.model = "tiny", .backend = "auto"};
    struct keeper k = {.command = self->name};
    int rc = parse(self, &o, argc, argv);

    if (rc != CLI_GO)
        return rc;
    o.table = table_create(heads, sizeof heads / sizeof heads[0]);
    o.answers = json_array();
    rc = keeper_open(&k, self, &o.flags);
    if (rc == CLI_GO && o.table && o.answers) {
        rc = visit_all(&k, &o);
        if (json_array_size(o.answers) > 0)
            print(&k, &o);
        if (rc == CLI_GO)
            rc = o.n_would > 0 ? CLI_DONE : CLI_ERROR;
    }
    table_free(o.table);
    json_decref(o.answers);
    return keeper_end(&k, rc);
}
