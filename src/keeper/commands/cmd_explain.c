/* cmd_explain.c - `explain`: would each node run a model now, with what memory, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/str.h"
#include "keeper/ask/workers.h"
#include "keeper/commands/commands.h"
#include "keeper/node/keeper.h"
#include "keeper/node/model.h"
#include "keeper/node/preflight.h"
#include "keeper/node/unlisted.h"
#include "keeper/shell/interrupt.h"
#include "keeper/shell/table.h"

#define EXPLAIN_MS         30000 /* the hive has the file looked into before it answers */
#define EXPLAIN_CONNECT_MS 3000  /* a machine that takes longer is off, as for `node list` */

/* A node's part: how it is asked, or its answer already. */
struct asked {
    char name[CONFIG_HOST_MAX], node_url[NODE_URL_MAX], url[KEEPER_URL_MAX];
    struct node_secret secret; /* with the key that goes there */
    char *body;                /* owned; NULL: nothing is asked */
    json_t *answer;            /* owned */
};

struct explain {
    struct keeper_flags flags;
    const char *model, *backend;
    int64_t device, slots, ctx;
    struct asked *asked; /* in the order of the table */
    size_t n_asked;
    struct table *table;
    json_t *answers; /* one for each node that was asked */
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
    text = body ? json_write(body, JSON_COMPACT) : NULL;
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

static void note(struct explain *o, const struct asked *a)
{
    json_t *answer = a->answer;
    char need[16], have[16];
    const char *decision = keeper_text(answer, "decision", "?");
    const char *const cells[] = {a->name, decision, bytes_of(answer, "need", "total_bytes", need),
                                 bytes_of(answer, "have", "usable_bytes", have),
                                 keeper_text(answer, "reason", "")};

    o->n_would += str_eq(decision, "reuse") || str_eq(decision, "start") ||
                  str_eq(decision, "make_room") || str_eq(decision, "wait");
    if (o->table)
        table_add(o->table, cells);
    json_object_set_new(answer, "asked_node", json_string(a->name));
    json_array_append(o->answers, answer);
}

/* ---- asking ---- */
/*
 * A path that begins in our folder means nothing on another machine. To a person who named that
 * machine model_name_read says so; among others it is this node's answer.
 */
static json_t *answer_without_asking(const struct keeper *k, const struct explain *o)
{
    struct api_error e;

    if (o->flags.node || k->node.local || !model_name_is_relative(o->model))
        return NULL;
    api_error_set(&e, API_INVALID_MODEL_REF, "keeper",
                  "the path '%.200s' is relative, and this node is another machine", o->model);
    return refusal(&e);
}

/* What goes to the node that the keeper is connected to. CLI_GO, or an exit code. */
static int prepare(struct keeper *k, const struct explain *o, struct asked *a)
{
    struct model_name model = {0};
    struct err err = {0};
    int rc = CLI_GO;

    a->secret = k->secret;
    str_copy(a->secret.key, sizeof a->secret.key, k->key ? k->key : "");
    str_copy(a->node_url, sizeof a->node_url, k->node.url);
    keeper_url(k, a->url, "/v1/workers/explain");
    a->answer = answer_without_asking(k, o);
    if (!a->answer)
        rc = model_name_read(k, o->model, &model);
    if (!a->answer && rc == CLI_GO && !(a->body = question(o, model.text))) {
        err_no_memory(&err, strlen(model.text), "the question");
        rc = keeper_fail_err(k, API_INTERNAL, &err);
    }
    model_name_done(&model);
    return rc;
}

/* Connects to it: CLI_GO, or an exit code. Among others, what is wrong with one is its answer; and
 * a key that was typed, or is in the environment, is that of the node of the settings. */
static int reach(struct keeper *k, const struct explain *o, const char *name, struct asked *a)
{
    struct keeper_flags flags = o->flags;
    struct api_error e;

    flags.node = name;
    flags.kept_key_only = !o->flags.node && !str_eq(name, unlisted_name(k->config));
    if (keeper_reach(k, &flags, &e) == 0)
        return CLI_GO;
    if (o->flags.node || e.code == API_INVALID_REQUEST)
        return keeper_fail_reach(k, &e);
    a->answer = refusal(&e);
    api_error_done(&e);
    return CLI_GO;
}

/* One node: how it is to be asked is in its place then, or why it cannot be. */
static int add_node(struct keeper *k, struct explain *o, const char *name)
{
    struct asked *a = &o->asked[o->n_asked];
    int rc = reach(k, o, name, a);

    if (rc == CLI_GO && !a->answer)
        rc = prepare(k, o, a);
    client_close(k->client);
    k->client = NULL;
    if (rc == CLI_GO) {
        str_copy(a->name, sizeof a->name, name);
        o->n_asked++;
    }
    return rc;
}

/* The node that was named; or the one that other commands use, this machine and all that the keeper
 * knows. One that cannot be asked keeps nobody from asking the others. */
static int gather(struct keeper *k, struct explain *o)
{
    const char *own = unlisted_node(k->config);
    size_t n = config_n_nodes(k->config);
    struct err err;
    int rc = CLI_GO;

    o->asked = calloc(n + 2, sizeof *o->asked);
    if (!o->asked) {
        err_no_memory(&err, (n + 2) * sizeof *o->asked, "the list of nodes");
        return keeper_fail_err(k, API_INTERNAL, &err);
    }
    if (o->flags.node)
        return add_node(k, o, o->flags.node);
    if (own)
        rc = add_node(k, o, own);
    if (rc == CLI_GO && !config_node_find(k->config, "localhost"))
        rc = add_node(k, o, "localhost");
    for (size_t i = 0; i < n && !interrupt_seen() && rc == CLI_GO; i++)
        rc = add_node(k, o, config_node_at(k->config, i)->name);
    return rc;
}

static struct client_probe probe_of(const struct asked *a)
{
    return (struct client_probe){.url = a->url,
                                 .pin = a->secret.pin[0] ? a->secret.pin : NULL,
                                 .key = a->secret.key[0] ? a->secret.key : NULL,
                                 .body = a->body,
                                 .connect_timeout_ms = EXPLAIN_CONNECT_MS};
}

/* Who knows no such question may be of another version: asked, as it does answer, it says so. */
static void doubt(struct client *c, const struct asked *a, struct client_probe *p)
{
    char url[KEEPER_URL_MAX];
    struct client_probe health = {
        .url = url, .pin = p->pin, .connect_timeout_ms = EXPLAIN_CONNECT_MS};
    struct api_error why = {0};

    if (p->error.code != API_NOT_FOUND && p->error.code != API_METHOD_NOT_ALLOWED)
        return;
    snprintf(url, sizeof url, "%s/v1/health", a->node_url);
    if (client_probe_all(c, &health, 1, KEEPER_LIST_MS) && health.answer &&
        preflight_check(a->node_url, health.answer, &why)) {
        api_error_done(&p->error);
        p->error = why;
    }
    json_decref(health.answer);
    api_error_done(&health.error);
}

/* The caller's. What tells no decision is no hive's answer. */
static json_t *answer_of(struct client_probe *p)
{
    json_t *answer = p->answer;

    if (answer && !keeper_text(answer, "decision", NULL)) {
        json_decref(answer);
        answer = NULL;
        client_foreign(&p->error, p->url, "its answer tells no decision");
    }
    if (!answer)
        answer = refusal(&p->error);
    api_error_done(&p->error);
    return answer;
}

static bool is_open(const struct asked *a)
{
    return a->body && !a->answer;
}

/* The questions that are left, all at the same time: a machine that is off costs the others
 * nothing. */
static void ask_open(struct client *c, struct explain *o, struct client_probe *probes)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n_asked; i++)
        if (is_open(&o->asked[i]))
            probes[n++] = probe_of(&o->asked[i]);
    if (n > 0)
        client_probe_all(c, probes, n, EXPLAIN_MS);
    n = 0;
    for (size_t i = 0; i < o->n_asked; i++)
        if (is_open(&o->asked[i])) {
            doubt(c, &o->asked[i], &probes[n]);
            o->asked[i].answer = answer_of(&probes[n++]);
        }
}

