/* cmd_node.c - `node add`, `node list` and `node rm`: the keeper's list of machines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/dir_lock.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/commands.h"
#include "keeper/interrupt.h"
#include "keeper/keeper.h"
#include "keeper/node_secrets.h"
#include "keeper/pair.h"
#include "keeper/preflight.h"
#include "keeper/table.h"
#include "keeper/unlisted.h"
#include "version.h"

#define PROBE_MS     3000  /* a machine that takes longer is shown as not answering */
#define LOCK_WAIT_MS 10000 /* for another command that changes the same files */

struct machine {
    char name[CONFIG_HOST_MAX], where[CONFIG_HOST_MAX + 9], url[KEEPER_URL_MAX];
    struct node_secret secret;
};

/* `addr` NULL: this machine's, wherever it is. `tls`: also without a secret that says so. */
static void set_machine(const struct config *config, struct machine *m, const char *name,
                        const struct config_addr *addr, bool tls)
{
    struct config_addr at = {.host = "localhost", .port = CONFIG_DEFAULT_PORT};
    const char *home = config_home(config);
    bool found = false;

    *m = (struct machine){0};
    at = addr ? *addr : at;
    str_copy(m->name, sizeof m->name, name);
    /* What cannot be read is said when the node is spoken to; here it only does not answer. */
    node_secrets_find(home, name, &found, &m->secret, NULL);
    if (!found)
        node_secrets_own_hive(home, !addr, &at, &m->secret, NULL);
    config_addr_text(&at, m->where, sizeof m->where);
    snprintf(m->url, sizeof m->url, "%s://%s/v1/health", m->secret.tls || tls ? "https" : "http",
             m->where);
}

/* What a probe found, in a word or a sentence. dst_size >= 128. */
static const char *verdict(const struct client_probe *p, char *dst, size_t dst_size)
{
    const char *version = keeper_text(p->answer, "version", NULL);

    if (!p->answer && p->error.code == API_VERSION_MISMATCH)
        return "answers, but is no rbee-hive";
    if (!p->answer)
        return p->error.message[0] ? api_error_info(p->error.code)->code : "no answer";
    if (!version)
        return "answers, but is no rbee-hive";
    if (preflight_same_line(version, RBEE_VERSION))
        return "alive";
    snprintf(dst, dst_size, "alive, but this keeper is %s", RBEE_VERSION);
    return dst;
}

/* The answer's own health; NULL key when there is none. The machines' own keys come with them. */
static bool probe(struct keeper *k, const struct machine *machines, struct client_probe *probes,
                  size_t n)
{
    for (size_t i = 0; i < n; i++)
        probes[i] =
            (struct client_probe){.url = machines[i].url,
                                  .pin = machines[i].secret.pin[0] ? machines[i].secret.pin : NULL,
                                  .connect_timeout_ms = PROBE_MS};
    return client_probe_all(k->client, probes, n, PROBE_MS);
}

static void probes_done(struct client_probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_decref(probes[i].answer);
        api_error_done(&probes[i].error);
    }
}

/* ---- add ---- */
static void warn_if_silent(struct keeper *k, const char *name, const struct config_addr *addr)
{
    struct client_probe p;
    struct machine m;
    char text[128];

    set_machine(k->config, &m, name, addr, false);
    if (!probe(k, &m, &p, 1) || interrupt_seen()) {
        probes_done(&p, 1);
        return;
    }
    if (p.answer)
        out_printf(&k->out, "%s is %s (%s, %s).\n", name, m.where, verdict(&p, text, sizeof text),
                   keeper_text(p.answer, "version", "?"));
    else
        term_note(&k->term, "Added, but %s does not answer at %s yet: %s", name, m.where,
                  p.error.message);
    probes_done(&p, 1);
}

/* The lock under which the files of this home are changed. */
static int lock_home(const char *home, struct dir_lock *lock, struct err *err)
{
    int rc = path_make_dirs(home, 0700, err);

    *lock = DIR_LOCK_NONE;
    return rc ? rc : dir_lock_take(home, LOCK_WAIT_MS, interrupt_flag(), lock, err);
}

