/* chore.c - see chore.h. */
#include "hive/chores/chore.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/failed_keys.h"
#include "api/json_whole.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/models/admit.h"
#include "hive/process/task.h"
#include "hive/process/turns.h"
#include "net/http_server.h"
#include "net/sse.h"

struct chore {
    struct hive *h;
    struct sse_stream *stream; /* NULL: the client has left */
    char request_id[HTTP_REQUEST_ID_BYTES];
    struct event *timer;

    struct chore_step step; /* its texts are owned */
    char *stage, *name;
    struct turn turn;        /* of the step's */
    struct task *task;       /* NULL: no step is in a thread */
    _Atomic uint64_t n_done; /* the step's thread counts, the loop reads */
    atomic_bool stop;        /* the loop sets it, the step's thread looks at it */
    int rc;                  /* the thread's until it has ended */
    struct err err;

    struct admit *admit; /* NULL: no file is being judged */
    void (*judged)(void *arg, struct chore *c, const struct api_error *e);
    void *judged_arg;
};

/* The step is not begun any more. */
static void fail_step(struct chore *c, int rc, const char *why)
{
    turn_end(&c->turn);
    err_set(&c->err, (enum err_code)rc, "%s", why);
    c->step.done(c->step.arg, c, rc, &c->err);
}

static void on_gone(void *arg)
{
    struct chore *c = arg;

    c->stream = NULL;
    atomic_store(&c->stop, true);
    if (c->admit) {
        admit_cancel(c->admit);
        c->admit = NULL;
        c->judged(c->judged_arg, c, NULL); /* may end the chore */
    } else if (c->turn.state == TURN_WAITS) {
        fail_step(c, ERR_CANCELLED, "the client has left"); /* so may this */
    }
}

static void tell_progress(struct chore *c, const char *stage)
{
    chore_say(c, json_pack("{s:s, s:s, s:I, s:I}", "stage", stage, "name", c->name, "bytes_done",
                           (json_int_t)atomic_load(&c->n_done), "bytes_total",
                           (json_int_t)c->step.bytes_total));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct chore *c = arg;

    (void)fd;
    (void)what;
    if (c->turn.state == TURN_WAITS) {
        tell_progress(c, "waiting");
    } else if (c->task) {
        turn_moves(&c->turn, atomic_load(&c->n_done), clock_ms());
        tell_progress(c, c->stage);
    }
}

static void begin_step(void *arg);

static bool is_full(struct hive *h, struct http_exchange *x)
{
    struct api_error e;

    if (h->n_chores < CHORES_MAX)
        return false;
    api_error_set(&e, API_QUEUE_TIMEOUT, REPLY_SRC,
                  "%d imports, exports and checks of model files are at work or wait for their "
                  "turn, which is the limit",
                  CHORES_MAX);
    reply_error_after(x, 0, &e, CHORES_RETRY_S);
    return true;
}

struct chore *chore_begin(struct hive *h, struct http_exchange *x)
{
    const struct timeval often = {.tv_usec = CHORE_EVENT_MS * 1000};
    struct chore *c;

    if (is_full(h, x))
        return NULL;
    c = calloc(1, sizeof *c);
    if (c)
        c->timer = event_new(h->base, -1, EV_PERSIST, on_timer, c);
    if (!c || !c->timer || event_add(c->timer, &often)) {
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
        if (c && c->timer)
            event_free(c->timer);
        free(c);
        return NULL;
    }
    c->h = h;
    c->turn.arg = c;
    c->turn.begin = begin_step;
    failed_keys_who(http_peer(x), c->turn.who);
    str_copy(c->request_id, sizeof c->request_id, http_request_id(x));
    c->stream = sse_begin(h->base, x, on_gone, c);
    if (c->stream) {
        h->n_chores++;
        return c;
    }
    event_free(c->timer);
    free(c);
    return NULL;
}

/* ---- a step in a thread ---- */

bool chore_stopped(const void *c)
{
    return atomic_load(&((const struct chore *)c)->stop);
}

bool chore_count(struct chore *c, uint64_t n_more)
{
    atomic_fetch_add(&c->n_done, n_more);
    return chore_stopped(c);
}

static void in_thread(void *arg, const struct task *self)
{
    struct chore *c = arg;

    (void)self;
    c->rc = c->step.work(c->step.arg, c, &c->err);
}

static void on_done(void *arg)
{
    struct chore *c = arg;

    c->task = NULL;
    turn_end(&c->turn);
    if (c->rc == 0)
        tell_progress(c, c->stage);
    c->step.done(c->step.arg, c, c->rc, &c->err);
}

/* It is its turn. */
static void begin_step(void *arg)
{
    struct chore *c = arg;
    struct err err = {0};
    int rc = c->step.may ? c->step.may(c->step.arg, &err) : 0;

    if (rc == 0)
        rc = tasks_start(c->h->tasks, in_thread, on_done, c, &c->task, &err);
    if (rc) /* there is no thread; where there is one, c->rc and c->err are its own until on_done */
        fail_step(c, rc, err.text);
}

void chore_run(struct chore *c, const struct chore_step *step)
{
    char *stage = str_dup(step->stage), *name = str_dup(step->name);

    free(c->stage);
    free(c->name);
    c->stage = stage;
    c->name = name;
    c->step = *step;
    c->rc = 0;
    atomic_store(&c->n_done, 0);
    if (!stage || !name)
        fail_step(c, ERR_NO_MEMORY, "the hive is out of memory");
    else if (chore_is_gone(c))
        fail_step(c, ERR_CANCELLED, "the client has left");
    else
        turn_ask(c->h->turns, &c->turn);
}

/* ---- a judgement ---- */

static void on_judged(void *arg, const struct api_error *e)
{
    struct chore *c = arg;

    c->admit = NULL;
    c->judged(c->judged_arg, c, e);
}

void chore_judge(struct chore *c, const char *path, const char *sha256,
                 void (*done)(void *arg, struct chore *c, const struct api_error *e), void *arg)
{
    const struct admit_params params = {.looks = c->h->looks,
                                        .config = c->h->config,
                                        .models = c->h->models,
                                        .path = path,
                                        .sha256 = sha256,
                                        .arg = c,
                                        .done = on_judged};

    c->judged = done;
    c->judged_arg = arg;
    if (chore_is_gone(c))
        done(arg, c, NULL);
    else
        admit_start(&params, &c->admit);
}

/* ---- events ---- */

void chore_say(struct chore *c, json_t *event)
{
    char *text = event && c->stream ? json_write(event, JSON_COMPACT) : NULL;

    if (text)
        sse_send(c->stream, text, strlen(text));
    free(text);
    json_decref(event);
}

void chore_say_error(struct chore *c, const char *name, enum api_code code, const char *message)
{
    if (code == API_INTERNAL)
        log_error("%s in request %s, in work on %s: %s", api_error_info(code)->code, c->request_id,
                  name ? name : "models", message);
    chore_say(c, json_pack("{s:s, s:s*, s:s, s:s}", "stage", "error", "name", name, "code",
                           api_error_info(code)->code, "message", message));
}

bool chore_is_gone(const struct chore *c)
{
    return c->stream == NULL;
}

void chore_end(struct chore *c)
{
    if (c->stream)
        sse_end(c->stream);
    c->h->n_chores--;
    event_free(c->timer);
    free(c->stage);
    free(c->name);
    free(c);
}
