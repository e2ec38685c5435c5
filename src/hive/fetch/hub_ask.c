/* hub_ask.c - see hub_ask.h. */
#include "hive/fetch/hub_ask.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/retry_after.h"
#include "base/str.h"
#include "hive/fetch/hub.h"
#include "hive/http/reply.h"
#include "hive/process/turns.h"
#include "net/http_client.h"
#include "net/http_url.h"

#define URL_SHOWN_BYTES   256
#define AFTER_TOLD_MAX_MS 86400000 /* longer ones are as good as this */

struct hub_ask {
    struct hub_ask_params p;
    char shown[URL_SHOWN_BYTES]; /* the endpoint, as it may be told: without a password */
    char *endpoint, *repo, *token, *revision; /* owned: what p points to */
    struct turn turn; /* from its place in the line to the end of the answer */
    struct http_call *call;
    struct event *timer; /* until the next try, or the end of the patience in the line */
    unsigned n_tries;    /* that have ended */
    int64_t began_ms, retry_after_ms;
    char error_code[64]; /* the hub's X-Error-Code */
};

static int ask(struct hub_ask *a, struct err *err);

static void ask_free(struct hub_ask *a)
{
    turn_end(&a->turn);
    if (a->timer)
        event_free(a->timer);
    free(a->endpoint);
    free(a->repo);
    free(a->token);
    free(a->revision);
    free(a);
}

void hub_ask_cancel(struct hub_ask *a)
{
    if (!a)
        return;
    http_call_cancel(a->call);
    ask_free(a);
}

static void fail(struct hub_ask *a, enum api_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct hub_ask *a, enum api_code code, const char *fmt, ...)
{
    const struct hub_ask_params p = a->p;
    char text[ERR_TEXT_MAX];
    struct api_error e;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    api_error_set(&e, code, REPLY_SRC, "%s", text);
    ask_free(a);
    p.done(p.arg, NULL, &e);
    api_error_done(&e);
}

/* How long it may go on; a long time without a limit. */
static int64_t left_ms(const struct hub_ask *a)
{
    return a->p.patience_ms ? a->began_ms + a->p.patience_ms - clock_ms() : INT64_MAX;
}

/* ---- the line ---- */

static int set_timer(struct hub_ask *a, int64_t ms)
{
    const struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    return evtimer_add(a->timer, &when);
}

/* It is its turn. */
static void begin(void *arg)
{
    struct hub_ask *a = arg;
    struct err err = {0};

    evtimer_del(a->timer);
    if (ask(a, &err))
        fail(a, API_DOWNLOAD_FAILED, "the hub cannot be asked: %s", err.text);
}

/* -1 when out of memory. */
static int get_in_line(struct hub_ask *a)
{
    int64_t ms = left_ms(a);

    if (a->p.patience_ms && set_timer(a, ms > 0 ? ms : 0))
        return -1;
    turn_ask(a->p.turns, &a->turn);
    return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct hub_ask *a = arg;

    (void)fd;
    (void)what;
    if (a->turn.state == TURN_WAITS)
        fail(a, API_QUEUE_TIMEOUT,
             "the hub %.200s was not asked about %.200s: others ask it, %d at once, and its turn "
             "did not come within %lld ms",
             a->shown, a->repo, TURNS_AT_ONCE, (long long)a->p.patience_ms);
    else if (get_in_line(a))
        fail(a, API_INTERNAL, "the hive is out of memory");
}

/* ---- again ---- */

static void give_up(struct hub_ask *a, const char *why)
{
    char wait[80] = "";

    if (a->retry_after_ms)
        snprintf(wait, sizeof wait, " and wants to be asked again in %lld s",
                 (long long)a->retry_after_ms / 1000);
    fail(a, API_DOWNLOAD_FAILED,
         "the hub %.200s does not tell about %.200s: %.300s%s; tried %u time%s", a->shown, a->repo,
         why, wait, a->n_tries, a->n_tries == 1 ? "" : "s");
}

static void try_again(struct hub_ask *a, const char *why)
{
    int64_t ms = (int64_t)HUB_ASK_PAUSE_MS << a->n_tries, after_ms = a->retry_after_ms;

    turn_end(&a->turn);
    a->n_tries++;
    if (after_ms > HUB_ASK_AFTER_MAX_MS)
        after_ms = HUB_ASK_AFTER_MAX_MS;
    if (ms < after_ms)
        ms = after_ms;
    if (a->n_tries >= HUB_ASK_TRIES || ms >= left_ms(a)) {
        give_up(a, why);
        return;
    }
    log_info("the hub about %s: %s; asking again in %lld ms", a->repo, why, (long long)ms);
    if (set_timer(a, ms))
        fail(a, API_INTERNAL, "the hive is out of memory");
}

/* ---- the answer ---- */

