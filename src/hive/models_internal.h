/* models_internal.h - what the files behind models.h share; for nobody else. */
#ifndef RBEE_HIVE_MODELS_INTERNAL_H
#define RBEE_HIVE_MODELS_INTERNAL_H

#include "hive/card.h"
#include "hive/catalog.h"
#include "hive/models.h"

struct models {
    struct catalog *catalog;
    struct downloads *downloads;
    char *dir; /* owned */
};

/*
 * A reference and its canonical spelling (free()); -1 with *e. A relative path is refused: it means
 * nothing here, since the hive stands in another folder.
 */
int models_parse(const char *text, struct model_ref *ref, char **canonical, struct api_error *e);

#endif
