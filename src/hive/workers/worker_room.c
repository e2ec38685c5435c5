/* worker_room.c - see worker_room.h. */
#include "hive/workers/worker_room.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/http/reply.h"
#include "hive/machine/machine.h"
#include "hive/process/procfs.h"
#include "hive/workers/workers_internal.h"

/* Of what it was planned to take. Where nobody tells, one that has loaded has all of it: as if it
 * had nothing, all of it was promised once more. */
static uint64_t has_bytes(const struct worker *w)
{
    uint64_t bytes;

    if (w->state == WORKER_PREPARING)
        return 0;
    if (w->process && procfs_own_bytes(w->process, &bytes) == 0)
        return bytes;
    return w->ready_ms ? w->need.total_bytes : 0;
}

/* Nobody has come for it since it was last given to somebody, and there is time left to come. */
static bool is_expected(const struct worker *w, int64_t now)
{
    int64_t since = w->ready_ms > w->asked_ms ? w->ready_ms : w->asked_ms;

    return worker_is_unused(w) && (w->ready_ms == 0 || now - since < WORKERS_UNUSED_MS);
}

static struct room_worker facts_of(const struct worker *w, int64_t now)
{
    struct room_worker f = {0};
    uint64_t has = has_bytes(w);

    f.frees_bytes = has;
    if (w->stranded) /* what it has it keeps */
        return f;
    f.ending = w->state == WORKER_DRAINING || w->state == WORKER_CONDEMNED;
    f.wants_bytes = w->need.total_bytes > has ? w->need.total_bytes - has : 0;
    if (worker_takes_work(w) && worker_board_state(w) == BOARD_READY) {
        struct worker_look look;

        worker_look(w, &look);
        f.idle_ms = now - look.idle_since_ms;
        f.may_end = atomic_load(&w->board->slots_busy) == 0 &&
                    atomic_load(&w->board->queued) == 0 && w->keep_alive_ms >= 0 &&
                    !is_expected(w, now);
    }
    f.may_end_later = !f.ending && !f.may_end && w->keep_alive_ms >= 0;
    return f;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* The owner of the machine may give us less of it. */
static void apply_limit(const struct workers *ws, struct worker_room *r)
{
    uint64_t limit = (uint64_t)config_int(ws->params.config, "hive", "memory_limit") << 20;
    uint64_t taken = 0;

    if (limit == 0)
        return;
    for (size_t i = 0; i < r->n; i++)
        taken += r->facts[i].frees_bytes;
    if (r->total_bytes == 0 || limit < r->total_bytes) {
        bool unknown = r->total_bytes == 0;

        r->total_bytes = limit;
        if (unknown || less(limit, taken) < r->free_bytes)
            r->free_bytes = less(limit, taken);
    }
}

void worker_room_look(const struct workers *ws, const struct worker *except,
                      struct worker_room *out)
{
    const struct worker *w;
    int64_t now = clock_ms();

    memset(out, 0, sizeof *out);
    machine_memory(&out->total_bytes, &out->free_bytes);
    TAILQ_FOREACH(w, &ws->all, link)
    {
        struct room_worker *f = &out->facts[out->n];

        if (w == except || !worker_is_alive(w) || w->in_line || out->n == WORKER_ROOM_MAX)
            continue;
        *f = facts_of(w, now);
        out->workers[out->n++] = w;
        if (f->may_end)
            out->idle_bytes += f->frees_bytes + f->wants_bytes;
    }
    apply_limit(ws, out);
    out->promised_bytes = room_promised(out->facts, out->n);
    out->usable_bytes = less(out->free_bytes, out->promised_bytes);
}

void workers_memory(const struct workers *ws, uint64_t *total_bytes, uint64_t *usable_bytes)
{
    struct worker_room r;

    worker_room_look(ws, NULL, &r);
    *total_bytes = r.total_bytes;
    *usable_bytes = r.usable_bytes;
}

static size_t lack_places(const struct worker_room *r)
{
    return r->n < WORKERS_MAX ? 0 : r->n + 1 - WORKERS_MAX;
}

bool worker_room_fits(const struct worker_room *r, const struct plan_need *need)
{
    return r->total_bytes == 0 || need->total_bytes <= r->usable_bytes;
}

enum room_answer worker_room_for(struct worker_room *r, const struct plan_need *need)
{
    bool fits = worker_room_fits(r, need);
    uint64_t lack = fits ? 0 : room_lack(need->total_bytes, r->promised_bytes, r->free_bytes);
    size_t places = lack_places(r);
    uint64_t freed;

    if (fits && places == 0)
        return ROOM_IS_THERE;
    if (room_choose(r->facts, r->n, lack, places, &freed))
        return ROOM_BY_ENDING;
    if (room_comes(r->facts, r->n, lack, places))
        return ROOM_LATER;
    return room_comes(r->facts, r->n, 0, places) ? ROOM_NONE : ROOM_NO_PLACE;
}

enum room_answer worker_room_find(struct worker *w, struct worker_room *out)
{
    worker_room_look(w->owner, w, out);
    return worker_room_for(out, &w->need);
}

int worker_room_place(const struct worker_room *r, struct api_error *e)
{
    if (room_comes(r->facts, r->n, 0, lack_places(r)))
        return 0;
    api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC,
                  "there are %d workers already, which is the limit, and none of them may be ended "
                  "for another one: they are pinned (keep_alive -1)",
                  WORKERS_MAX);
    return -1;
}

const struct worker *worker_room_holder(const struct worker_room *r)
{
    const struct worker *found = NULL;
    uint64_t most = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct room_worker *f = &r->facts[i];

        if (!f->may_end_later || (found && f->frees_bytes <= most))
            continue;
        found = r->workers[i];
        most = f->frees_bytes;
    }
    return found;
}

int worker_room_error(const struct worker_room *r, const struct plan_need *need, struct err *err)
{
    char promised[32], idle[32];
    size_t n;
    int rc = plan_fits(need, r->usable_bytes, err);

    if (rc != ERR_NO_MEMORY || !err)
        return rc;
    n = strlen(err->text);
    if (r->promised_bytes)
        n += (size_t)snprintf(err->text + n, sizeof err->text - n,
                              " beside the %s that running workers will take",
                              str_human_bytes(r->promised_bytes, promised, sizeof promised));
    if (n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - n,
                 r->idle_bytes ? ", and ending all idle workers would give only %s"
                               : ", and no idle worker could be ended for it%.0s",
                 str_human_bytes(r->idle_bytes, idle, sizeof idle));
    return rc;
}
