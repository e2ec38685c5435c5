/*
 * verdicts.h - which model files were judged runnable, so that the next worker with one of them
 * need not wait for the judge.
 *
 * A file is known by its mark (file_mark.h): one that changed in any way, or was replaced, is
 * another file; so is one judged by another worker's program. Only good verdicts are kept, the
 * latest VERDICTS_MAX, in memory. Loop thread only.
 */
#ifndef RBEE_HIVE_CATALOG_VERDICTS_H
#define RBEE_HIVE_CATALOG_VERDICTS_H

#include <stdbool.h>

#include "hive/catalog/inspect.h"
#include "hive/disk/file_mark.h"

#define VERDICTS_MAX 32

/* Of the judge and the judged. */
struct verdict_key {
    struct file_mark program, model;
};

struct verdicts {
    struct {
        struct verdict_key key;
        struct model_facts facts;
    } kept[VERDICTS_MAX];
    size_t n_put; /* ever; the next goes to n_put % VERDICTS_MAX */
};

/* False when one of them is not there. */
bool verdict_key_of(const char *program, const char *model, struct verdict_key *out);

/*
 * What two asks about the same files, as they are, have in common, and nobody else; NULL when one
 * of the files is not there. *settled: neither has changed so lately that one could not tell.
 * free().
 */
char *verdict_key_text(const char *program, const char *model, bool *settled);

/* The facts of a file judged runnable, or NULL. */
const struct model_facts *verdicts_find(const struct verdicts *v, const struct verdict_key *key);

/*
 * Keeps what was found of a file whose key was taken before it was judged; not when the files have
 * changed since, or so lately that one could not tell.
 */
void verdicts_put(struct verdicts *v, const struct verdict_key *key, const char *program,
                  const char *model, const struct model_facts *facts);

#endif
