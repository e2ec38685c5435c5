/*
 * models_bad.c - files that `verify` found bad, and that could not be set aside: on a disk that was
 * made read-only, say. They lie where they would be taken for whole at the next start, by a pull,
 * by an import. So it is kept which they are, in memory, and in the catalog as a verdict, by what
 * the system says of the file: one that is written anew is another one.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "hive/disk/file_mark.h"
#include "hive/models/models_internal.h"

#define JUDGE "verify" /* a verdict's: no program */

/* NULL: it is not there, or without memory. */
static char *key_of(const char *path)
{
    struct file_mark m;

    if (!file_mark_of(path, &m))
        return NULL;
    return str_printf("bad file %s %llu %llu %lld.%09ld", path, (unsigned long long)m.number,
                      (unsigned long long)m.size_bytes, (long long)m.modified.tv_sec,
                      m.modified.tv_nsec);
}

void models_note_bad(struct models *m, const struct card *card, size_t i, const char *why)
{
    char *key = key_of(card->files[i].path);
    struct catalog_verdict v = {.judge = JUDGE};
    struct err err;

    str_copy(v.code, sizeof v.code, api_error_info(API_CHECKSUM_MISMATCH)->code);
    str_copy(v.message, sizeof v.message, why);
    if (!m->bad)
        m->bad = json_object();
    json_object_set_new(m->bad, card->files[0].path, json_true());
    if (key)
        json_object_set_new(m->bad, key, json_true());
    if (key && catalog_put_verdict(m->catalog, key, &v, &err))
        log_warn("%s", err.text);
    free(key);
}

bool models_is_bad(struct models *m, const char *path)
{
    char *key = key_of(path);
    struct catalog_verdict v;
    bool bad = key && json_object_get(m->bad, key);

    if (key && !bad) {
        int rc = catalog_get_verdict(m->catalog, key, &v, NULL);

        bad = rc == 0 || rc == ERR_NO_MEMORY; /* it is there, and what it says does not matter */
    }
    free(key);
    return bad;
}

bool models_is_whole(struct models *m, const struct card *card)
{
    bool whole = card_is_complete(card);

    for (size_t i = 0; i < card->n_files && whole; i++)
        whole = !models_is_bad(m, card->files[i].path);
    return whole;
}

bool models_is_out(const struct models *m, const char *first_path)
{
    return json_object_get(m->bad, first_path) != NULL;
}

void models_is_in(struct models *m, const char *first_path)
{
    json_object_del(m->bad, first_path);
}
