/* fetch_whole.c - the whole file: its digest, in a helper thread, and its place. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/sync.h"
#include "hive/fetch/fetch_work.h"

/* ---- its digest ---- */

/* Goes on while bytes keep coming: a word of the loop's for each stretch would cost more than its
 * digest on a busy machine. */
static void hash_whole(void *arg, const struct task *self)
{
    struct fetch_work *w = arg;
    uint64_t to;

    while (w->rc == 0 && (to = atomic_load(&w->may_to)) > w->hashed) {
        w->rc =
            digest_put_range(w->digest, w->fd, w->hashed, to, fetch_work_cancelled, self, &w->err);
        w->hashed = to;
    }
}

static void whole_done(void *arg)
{
    struct fetch_work *w = arg;
    struct fetch *f = fetch_work_leave(w);

    if (f && w->rc == 0) {
        f->digest = w->digest;
        f->hashed = w->hashed;
        w->digest = NULL;
    }
    fetch_work_free(w);
}

void fetch_work_more(struct fetch *f)
{
    struct fetch_work *w = f->whole_work;

    if (w && w->digest)
        atomic_store(&w->may_to, pieces_there_until(f->pieces, atomic_load(&w->may_to)));
}

void fetch_work_whole(struct fetch *f)
{
    struct fetch_work *w;
    uint64_t to;

    if (f->ended || f->whole_work || !f->digest)
        return;
    to = pieces_there_until(f->pieces, f->hashed);
    if (to == f->hashed || (to < f->want && to - f->hashed < FETCH_STEP_BYTES))
        return;
    w = fetch_work_try(f);
    if (!w)
        return;
    w->hashed = f->hashed;
    w->may_to = to;
    w->digest = f->digest;
    f->digest = NULL;
    if (fetch_work_start(f, w, &f->whole_work, hash_whole, whole_done))
        return;
    f->digest = w->digest;
    w->digest = NULL;
    fetch_work_free(w);
}

/* ---- its place ---- */

static void sync_part(void *arg, const struct task *self)
{
    struct fetch_work *w = arg;
    int error = sync_bytes(w->fd);

    (void)self;
    if (error)
        w->rc = err_errno(&w->err, ERR_IO, error, "cannot bring %s to the disk", w->part);
}

static void sync_place(void *arg, const struct task *self)
{
    struct fetch_work *w = arg;

    (void)self;
    w->rc = path_sync_folder(w->path, &w->err);
}

static void settled(void *arg)
{
    struct fetch_work *w = arg;
    struct fetch *f = fetch_work_leave(w);

    if (f && w->rc == 0) /* else nobody waits: the name may be a newer download's */
        unlink(w->ledger_path);
    if (f)
        f->ended = true;
    fetch_work_free(w);
}

/* The name changes here and not in a helper: one that nobody wants any more, or that is begun anew,
 * never gets it. */
static void part_synced(void *arg)
{
    struct fetch_work *w = arg;
    struct fetch *f = fetch_work_leave(w);

    if (f && !f->ended && w->rc == 0 && rename(f->part, f->path) != 0)
        fetch_end(f, API_DOWNLOAD_FAILED, "cannot put %s into its place: %s", f->path,
                  strerror(errno));
    if (f && !f->ended) {
        f->placed = true;
        fetch_work_settle(f);
    }
    fetch_work_free(w);
}

/* Not beside another sync of the file: the kernel tells an error of writing once, to one of the
 * two, and the other finds all in order. */
void fetch_work_settle(struct fetch *f)
{
    struct fetch_work *w;

    f->settling = true;
    if (f->whole_work || f->sync_work || !(w = fetch_work_try(f)))
        return;
    if (!fetch_work_start(f, w, &f->whole_work, f->placed ? sync_place : sync_part,
                          f->placed ? settled : part_synced))
        fetch_work_free(w);
}
