/* cmd_models_import.c - `models import` and `export`: models by disk instead of by net. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/modelref.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/models/chore.h"
#include "keeper/node/contact.h"
#include "keeper/node/model.h"
#include "keeper/shell/table.h"

/*
 * A path as the hive understands it: full. For another machine it must be typed in full, as only
 * its own folders mean something there. CLI_GO with *full (free()), or the exit code.
 */
static int full_path(struct keeper *k, const char *typed, char **full)
{
    char *folder;

    if (typed[0] == '/') {
        *full = str_dup(typed);
    } else if (!k->node.local) {
        return keeper_usage(
            k,
            "the path '%.200s' is relative, but the node %.100s is another machine; "
            "write the full path it has there",
            typed, k->node.name);
    } else {
        folder = realpath(".", NULL);
        *full = folder ? path_join(folder, typed) : NULL;
        free(folder);
    }
    return *full ? CLI_GO : keeper_usage(k, "the path '%.200s' cannot be read", typed);
}

/* ---- import ---- */

struct importing {
    struct keeper_flags flags;
    const char *what, *as;
    bool scan, copy, move;
};

/* " (left out: system, params)": what the other program had beside the model; "" for nothing. */
static const char *left_out_text(const json_t *event, char *dst, size_t size)
{
    json_t *word;
    size_t n = 0, i;

    dst[0] = '\0';
    json_array_foreach(json_object_get(event, "left_out"), i, word)
    {
        if (!json_is_string(word) || n >= size)
            continue;
        n += (size_t)snprintf(dst + n, size - n, "%s%s",
                              n ? ", " : " (left out: ", json_string_value(word));
    }
    if (n && n < size)
        snprintf(dst + n, size - n, ")");
    return dst;
}

static void on_imported(void *arg, struct keeper *k, const json_t *event)
{
    const char *stays = keeper_text(event, "stays", "");
    char size[16], left_out[160];

    (void)arg;
    str_human_bytes((uint64_t)keeper_number(event, "size_bytes", 0), size, sizeof size);
    out_printf(&k->out, "%s: %s, %s, from %s%s%s%s\n", keeper_text(event, "model_ref", "?"), size,
               keeper_text(event, "how", "?"), keeper_text(event, "name", "?"),
               left_out_text(event, left_out, sizeof left_out), stays[0] ? "; " : "", stays);
}

static int add_found(struct table *t, const json_t *row)
{
    bool refused = json_is_string(json_object_get(row, "refused"));
    char size[16], what[1100];
    const char *const cells[] = {
        what,
        keeper_cell(row, "quantization"),
        str_human_bytes((uint64_t)keeper_number(row, "size_bytes", 0), size, sizeof size),
        refused ? "- (it has an adapter)" : keeper_text(row, "model_ref", "?"),
    };

    snprintf(what, sizeof what, "%s:%s", keeper_text(row, "store", "?"),
             keeper_text(row, "name", "?"));
    return table_add(t, cells);
}

/* What other programs keep on the node. */
static int scan(struct keeper *k, bool json)
{
    static const char *const heads[] = {"IMPORT", "TYPE", "SIZE", "WOULD BE CALLED"};
    struct table *t = table_create(heads, sizeof heads / sizeof heads[0]);
    json_t *answer = NULL, *row;
    struct api_error e;
    size_t i;

    if (contact_list(k, "/v1/models/import", "found", &answer, &e)) {
        table_free(t);
        return keeper_fail(k, &e);
    }
    json_array_foreach(json_object_get(answer, "found"), i, row) if (t) add_found(t, row);
    if (json)
        keeper_print_json(k, answer);
    else if (t)
        table_print(t, "Neither the Hugging Face cache nor Ollama's store holds a model here.",
                    &k->out);
    if (keeper_text(answer, "unread", "")[0])
        term_say(&k->term, "Not all could be looked at: %s", keeper_text(answer, "unread", ""));
    if (keeper_number(answer, "not_looked_at", 0) > 0)
        term_say(&k->term,
                 "%lld more of what is kept there were not looked at: the limits are 1000 a store, "
                 "and 16 MiB of paths and names. They can be imported by name, as in "
                 "hf-cache:org/repo/file.gguf.",
                 (long long)keeper_number(answer, "not_looked_at", 0));
    table_free(t);
    json_decref(answer);
    return CLI_DONE;
}

/* "ollama:llama3:8b" -> the store and the name behind it (NULL: all of it); false for a path. */
static bool is_store(const char *what, char store[32], const char **name)
{
    static const char *const stores[] = {"hf-cache", "ollama"};

    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        size_t n = strlen(stores[i]);

        if (!str_starts(what, stores[i]) || (what[n] && what[n] != ':'))
            continue;
        str_copy(store, 32, stores[i]);
        *name = what[n] && what[n + 1] ? what + n + 1 : NULL;
        return true;
    }
    return false;
}

