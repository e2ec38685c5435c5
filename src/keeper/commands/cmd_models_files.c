/* cmd_models_files.c - `models files`: what a repository of the hub offers, and what fits. */
#include <stdio.h>

#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/models/one_model.h"
#include "keeper/node/contact.h"
#include "keeper/shell/table.h"

#define FILES_TIMEOUT_MS 45000 /* the hive asks the hub */

static const char *human(const json_t *row, const char *name, char dst[16])
{
    int64_t bytes = keeper_number(row, name, 0);

    return bytes > 0 ? str_human_bytes((uint64_t)bytes, dst, 16) : "-";
}

static int add_row(struct table *t, const json_t *row)
{
    char size[16], need[16], files[24];
    const char *const cells[] = {
        keeper_text(row, "model_ref", "?"),
        keeper_cell(row, "quantization"),
        human(row, "size_bytes", size),
        files,
        human(row, "need_bytes", need),
        json_is_false(json_object_get(row, "known_type")) ? "type unknown"
                                                          : keeper_text(row, "fits", "?"),
        json_is_true(json_object_get(row, "here")) ? "here" : "-",
    };

    snprintf(files, sizeof files, "%lld", (long long)keeper_number(row, "files", 1));
    return table_add(t, cells);
}

static void print_files(struct keeper *k, const json_t *answer)
{
    static const char *const heads[] = {"MODEL",           "TYPE", "SIZE", "FILES",
                                        "NEEDS (ROUGHLY)", "FITS", "HERE"};
    struct table *t = table_create(heads, sizeof heads / sizeof heads[0]);
    int64_t n_left_out = keeper_number(answer, "left_out", 0);
    char memory[16];
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(answer, "files"), i, row) if (t) add_row(t, row);
    if (t)
        table_print(t,
                    n_left_out > 0 ? "The repository has no GGUF file that can be kept there."
                                   : "The repository has no GGUF file.",
                    &k->out);
    table_free(t);
    if (n_left_out > 0)
        term_say(&k->term, "Left out: %lld with names that are too long for a file there.",
                 (long long)n_left_out);
    term_note(&k->term, "%s at commit %.12s; %s of memory are free.",
              keeper_text(answer, "repo", "?"), keeper_text(answer, "commit", "?"),
              human(answer, "memory_free_bytes", memory));
}

int cmd_models_files(const struct cli_command *self, int argc, char **argv)
{
    struct one_model o = {0};
    const struct cli_opt opts[] = {KEEPER_OPT_NODE(o.flags), KEEPER_OPT_JSON(o.flags), {0}};
    struct client_ask ask = {.timeout_ms = FILES_TIMEOUT_MS};
    char url[KEEPER_URL_MAX];
    struct api_error e;
    json_t *answer = NULL;
    int rc = one_model_begin(&o, self, opts, argc, argv);

    ask.url = url;
    if (rc == CLI_GO && (!one_model_url(&o, "/v1/models/files", "", url, &e) ||
                         contact_json(&o.k, &ask, &answer, &e) ||
                         !contact_has(&o.k, answer, "files", JSON_ARRAY, &e)))
        rc = keeper_fail(&o.k, &e);
    if (rc == CLI_GO) {
        if (o.flags.json)
            keeper_print_json(&o.k, answer);
        else
            print_files(&o.k, answer);
        rc = CLI_DONE;
    }
    json_decref(answer);
    return one_model_end(&o, rc);
}
