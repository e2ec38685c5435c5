/* cmd_node_list.c - `node list`. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/node/machines.h"
#include "keeper/node/unlisted.h"
#include "keeper/shell/interrupt.h"
#include "keeper/shell/table.h"

/* The one that other commands use, though it stands in no list. A host that nobody knows does not
 * answer; what is no node at all is said. */
static bool add_own(struct keeper *k, struct machine *m)
{
    const char *text = unlisted_node(k->config);
    struct err err = {0};
    struct node node;
    int rc;

    if (!text)
        return false;
    rc = node_resolve(k->config, text, node_known_by_resolver, NULL, &node, &err);
    if (rc && rc != ERR_UNREACHABLE) {
        term_note(&k->term, "[keeper] node: %s.", err.text);
        return false;
    }
    machine_set(k->config, m, node_listed_as(k->config, &node), &node.addr,
                str_starts(node.url, "https"));
    str_copy(m->name, sizeof m->name, text);
    return true;
}

/* [keeper] node first, then localhost, unless the list has its own; then the list. Returns how
 * many. */
static size_t gather(struct keeper *k, struct machine *machines)
{
    const struct config *config = k->config;
    size_t n = add_own(k, machines);

    if (!config_node_find(config, "localhost"))
        machine_set(config, &machines[n++], "localhost", NULL, false);
    for (size_t i = 0; i < config_n_nodes(config); i++) {
        const struct config_node *node = config_node_at(config, i);

        machine_set(config, &machines[n++], node->name, &node->addr, false);
    }
    return n;
}

static void print_table(struct keeper *k, const struct machine *machines,
                        const struct client_probe *probes, size_t n)
{
    static const char *const heads[] = {"NODE", "ADDRESS", "VERSION", "STATE"};
    struct table *t = table_create(heads, sizeof heads / sizeof heads[0]);

    for (size_t i = 0; t && i < n; i++) {
        char text[128];
        const char *const cells[] = {machines[i].name, machines[i].where,
                                     keeper_text(probes[i].answer, "version", "-"),
                                     machine_verdict(&probes[i], text, sizeof text)};

        table_add(t, cells);
    }
    if (t)
        table_print(t, "", &k->out);
    table_free(t);
}

static void print_json(struct keeper *k, const struct machine *machines,
                       const struct client_probe *probes, size_t n)
{
    json_t *list = json_array(), *root = json_pack("{s:o}", "nodes", list);

    for (size_t i = 0; root && i < n; i++) {
        const char *version = keeper_text(probes[i].answer, "version", NULL);
        char text[128];

        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s*, s:s}", "name",
                                              machines[i].name, "address", machines[i].where,
                                              "alive", version != NULL, "version", version, "state",
                                              machine_verdict(&probes[i], text, sizeof text)));
    }
    if (root)
        keeper_print_json(k, root);
    json_decref(root);
}

static int list(struct keeper *k, bool json)
{
    size_t max = config_n_nodes(k->config) + 2, n;
    struct machine *machines = calloc(max, sizeof *machines);
    struct client_probe *probes = calloc(max, sizeof *probes);
    int rc = CLI_DONE;

    if (!machines || !probes) {
        struct err err;

        err_no_memory(&err, max * sizeof *machines, "the list of nodes");
        rc = keeper_fail_err(k, API_INTERNAL, &err);
    } else {
        n = gather(k, machines);
        machines_probe(k, machines, probes, n);
        if (interrupt_seen())
            rc = keeper_cancelled(k);
        else if (json)
            print_json(k, machines, probes, n);
        else
            print_table(k, machines, probes, n);
        machines_done(probes, n);
    }
    free(machines);
    free(probes);
    return rc;
}

int cmd_node_list(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {.node = "localhost"};
    const struct cli_opt opts[] = {KEEPER_OPT_JSON(flags), {0}};
    struct keeper k;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO)
        rc = list(&k, flags.json);
    return keeper_end(&k, rc);
}
