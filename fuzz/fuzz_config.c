/*
 * fuzz_config.c - config.ini: any bytes. What is accepted must stay accepted, with all its other
 * nodes, when a node is added and when it is removed again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "config/internal.h"

#define PATH "config.ini"
#define NAME "fuzz-node"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_node(const struct config_nodes *nodes, const char *name)
{
    for (size_t i = 0; i < nodes->n; i++)
        if (strcasecmp(nodes->items[i].name, name) == 0)
            return true;
    return false;
}

/* Edits the text, parses it, and looks that every node of `before` is still there. */
static char *edit(const char *text, const char *value, const struct config_nodes *before)
{
    struct config_nodes nodes = {0};
    char *edited = config_edit_node(text, NAME, value);
    struct err err;

    BUG_ON(!edited);
    if (config_parse_text(NULL, PATH, edited, strlen(edited), &nodes, &err))
        BUG("an edited text is refused: %s", err.text);
    BUG_ON(has_node(&nodes, NAME) != (value != NULL));
    for (size_t i = 0; i < before->n; i++)
        BUG_ON(strcasecmp(before->items[i].name, NAME) != 0 &&
               !has_node(&nodes, before->items[i].name));
    free(nodes.items);
    return edited;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = calloc(1, sizeof *c);
    char *text = str_ndup((const char *)data, size), *added, *removed;

    BUG_ON(!c || !text);
    if (size <= CONFIG_FILE_MAX / 2 &&
        config_parse_text(c, PATH, text, size, &c->nodes, NULL) == 0 &&
        c->nodes.n < CONFIG_NODES_MAX) {
        added = edit(text, "host:1", &c->nodes);
        removed = edit(added, NULL, &c->nodes);
        free(added);
        free(removed);
    }
    free(text);
    config_close(c);
    return 0;
}
