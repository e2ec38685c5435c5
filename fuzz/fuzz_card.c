/*
 * fuzz_card.c - the card beside a model, as any bytes: what is taken leads to files in the model's
 * own folder, below the models folder, and its own text says the same again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/catalog/card.h"

#define MODELS "/models"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A plain name in the folder. */
static void check_inside(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    BUG_ON(strncmp(path, dir, n) != 0 || path[n] != '/');
    BUG_ON(!path[n + 1] || path[n + 1] == '.' || strchr(path + n + 1, '/'));
}

static void check_card(const struct card *c)
{
    size_t slashes = 0;

    BUG_ON(!str_starts(c->dir, MODELS "/") || strstr(c->dir, "/.") || strstr(c->dir, "//"));
    for (const char *p = c->dir; *p; p++)
        slashes += *p == '/';
    BUG_ON(slashes != (str_starts(c->dir, MODELS "/local/") ? 4 : 5));
    BUG_ON(c->n_files == 0 || c->n_files > CARD_FILES_MAX || c->n_refs > CARD_REFS_MAX);
    check_inside(c->path, c->dir);
    for (size_t i = 0; i < c->n_files; i++) {
        check_inside(c->files[i].path, c->dir);
        BUG_ON(c->files[i].sha256[0] && strlen(c->files[i].sha256) != DIGEST_SHA256_BYTES - 1);
        BUG_ON(card_total_bytes(c) < c->files[i].size_bytes);
    }
}

static void check_again(const struct card *c)
{
    char *text = card_text(c), *more, *source = card_source(c);
    struct card *again;

    BUG_ON(!text || !source);
    again = card_parse(MODELS, text, strlen(text));
    if (!again)
        BUG("its own text is refused: %s", text);
    more = card_text(again);
    BUG_ON(!str_eq(more, text) || !str_eq(again->path, c->path));
    card_free(again);
    free(source);
    free(more);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct card *c = card_parse(MODELS, (const char *)data, size);

    if (!c)
        return 0;
    check_card(c);
    check_again(c);
    card_free(c);
    return 0;
}
