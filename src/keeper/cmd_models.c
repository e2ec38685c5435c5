/* cmd_models.c - `models list`, `show`, `pull` and `rm`: what a node's catalog holds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "keeper/commands.h"
#include "keeper/download.h"
#include "keeper/keeper.h"
#include "keeper/listing.h"
#include "keeper/model.h"
#include "keeper/table.h"

#define SHOW_TIMEOUT_MS 30000              /* the hive reads the file's head in another process */
#define WHOLE_MAX       9007199254740992.0 /* 2^53: every whole number below it is exact */
#define DAY_BYTES       17                 /* "2026-01-31 12:00" and the NUL */

/* A time of the catalog, as text or seconds since 1970, for people. */
static const char *day(const json_t *value, char dst[DAY_BYTES])
{
    char iso[CLOCK_ISO_BYTES] = "";

    if (json_is_string(value))
        str_copy(iso, sizeof iso, json_string_value(value));
    else if (json_is_integer(value) && json_integer_value(value) > 0)
        clock_iso8601(json_integer_value(value) * 1000, iso);
    if (strlen(iso) < DAY_BYTES - 1)
        return "-";
    memcpy(dst, iso, DAY_BYTES - 1);
    dst[DAY_BYTES - 1] = '\0';
    if (dst[10] == 'T')
        dst[10] = ' ';
    return dst;
}

static int add_model(struct table *t, const json_t *m)
{
    char size[16], got[DAY_BYTES], used[DAY_BYTES];
    int64_t bytes = keeper_number(m, "size_bytes", -1);
    const char *const cells[] = {
        keeper_text(m, "model_ref", "?"),
        keeper_cell(m, "quantization"),
        bytes < 0 ? "-" : str_human_bytes((uint64_t)bytes, size, sizeof size),
        day(json_object_get(m, "downloaded_at"), got),
        day(json_object_get(m, "last_used_at"), used),
    };

    return table_add(t, cells);
}

int cmd_models_list(const struct cli_command *self, int argc, char **argv)
{
    static const char *const heads[] = {"MODEL", "TYPE", "SIZE", "DOWNLOADED", "LAST USED"};
    static const struct listing listing = {
        .path = "/v1/models",
        .key = "models",
        .heads = heads,
        .n_columns = sizeof heads / sizeof heads[0],
        .empty = "No model is there yet; 'rbee-keeper models pull MODEL' gets one.",
        .add = add_model,
    };

    return listing_run(&listing, self, argc, argv);
}

/* What show, pull and rm have in common: one MODEL, and options. */
struct one_model {
    struct keeper k;
    struct keeper_flags flags;
    bool force;
    struct model_name name;
};

static int begin_one(struct one_model *o, const struct cli_command *self,
                     const struct cli_opt *opts, int argc, char **argv)
{
    const char *word = NULL;
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    o->k.command = self->name;
    if (rc == CLI_GO && n == 0)
        rc = keeper_usage(&o->k, "name a model");
    if (rc == CLI_GO)
        rc = keeper_begin(&o->k, self, &o->flags);
    if (rc == CLI_GO)
        rc = model_name_read(&o->k, word, &o->name);
    return rc;
}

static int end_one(struct one_model *o, int rc)
{
    model_name_done(&o->name);
    return keeper_end(&o->k, rc);
}

/* "/v1/models...?model_ref=<name>" of the node; false (and *e) when the name is too long. */
static bool model_url(struct one_model *o, const char *path, const char *more,
                      char url[KEEPER_URL_MAX], struct api_error *e)
{
    char *escaped = keeper_escape(o->name.text);
    size_t room = KEEPER_URL_MAX - NODE_URL_MAX;
    bool fits = escaped && strlen(escaped) + strlen(path) + strlen(more) + 16 < room;

    if (fits)
        keeper_url(&o->k, url, "%s?model_ref=%s%s", path, escaped, more);
    else
        api_error_set(e, API_INVALID_MODEL_REF, "keeper",
                      "the model's name has %zu bytes, which is "
                      "too long for a request",
                      strlen(o->name.text));
    free(escaped);
    return fits;
}