static void say_denied(struct hub_ask *a, int status)
{
    const char *token = a->token ? "with the token it was given" : "without a token";

    if (str_eq(a->error_code, "RepoNotFound"))
        fail(a, API_MODEL_ACCESS_DENIED,
             "the hub shows no repository %.200s %s (status %d): it does not exist, or it is "
             "private",
             a->repo, token, status);
    else
        fail(a, API_MODEL_ACCESS_DENIED, "the hub refuses access to %.200s %s: status %d%s%s",
             a->repo, token, status, a->error_code[0] ? ", " : "", a->error_code);
}

static void say_not_found(struct hub_ask *a)
{
    if (str_eq(a->error_code, "RevisionNotFound"))
        fail(a, API_MODEL_NOT_FOUND, "the repository %.200s has no revision %.200s", a->repo,
             a->revision ? a->revision : "main");
    else
        fail(a, API_MODEL_NOT_FOUND, "the hub %.200s has no repository %.200s", a->shown, a->repo);
}

/* The body is the call's, and stays until this returns. */
static void tell(struct hub_ask *a, const struct buf *body)
{
    const struct hub_ask_params p = a->p;
    bool large = body->len >= HEAP_LARGE_BYTES;

    ask_free(a);
    p.done(p.arg, body, NULL);
    if (large) /* its values were many */
        heap_give_back();
}

static void on_answer(void *arg, int rc, const struct http_response *r, const struct err *err)
{
    struct hub_ask *a = arg;
    char why[64];

    a->call = NULL;
    if (rc == ERR_DENIED || rc == ERR_INVALID || rc == ERR_LIMIT) {
        fail(a, API_DOWNLOAD_FAILED, "the hub %.200s cannot be asked: %s", a->shown, err->text);
    } else if (rc) {
        try_again(a, err->text);
    } else if (r->status == 200) {
        tell(a, r->body);
    } else if (r->status == 401 || r->status == 403) {
        say_denied(a, r->status);
    } else if (r->status == 404) {
        say_not_found(a);
    } else if (r->status == 408 || r->status == 429 || r->status >= 500) {
        snprintf(why, sizeof why, "it answers %d", r->status);
        try_again(a, why);
    } else {
        fail(a, API_DOWNLOAD_FAILED, "the hub %.200s answers %d when asked about %.200s", a->shown,
             r->status, a->repo);
    }
}

static void on_header(void *arg, int status, const char *name, const char *value)
{
    struct hub_ask *a = arg;
    int64_t ms;

    (void)status;
    if (str_eq(name, "x-error-code"))
        str_copy(a->error_code, sizeof a->error_code, value);
    else if (str_eq(name, "retry-after") &&
             (ms = retry_after_ms(value, clock_unix_ms(), AFTER_TOLD_MAX_MS)) >= 0)
        a->retry_after_ms = ms;
}

static int ask(struct hub_ask *a, struct err *err)
{
    char *url = hub_api_url(a->endpoint, a->repo, a->revision);
    struct http_call_params call = {.url = url,
                                    .bearer = a->token,
                                    .body_max = HUB_ANSWER_MAX,
                                    .follow = true,
                                    .timeout_ms = HUB_ASK_LIMIT_MS,
                                    .arg = a,
                                    .on_header = on_header,
                                    .on_done = on_answer};
    int rc;

    if (call.timeout_ms > left_ms(a))
        call.timeout_ms = left_ms(a) > 1 ? left_ms(a) : 1;
    rc = url ? http_call_start(a->p.client, &call, &a->call, err) : err_no_memory(err, 1, "an URL");
    free(url);
    a->error_code[0] = '\0';
    a->retry_after_ms = 0;
    return rc;
}

/* ---- begin ---- */

static bool copy_texts(struct hub_ask *a)
{
    a->endpoint = str_dup(a->p.endpoint);
    a->repo = str_dup(a->p.repo);
    a->token = a->p.token ? str_dup(a->p.token) : NULL;
    a->revision = a->p.revision ? str_dup(a->p.revision) : NULL;
    return a->endpoint && a->repo && (a->token || !a->p.token) && (a->revision || !a->p.revision);
}

int hub_ask_start(const struct hub_ask_params *params, struct hub_ask **out, struct api_error *e)
{
    struct hub_ask *a = calloc(1, sizeof *a);

    if (a) {
        a->p = *params;
        a->began_ms = clock_ms();
        a->turn = (struct turn){.arg = a, .begin = begin};
        str_copy(a->turn.who, sizeof a->turn.who, params->who);
        a->timer = evtimer_new(params->base, on_timer, a);
        http_url_shown(params->endpoint, a->shown, sizeof a->shown);
    }
    if (a && a->timer && copy_texts(a) && get_in_line(a) == 0) {
        *out = a;
        return 0;
    }
    api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    if (a)
        ask_free(a);
    return -1;
}
