/* keeper.c - see keeper.h. */
#include "keeper/node/keeper.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/json_whole.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/node/advice.h"
#include "keeper/shell/interrupt.h"

int keeper_open(struct keeper *k, const struct cli_command *command, const struct keeper_flags *f)
{
    struct err err = {0};
    char *home = NULL;
    int rc;

    *k = (struct keeper){.command = command->name, .timings = k->timings};
    term_init(&k->term, f->quiet);
    out_init(&k->out);
    interrupt_install();
    rc = path_rbee_home(NULL, &home, &err);
    if (rc == 0)
        rc = config_open(home, &k->config, &err);
    free(home);
    if (rc) /* what cannot be read is not what somebody has written wrong */
        return keeper_fail_err(k,
                               rc == ERR_DENIED || rc == ERR_IO || rc == ERR_NO_MEMORY
                                   ? API_INTERNAL
                                   : API_INVALID_REQUEST,
                               &err);
    return CLI_GO;
}

/* An error without a code of its own. */
static void error_of(enum api_code code, const struct err *err, struct api_error *e)
{
    if (code == API_INTERNAL && err->code == ERR_NO_SPACE)
        code = API_DISK_FULL;
    api_error_set(e, code, "keeper", "%s", err->text);
    if (code == API_INTERNAL &&
        err->code != ERR_NO_MEMORY) /* files of the user's: no fault of ours */
        e->details = json_pack("{s:s}", "hint", "See to what it names, and try again.");
}

/* The one place that chooses the key: flag, then environment. NULL = what is known of the node. */
static const char *choose_key(const struct keeper_flags *f)
{
    const char *key = f->kept_key_only ? NULL : f->api_key ? f->api_key : getenv("RBEE_API_KEY");

    return key && key[0] ? key : NULL;
}

/* A key goes into a header: printable ASCII only, and of a sane length. */
static bool is_key(const char *key)
{
    size_t n = 0;

    for (; key[n] && n <= KEEPER_KEY_MAX; n++)
        if (key[n] <= ' ' || key[n] > '~')
            return false;
    return n <= KEEPER_KEY_MAX;
}

static int node_error(int rc, const struct err *err, struct api_error *e)
{
    if (rc != ERR_UNREACHABLE) {
        api_error_set(e, API_INVALID_REQUEST, "keeper", "%s", err->text);
        return -1;
    }
    api_error_set(e, API_CONNECTION_REFUSED, "keeper", "%s", err->text);
    e->details = json_pack("{s:s}", "hint",
                           "Check the name; `rbee-keeper node list` shows the ones known, "
                           "`rbee-keeper node add NAME HOST` adds one.");
    return -1;
}

/* What the hive of this home says of itself, if it is the node; "localhost" alone is where that one
 * is. What is wrong with its file concerns nobody who speaks to another machine. */
static int find_own_hive(struct keeper *k, const char *typed, struct err *err)
{
    bool here = strcasecmp(typed, "localhost") == 0 && !config_node_find(k->config, typed);
    bool listed = config_node_find(k->config, node_listed_as(k->config, &k->node)) != NULL;
    struct config_addr addr = k->node.addr;
    int rc = node_secrets_own_hive(config_home(k->config), here, &addr, &k->secret, err);

    k->hive_is_over = rc == 0 && !node_secrets_hive_runs(config_home(k->config));
    if (k->hive_is_over && listed) { /* somebody else's, said its owner */
        k->hive_is_over = false;
        k->secret = (struct node_secret){0};
        rc = ERR_NOT_FOUND;
    }
    if (rc == 0 && here)
        node_move(&k->node, &addr);
    return rc == ERR_NOT_FOUND || !k->node.local ? 0 : rc;
}

/* What `node add` has kept of this node, or it is the hive of this home. */
static int find_secret(struct keeper *k, const char *typed, struct err *err)
{
    bool found = false;
    int rc = 0;

    k->secret = (struct node_secret){0};
    if (config_n_nodes(k->config) > 0)
        rc = node_secrets_find(config_home(k->config), node_listed_as(k->config, &k->node), &found,
                               &k->secret, err);
    if (rc == 0 && !found)
        rc = find_own_hive(k, typed, err);
    if (rc == 0 && k->secret.tls)
        node_use_tls(&k->node);
    return rc;
}

