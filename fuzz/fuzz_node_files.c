/*
 * fuzz_node_files.c - nodes.json, where the keeper keeps its nodes' keys: any bytes. What is told
 * of a node is whole or an error; one that is added is read back as it was, and costs no other.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "keeper/node/node_secrets.h"

#define NAME           "Fuzz-Node"
#define NAME_MAX_BYTES 255

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A pin and a key of an entry are those of its text. */
static void check_entry(const json_t *all, const char *name, const json_t *entry)
{
    struct node_secret s;
    struct err err = {0};
    bool found;
    int rc = node_secrets_get(all, name, &found, &s, &err);

    for (const char *p = name; *p; p++)
        if ((*p >= 'A' && *p <= 'Z') || p - name == NAME_MAX_BYTES)
            return; /* nobody is called so in this file */
    BUG_ON(!found);
    if (rc) {
        BUG_ON(rc != ERR_INVALID || !err.text[0]);
        return;
    }
    BUG_ON(s.pin[0] && !tls_is_pin(s.pin));
    BUG_ON(!str_eq(s.pin, json_string_value(json_object_get(entry, "pin"))));
    BUG_ON(s.tls != json_is_true(json_object_get(entry, "tls")));
    BUG_ON(s.key[0] && !str_eq(s.key, json_string_value(json_object_get(entry, "key"))));
}

/* Adds a node, and reads the text that comes of it. */
static json_t *add(const json_t *before)
{
    struct node_secret s = {.tls = true, .key = "rbee-key of a node"}, back;
    json_t *all = json_deep_copy(before), *again;
    bool changed, found;
    char *text;

    memset(s.pin, 'a', sizeof s.pin - 1);
    BUG_ON(node_secrets_set(all, NAME, &s, &changed, NULL) || !changed);
    text = json_dumps(all, 0);
    BUG_ON(!text || node_secrets_parse("nodes.json", text, strlen(text), &again, NULL));
    BUG_ON(node_secrets_get(again, NAME, &found, &back, NULL) || !found);
    BUG_ON(!back.tls || !str_eq(back.pin, s.pin) || !str_eq(back.key, s.key));
    free(text);
    json_decref(all);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *all, *more, *entry;
    struct err err = {0};
    const char *name;
    bool changed;

    if (node_secrets_parse("nodes.json", (const char *)data, size, &all, &err)) {
        BUG_ON(all || !err.text[0]);
        return 0;
    }
    json_object_foreach(all, name, entry) check_entry(all, name, entry);
    more = add(all);
    BUG_ON(node_secrets_set(more, NAME, NULL, &changed, NULL) || !changed);
    BUG_ON(node_secrets_set(all, NAME, NULL, &changed, NULL));
    BUG_ON(!json_equal(all, more));
    json_decref(more);
    json_decref(all);
    return 0;
}