/* The secret, then the address; when that fails the secret that was there before is back. */
static int set_both(struct keeper *k, const char *name, const char *address,
                    const struct node_secret *secret, struct err *err)
{
    const char *home = config_home(k->config);
    struct node_secret before;
    bool found;
    int rc = node_secrets_find(home, name, &found, &before, err);

    if (rc == 0)
        rc = config_node_try(k->config, name, address, err);
    if (rc == 0)
        rc = node_secrets_put(home, name, secret, err);
    if (rc == 0) {
        rc = config_node_add(k->config, name, address, err);
        if (rc)
            node_secrets_put(home, name, found ? &before : NULL, NULL);
    }
    explicit_bzero(&before, sizeof before);
    return rc;
}

/* One that cannot be read counts: to remove it says what is wrong. */
static bool has_secret(const char *home, const char *name)
{
    struct node_secret secret;
    bool found = false;
    bool has = node_secrets_find(home, name, &found, &secret, NULL) != 0 || found;

    explicit_bzero(&secret, sizeof secret);
    return has;
}

/* A node whose line somebody deleted in an editor is known by its secret still. */
static int remove_line(struct keeper *k, const char *name, struct err *err)
{
    int rc = config_node_remove(k->config, name, err);

    return rc == ERR_NOT_FOUND && has_secret(config_home(k->config), name) ? 0 : rc;
}

/*
 * Two files are changed, and at no moment between may an address stand without its secret: what is
 * asked then would go out without TLS, with a key. So a secret is written before its address, and
 * removed behind it. Under the home's lock: keepers that add at once lost each other's lines.
 */
static int change(struct keeper *k, const char *name, const char *address,
                  const struct node_secret *secret, struct err *err)
{
    const char *home = config_home(k->config);
    struct dir_lock lock;
    int rc = lock_home(home, &lock, err);

    if (rc == 0 && secret)
        rc = set_both(k, name, address, secret, err);
    else if (rc == 0)
        rc = address ? config_node_add(k->config, name, address, err) : remove_line(k, name, err);
    if (rc == 0 && !secret)
        rc = node_secrets_put(home, name, NULL, err);
    dir_lock_release(&lock);
    return rc;
}

static int fail(struct keeper *k, int rc, const struct err *err)
{
    if (rc == ERR_INVALID)
        return keeper_usage(k, "%s", err->text);
    return keeper_fail_err(k, rc == ERR_LIMIT ? API_INVALID_REQUEST : API_INTERNAL, err);
}

/* Remembers address and secret; without a secret an older one of that name goes. */
static int remember(struct keeper *k, const char *name, const char *address,
                    const struct node_secret *secret)
{
    struct err err = {0};
    int rc = change(k, name, address, secret, &err);

    return rc ? fail(k, rc, &err) : 0;
}

/* A name that cannot be kept, one too many, or files that cannot be written, must not cost the
 * code, which works once. */
static int check_place(struct keeper *k, const char *name, const char *address)
{
    const char *home = config_home(k->config);
    struct err err = {0};
    struct dir_lock lock;
    int rc = lock_home(home, &lock, &err);

    if (rc == 0)
        rc = config_node_try(k->config, name, address, &err);
    if (rc == 0)
        rc = node_secrets_touch(home, &err);
    dir_lock_release(&lock);
    return rc ? fail(k, rc, &err) : 0;
}

/* Of a hive on a loopback address: its certificate is all there is to know. */
static int add_keyless(struct keeper *k, const char *name, const char *where,
                       const struct pair_line *line)
{
    struct node_secret secret = {.tls = true};
    int rc;

    str_copy(secret.pin, sizeof secret.pin, line->pin);
    rc = remember(k, name, where, &secret);
    if (rc == 0)
        term_ok(&k->term, "Paired: the hive is known by its certificate, and asks for no key.");
    return rc;
}

static int add_paired(struct keeper *k, const char *name, const char *link)
{
    char where[CONFIG_HOST_MAX + 9], print[8];
    struct node_secret secret;
    struct pair_line line;
    struct api_error e;
    struct err err = {0};
    int rc;

    if (pair_parse(link, &line, &err))
        return keeper_usage(k, "%s", err.text);
    config_addr_text(&line.addr, where, sizeof where);
    if (!line.code[0])
        return add_keyless(k, name, where, &line);
    rc = check_place(k, name, where);
    if (rc)
        return rc;
    if (pair_exchange(&line, &secret, print, &e)) {
        k->node = (struct node){0}; /* it is another one that said it */
        return keeper_fail(k, &e);
    }
    rc = remember(k, name, where, &secret);
    explicit_bzero(&secret, sizeof secret);
    if (rc == 0)
        term_ok(&k->term, "Paired: the key %s was made for this keeper.", print);
    return rc;
}