int keeper_reach(struct keeper *k, const struct keeper_flags *f, struct api_error *e)
{
    const char *text = f->node ? f->node : config_text(k->config, "keeper", "node");
    const char *key = choose_key(f);
    struct err err = {0};
    int rc;

    k->node_option = f->node;
    if (key && !is_key(key)) {
        err_set(&err, ERR_INVALID,
                "the API key is no key: it has to be at most %d printable characters without "
                "blanks",
                KEEPER_KEY_MAX);
        return node_error(ERR_INVALID, &err, e);
    }
    rc = node_resolve(k->config, text, node_known_by_resolver, NULL, &k->node, &err);
    if (rc)
        return node_error(rc, &err, e);
    rc = find_secret(k, text, &err);
    if (!key && k->secret.key[0])
        key = k->secret.key;
    k->key = key;
    if (rc || client_open(key, &k->client, &err) ||
        client_set_pin(k->client, k->secret.pin[0] ? k->secret.pin : NULL, &err)) {
        error_of(API_INTERNAL, &err, e);
        return -1;
    }
    return 0;
}

int keeper_connect(struct keeper *k, const struct keeper_flags *f)
{
    struct api_error e;

    return keeper_reach(k, f, &e) ? keeper_fail_reach(k, &e) : CLI_GO;
}

int keeper_begin(struct keeper *k, const struct cli_command *command, const struct keeper_flags *f)
{
    int rc = keeper_open(k, command, f);

    return rc == CLI_GO ? keeper_connect(k, f) : rc;
}

void keeper_close(struct keeper *k)
{
    client_close(k->client);
    config_close(k->config);
    k->client = NULL;
    k->config = NULL;
}

static int output_error(struct keeper *k)
{
    bool full = k->out.error_errno == ENOSPC;
    struct api_error e;
    struct err err = {0};

    err_errno(&err, ERR_IO, k->out.error_errno, "cannot write to standard output");
    api_error_set(&e, full ? API_DISK_FULL : API_INTERNAL, "keeper", "%s", err.text);
    e.details = json_pack("{s:s}", "hint",
                          full ? "Free some space where the output goes."
                               : "Look at where the command's output goes.");
    return keeper_fail(k, &e);
}

int keeper_end(struct keeper *k, int rc)
{
    if (k->out.closed)
        rc = OUT_EXIT_CLOSED;
    if (k->out.error_errno)
        rc = output_error(k);
    if (k->out.cut && rc != CLI_INTERRUPTED)
        rc = keeper_cancelled(k);
    keeper_close(k);
    return rc;
}

/* ---- errors ---- */
static void show_fields(struct keeper *k, const json_t *details)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(details, "errors"), i, item) term_say(
        &k->term, "  %s: %s", keeper_text(item, "field", "?"), keeper_text(item, "message", ""));
}

/* The worker's log: its path and its last lines, which may be one text or an array. */
static void show_log(struct keeper *k, const json_t *details)
{
    const json_t *tail = json_object_get(details, "log_tail");
    const char *path = keeper_text(details, "log_path", NULL);
    size_t i;
    json_t *line;

    if (path)
        term_say(&k->term, "  The worker's log: %s", path);
    if (json_string_length(tail))
        term_say(&k->term, "%s", json_string_value(tail));
    json_array_foreach(tail, i, line) if (json_is_string(line))
        term_say(&k->term, "  | %s", json_string_value(line));
}

#define HINT_PAIR "Run `rbee-hive pair` on the hive's machine and here the line it prints, or set "
#define HINT_KEY                                                                                   \
    "RBEE_API_KEY (or --api-key) to a key of the hive, such as the one in the file api-key of "    \
    "its "                                                                                         \
    "RBEE_HOME."

/* The sender's hint, else the table's; about keys the keeper knows better: a hive without TLS does
 * not pair. */
/* Nobody is there, or somebody else. */
static bool is_of_place(enum api_code code)
{
    return code == API_CONNECTION_REFUSED || code == API_CONNECTION_TIMEOUT ||
           code == API_CERTIFICATE_MISMATCH;
}

const char *keeper_hint(const struct keeper *k, const struct api_error *e, char dst[API_HINT_MAX])
{
    if (e->code == API_MISSING_API_KEY || e->code == API_INVALID_API_KEY)
        return str_starts(k->node.url, "http://") ? "Set " HINT_KEY : HINT_PAIR HINT_KEY;
    if (e->code == API_INVALID_REQUEST) /* the fields are shown; the table's hint speaks of JSON */
        return "";
    if (k->hive_is_over && is_of_place(e->code)) {
        snprintf(
            dst, API_HINT_MAX,
            "%.300s/run/hive.json says that the hive of this home was there, with https. Start "
            "it with `rbee-hive daemon`; if there is no such hive any more, remove that file.",
            config_home(k->config));
        return dst;
    }
    return api_error_hint(e, dst);
}

void keeper_advise(struct keeper *k, const char *fmt, ...)
{
    char *text = NULL, *at;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    at = text ? advice_at(text, k->node_option) : NULL;
    term_say(&k->term, "%s", at ? at : text ? text : "out of memory");
    free(at);
    free(text);
}

