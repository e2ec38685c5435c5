/*
 * worker_context.c - see workers.h: how many positions the slots of a worker have.
 *
 * A person or the configuration says it, or a request says how many it wants at least (Ollama's
 * num_ctx). A worker has its context for life, so a larger wish is another worker: one that is
 * started large enough at once, or a larger one beside that which is there, which then gets nothing
 * more to do (worker_choose.c) and ends soon. So that a client whose wish grows with every question
 * does not load the model for each of them, wishes are rounded up to a power of two; none is more
 * than the model was trained for. Where there is no memory for a wish, what there is has to do, or
 * the hive's own number: a prompt that is too long for it is refused by the worker, with both.
 */
#include "base/str.h"
#include "hive/workers/worker_room.h"
#include "hive/workers/workers_internal.h"

#define CONTEXT_MAX 16777216 /* as [hive] ctx has it; a power of two */

void workers_fill_in(const struct workers *ws, struct launch *l)
{
    if (l->slots == 0)
        l->slots = config_int(ws->params.config, "hive", "slots");
    if (l->ctx == 0)
        l->ctx = config_int(ws->params.config, "hive", "ctx");
}

int workers_plan(const struct workers *ws, const struct launch *l, const struct model_facts *facts,
                 struct plan_need *out, struct err *err)
{
    bool kv_q8_0 = str_eq(config_text(ws->params.config, "hive", "kv_type"), "q8_0");
    uint64_t ctx = (uint64_t)l->ctx;

    if (facts->context_length && ctx > facts->context_length)
        ctx = facts->context_length;
    return plan_memory(facts, (uint64_t)l->slots, ctx, kv_q8_0, out, err);
}

enum api_code workers_plan_code(int rc)
{
    return rc == ERR_UNSUPPORTED ? API_UNSUPPORTED_MODEL : API_INSUFFICIENT_MEMORY;
}

static int64_t at_most(int64_t ctx, const struct model_facts *facts)
{
    if (ctx > CONTEXT_MAX)
        ctx = CONTEXT_MAX;
    if (facts->context_length && (uint64_t)ctx > facts->context_length)
        ctx = (int64_t)facts->context_length;
    return ctx;
}

static int64_t round_up(int64_t ctx)
{
    int64_t power = 1;

    while (power < ctx && power < CONTEXT_MAX)
        power *= 2;
    return power;
}

/* What a worker gets that nobody has a wish for. */
static int64_t hives_own(const struct workers *ws)
{
    int64_t ctx = config_int(ws->params.config, "hive", "ctx");

    return ctx ? ctx : PLAN_DEFAULT_CTX;
}

/* One of this model that was larger failed while it loaded, and that is remembered still: so would
 * the next. */
static bool has_failed(const struct workers *ws, const struct launch *l)
{
    const struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    if (w->died_loading && w->ctx_min && str_eq(w->model_path, l->model_path) &&
        str_eq(w->backend, l->backend) && w->device == l->device)
        return true;
    return false;
}

void worker_context_wish(struct worker *w, const struct launch *l)
{
    if (w->by_hand || l->ctx_min <= hives_own(w->owner) || l->ctx_min <= w->ctx_min ||
        has_failed(w->owner, l))
        return;
    w->ctx_min = l->ctx_min;
    w->ctx = round_up(l->ctx_min);
}

bool worker_context_reduce(struct worker *w, bool to_own)
{
    int64_t to = at_most(to_own ? hives_own(w->owner) : w->ctx_min, &w->facts);
    struct launch less = {.slots = w->slots, .ctx = to};

    if (w->ctx_min == 0 || w->ctx <= to || workers_plan(w->owner, &less, &w->facts, &w->need, NULL))
        return false;
    w->ctx = to;
    return true;
}

bool worker_context_is_small(const struct worker *w, const struct launch *l)
{
    struct launch larger = {.slots = l->slots, .ctx = at_most(l->ctx_min, &w->facts)};
    struct worker_room room;
    struct plan_need need;

    if (l->ctx || w->need.ctx == 0 || larger.ctx <= worker_n_ctx(w) || has_failed(w->owner, l))
        return false;
    workers_fill_in(w->owner, &larger);
    if (workers_plan(w->owner, &larger, &w->facts, &need, NULL))
        return false;
    worker_room_look(w->owner, NULL, &room);
    return worker_room_for(&room, &need) < ROOM_LATER;
}
