/*
 * routes_inference.c - POST /v1/inference and DELETE /v1/inference/<job_id>.
 *
 * While the model loads jobs are taken and wait. Refused: a bad request, the id of a job that is
 * not over, any job while the worker drains or once loading failed, and a job past slots and queue.
 */

#include "api/json_load.h"
#include "base/heap.h"
#include "base/str.h"
#include "net/http_server.h"
#include "worker/jobs/job.h"
#include "worker/schedule/scheduler.h"
#include "worker/server/answer.h"
#include "worker/server/reply.h"
#include "worker/server/routes.h"
#include "worker/server/server.h"

/* What decides is how many requests are here, each with a place: some may be on their way to a
 * slot, which is not busy yet (their prompts are being read), and are none of those that wait. */
static void set_busy(const struct server *s, struct api_error *e)
{
    unsigned total = s->o.engine.n_slots, busy = atomic_load(&s->board->slots_busy);
    unsigned waiting = s->n_jobs > busy ? s->n_jobs - busy : 0;

    if (waiting > s->o.queue_max)
        waiting = s->o.queue_max;
    api_error_set(
        e, API_ALL_SLOTS_BUSY, ANSWER_SRC,
        "All %u places are taken: as many requests are here as there are slots (%u, %u of "
        "them busy) and may wait (%u).",
        total + s->o.queue_max, total, busy, s->o.queue_max);
    e->details = json_pack("{s:I, s:I, s:I, s:I, s:s}", "slots_total", (json_int_t)total,
                           "slots_busy", (json_int_t)busy, "queued", (json_int_t)waiting,
                           "queue_max", (json_int_t)s->o.queue_max, "hint",
                           "Try again in a moment, or start the worker with more slots.");
}

static void set_draining(const struct server *s, struct api_error *e)
{
    api_error_set(e, API_ALL_SLOTS_BUSY, ANSWER_SRC,
                  "This worker is ending and takes no new work.");
    e->details = json_pack("{s:I, s:I, s:b, s:s}", "slots_total", (json_int_t)s->o.engine.n_slots,
                           "slots_busy", (json_int_t)atomic_load(&s->board->slots_busy), "draining",
                           1, "hint", "Ask its hive for a worker: it starts another one.");
}

/* Whether the worker takes any job now; -1 with *e when not. */
static int check_open(const struct server *s, struct api_error *e)
{
    if (s->stage == LOAD_FAILED) {
        api_error_set(e, api_code_from(s->board->error_code, NULL), ANSWER_SRC, "%s",
                      s->board->error_text);
        return -1;
    }
    if (s->draining) {
        set_draining(s, e);
        return -1;
    }
    if (s->n_jobs >= s->o.engine.n_slots + s->o.queue_max) {
        set_busy(s, e);
        return -1;
    }
    return 0;
}

static int check_id(const struct server *s, const char *job_id, struct api_error *e)
{
    static const char text[] = "A job of this job_id is not over yet.";

    if (!reply_find_job(s, job_id))
        return 0;
    api_error_set(e, API_INVALID_REQUEST, ANSWER_SRC, "%s", text);
    e->details = json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "field", "job_id", "constraint",
                           "unique among the jobs that are not over", "message", text);
    return -1;
}

static void refuse(const struct server *s, struct http_exchange *x, struct api_error *e)
{
    if (api_error_info(e->code)->status == 503)
        server_set_retry_after(s, e);
    answer_error(x, e);
}

/* The body is read; what was made of it counts as it did, until the job is taken in. */
static int hold_request(struct server *s, struct http_exchange *x, struct api_error *e)
{
    size_t n, held;
    const char *body = http_body(x, &n);

    held = n + (size_t)json_tree_bytes(body, n);
    http_drop_body(x);
    s->was_large |= held >= HEAP_LARGE_BYTES;
    if (http_hold(x, held))
        return 0;
    api_error_set(e, API_ALL_SLOTS_BUSY, ANSWER_SRC,
                  "The requests that wait here hold nearly all the memory they may have together; "
                  "this one needs %zu bytes more.",
                  held);
    return -1;
}

void route_admit(struct server *s, struct http_exchange *x, struct job *j)
{
    struct api_error e;

    if (j && (check_open(s, &e) || check_id(s, j->request.job_id, &e) || hold_request(s, x, &e))) {
        job_free(j);
        refuse(s, x, &e);
        return;
    }
    if (!j || reply_create(s, x, j, NULL)) {
        job_free(j);
        api_error_set(&e, API_INTERNAL, ANSWER_SRC, "There was no memory for one more job.");
        answer_error(x, &e);
        return;
    }
    s->n_jobs++;
    scheduler_submit(s->scheduler, j);
    server_jobs_changed(s);
}

void route_inference(struct server *s, struct http_exchange *x, const char *rest)
{
    struct inference_request request;
    struct api_error e;
    size_t n;
    const char *body = http_body(x, &n);

    (void)rest;
    inference_request_init(&request);
    if (inference_request_parse(body, n, &request, &e, ANSWER_SRC))
        refuse(s, x, &e);
    else
        route_admit(s, x, job_create(&request));
    inference_request_done(&request);
}

void route_cancel(struct server *s, struct http_exchange *x, const char *rest)
{
    struct job *j = reply_find_job(s, rest);

    if (j)
        scheduler_end_early(s->scheduler, j, JOB_DELETE);
    http_reply(x, 204, NULL, NULL, 0);
}
