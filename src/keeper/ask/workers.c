/* workers.c - see workers.h. */
#include "keeper/ask/workers.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "keeper/node/contact.h"

#define ID_PREFIX "worker-"

bool workers_is_id(const char *text)
{
    size_t n = 0;

    for (; n < WORKERS_ID_BYTES && text[n]; n++)
        if (!isascii((unsigned char)text[n]) ||
            (!isalnum((unsigned char)text[n]) && text[n] != '-'))
            return false;
    return n > 0 && n < WORKERS_ID_BYTES;
}

char *workers_short_id(const char *id, char dst[WORKERS_SHORT_BYTES])
{
    str_copy(dst, WORKERS_SHORT_BYTES, id);
    return dst;
}

static bool is_meant(const char *id, const char *typed)
{
    return str_starts(id, typed) ||
           (str_starts(id, ID_PREFIX) && str_starts(id + strlen(ID_PREFIX), typed));
}

/* The last of those that are meant: a hive lists its workers in the order of their start. What its
 * clock said then tells less, as clocks are set. */
static const json_t *choose(const json_t *workers, const char *typed, size_t *n_meant)
{
    const json_t *last = NULL;
    size_t i;
    json_t *w;

    *n_meant = 0;
    json_array_foreach(workers, i, w)
    {
        const char *id = keeper_text(w, "worker_id", "");

        if (!workers_is_id(id) || !is_meant(id, typed))
            continue;
        ++*n_meant;
        last = w;
    }
    return last;
}

static int not_one(struct keeper *k, const char *typed, size_t n_meant)
{
    struct api_error e;

    if (n_meant > 1)
        api_error_set(&e, API_NOT_FOUND, "keeper",
                      "%zu workers have an id that begins with '%.60s'", n_meant, typed);
    else if (typed[0])
        api_error_set(&e, API_NOT_FOUND, "keeper", "no worker at %s has the id '%.60s'",
                      k->node.url, typed);
    else
        api_error_set(&e, API_NOT_FOUND, "keeper", "no worker is running at %s", k->node.url);
    e.details = json_pack("{s:s}", "hint", "`rbee-keeper workers list` shows them.");
    return keeper_fail(k, &e);
}

int workers_find(struct keeper *k, const char *typed, char id[WORKERS_ID_BYTES])
{
    const json_t *found;
    struct api_error e;
    json_t *list = NULL;
    size_t n_meant;

    if (workers_is_id(typed) && strlen(typed) == strlen(ID_PREFIX) + 36) {
        str_copy(id, WORKERS_ID_BYTES, typed); /* a whole id may be one that has ended */
        return CLI_GO;
    }
    if (contact_list(k, "/v1/workers/list", "workers", &list, &e))
        return keeper_fail(k, &e);
    found = choose(json_object_get(list, "workers"), typed, &n_meant);
    if (found && (n_meant == 1 || !typed[0])) {
        str_copy(id, WORKERS_ID_BYTES, keeper_text(found, "worker_id", ""));
        json_decref(list);
        return CLI_GO;
    }
    json_decref(list);
    return not_one(k, typed, n_meant);
}
