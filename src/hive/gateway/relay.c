/* relay.c - see relay.h. */
#include "hive/gateway/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/addressee.h"
#include "api/fields.h"
#include "api/json_load.h"
#include "api/json_whole.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/str.h"
#include "hive/gateway/ask.h"
#include "hive/gateway/inquest.h"
#include "hive/http/reply.h"
#include "net/http_client.h"
#include "net/http_server.h"

#define ASKED_COPIES 2 /* of the question's text, once it is on its way */

static void leave(struct relay *r)
{
    if (r->worker_id)
        workers_leave(r->hive->workers, r->worker_id);
    free(r->worker_id);
    r->worker_id = NULL;
}

static void visit(struct relay *r, const char *worker_id)
{
    leave(r);
    r->worker_id = str_dup(worker_id);
    if (r->worker_id)
        workers_visit(r->hive->workers, r->worker_id);
}

static void relay_free(struct relay *r)
{
    running_leave(&r->running);
    model_wait_cancel(r->wait);
    http_call_cancel(r->call);
    inquest_cancel(r->inquest);
    leave(r);
    json_decref(r->body);
    json_decref(r->state);
    free(r->text);
    free(r->model);
    free(r);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    (void)x;
    relay_free(arg);
}

/* Takes what *e holds. */
static void fail(struct relay *r, struct api_error *e, int retry_after_s)
{
    http_on_gone(r->x, NULL, NULL);
    shape_answer(r->x, r->shape, e, retry_after_s);
    relay_free(r);
}

static void end_early(void *arg)
{
    struct api_error e;

    running_error(&e);
    fail(arg, &e, 0);
}

struct relay *relay_create(struct hive *h, struct http_exchange *x, enum shape shape,
                           const char *path)
{
    struct relay *r = calloc(1, sizeof *r);
    struct api_error e;

    if (r)
        r->body = json_object();
    if (!r || !r->body) {
        free(r);
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
        shape_answer(x, shape, &e, 0);
        return NULL;
    }
    r->hive = h;
    r->x = x;
    r->shape = shape;
    r->path = path;
    r->started_ms = r->ready_ms = clock_ms();
    http_on_gone(x, on_gone, r);
    r->running = (struct running){.x = x, .end = end_early, .arg = r};
    running_enter(h, &r->running);
    return r;
}

/* ---- the worker's answer ---- */

static void render_text(struct relay *r, const struct buf *body)
{
    http_on_gone(r->x, NULL, NULL);
    r->render_text(r, buf_str(body), body->len);
    relay_free(r);
}

static void render_json(struct relay *r, const struct buf *body)
{
    json_error_t why = {0};
    json_t *answer = json_load_bounded(buf_str(body), body->len, JSON_ALLOW_NUL, &why);
    bool untaken = !answer && (json_is_too_many(&why) || json_is_no_memory(&why));
    struct api_error e;

    if (json_is_object(answer)) {
        http_on_gone(r->x, NULL, NULL);
        r->render(r, answer);
        relay_free(r);
    } else {
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the worker's answer %s%s",
                      untaken ? "cannot be taken: " : "is no JSON object", untaken ? why.text : "");
        fail(r, &e, 0);
    }
    json_decref(answer);
}

/* ---- the worker's end ---- */

static void find_worker(struct relay *r);

/* Nothing has been shown of an answer, so the question may be asked anew. */
static void on_finding(void *arg, const struct inquest_finding *f)
{
    struct relay *r = arg;
    struct api_error e;

    r->inquest = NULL;
    if (!r->was_unanswered) {
        r->was_unanswered = true;
        find_worker(r);
        return;
    }
    if (f->over)
        api_error_set(&e, f->code, REPLY_SRC, "%.900s before it had answered", f->why);
    else
        api_error_set(&e, API_WORKER_CRASHED, REPLY_SRC, "the worker gave no answer: %s",
                      r->broken);
    e.details = json_pack("{s:s}", "worker_id", r->worker_id);
    fail(r, &e, 0);
}

static void on_broken(struct relay *r, int rc, const struct err *err)
{
    struct api_error e;

    if (inquest_is_due(rc)) {
        str_copy(r->broken, sizeof r->broken, err->text);
        r->inquest = inquest_start(r->hive->base, r->hive->workers, r->worker_id, on_finding, r);
    }
    if (r->inquest)
        return;
    if (rc == ERR_BUSY || rc == ERR_NO_MEMORY)
        api_error_set(&e, API_ALL_SLOTS_BUSY, REPLY_SRC, "the hive cannot ask the worker: %s",
                      err->text);
    else
        api_error_set(&e, rc == ERR_LIMIT ? API_INTERNAL : API_WORKER_CRASHED, REPLY_SRC,
                      "the worker gave no answer: %s", err->text);
    e.details = json_pack("{s:s*}", "worker_id", r->worker_id);
    fail(r, &e, 0);
}

/* What comes counts as what is asked does: a worker may send much for little, and never end. What
 * is no answer, or becomes values, is small: else it would take several times its bytes. */
