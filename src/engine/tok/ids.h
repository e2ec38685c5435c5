/* ids.h - a growing array of token ids, for the files of this folder. One thread owns it. */
#ifndef RBEE_ENGINE_TOK_IDS_H
#define RBEE_ENGINE_TOK_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ids {
    int32_t *v; /* owned */
    size_t n, cap;
    size_t most; /* with more than so many nobody wants them: who puts them may stop */
};

static inline bool ids_too_many(const struct ids *ids)
{
    return ids->n > ids->most;
}

/* -1 when out of memory. */
int ids_put(struct ids *ids, int32_t id);

#endif