int keeper_fail(struct keeper *k, struct api_error *e)
{
    const struct api_error_info *info = api_error_info(e->code);
    char room[API_HINT_MAX];
    const char *hint = keeper_hint(k, e, room);
    const char *id = keeper_text(e->details, "request_id", NULL);

    term_progress_end(&k->term);
    if (interrupt_seen()) {
        api_error_done(e);
        return keeper_cancelled(k);
    }
    if (k->out.tty)
        out_end_line(&k->out);
    keeper_advise(k, KEEPER_PROGRAM ": %s: %s", info->code, e->message);
    show_fields(k, e->details);
    show_log(k, e->details);
    if (hint[0])
        keeper_advise(k, "%s", hint);
    if (id)
        term_say(&k->term, "The request's id: %s", id);
    api_error_done(e);
    return info->exit_code == CLI_INTERRUPTED ? CLI_ERROR : info->exit_code; /* not by Ctrl+C */
}

int keeper_fail_err(struct keeper *k, enum api_code code, const struct err *err)
{
    struct api_error e;

    error_of(code, err, &e);
    return keeper_fail(k, &e);
}

int keeper_fail_reach(struct keeper *k, struct api_error *e)
{
    int rc;

    if (e->code != API_INVALID_REQUEST)
        return keeper_fail(k, e);
    rc = keeper_usage(k, "%s", e->message);
    api_error_done(e);
    return rc;
}

int keeper_fail_missing(struct keeper *k, const char *text, const char *hint)
{
    struct api_error e;

    api_error_set(&e, API_NOT_FOUND, "keeper", "%s", text);
    e.details = json_pack("{s:s}", "hint", hint);
    return keeper_fail(k, &e);
}

int keeper_usage(struct keeper *k, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    term_say(&k->term, "%s %s: %s. Try '%s %s --help'.", KEEPER_PROGRAM, k->command, text,
             KEEPER_PROGRAM, k->command);
    return CLI_USAGE;
}

int keeper_limit_rate(struct keeper *k, const char *text, uint64_t *out)
{
    if (!text || (str_to_bytes(text, out) == 0 && *out > 0))
        return CLI_GO;
    return keeper_usage(
        k, "--limit-rate takes bytes a second, as 500k or 10m (k is 1024), not '%.40s'", text);
}

int keeper_cancelled(struct keeper *k)
{
    term_progress_end(&k->term);
    if (k->out.tty && k->out.mid_line)
        term_say(&k->term, "\nCancelled.");
    else
        term_say(&k->term, "Cancelled.");
    return CLI_INTERRUPTED;
}

/* ---- small things that commands share ---- */
char *keeper_url(const struct keeper *k, char dst[KEEPER_URL_MAX], const char *fmt, ...)
{
    va_list ap;
    size_t len;

    snprintf(dst, KEEPER_URL_MAX, "%s", k->node.url);
    len = strlen(dst);
    va_start(ap, fmt);
    vsnprintf(dst + len, KEEPER_URL_MAX - len, fmt, ap);
    va_end(ap);
    return dst;
}

char *keeper_escape(const char *text)
{
    struct buf out;

    buf_init(&out, KEEPER_URL_MAX);
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
            buf_putc(&out, *p);
        else
            buf_printf(&out, "%%%02X", c);
    }
    return buf_take(&out);
}

int keeper_get(struct keeper *k, const char *path, json_t **out, struct api_error *e)
{
    char url[KEEPER_URL_MAX];
    const struct client_ask ask = {.url = keeper_url(k, url, "%s", path),
                                   .timeout_ms = KEEPER_LIST_MS};

    return client_json(k->client, &ask, out, e);
}

const char *keeper_text(const json_t *object, const char *name, const char *fallback)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) ? json_string_value(value) : fallback;
}

const char *keeper_cell(const json_t *object, const char *name)
{
    const char *text = keeper_text(object, name, "");

    return text[0] ? text : "-";
}

int64_t keeper_number(const json_t *object, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(object, name);

    if (json_is_integer(value))
        return json_integer_value(value);
    return json_is_real(value) && json_real_value(value) > -9e15 && json_real_value(value) < 9e15
               ? (int64_t)json_real_value(value)
               : fallback;
}

void keeper_event_error(struct api_error *e, const json_t *event, const char *src)
{
    const char *code = keeper_text(event, "code", ""), *text = keeper_text(event, "message", "");
    json_t *details = json_object_get(event, "details");
    bool known;
    enum api_code c = api_code_from(code, &known);

    api_error_set(e, c, src, "%s%s%s", known ? "" : code, known || !code[0] ? "" : ": ",
                  text[0] ? text : "no reason was given");
    e->details = json_is_object(details) ? json_incref(details) : NULL;
}

void keeper_print_json(struct keeper *k, const json_t *value)
{
    char *text = json_write(value, JSON_INDENT(2));

    if (text)
        out_printf(&k->out, "%s\n", text);
    free(text);
}
