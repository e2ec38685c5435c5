/*
 * fetch_work.c - what a download does in helper threads with its pieces: noting them in the ledger
 * (hashing those that fetch_arrival.h did not), bringing both to the disk, and noting what is there
 * of unfinished ones when it stops.
 *
 * The disk is the slowest of these and has a thread of its own, so that no hashing waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "hive/fetch/fetch_work.h"

#define BATCH_BYTES (64u << 20)

void fetch_work_free(struct fetch_work *w)
{
    if (w->fd >= 0)
        close(w->fd);
    ledger_close(w->ledger);
    digest_free(w->digest);
    free(w->part);
    free(w->path);
    free(w->ledger_path);
    free(w);
}

static struct fetch_work *make(struct fetch *f)
{
    struct fetch_work *w = calloc(1, sizeof *w);
    struct err err;

    if (!w) {
        err_no_memory(&err, sizeof *w, "a helper");
        fetch_lacks(f, &err);
        return NULL;
    }
    *w = (struct fetch_work){.owner = f,
                             .fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0),
                             .part = str_dup(f->part),
                             .path = str_dup(f->path),
                             .ledger_path = str_dup(f->ledger_path)};
    if (w->fd >= 0 && w->part && w->path && w->ledger_path)
        return w;
    err_errno(&err, ERR_BUSY, w->fd < 0 ? errno : ENOMEM, "a helper cannot work on %s", f->part);
    fetch_lacks(f, &err);
    fetch_work_free(w);
    return NULL;
}

struct fetch_work *fetch_work_try(struct fetch *f)
{
    return fetch_may_try(f) ? make(f) : NULL;
}

bool fetch_work_start(struct fetch *f, struct fetch_work *w, struct fetch_work **slot,
                      void (*work)(void *arg, const struct task *self), void (*done)(void *arg))
{
    struct err err = {0};

    w->slot = slot;
    if (tasks_start(f->p.tasks, work, done, w, &w->task, &err)) {
        fetch_lacks(f, &err);
        return false;
    }
    f->n_lacks = 0;
    *slot = w;
    return true;
}

static void leave_slot(struct fetch_work *w)
{
    if (w->owner)
        *w->slot = NULL;
}

bool fetch_work_cancelled(const void *arg)
{
    return task_cancelled(arg);
}

static enum api_code code_of(int rc)
{
    return rc == ERR_NO_SPACE ? API_DISK_FULL : API_DOWNLOAD_FAILED;
}

struct fetch *fetch_work_leave(struct fetch_work *w)
{
    struct fetch *f = w->owner;

    leave_slot(w);
    if (f && w->rc)
        fetch_end(f, code_of(w->rc), "%s", w->err.text);
    if (f)
        fetch_wake(f);
    return f;
}

/* ---- pieces ---- */

static int hash_range(struct fetch_work *w, const struct ledger_claim *c, struct digest *d,
                      const struct task *self, char *hex)
{
    return digest_of_range(d, w->fd, c->from, c->to, w->may_stop ? fetch_work_cancelled : NULL,
                           self, hex, &w->err);
}

/* A claim of a ledger's first version is checked by its SHA-256. */
static int hash_item(struct fetch_work *w, struct fetch_item *i, const struct task *self)
{
    char sha256[DIGEST_SHA256_BYTES];
    int rc = 0;

    if (!i->claim.digest[0])
        rc = hash_range(w, &i->claim, digest_create_xxh3(), self, i->claim.digest);
    if (rc == 0 && !i->expected[0])
        return ledger_add(w->ledger, &i->claim, &w->err);
    i->holds = str_eq(i->claim.digest, i->expected);
    if (rc == 0 && ledger_is_sha256(i->expected)) {
        rc = hash_range(w, &i->claim, digest_create(), self, sha256);
        i->holds = rc == 0 && str_eq(sha256, i->expected);
    }
    return rc;
}

static void hash_items(void *arg, const struct task *self)
{
    struct fetch_work *w = arg;

    for (size_t i = 0; i < w->n_items && w->rc == 0; i++) {
        w->rc = hash_item(w, &w->items[i], self);
        if (!w->items[i].expected[0]) /* begin to write it, without waiting */
            sync_file_range(w->fd, (off64_t)w->items[i].claim.from,
                            (off64_t)(w->items[i].claim.to - w->items[i].claim.from),
                            SYNC_FILE_RANGE_WRITE);
    }
}

/* A claim of the ledger was checked. */
static void settle_claim(struct fetch *f, const struct fetch_item *i)
{
    const struct ledger_claim *c = &i->claim;
    size_t piece = pieces_exactly(f->pieces, c->from, c->to);

    if (!i->holds) {
        log_warn("download of %s: bytes %llu to %llu on disk are not what they were; they are "
                 "fetched again",
                 f->name, (unsigned long long)c->from, (unsigned long long)c->to);
        if (pieces_open(f->pieces, c->from, c->to)) { /* what is in doubt gets no claim */
            fetch_end(f, API_INTERNAL, "the hive is out of memory");
            return;
        }
    }
    pieces_doubt(f->pieces, c->from, -1);
    f->n_doubted -= c->to - c->from;
    if (i->holds && piece != PIECES_NONE) {
        pieces_safe(f->pieces, piece, c->digest);
    }
}

static void items_done(void *arg)
{
    struct fetch_work *w = arg;
    struct fetch *f = fetch_work_leave(w);

    if (f) {
        f->ledger = w->ledger;
        w->ledger = NULL;
    }
    for (size_t i = 0; f && w->rc == 0 && i < w->n_items; i++) {
        const struct ledger_claim *c = &w->items[i].claim;

        if (w->items[i].expected[0])
            settle_claim(f, &w->items[i]);
        else
            pieces_safe(f->pieces, pieces_exactly(f->pieces, c->from, c->to), c->digest);
    }
    if (f)
        fetch_tell_bytes(f, 0);
    fetch_work_free(w);
}

