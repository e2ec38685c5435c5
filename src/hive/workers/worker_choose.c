/* worker_choose.c - see workers.h: which of several workers of a model is given out. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/disk/glance.h"
#include "hive/disk/reach.h"
#include "hive/workers/workers_internal.h"

/* What speaks for a worker: the first number that differs decides, and more is better. */
struct claim {
    int64_t enough;  /* its context and slots, for what was asked */
    int64_t stage;   /* ready before loading before being prepared */
    int64_t n_free;  /* slots; below zero where requests wait */
    int64_t used_ms; /* the one used last has most of a conversation's beginning in its cache */
};

/*
 * Whoever asks for a model means the file that is at its place now: not what another one was
 * overwritten with or made room for. A file that cannot be looked at says nothing: what was found
 * before holds.
 */
static bool is_replaced(const struct worker *w, const struct file_mark *now)
{
    return now ? w->file.number && !file_mark_same_bytes(&w->file, now) : w->replaced;
}

const struct file_mark *worker_file_now(struct workers *ws, const struct launch *l,
                                        struct file_mark *mark)
{
    return l->model_path && reach_check(ws->params.reach, l->model_path, NULL) == 0 &&
                   file_mark_of(l->model_path, mark)
               ? mark
               : NULL;
}

bool worker_is_of(const struct worker *w, const struct launch *l, const struct file_mark *now)
{
    return str_eq(w->model_ref, l->model_ref) ||
           (now && w->file.number && file_mark_same_bytes(&w->file, now));
}

/* What may be shared, where its file was not replaced: the same model, and able to take work now or
 * soon. */
static bool fits(const struct worker *w, const struct launch *l, const struct file_mark *now)
{
    enum board_state state = worker_board_state(w);

    return (w->state == WORKER_PREPARING || worker_takes_work(w)) && state != BOARD_DRAINING &&
           state != BOARD_FAILED && worker_is_of(w, l, now) && str_eq(w->backend, l->backend) &&
           w->device == l->device;
}

static bool is_ready(const struct worker *w)
{
    return worker_takes_work(w) && worker_board_state(w) == BOARD_READY;
}

/*
 * A larger one was started for a request, and is there for all: two of a model are a waste of
 * memory. Those that a person asked for stay what they are, and so does one that is pinned, unless
 * the larger one is pinned as well.
 */
static bool is_outgrown(const struct worker *w, const struct workers *ws, const struct launch *l,
                        const struct file_mark *now)
{
    const struct worker *other;

    TAILQ_FOREACH(other, &ws->all, link)
    {
        if (other->ctx_min && is_ready(other) && worker_n_ctx(other) > worker_n_ctx(w) &&
            !w->by_hand && (w->keep_alive_ms >= 0 || other->keep_alive_ms < 0) &&
            fits(other, l, now) && !is_replaced(other, now))
            return true;
    }
    return false;
}

/* Until it says them, those that it was told to have. */
static int64_t all_slots(const struct worker *w)
{
    int64_t n_slots = w->board ? atomic_load(&w->board->slots_total) : 0;

    if (n_slots == 0)
        n_slots = w->slots;
    return n_slots ? n_slots : PLAN_DEFAULT_SLOTS;
}

/* The board says it a moment late: of many requests at once it knows none yet. */
static int64_t free_slots(const struct worker *w)
{
    const struct board *b = w->board;
    int64_t n_there = b ? (int64_t)atomic_load(&b->slots_busy) + atomic_load(&b->queued) : 0;

    if (w->n_visits > n_there)
        n_there = w->n_visits;
    return all_slots(w) - n_there;
}

bool worker_has_size(const struct worker *w, const struct launch *l)
{
    return worker_n_ctx(w) >= l->ctx && all_slots(w) >= l->slots;
}

static bool is_large_enough(const struct worker *w, const struct launch *l)
{
    return worker_has_size(w, l) && worker_n_ctx(w) >= l->ctx_min;
}

/* One that is being prepared for somebody else is in no list yet, where whoever wants a size could
 * see its own: then it is given only where it will be large enough. */
