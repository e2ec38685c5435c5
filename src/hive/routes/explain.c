/* explain.c - see explain.h. */
#include "hive/routes/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "hive/catalog/judge.h"
#include "hive/http/reply.h"
#include "hive/routes/spawn.h"
#include "hive/workers/worker_room.h"

#define REASON_MAX      ERR_TEXT_MAX
#define HOST_NAME_BYTES 256

/* A question on its way. */
struct question {
    struct hive *hive;
    struct http_exchange *x;
    struct spawn spawn;
    struct judge_ask *judging;
};

/* What was decided, and why. */
struct decision {
    const char *what;
    enum api_code code;
    bool refused;
    char reason[REASON_MAX];
};

static void free_question(struct question *q)
{
    spawn_done(&q->spawn);
    free(q);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct question *q = arg;

    (void)x;
    judge_cancel(q->judging);
    free_question(q);
}

static json_t *need_json(const struct plan_need *n)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "weights_bytes", (json_int_t)n->weight_bytes,
                     "kv_bytes", (json_int_t)n->kv_bytes, "scratch_bytes",
                     (json_int_t)n->scratch_bytes, "total_bytes", (json_int_t)n->total_bytes);
}

static json_t *have_json(const struct worker_room *r)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "total_bytes", (json_int_t)r->total_bytes,
                     "free_bytes", (json_int_t)r->free_bytes, "promised_bytes",
                     (json_int_t)r->promised_bytes, "usable_bytes", (json_int_t)r->usable_bytes,
                     "idle_bytes", (json_int_t)r->idle_bytes);
}

static json_t *ends_json(const struct worker_room *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n; i++) {
        struct worker_look look;

        if (!r->facts[i].chosen)
            continue;
        worker_look(r->workers[i], &look);
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "worker_id", look.id,
                                              "model_ref", look.model_ref, "frees_bytes",
                                              (json_int_t)r->facts[i].frees_bytes, "idle_ms",
                                              (json_int_t)r->facts[i].idle_ms));
    }
    return list;
}

static size_t n_chosen(const struct worker_room *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        n += r->facts[i].chosen;
    return n;
}

static void refuse(struct decision *d, enum api_code code, const char *reason)
{
    d->what = "refuse";
    d->refused = true;
    d->code = code;
    str_copy(d->reason, sizeof d->reason, reason);
}

/* The same steps as workers_launch, without taking them. */
static void decide(const struct question *q, const struct plan_need *need,
                   const struct worker *there, struct worker_room *r, struct decision *d)
{
    char total[32], usable[32];
    struct worker_look holder;
    struct api_error e = {0};
    struct err err = {0};
    int retry_after_s;

    if (there) {
        d->what = "reuse";
        str_copy(d->reason, sizeof d->reason, "a worker has this model already");
        return;
    }
    if (worker_may_start(q->hive->workers, &q->spawn.launch, &e, &retry_after_s)) {
        refuse(d, e.code, e.message);
        api_error_done(&e);
        return;
    }
    str_human_bytes(need->total_bytes, total, sizeof total);
    str_human_bytes(r->usable_bytes, usable, sizeof usable);
    switch (worker_room_for(r, need)) {
    case ROOM_IS_THERE:
        d->what = "start";
        snprintf(d->reason, sizeof d->reason, "%s are needed, %s may be taken", total, usable);
        break;
    case ROOM_BY_ENDING:
        d->what = "make_room";
        snprintf(d->reason, sizeof d->reason,
                 n_chosen(r)
                     ? "%s are needed, %s may be taken; idle workers would be ended for it: %zu"
                     : "%s are needed, %s may be taken, more when workers that are about to "
                       "end have ended%.0zu",
                 total, usable, n_chosen(r));
        break;
    case ROOM_LATER:
        d->what = "wait";
        worker_look(worker_room_holder(r), &holder);
        snprintf(d->reason, sizeof d->reason,
                 "%s are needed, %s may be taken, more when %.200s (%s) has nothing to do any more",
                 total, usable, holder.model_ref, holder.id);
        break;
    case ROOM_NO_PLACE:
        worker_room_place(r, &e);
        refuse(d, e.code, e.message);
        api_error_done(&e);
        break;
    case ROOM_NONE:
        worker_room_error(r, need, &err);
        refuse(d, API_INSUFFICIENT_MEMORY, err.text);
        break;
    }
}

static void answer(struct question *q, const struct plan_need *need, const struct decision *d,
                   const struct worker *there, const struct worker_room *r)
{
    char node[HOST_NAME_BYTES] = "unknown";
    const struct launch *l = &q->spawn.launch;
    struct worker_look look = {0};
    json_t *out;

    gethostname(node, sizeof node - 1);
    if (there)
        worker_look(there, &look);
    out = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:o, s:o, s:s?, s:o, s:s, s:s}",
                    "node", node, "model_ref", l->model_ref, "model_path", l->model_path, "backend",
                    l->backend, "device", (json_int_t)l->device, "slots", (json_int_t)need->slots,
                    "ctx", (json_int_t)need->ctx, "kv_type",
                    config_text(q->hive->config, "hive", "kv_type"), "need", need_json(need),
                    "have", have_json(r), "worker_id", look.id, "ends", ends_json(r), "decision",
                    d->what, "reason", d->reason);
    if (out && d->refused)
        json_object_set_new(out, "code", json_string(api_error_info(d->code)->code));
    reply_json(q->x, 200, out);
}

/* A worker that is there is as large as it is, whatever would be started. */
static void take_numbers(struct launch *l, const struct worker *there)
{
    struct worker_look look;

    worker_look(there, &look);
    if (look.n_slots)
        l->slots = look.n_slots;
    if (look.n_ctx)
        l->ctx = look.n_ctx;
}

static void on_judged(void *arg, const struct model_facts *facts, struct api_error *e)
{
    struct question *q = arg;
    struct workers *ws = q->hive->workers;
    struct launch *l = &q->spawn.launch;
    const struct worker *there = l->fresh ? NULL : workers_usable(ws, l);
    int64_t ctx_asked = l->ctx; /* 0 = not */
    struct api_error refused = {0};
    struct decision d = {0};
    struct worker_room room;
    struct plan_need need;
    struct err err = {0};
    int rc;

    workers_fill_in(ws, l);
    if (there)
        take_numbers(l, there);
    if (e) {
        reply_error(q->x, 0, e);
        *e = (struct api_error){0};
    } else if (!there && workers_check_ctx(ctx_asked, l->model_ref, facts, &refused)) {
        reply_error(q->x, 0, &refused);
    } else if ((rc = workers_plan(ws, l, facts, &need, &err))) {
        reply_fail(q->x, workers_plan_code(rc), "%.300s: %s", l->model_ref, err.text);
    } else {
        worker_room_look(ws, NULL, &room);
        decide(q, &need, there, &room, &d);
        answer(q, &need, &d, there, &room);
    }
    free_question(q);
}

void explain_answer(struct hive *h, struct http_exchange *x, const char *id)
{
    struct question *q = calloc(1, sizeof *q);
    struct api_error e = {0};

    (void)id;
    if (!q) {
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
        return;
    }
    q->hive = h;
    q->x = x;
    if (spawn_read(h, x, &q->spawn, &e) == 0) {
        struct judge_ask *judging;

        if (judge_model(workers_judge(h->workers), q->spawn.model_path, on_judged, q, &judging,
                        &e) == 0) {
            if (judging) { /* else it is answered, and `q` is no more */
                q->judging = judging;
                http_on_gone(x, on_gone, q);
            }
            return;
        }
    }
    reply_error(x, 0, &e);
    free_question(q);
}
