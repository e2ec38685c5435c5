/* looks.c - see looks.h. */
#include "hive/process/looks.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/str.h"

struct look {
    TAILQ_ENTRY(look) link;
    struct run *run;
    void *arg;
    void (*done)(void *arg, const struct capture_result *result);
};

/* A program that runs or is to run. */
struct run {
    TAILQ_ENTRY(run) link;
    struct looks *owner;
    TAILQ_HEAD(, look) looks;
    char *path, **argv, *same; /* owned; the last may be NULL */
    size_t out_max;
    int64_t timeout_ms;
    struct capture *capture; /* NULL = it waits its turn */
    bool changing;           /* see look_start */
    bool told;               /* or about to be: it is in no list, and not to be ended by a cancel */
};

struct looks {
    struct event_base *base;
    struct event *turn;
    TAILQ_HEAD(, run) all;
    unsigned n_running;
};

static void run_free(struct run *r)
{
    struct look *k;

    while ((k = TAILQ_FIRST(&r->looks))) {
        TAILQ_REMOVE(&r->looks, k, link);
        free(k);
    }
    for (char **arg = r->argv; arg && *arg; arg++)
        free(*arg);
    free(r->argv);
    free(r->path);
    free(r->same);
    free(r);
}

static char **copy_words(const char *const *words)
{
    size_t n = 0;
    char **copy;

    while (words[n])
        n++;
    copy = calloc(n + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = str_dup(words[i]);
        if (!copy[i]) {
            while (i > 0)
                free(copy[--i]);
            free(copy);
            return NULL;
        }
    }
    return copy;
}

static struct run *run_create(struct looks *l, const struct capture_params *p, const char *same)
{
    struct run *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->owner = l;
    TAILQ_INIT(&r->looks);
    r->out_max = p->out_max;
    r->timeout_ms = p->timeout_ms;
    r->path = str_dup(p->path);
    r->argv = copy_words(p->argv);
    r->same = same ? str_dup(same) : NULL;
    if (r->path && r->argv && (r->same || !same))
        return r;
    run_free(r);
    return NULL;
}

/* ---- the end of a run ---- */

/* Each may cancel others and ask anew meanwhile. */
static void tell(struct run *r, const struct capture_result *result)
{
    struct look *k;

    TAILQ_REMOVE(&r->owner->all, r, link);
    r->told = true;
    while ((k = TAILQ_FIRST(&r->looks))) {
        TAILQ_REMOVE(&r->looks, k, link);
        k->done(k->arg, result);
        free(k);
    }
    run_free(r);
}

static void tell_failed(struct run *r, int rc, const struct err *why)
{
    struct buf none, text;
    struct capture_result result = {.rc = rc, .out = &none, .errors = &text};

    buf_init(&none, 1);
    buf_init(&text, ERR_TEXT_MAX);
    buf_put(&text, why->text, strlen(why->text));
    tell(r, &result);
    buf_done(&none);
    buf_done(&text);
}

/* ---- turns ---- */

static struct run *first_waiting(const struct looks *l)
{
    struct run *r;

    TAILQ_FOREACH(r, &l->all, link)
    if (!r->capture)
        return r;
    return NULL;
}

static void on_captured(void *arg, const struct capture_result *result);

static int run_start(struct run *r, struct err *err)
{
    const struct capture_params params = {.path = r->path,
                                          .argv = (const char *const *)r->argv,
                                          .out_max = r->out_max,
                                          .timeout_ms = r->timeout_ms,
                                          .arg = r,
                                          .done = on_captured};
    int rc = capture_start(r->owner->base, &params, &r->capture, err);

    if (rc == 0)
        r->owner->n_running++;
    return rc;
}

static void start_waiting(struct looks *l)
{
    struct run *r;
    struct err err;
    int rc;

    while (l->n_running < LOOKS_AT_ONCE && (r = first_waiting(l))) {
        rc = run_start(r, &err);
        if (rc)
            tell_failed(r, rc, &err);
    }
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    start_waiting(arg);
}

static void on_captured(void *arg, const struct capture_result *result)
{
    struct run *r = arg;
    struct looks *l = r->owner;

    l->n_running--;
    tell(r, result);
    start_waiting(l);
}

/* ---- asking ---- */

static struct run *find_same(const struct looks *l, const char *same, bool changing)
{
    struct run *r;

    TAILQ_FOREACH(r, &l->all, link)
    if (same && r->same && str_eq(r->same, same) && (!r->capture || (!changing && !r->changing)))
        return r;
    return NULL;
}

/* A run of its own: started, when nobody is before it. NULL with *rc. */
static struct run *begin(struct looks *l, const struct capture_params *params, const char *same,
                         bool changing, int *rc, struct err *err)
{
    bool may_start = l->n_running < LOOKS_AT_ONCE && !first_waiting(l);
    struct run *r = run_create(l, params, same);

    *rc = r ? 0 : err_no_memory(err, sizeof *r, "a look");
    if (r)
        r->changing = changing;
    if (r && may_start)
        *rc = run_start(r, err);
    if (*rc == 0) {
        TAILQ_INSERT_TAIL(&l->all, r, link);
        return r;
    }
    if (r)
        run_free(r);
    return NULL;
}

int look_start(struct looks *l, const struct capture_params *params, const char *same,
               bool changing, struct look **out, struct err *err)
{
    struct look *k = calloc(1, sizeof *k);
    int rc = 0;

    if (!k)
        return err_no_memory(err, sizeof *k, "a look");
    k->arg = params->arg;
    k->done = params->done;
    k->run = find_same(l, same, changing);
    if (!k->run)
        k->run = begin(l, params, same, changing, &rc, err);
    if (!k->run) {
        free(k);
        return rc;
    }
    TAILQ_INSERT_TAIL(&k->run->looks, k, link);
    *out = k;
    return 0;
}

void look_cancel(struct look *k)
{
    struct run *r;

    if (!k)
        return;
    r = k->run;
    TAILQ_REMOVE(&r->looks, k, link);
    free(k);
    if (!TAILQ_EMPTY(&r->looks) || r->told)
        return;
    TAILQ_REMOVE(&r->owner->all, r, link);
    if (r->capture) {
        capture_cancel(r->capture);
        r->owner->n_running--;
        event_active(r->owner->turn, EV_TIMEOUT, 1); /* not now: more may be cancelled behind it */
    }
    run_free(r);
}

/* ---- life ---- */

int looks_create(struct event_base *base, struct looks **out, struct err *err)
{
    struct looks *l = calloc(1, sizeof *l);

    if (l) {
        l->base = base;
        TAILQ_INIT(&l->all);
        l->turn = evtimer_new(base, on_turn, l);
    }
    if (!l || !l->turn) {
        free(l);
        return err_no_memory(err, sizeof *l, "the looks");
    }
    *out = l;
    return 0;
}

void looks_free(struct looks *l)
{
    struct run *r;

    if (!l)
        return;
    while ((r = TAILQ_FIRST(&l->all))) {
        TAILQ_REMOVE(&l->all, r, link);
        capture_cancel(r->capture);
        run_free(r);
    }
    event_free(l->turn);
    free(l);
}