static bool on_body(void *arg, int status, const char *bytes, size_t n)
{
    struct relay *r = arg;
    size_t most = status != 200    ? ASK_ERROR_MAX
                  : r->render_text ? RELAY_ANSWER_MAX
                                   : RELAY_JSON_MAX;
    struct api_error e;

    (void)bytes;
    if (n > most - r->n_answer) {
        api_error_set(&e, API_INTERNAL, REPLY_SRC,
                      "the worker's answer (status %d) is over the %zu bytes allowed", status,
                      most);
        fail(r, &e, 0);
        return false;
    }
    if (http_hold(r->x, ASKED_COPIES * r->n_text + r->n_answer + n)) {
        r->n_answer += n;
        return true;
    }
    reply_say_held(&e, r->n_answer + n);
    fail(r, &e, 0);
    return false;
}

static void on_done(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    struct relay *r = arg;
    struct api_error e;

    r->call = NULL;
    if (rc) {
        on_broken(r, rc, err);
        return;
    }
    if (response->status != 200) {
        api_error_parse(&e, response->status, buf_str(response->body), response->body->len);
        if (addressee_is_gone(&e) && !r->was_unanswered) {
            api_error_done(&e);
            r->was_unanswered = true;
            find_worker(r);
            return;
        }
        fail(r, &e, 0);
        return;
    }
    if (r->render_text)
        render_text(r, response->body);
    else
        render_json(r, response->body);
}

/* ---- asking ---- */

/*
 * A question waits for a model that loads, and then for its worker. It lies here as a text, whose
 * values would take twenty times as much, and once more while it is asked: as many copies of it
 * count as bodies do that still come.
 */
static bool hold(struct relay *r, size_t n_copies, struct api_error *e)
{
    if (http_hold(r->x, n_copies * r->n_text))
        return true;
    reply_say_held(e, r->n_text);
    return false;
}

static int ask(struct relay *r, const struct worker *w, struct err *err)
{
    char base[WORKER_URL_MAX], url[WORKER_URL_MAX + 64], named[ADDRESSEE_LINE_MAX],
        request[ADDRESSEE_LINE_MAX];
    struct worker_look look;
    const char *const headers[] = {"Content-Type: application/json", named,
                                   addressee_request_line(request, http_request_id(r->x)), NULL};
    const char *key = r->hive->doors.access.link_key;
    struct http_call_params call = {.method = "POST",
                                    .url = url,
                                    .headers = headers,
                                    .bearer = key[0] ? key : NULL,
                                    .body = r->text,
                                    .body_bytes = r->n_text,
                                    .body_max = RELAY_ANSWER_MAX,
                                    .arg = r,
                                    .on_body = on_body,
                                    .on_done = on_done};

    r->n_answer = 0;
    worker_look(w, &look);
    addressee_line(named, look.id);
    snprintf(url, sizeof url, "%s%s", worker_own_url(w, base), r->path);
    return http_call_start(r->hive->inside, &call, &r->call, err);
}

static void on_ready(void *arg, const struct worker *w, struct api_error *e, int retry_after_s)
{
    struct relay *r = arg;
    struct worker_look look;
    struct api_error mine;
    struct err err = {0};

    r->wait = NULL;
    if (!w) {
        mine = *e;
        *e = (struct api_error){0};
        fail(r, &mine, retry_after_s);
        return;
    }
    r->ready_ms = clock_ms();
    worker_look(w, &look);
    if (!r->model)
        r->model = str_dup(look.model_ref);
    visit(r, look.id);
    if (!hold(r, ASKED_COPIES, &mine)) {
        fail(r, &mine, 0);
        return;
    }
    if (r->model && r->worker_id && ask(r, w, &err) == 0)
        return;
    api_error_set(&mine, API_INTERNAL, REPLY_SRC, "the worker cannot be asked: %s", err.text);
    fail(r, &mine, 0);
}

static void find_worker(struct relay *r)
{
    struct model_wait_params params = {.hive = r->hive,
                                       .keep_alive_given = r->keep_alive_given,
                                       .keep_alive_ms = r->keep_alive_ms,
                                       .ctx_min = r->ctx_min,
                                       .arg = r,
                                       .on_ready = on_ready};
    struct model_wait *wait;
    struct model_place place;
    struct api_error e;

    if (!hold(r, 1, &e) || model_find(r->hive, r->model, &place, &e)) {
        fail(r, &e, 0);
        return;
    }
    wait = model_wait_start(&params, &place);
    if (wait) /* else it has been answered, and `r` may be no more */
        r->wait = wait;
}

/* The request as it came and its values go; what is asked stays, as a text. */
static void settle(struct relay *r, struct fields *f)
{
    size_t n;
    const char *body = http_body(r->x, &n);
    bool large = json_tree_bytes(body, n) >= HEAP_LARGE_BYTES;

    fields_done(f);
    r->text = json_write(r->body, JSON_COMPACT);
    r->n_text = r->text ? strlen(r->text) : 0;
    json_decref(r->body);
    r->body = NULL;
    http_drop_body(r->x);
    if (large)
        heap_give_back();
}

void relay_go(struct relay *r, struct fields *f)
{
    struct api_error e;
    int rc = fields_end(f, &e, REPLY_SRC);

    settle(r, f);
    if (rc == 0 && !r->text) {
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
        rc = -1;
    }
    if (rc)
        fail(r, &e, 0);
    else
        find_worker(r);
}
