/* cmd_config.c - `config`: every option, its value, and who said so. */
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/utf8.h"
#include "keeper/commands/commands.h"
#include "keeper/node/keeper.h"
#include "keeper/shell/table.h"

#define SOURCE_MAX 1024

static int add_option(struct table *t, const struct config *c, const struct config_option *o)
{
    char name[128], source[SOURCE_MAX];
    const char *value = config_text(c, o->section, o->key);
    const char *const cells[] = {name, value[0] ? value : "-", source, o->help};

    snprintf(name, sizeof name, "%s.%s", o->section, o->key);
    config_source_text(c, o->section, o->key, source, sizeof source);
    return table_add(t, cells);
}

static void print_table(struct keeper *k)
{
    static const char *const heads[] = {"OPTION", "VALUE", "FROM", "MEANING"};
    struct table *t = table_create(heads, sizeof heads / sizeof heads[0]);
    size_t n;
    const struct config_option *options = config_options(&n);

    for (size_t i = 0; t && i < n; i++)
        add_option(t, k->config, &options[i]);
    out_printf(&k->out, "The file is %s.\n", config_file_path(k->config));
    if (t)
        table_print(t, "", &k->out);
    table_free(t);
}

/* A name of a file may be any bytes, JSON takes text alone. */
static json_t *text_of(const char *bytes)
{
    char *copy = str_dup(bytes);
    json_t *text;

    if (copy)
        utf8_mend(copy);
    text = json_string(copy ? copy : "");
    free(copy);
    return text;
}

static void print_json(struct keeper *k)
{
    json_t *list = json_array(), *root;
    size_t n;
    const struct config_option *options = config_options(&n);

    root = json_pack("{s:o, s:o}", "file", text_of(config_file_path(k->config)), "options", list);
    for (size_t i = 0; root && i < n; i++) {
        const struct config_option *o = &options[i];
        char source[SOURCE_MAX];

        config_source_text(k->config, o->section, o->key, source, sizeof source);
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "section", o->section, "key",
                                              o->key, "value",
                                              text_of(config_text(k->config, o->section, o->key)),
                                              "from", text_of(source)));
    }
    if (root)
        keeper_print_json(k, root);
    json_decref(root);
}

int cmd_config(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {KEEPER_OPT_JSON(flags), {0}};
    struct keeper k;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_open(&k, self, &flags);
    if (rc == CLI_GO) {
        if (flags.json)
            print_json(&k);
        else
            print_table(&k);
        rc = CLI_DONE;
    }
    return keeper_end(&k, rc);
}