static int import(struct keeper *k, const struct importing *o)
{
    struct chore chore = {
        .path = "/v1/models/import", .json = o->flags.json, .on_result = on_imported};
    const char *how = o->copy ? "copy" : o->move ? "move" : NULL, *name = NULL;
    char store[32], *path = NULL;
    int rc = CLI_GO;

    if (is_store(o->what, store, &name)) {
        chore.body = json_pack("{s:s, s:s*, s:s*, s:s*}", "store", store, "name", name, "as", o->as,
                               "how", how);
    } else {
        rc = full_path(k, o->what, &path);
        if (rc == CLI_GO)
            chore.body = json_pack("{s:s, s:s*, s:s*}", "path", path, "as", o->as, "how", how);
    }
    if (rc == CLI_GO)
        rc = chore_watch(k, &chore);
    free(path);
    return rc;
}

/* Is it a name? CLI_GO, or the exit code. */
static int check_as(struct keeper *k, const char *as)
{
    char *ref = as ? str_printf("local:%s", as) : NULL;
    struct model_ref parsed;
    struct err err = {0};
    int rc = CLI_GO;

    if (as && !as[0])
        rc = keeper_usage(k, "--as takes a name, not an empty text");
    else if (ref && model_ref_parse(ref, &parsed, &err))
        rc = keeper_usage(k, "--as: %s", err.text);
    else if (ref)
        model_ref_done(&parsed);
    free(ref);
    return rc;
}

int cmd_models_import(const struct cli_command *self, int argc, char **argv)
{
    struct importing o = {0};
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o.flags),
        KEEPER_OPT_JSON(o.flags),
        {"scan", 0, CLI_FLAG, &o.scan, 0, 0, NULL, "only show what other programs keep here", 0},
        {"as", 0, CLI_STR, &o.as, 0, 0, "NAME", "call a file local:NAME (the file's own name)", 0},
        {"copy", 0, CLI_FLAG, &o.copy, 0, 0, NULL, "share nothing with the file: copy it", 0},
        {"move", 0, CLI_FLAG, &o.move, 0, 0, NULL, "take the file away from where it is", 0},
        {"quiet", 'q', CLI_FLAG, &o.flags.quiet, 0, 0, NULL, "no progress, only results", 0},
        {0}};
    struct keeper k = {.command = self->name};
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &o.what, 1, &n);

    if (rc == CLI_GO && !o.scan && n == 0)
        rc = keeper_usage(&k, "name a file, a folder, hf-cache or ollama, or use --scan");
    if (rc == CLI_GO && o.scan && (n > 0 || o.as || o.copy || o.move))
        rc = keeper_usage(&k, "--scan takes nothing in: leave out the name, --as, --copy, --move");
    if (rc == CLI_GO && o.copy && o.move)
        rc = keeper_usage(&k, "--copy and --move cannot be had together");
    if (rc == CLI_GO)
        rc = check_as(&k, o.as);
    if (rc != CLI_GO)
        return rc;
    rc = keeper_begin(&k, self, &o.flags);
    if (rc == CLI_GO)
        rc = o.scan ? scan(&k, o.flags.json) : import(&k, &o);
    return keeper_end(&k, rc);
}

/* ---- export ---- */

static void on_exported(void *arg, struct keeper *k, const json_t *event)
{
    char size[16];

    (void)arg;
    str_human_bytes((uint64_t)keeper_number(event, "size_bytes", 0), size, sizeof size);
    out_printf(&k->out, "%s: %s, %s, SHA-256 %s\n", keeper_text(event, "file", "?"), size,
               keeper_text(event, "how", "?"), keeper_text(event, "sha256", "?"));
}

int cmd_models_export(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(flags),
        KEEPER_OPT_JSON(flags),
        {"quiet", 'q', CLI_FLAG, &flags.quiet, 0, 0, NULL, "no progress, only results", 0},
        {0}};
    struct chore chore = {.path = "/v1/models/export", .again = true, .on_result = on_exported};
    struct model_name name = {0};
    const char *words[2] = {NULL};
    struct keeper k = {.command = self->name};
    char *dir = NULL;
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, words, 2, &n);

    if (rc == CLI_GO && n < 2)
        rc = keeper_usage(&k, "name a model and a folder");
    if (rc != CLI_GO)
        return rc;
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO)
        rc = model_name_read(&k, words[0], &name);
    if (rc == CLI_GO)
        rc = full_path(&k, words[1], &dir);
    if (rc == CLI_GO) {
        chore.json = flags.json;
        chore.body = json_pack("{s:s, s:s}", "model_ref", name.text, "dir", dir);
        rc = chore_watch(&k, &chore);
    }
    model_name_done(&name);
    free(dir);
    return keeper_end(&k, rc);
}
