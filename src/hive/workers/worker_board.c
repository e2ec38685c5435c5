/*
 * worker_board.c - what the hive reads of a worker's board. The worker is a process that has read a
 * file of unknown hands, and its board is memory that it may write anything to, at any moment: each
 * number is read once and taken for no more than a number, each text is bound by its room.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "hive/workers/workers_internal.h"

enum board_state worker_board_state(const struct worker *w)
{
    uint32_t said = w->board ? atomic_load_explicit(&w->board->state, memory_order_acquire)
                             : (uint32_t)BOARD_STARTING;

    return said < BOARD_FAILED ? (enum board_state)said : BOARD_FAILED;
}

void worker_board_error(const struct worker *w, struct api_error *e)
{
    char code[sizeof w->board->error_code + 1], text[BOARD_ERROR_MAX + 1];
    bool known;
    enum api_code api;

    /* The worker may write anything there: bound by size, not by a NUL. */
    snprintf(code, sizeof code, "%.*s", (int)sizeof w->board->error_code, w->board->error_code);
    snprintf(text, sizeof text, "%.*s", BOARD_ERROR_MAX, w->board->error_text);
    api = api_code_from(code, &known);
    api_error_set(e, known ? api : API_WORKER_START_FAILED, "worker", "%s",
                  text[0] ? text : "the worker failed without saying why");
}

int64_t worker_n_ctx(const struct worker *w)
{
    int64_t n_ctx = w->board ? atomic_load(&w->board->n_ctx) : 0;

    if (n_ctx == 0)
        n_ctx = w->need.ctx ? (int64_t)w->need.ctx : w->ctx;
    return n_ctx ? n_ctx : PLAN_DEFAULT_CTX;
}

int64_t worker_activity_ms(const struct worker *w, int64_t now)
{
    const struct board *b = w->board ? w->board : w->kept;
    int64_t said = b ? atomic_load(&b->last_activity_ms) : 0;

    if (said < 0)
        return 0;
    return said < now ? said : now;
}

void worker_keep_board(struct worker *w)
{
    w->kept = w->board ? malloc(sizeof *w->kept) : NULL;
    if (!w->kept)
        return;
    memcpy(w->kept, w->board, sizeof *w->kept);
    atomic_store(&w->kept->slots_busy, 0); /* with what it had */
    atomic_store(&w->kept->queued, 0);
}

void worker_tell_use(struct worker *w, int64_t at_least_ms)
{
    int64_t now = clock_ms(), used = worker_activity_ms(w, now);

    if (used - w->used_told_ms < at_least_ms)
        return;
    w->used_told_ms = used;
    w->owner->params.used(w->owner->params.used_arg, w->model_ref, clock_unix_ms() - (now - used));
}

bool worker_is_unused(const struct worker *w)
{
    const struct board *b = w->board;
    int64_t activity = atomic_load(&b->last_activity_ms);

    if (activity < w->asked_ms)
        return true;
    return atomic_load(&b->tokens_out) == 0 &&
           (w->ready_ms == 0 || activity == w->ready_activity_ms);
}

bool worker_has_work(const struct worker *w)
{
    const struct board *b = w->board;

    return atomic_load(&b->slots_busy) > 0 ||
           (worker_board_state(w) == BOARD_READY && atomic_load(&b->engine_queued) > 0);
}

/* A worker that nobody has used since it was last given out is given time, also when keep_alive is
 * 0: who asked for it has to come first. */
bool worker_is_idle_too_long(const struct worker *w, int64_t now)
{
    const struct board *b = w->board;
    int64_t since = worker_activity_ms(w, now), limit = w->keep_alive_ms;

    if ((w->replaced || w->outgrown) && (limit < 0 || limit > WORKERS_UNUSED_MS))
        limit = WORKERS_UNUSED_MS;
    if (limit < 0 || atomic_load(&b->slots_busy) || atomic_load(&b->queued))
        return false;
    if (since < w->ready_ms)
        since = w->ready_ms;
    if (since < w->asked_ms)
        since = w->asked_ms;
    if (worker_is_unused(w) && limit < WORKERS_UNUSED_MS)
        limit = WORKERS_UNUSED_MS;
    return now - since >= limit;
}
