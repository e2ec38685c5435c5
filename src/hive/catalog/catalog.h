/*
 * catalog.h - the models that were downloaded, in a SQLite database (WAL).
 *
 * One row a model reference; several references may name one file. The database is a convenience,
 * not the truth: a corrupt one is set aside and the rows are made again from the cards that lie
 * beside the files (card.h). Loop thread only; every statement is small.
 */
#ifndef RBEE_HIVE_CATALOG_CATALOG_H
#define RBEE_HIVE_CATALOG_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct catalog;

/* Texts are owned by the row (catalog_row_done) when it came from the catalog, else by the caller.
 */
struct catalog_row {
    char *model_ref;                     /* canonical */
    char *path;                          /* of the first part */
    char *source;                        /* "hf:org/repo@commit": where it came from */
    char *file;                          /* its name there */
    char *quantization;                  /* "Q4_K_M" or "" */
    char *sha256;                        /* of the first part, 64 hex digits, or "" */
    uint64_t size_bytes;                 /* of all parts */
    bool verified;                       /* the digest was compared */
    int64_t downloaded_ms, last_used_ms; /* Unix; last_used 0 = never */
};
void catalog_row_done(struct catalog_row *row);

/* What `llm-worker-rbee inspect` said of a file, by the file's digest. */
struct catalog_verdict {
    char judge[64];     /* which program judged */
    char code[32];      /* "" = it can be run, else an error's code */
    char message[1024]; /* what was wrong, "" */
    char license[128];  /* as the file names it, "" */
};

/*
 * Opens or creates, for the owner alone (0600). A file that is no intact database is renamed to
 * <path>.corrupt-<time> and a new one begun; *set_aside (free()) is then its new name, else NULL.
 * ERR_DENIED, ERR_IO, ERR_NO_SPACE; ERR_CONFLICT when a newer rbee wrote it.
 */
int catalog_open(const char *path, struct catalog **out, char **set_aside, struct err *err);
/* An empty one that ends with the hive, for a disk that has no room for any. */
int catalog_open_in_memory(struct catalog **out, struct err *err);
void catalog_close(struct catalog *c);

int catalog_put(struct catalog *c, const struct catalog_row *row, struct err *err);
/* ERR_NOT_FOUND when there is no such row. */
int catalog_get(struct catalog *c, const char *model_ref, struct catalog_row *out, struct err *err);
int catalog_remove(struct catalog *c, const char *model_ref, struct err *err);
/* All rows that name this file; it is no error when there is none. */
int catalog_remove_path(struct catalog *c, const char *path, struct err *err);
/* It was used at that time (Unix); an earlier one than is known changes nothing. Hardly waits for
 * another program that has the file: ERR_IO then, and the note is lost. */
int catalog_touch(struct catalog *c, const char *model_ref, int64_t used_ms, struct err *err);
/* How many rows name this file. */
int catalog_count_path(struct catalog *c, const char *path, uint64_t *out, struct err *err);

/* A later verdict replaces an earlier one. */
int catalog_put_verdict(struct catalog *c, const char *sha256, const struct catalog_verdict *v,
                        struct err *err);
/* ERR_NOT_FOUND when the file with that digest was not judged. */
int catalog_get_verdict(struct catalog *c, const char *sha256, struct catalog_verdict *out,
                        struct err *err);

/* Every row in the order of its reference; stops when `each` returns false. */
int catalog_each(struct catalog *c, bool (*each)(void *arg, const struct catalog_row *row),
                 void *arg, struct err *err);

#endif
