/*
 * fuzz_path.c - the one function that makes file names of texts from outside, and what is built on
 * it: a name is one plain part, two texts give one name only if they are the same, and no text
 * leads out of the models folder.
 *
 * The input is cut at line feeds: an owner and repository, a commit, then names of files.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/card.h"
#include "hive/catalog/quant.h"
#include "hive/chores/manifest.h"

#define MODELS "/models"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TAIL_MAX 40 /* ".json", ".part", ".tmp-<process>" behind a name: NAME_MAX is 255 */

static void check_plain(const char *name, size_t max)
{
    BUG_ON(!name[0] || strlen(name) > max);
    BUG_ON(name[0] == '.' || strchr(name, '/') || strchr(name, '\\'));
    for (const char *p = name; *p; p++) /* nothing that a shell, Windows or a terminal minds */
        BUG_ON(!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-%", *p));
}

/* FAT, exFAT and Windows take it, too. */
static void check_portable(const char *name)
{
    static const char *const devices[] = {"con", "prn", "aux", "nul", "com1", "lpt9"};
    size_t n = strcspn(name, ".");

    check_plain(name, PATH_COMPONENT_MAX);
    BUG_ON(!quant_is_gguf(name));
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        BUG_ON(n == strlen(devices[i]) && strncasecmp(name, devices[i], n) == 0);
}

/* What the name was made of: "%XX" is a byte, a lone '%' the empty text. */
static void check_reversible(const char *text, const char *name)
{
    char back[PATH_COMPONENT_MAX + 1];
    size_t n = 0;

    for (const char *p = name; *p; n++) {
        char hex[3] = "";

        if (*p == '%' && p[1] && p[2]) {
            memcpy(hex, p + 1, 2);
            back[n] = (char)strtol(hex, NULL, 16);
            p += 3;
        } else if (*p == '%') {
            BUG_ON(name[1]);
            break;
        } else {
            back[n] = *p++;
        }
    }
    back[n] = '\0';
    BUG_ON(!str_eq(back, text));
}

static void check_name(const char *text)
{
    char *name = NULL;

    if (path_safe_component(text, &name, NULL) == 0) {
        check_plain(name, PATH_COMPONENT_MAX);
        check_reversible(text, name);
    }
    free(name);
    name = NULL;
    if (manifest_file_name(text, &name, NULL) == 0)
        check_portable(name);
    free(name);
}

/* Every part of the path below the models folder is plain. */
static void check_inside(const char *path)
{
    const char *rest = path + strlen(MODELS);
    size_t depth = 0;

    BUG_ON(!str_starts(path, MODELS "/"));
    while (*rest == '/') {
        size_t n = strcspn(++rest, "/");
        char *part = str_ndup(rest, n);

        check_plain(part, PATH_COMPONENT_MAX + TAIL_MAX);
        free(part);
        rest += n;
        depth++;
    }
    BUG_ON(*rest || depth < 4 || depth > 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = str_ndup((const char *)data, size), *line, *rest = text, *parts[2] = {NULL, NULL};
    struct card *card = NULL;
    size_t n = 0;

    BUG_ON(!text);
    while ((line = strsep(&rest, "\n"))) {
        check_name(line);
        if (n < 2)
            parts[n++] = line;
        if (n == 2 && !card && card_create(MODELS, parts[0], parts[1], "", &card, NULL))
            break;
        if (card && n++ > 2 && card_add_file(card, line, 1, "", NULL) == 0)
            check_inside(card->files[card->n_files - 1].path);
    }
    if (card && card->path)
        check_inside(card->path);
    card_free(card);
    free(text);
    return 0;
}
