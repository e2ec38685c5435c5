/* upload_internal.h - what the files behind upload.h share; for nobody else. */
#ifndef RBEE_HIVE_UPLOAD_INTERNAL_H
#define RBEE_HIVE_UPLOAD_INTERNAL_H

#include "hive/chore.h"
#include "hive/pieces.h"
#include "hive/upload.h"

struct upload_file {
    char *part; /* owned: its path */
    uint64_t size_bytes;
    struct pieces *pieces; /* owned: what is missing, once it was looked at */
};

/* The upload's folder, and a file in it (free()); NULL for what is no SHA-256 or no plain name, or
 * without memory. */
char *upload_folder(const struct models *m, const char *id);
char *upload_part(const struct models *m, const char *id, const char *file);

/*
 * From a step's thread: makes the part and its ledger where they are not, and believes of the
 * ledger what the part's bytes bear out.
 */
int upload_look(struct upload_file *f, struct chore *c, struct err *err);

#endif
