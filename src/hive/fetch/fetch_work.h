/*
 * fetch_work.h - a fetch's work in a helper thread; for the files behind fetch.h.
 *
 * A work owns its descriptor (a duplicate), the ledger or the digest, and its texts until it is
 * done; a fetch that ended meanwhile has taken itself out of `owner`.
 */
#ifndef RBEE_HIVE_FETCH_FETCH_WORK_H
#define RBEE_HIVE_FETCH_FETCH_WORK_H

#include "hive/fetch/fetch_internal.h"
#include "hive/process/task.h"

#define FETCH_BATCH_ITEMS 64

struct fetch_item {
    struct ledger_claim claim;          /* digest: its XXH3; "" = the helper reads it */
    char expected[DIGEST_SHA256_BYTES]; /* of a claim; "" = not known: note it down */
    bool holds;                         /* it is as expected */
};

struct fetch_work {
    struct fetch *owner; /* loop thread only; NULL = nobody waits */
    struct fetch_work **slot;
    struct task *task;
    int fd;
    struct ledger *ledger;
    struct digest *digest;
    uint64_t hashed;         /* of the whole file */
    _Atomic uint64_t may_to; /* it may be hashed so far; grows while the work goes on */
    struct fetch_item items[FETCH_BATCH_ITEMS];
    size_t n_items;
    bool may_stop;
    char *part, *path, *ledger_path;
    int rc;
    struct err err;
};

/* NULL: there is no memory or no descriptor for one (fetch_lacks), or was none just now. */
struct fetch_work *fetch_work_try(struct fetch *f);
void fetch_work_free(struct fetch_work *w);
/* It is handed to a helper. False: it is the caller's still, there was no thread: fetch_lacks. */
bool fetch_work_start(struct fetch *f, struct fetch_work *w, struct fetch_work **slot,
                      void (*work)(void *arg, const struct task *self), void (*done)(void *arg));
/* What is done is done: the fetch looks what is due, or ends when it failed. It, or NULL. */
struct fetch *fetch_work_leave(struct fetch_work *w);
bool fetch_work_cancelled(const void *task); /* a `stop` of digest.h */

#endif
