/* listing.c - see listing.h. */
#include "keeper/commands/listing.h"

#include "keeper/node/contact.h"

static void print_list(const struct listing *l, struct keeper *k, const json_t *list)
{
    struct table *t = table_create(l->heads, l->n_columns);
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(list, l->key), i, row) if (t) l->add(t, row);
    if (t)
        table_print(t, l->empty, &k->out);
    table_free(t);
}

int listing_run(const struct listing *l, const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {KEEPER_OPT_NODE(flags), KEEPER_OPT_JSON(flags), {0}};
    struct api_error e;
    json_t *list = NULL;
    struct keeper k;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_begin(&k, self, &flags);
    if (rc == CLI_GO && contact_list(&k, l->path, l->key, &list, &e))
        rc = keeper_fail(&k, &e);
    if (rc == CLI_GO) {
        if (flags.json)
            keeper_print_json(&k, list);
        else
            print_list(l, &k, list);
        rc = CLI_DONE;
    }
    json_decref(list);
    return keeper_end(&k, rc);
}