static struct fetch_item *add_item(struct fetch_work *w, uint64_t from, uint64_t to,
                                   const char *expected)
{
    struct fetch_item *i = &w->items[w->n_items++];

    i->claim.from = from;
    i->claim.to = to;
    str_copy(i->expected, sizeof i->expected, expected);
    return i;
}

static uint64_t add_piece(struct fetch_work *w, const struct pieces *pieces, size_t piece)
{
    uint64_t from, to;
    struct fetch_item *i;

    pieces_bounds(pieces, piece, &from, &to);
    i = add_item(w, from, to, "");
    str_copy(i->claim.digest, sizeof i->claim.digest, pieces_arrived_as(pieces, piece));
    return to - from;
}

/* What the ledger claims, first; else pieces that became whole. */
static void collect(struct fetch *f, struct fetch_work *w)
{
    uint64_t sum = 0;
    size_t piece;

    w->may_stop = f->n_checked < f->found.n_claims;
    while (f->n_checked < f->found.n_claims && w->n_items < FETCH_BATCH_ITEMS &&
           sum < BATCH_BYTES) {
        const struct ledger_claim *c = &f->found.claims[f->n_checked++];

        add_item(w, c->from, c->to, c->digest);
        sum += c->to - c->from;
    }
    while (!w->may_stop && w->n_items < FETCH_BATCH_ITEMS && sum < BATCH_BYTES &&
           (piece = pieces_next_whole(f->pieces)) != PIECES_NONE)
        sum += add_piece(w, f->pieces, piece);
    f->unsynced += w->may_stop ? 0 : sum;
}

/* No helper takes them: they are collected again. */
static void give_back(struct fetch *f, struct fetch_work *w)
{
    f->ledger = w->ledger;
    w->ledger = NULL;
    if (w->may_stop)
        f->n_checked -= w->n_items;
    for (size_t i = 0; !w->may_stop && i < w->n_items; i++) {
        const struct ledger_claim *c = &w->items[i].claim;

        f->unsynced -= c->to - c->from;
        pieces_give_back(f->pieces, pieces_exactly(f->pieces, c->from, c->to));
    }
}

void fetch_work_pieces(struct fetch *f)
{
    struct fetch_work *w;

    if (f->piece_work || !f->ledger || !(w = fetch_work_try(f)))
        return;
    collect(f, w);
    if (w->n_items > 0) {
        w->ledger = f->ledger;
        f->ledger = NULL;
        if (fetch_work_start(f, w, &f->piece_work, hash_items, items_done))
            return;
        give_back(f, w);
    }
    fetch_work_free(w);
}

/* ---- to the disk ---- */

static void sync_all(void *arg, const struct task *self)
{
    struct fetch_work *w = arg;

    (void)self;
    w->rc = ledger_sync(w->ledger, w->fd, &w->err);
}

static void synced(void *arg)
{
    struct fetch_work *w = arg;

    fetch_work_leave(w);
    fetch_work_free(w);
}

void fetch_work_sync(struct fetch *f)
{
    struct fetch_work *w;
    struct err err;
    int rc;

    if (f->ended || f->sync_work || f->unsynced < LEDGER_SYNC_BYTES || !(w = fetch_work_try(f)))
        return;
    rc = ledger_reopen(w->ledger_path, &w->ledger, &err); /* the other one is being added to */
    if (rc == ERR_BUSY)
        fetch_lacks(f, &err);
    else if (rc)
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err.text);
    else if (fetch_work_start(f, w, &f->sync_work, sync_all, synced))
        f->unsynced = 0;
    if (!f->sync_work)
        fetch_work_free(w);
}

/* ---- stopping ---- */

static void keep(void *arg, const struct task *self)
{
    struct fetch_work *w = arg;

    w->rc = ledger_reopen(w->ledger_path, &w->ledger, &w->err);
    for (size_t i = 0; i < w->n_items && w->rc == 0; i++)
        w->rc = hash_item(w, &w->items[i], self);
    if (w->rc == 0)
        w->rc = ledger_sync(w->ledger, w->fd, &w->err);
}

static void kept(void *arg)
{
    struct fetch_work *w = arg;

    leave_slot(w);
    if (w->rc && w->rc != ERR_NOT_FOUND)
        log_warn("what came of %s last may have to be fetched again: %s", w->path, w->err.text);
    if (w->owner)
        fetch_wake(w->owner);
    fetch_work_free(w);
}

void fetch_work_keep(struct fetch *f)
{
    struct fetch_work *w = f->pieces && !f->settling ? make(f) : NULL;
    uint64_t cursor = 0, from, to;

    if (!w)
        return;
    while (w->n_items < FETCH_BATCH_ITEMS && pieces_next_partial(f->pieces, &cursor, &from, &to))
        add_item(w, from, to, "");
    if (w->n_items == 0 || !fetch_work_start(f, w, &f->keep_work, keep, kept))
        fetch_work_free(w);
}

/* ---- nobody waits any more ---- */

static void abandon(struct fetch_work **slot, bool cancel)
{
    struct fetch_work *w = *slot;

    if (!w)
        return;
    w->owner = NULL;
    if (cancel)
        task_cancel(w->task);
    *slot = NULL;
}

void fetch_work_abandon(struct fetch *f)
{
    abandon(&f->piece_work, f->piece_work && f->piece_work->may_stop);
    abandon(&f->whole_work, true);
    abandon(&f->keep_work, false);
    abandon(&f->sync_work, false);
}
