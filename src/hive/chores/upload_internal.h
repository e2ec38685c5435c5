/* upload_internal.h - what the files behind upload.h share; for nobody else. */
#ifndef RBEE_HIVE_CHORES_UPLOAD_INTERNAL_H
#define RBEE_HIVE_CHORES_UPLOAD_INTERNAL_H

#include "hive/catalog/at_work.h"
#include "hive/chores/chore.h"
#include "hive/chores/upload.h"
#include "hive/disk/pieces.h"

struct upload_file {
    char *part; /* owned: its path */
    uint64_t size_bytes;
    struct pieces *pieces; /* owned: what is missing, once it was looked at */
};

struct upload {
    struct hive *h;
    struct manifest manifest; /* of one model */
    struct upload_file *files;
    char *dir;         /* owned: where they lie */
    struct card *card; /* owned: as the model would have it here */
    struct at_work mark;
};

static inline const struct manifest_model *upload_model(const struct upload *u)
{
    return &u->manifest.models[0];
}

/*
 * What the beginning and the end have in common: true when the exchange is answered. The model is
 * here (and is listed from now on, if it was not), its name is another one's, or it is being
 * downloaded or taken in.
 */
bool upload_is_answered(struct upload *u, struct http_exchange *x);
/* Of the end alone: true when the exchange is answered. What has come is being looked at for
 * another push of the same, which notes what it has seen by the files' times. */
bool upload_is_looked_at(const struct upload *u, struct http_exchange *x);

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