/* The worker that a hive would give is as large as it is: with one that is too small `infer` has
 * another one started (pool.c). */
static bool is_too_small(const struct explain *o, const json_t *answer)
{
    return str_eq(keeper_text(answer, "decision", ""), "reuse") &&
           (keeper_number(answer, "ctx", INT64_MAX) < o->ctx ||
            keeper_number(answer, "slots", INT64_MAX) < o->slots);
}

/* The question is open again, for a new worker. */
static void want_new(struct asked *a)
{
    json_t *body = json_loads(a->body, 0, NULL);
    char *text = NULL;

    if (body && json_object_set_new(body, "new", json_true()) == 0)
        text = json_write(body, JSON_COMPACT);
    json_decref(body);
    if (!text)
        return;
    free(a->body);
    a->body = text;
    json_decref(a->answer);
    a->answer = NULL;
}

static void ask_all(struct client *c, struct explain *o, struct client_probe *probes)
{
    ask_open(c, o, probes);
    for (size_t i = 0; i < o->n_asked; i++)
        if (o->asked[i].body && is_too_small(o, o->asked[i].answer))
            want_new(&o->asked[i]);
    ask_open(c, o, probes);
}

/* CLI_GO with all that they say in the table, or an exit code. */
static int ask(struct keeper *k, struct explain *o)
{
    struct client_probe *probes = calloc(o->n_asked + 1, sizeof *probes);
    struct err err = {0};
    int rc = CLI_GO;

    if (!probes)
        err_no_memory(&err, (o->n_asked + 1) * sizeof *probes, "the questions");
    if (!probes || client_open(NULL, &k->client, &err))
        rc = keeper_fail_err(k, API_INTERNAL, &err);
    else
        ask_all(k->client, o, probes);
    free(probes);
    if (rc == CLI_GO && interrupt_seen())
        return keeper_cancelled(k);
    for (size_t i = 0; rc == CLI_GO && i < o->n_asked; i++)
        if (o->asked[i].answer)
            note(o, &o->asked[i]);
    return rc;
}