static int add(struct keeper *k, const char *name, const char *place)
{
    const struct node_secret by_authority = {.tls = true};

    if (str_starts(place, PAIR_SCHEME))
        return add_paired(k, name, place);
    if (str_starts(place, "https://"))
        return remember(k, name, place + strlen("https://"), &by_authority);
    return remember(k, name, place, NULL);
}

/* On a terminal a person is about to paste it. */
static int read_link(char link[PAIR_LINE_MAX], struct err *err)
{
    struct term term;

    term_init(&term, false);
    if (isatty(STDIN_FILENO))
        term_note(&term, "Paste the line that `rbee-hive pair` has printed:");
    return pair_read(stdin, link, err);
}

/* A pairing's code is in the process list no longer than it takes to read it: *place is a copy of
 * it then. Before the interrupt handler is there: Ctrl+C ends a waiting read. */
static int take_link(int argc, char **argv, const char **place, char link[PAIR_LINE_MAX],
                     struct err *err)
{
    const char *given = *place;

    if (str_eq(given, "-") || str_starts(given, PAIR_SCHEME))
        *place = link;
    if (str_eq(given, "-"))
        return read_link(link, err);
    if (*place == link && !str_copy(link, PAIR_LINE_MAX, given))
        str_copy(link, PAIR_LINE_MAX, PAIR_SCHEME); /* too long to be one: pair_parse says so */
    for (int i = 0; i < argc; i++)
        if (argv[i] == given)
            pair_hide(argv[i]);
    return 0;
}

int cmd_node_add(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {.node = "localhost"};
    const struct cli_opt opts[] = {{0}};
    const char *words[2];
    const struct config_node *added;
    struct keeper k = {.command = self->name};
    char link[PAIR_LINE_MAX] = PAIR_SCHEME;
    struct err err = {0};
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, words, 2, &n);

    if (rc != CLI_GO)
        return rc;
    if (n < 2)
        return keeper_usage(&k, "give a name and a host, such as 'bee2 192.168.1.20'");
    if (strcasecmp(words[0], "localhost") == 0) /* names know no case */
        return keeper_usage(&k, "'localhost' is this machine and cannot be another");
    if (take_link(argc, argv, &words[1], link, &err))
        return keeper_usage(&k, "%s", err.text);
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO)
        rc = add(&k, words[0], words[1]);
    if (rc == 0 && (added = config_node_find(k.config, words[0])) != NULL)
        warn_if_silent(&k, words[0], &added->addr);
    explicit_bzero(link, sizeof link);
    return keeper_end(&k, rc);
}

/* ---- list ---- */
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
    set_machine(k->config, m, node_listed_as(k->config, &node), &node.addr,
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
        set_machine(config, &machines[n++], "localhost", NULL, false);
    for (size_t i = 0; i < config_n_nodes(config); i++) {
        const struct config_node *node = config_node_at(config, i);

        set_machine(config, &machines[n++], node->name, &node->addr, false);
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
                                     verdict(&probes[i], text, sizeof text)};

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
                                              verdict(&probes[i], text, sizeof text)));
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
        probe(k, machines, probes, n);
        if (interrupt_seen())
            rc = keeper_cancelled(k);
        else if (json)
            print_json(k, machines, probes, n);
        else
            print_table(k, machines, probes, n);
        probes_done(probes, n);
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

/* ---- rm ---- */
int cmd_node_rm(const struct cli_command *self, int argc, char **argv)
{
    const struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {{0}};
    const char *word = NULL;
    struct keeper k = {.command = self->name};
    struct err err = {0};
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    if (rc != CLI_GO)
        return rc;
    if (n == 0)
        return keeper_usage(&k, "name a node");
    rc = keeper_open(&k, self, &flags);
    if (rc == CLI_GO) {
        rc = change(&k, word, NULL, NULL, &err);
        if (rc == ERR_NOT_FOUND)
            rc = keeper_fail_missing(&k, err.text, "`rbee-keeper node list` shows them.");
        else if (rc)
            rc = keeper_fail_err(&k, API_INTERNAL, &err);
        else
            out_printf(&k.out, "Removed the node %s.\n", word);
    }
    return keeper_end(&k, rc);
}
