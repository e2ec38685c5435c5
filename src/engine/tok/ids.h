/* ids.h - a growing array of token ids, for the files of this folder. One thread owns it. */
#ifndef RBEE_ENGINE_TOK_IDS_H
#define RBEE_ENGINE_TOK_IDS_H

#include <stddef.h>
#include <stdint.h>

struct ids {
    int32_t *v; /* owned */
    size_t n, cap;
};

/* -1 when out of memory. */
int ids_put(struct ids *ids, int32_t id);

#endif