static void forget(struct explain *o)
{
    for (size_t i = 0; i < o->n_asked; i++) {
        explicit_bzero(&o->asked[i].secret, sizeof o->asked[i].secret);
        json_decref(o->asked[i].answer);
        free(o->asked[i].body);
    }
    free(o->asked);
}

/* ---- telling ---- */
/* What the need is made of, and who would be ended: for one node there is place for it. */
static void print_details(struct keeper *k, const json_t *a)
{
    char weights[16], kv[16], scratch[16], frees[16], id[WORKERS_SHORT_BYTES];
    const json_t *end;
    size_t i;

    if (!json_object_get(a, "need"))
        return;
    out_printf(&k->out,
               "Weights %s, KV cache %s (%lld slot%s of %lld positions, %s), to compute in %s.\n",
               bytes_of(a, "need", "weights_bytes", weights), bytes_of(a, "need", "kv_bytes", kv),
               (long long)keeper_number(a, "slots", 0),
               keeper_number(a, "slots", 0) == 1 ? "" : "s", (long long)keeper_number(a, "ctx", 0),
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
        rc = gather(&k, &o);
        if (rc == CLI_GO)
            rc = interrupt_seen() ? keeper_cancelled(&k) : ask(&k, &o);
        if (rc == CLI_GO) {
            print(&k, &o);
            rc = o.n_would > 0 ? CLI_DONE : CLI_ERROR;
        }
    }
    table_free(o.table);
    json_decref(o.answers);
    forget(&o);
    return keeper_end(&k, rc);
}