/* One value as text, free(): a number without a needless ".0", "-" for what is empty or null. */
static char *value_text(const json_t *value)
{
    double number = json_real_value(value);

    if (json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
        return str_dup("-");
    if (json_is_string(value))
        return str_dup(json_string_value(value));
    if (json_is_real(value) && number == floor(number) && fabs(number) < WHOLE_MAX)
        return str_printf("%.0f", number);
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* "name: value" lines; an object's are indented, an array is shown as JSON. */
static void print_fields(struct keeper *k, json_t *object, int indent)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        char *text;

        if (json_is_object(value) && indent == 0) {
            out_printf(&k->out, "%s:\n", name);
            print_fields(k, value, 2);
            continue;
        }
        text = value_text(value);
        out_printf(&k->out, "%*s%s: %s\n", indent, "", name, text ? text : "?");
        free(text);
    }
}

int cmd_models_show(const struct cli_command *self, int argc, char **argv)
{
    struct one_model o = {0};
    const struct cli_opt opts[] = {KEEPER_OPT_NODE(o.flags), KEEPER_OPT_JSON(o.flags), {0}};
    struct client_ask ask = {.timeout_ms = SHOW_TIMEOUT_MS};
    char url[KEEPER_URL_MAX];
    struct api_error e;
    json_t *answer = NULL;
    int rc = begin_one(&o, self, opts, argc, argv);

    ask.url = url;
    if (rc == CLI_GO && (!model_url(&o, "/v1/models/show", "", url, &e) ||
                         client_json(o.k.client, &ask, &answer, &e)))
        rc = keeper_fail(&o.k, &e);
    if (rc == CLI_GO) {
        if (o.flags.json)
            keeper_print_json(&o.k, answer);
        else
            print_fields(&o.k, answer, 0);
        rc = CLI_DONE;
    }
    json_decref(answer);
    return end_one(&o, rc);
}

/* "10m" -> bytes a second; CLI_GO or the exit code. */
static int read_limit(struct one_model *o, const char *text, uint64_t *out)
{
    if (!text || (str_to_bytes(text, out) == 0 && *out > 0))
        return CLI_GO;
    return keeper_usage(&o->k, "--limit-rate takes bytes a second, as 500k or 10m, not '%.40s'",
                        text);
}

static int pull(struct one_model *o, const struct download_wish *wish)
{
    struct download d;
    struct api_error e;

    if (download_run_as(&o->k, o->name.text, wish, &d, &e))
        return keeper_fail(&o->k, &e);
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
        {"limit-rate", 0, CLI_STR, &limit, 0, 0, "R", "bytes a second, as 500k or 10m", 0},
        {"connections", 0, CLI_INT, &wish.connections, 1, 16, "N", "connections it may use", 0},
        {0}};
    int rc = begin_one(&o, self, opts, argc, argv);

    if (rc == CLI_GO)
        rc = read_limit(&o, limit, &wish.limit_rate);
    if (rc == CLI_GO)
        rc = pull(&o, &wish);
    return end_one(&o, rc);
}

/* A model in use is refused as a bad request, though the command was right. */
static int fail_to_remove(struct keeper *k, struct api_error *e)
{
    bool in_use = e->code == API_INVALID_REQUEST;
    int rc = keeper_fail(k, e);

    if (in_use && rc == CLI_USAGE)
        term_say(&k->term, "Stop its workers with `rbee-keeper workers stop`, or use --force.");
    return rc == CLI_USAGE ? CLI_ERROR : rc;
}

int cmd_models_rm(const struct cli_command *self, int argc, char **argv)
{
    struct one_model o = {0};
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o.flags),
        {"force", 'f', CLI_FLAG, &o.force, 0, 0, NULL, "also when a worker uses it", 0},
        {0}};
    struct client_ask ask = {.method = "DELETE", .timeout_ms = SHOW_TIMEOUT_MS};
    char url[KEEPER_URL_MAX];
    struct api_error e;
    int rc = begin_one(&o, self, opts, argc, argv);

    ask.url = url;
    if (rc == CLI_GO && (!model_url(&o, "/v1/models", o.force ? "&force=1" : "", url, &e) ||
                         client_json(o.k.client, &ask, NULL, &e)))
        rc = fail_to_remove(&o.k, &e);
    if (rc == CLI_GO) {
        out_printf(&o.k.out, "Removed %s.\n", o.name.text);
        rc = CLI_DONE;
    }
    return end_one(&o, rc);
}