static bool is_unseen_and_small(const struct worker *w, const struct launch *l)
{
    return w->state == WORKER_PREPARING && !worker_has_size(w, l);
}

static struct claim claim_of(const struct worker *w, const struct launch *l)
{
    return (struct claim){
        .enough = is_large_enough(w, l),
        .stage = w->state == WORKER_PREPARING ? 0 : 1 + (worker_board_state(w) == BOARD_READY),
        .n_free = free_slots(w),
        .used_ms = w->asked_ms};
}

static bool is_better(const struct claim *a, const struct claim *b)
{
    if (a->enough != b->enough)
        return a->enough > b->enough;
    if (a->stage != b->stage)
        return a->stage > b->stage;
    if (a->n_free != b->n_free)
        return a->n_free > b->n_free;
    return a->used_ms > b->used_ms;
}

struct worker *worker_choose(struct workers *ws, const struct launch *l, const struct worker *but)
{
    struct worker *w, *best = NULL;
    struct claim most = {0};
    struct file_mark mark;
    const struct file_mark *now = worker_file_now(ws, l, &mark);

    TAILQ_FOREACH(w, &ws->all, link)
    {
        struct claim mine = claim_of(w, l);

        if (!fits(w, l, now) || is_unseen_and_small(w, l) || (but && w == but))
            continue;
        w->replaced = is_replaced(w, now);
        w->outgrown = is_outgrown(w, ws, l, now);
        if (w->replaced || w->outgrown || (best && !is_better(&mine, &most)))
            continue;
        best = w;
        most = mine;
    }
    return best;
}

const struct worker *workers_usable(struct workers *ws, const struct launch *l)
{
    return worker_choose(ws, l, NULL);
}

/* ---- those who choose for themselves ---- */

/* Where whoever asks by its reference finds the model now: a link may have been switched, or
 * another file imported under the name. */
static const char *place_now(const struct worker *w)
{
    static const char scheme[] = "file://";

    if (str_starts(w->model_ref, scheme))
        return w->model_ref + sizeof scheme - 1;
    return w->moved_path ? w->moved_path : w->model_path;
}

void workers_moved(struct workers *ws, const char *model_ref, const char *path)
{
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    {
        char *copy = str_eq(w->model_ref, model_ref) ? str_dup(path) : NULL;

        if (!copy)
            continue;
        free(w->moved_path);
        w->moved_path = copy;
        glance_free(w->glance);
        w->glance = NULL;
    }
}

/* Lists are asked for all the time: the loop touches no file system for them that may hang. */
static const struct file_mark *see_file(struct worker *w, const char *path, int64_t until_ms,
                                        struct file_mark *mark)
{
    int64_t left_ms = until_ms - clock_ms();

    const struct workers_params *p = &w->owner->params;

    if (!path)
        return NULL;
    if (reach_is_near(p->reach, path))
        return file_mark_of(path, mark) ? mark : NULL;
    if (!w->glance)
        w->glance = glance_create(p->base, path);
    return w->glance && glance_at(w->glance, left_ms > 0 ? left_ms : 0, mark) ? mark : NULL;
}

void workers_see_files(struct workers *ws, const char *id)
{
    int64_t until_ms = clock_ms() + GLANCE_WAIT_MS; /* for all of them */
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    {
        const struct launch own = {
            .model_ref = w->model_ref, .backend = w->backend, .device = w->device};
        const struct file_mark *now;
        struct file_mark mark;

        if ((id && !str_eq(w->id, id)) || !worker_takes_work(w))
            continue;
        now = see_file(w, place_now(w), until_ms, &mark);
        w->replaced = is_replaced(w, now);
        w->outgrown = is_outgrown(w, ws, &own, now);
    }
}

/* ---- visits ---- */

static void count_visit(struct workers *ws, const char *id, int change)
{
    struct worker *w = worker_by_id(ws, id);

    if (w)
        w->n_visits += change;
}

void workers_visit(struct workers *ws, const char *id)
{
    count_visit(ws, id, 1);
}

void workers_leave(struct workers *ws, const char *id)
{
    count_visit(ws, id, -1);
}
