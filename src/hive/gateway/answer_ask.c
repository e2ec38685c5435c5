/*
 * answer_ask.c - which choices of an answer are asked when; see answer.h.
 *
 * The first choice is asked alone: it finds out whether the worker takes the prompt, waits for a
 * slot where there is a queue, and leaves the prompt's beginning in the prefix cache. Once it shows
 * something the others follow, as many at a time as the worker has slots: what more were asked
 * would only stand in the worker's queue, which has room for 16, and time out there. A choice that
 * gets no place is kept for when another one has ended.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/gateway/answer_internal.h"
#include "hive/http/reply.h"

#define ASK_AGAIN_MS 250   /* none runs and there was no place: asked again after so long ... */
#define ASK_GIVE_UP  30000 /* ... for so long, in ms */

/* A worker that has reached its deadline says so itself, within a pass, and knows more. Of several
 * choices it knows only those that it has. */
#define GRACE_ALONE_MS 2000
#define GRACE_MS       250

static bool is_waiting(const struct choice *c)
{
    return !c->ask && !c->ended;
}

static unsigned n_running(const struct answer *a)
{
    unsigned n = 0;

    for (unsigned i = 0; i < a->n_choices; i++)
        n += a->choices[i].ask != NULL;
    return n;
}

void answer_cancel_asks(struct answer *a)
{
    model_wait_cancel(a->wait);
    a->wait = NULL;
    for (unsigned i = 0; i < a->n_choices; i++) {
        ask_cancel(a->choices[i].ask);
        a->choices[i].ask = NULL;
    }
    if (a->again)
        event_free(a->again);
    a->again = NULL;
    answer_stop_deadline(a);
}

void answer_stop_deadline(struct answer *a)
{
    if (a->deadline)
        event_free(a->deadline);
    a->deadline = NULL;
}

void answer_drop_choices(struct answer *a)
{
    for (unsigned i = 0; i < a->n_choices; i++)
        choice_done(&a->choices[i]);
    free(a->choices);
    a->choices = NULL;
    a->n_choices = 0;
}

static int make_choices(struct answer *a)
{
    unsigned n = order_n_choices(&a->order);

    a->choices = calloc(n, sizeof *a->choices);
    if (!a->choices)
        return -1;
    a->n_choices = a->n_open = n;
    for (unsigned i = 0; i < n; i++)
        choice_init(&a->choices[i], a, i);
    return 0;
}

/* ---- the deadline ---- */

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct answer *a = arg;
    struct api_error e;

    (void)fd, (void)what;
    api_error_set(&e, API_REQUEST_TIMEOUT, REPLY_SRC,
                  "The answer was not done within the %.10g seconds allowed; %u of its %u choices "
                  "were.",
                  (double)a->order.timeout_ms / 1000, a->n_choices - a->n_open, a->n_choices);
    answer_fail(a, &e);
}

/* A worker knows of one choice, and others come behind it, or another worker does: the whole has
 * its time from the first on. */
static int start_deadline(struct answer *a)
{
    int64_t ms = a->order.timeout_ms + (a->n_choices == 1 ? GRACE_ALONE_MS : GRACE_MS);
    const struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (a->order.timeout_ms == 0 || a->deadline)
        return 0;
    a->deadline = evtimer_new(a->hive->base, on_deadline, a);
    return a->deadline ? evtimer_add(a->deadline, &when) : -1;
}

/* ---- places ---- */

int answer_ask_more(struct answer *a)
{
    unsigned n = n_running(a);
    struct api_error e;

    if (a->wait || n == a->n_open)
        return 0;
    for (unsigned i = 0; i < a->n_choices && n < a->n_places; i++) {
        if (!is_waiting(&a->choices[i]))
            continue;
        if (choice_ask(&a->choices[i], &e)) {
            if (answer_ask_later(a, &e))
                return 0;
            answer_fail(a, &e);
            return -1;
        }
        n++;
    }
    return 0;
}

void answer_got_place(struct answer *a)
{
    a->no_place_ms = 0;
    if (a->n_shown == 0)
        a->n_places = a->n_slots;
}

void answer_place_free(struct answer *a)
{
    a->n_places = a->n_slots;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct answer *a = arg;

    (void)fd, (void)what;
    a->n_places = 1;
    answer_ask_more(a);
}

/* Others have taken all the places: looks again and again, but not for ever. */
static bool start_again(struct answer *a)
{
    const struct timeval soon = {.tv_usec = ASK_AGAIN_MS * 1000};
    int64_t now = clock_ms();

    if (a->no_place_ms == 0)
        a->no_place_ms = now;
    if (now - a->no_place_ms > ASK_GIVE_UP)
        return false;
    if (!a->again)
        a->again = evtimer_new(a->hive->base, on_again, a);
    return a->again && evtimer_add(a->again, &soon) == 0;
}

bool answer_ask_later(struct answer *a, struct api_error *e)
{
    unsigned n = n_running(a);

    if (a->n_shown == 0 || (e->code != API_ALL_SLOTS_BUSY && e->code != API_QUEUE_TIMEOUT))
        return false;
    if (n == 0 && !start_again(a))
        return false;
    a->n_places = n;
    api_error_done(e);
    *e = (struct api_error){0};
    return true;
}

/* ---- workers ---- */

void answer_ask_worker(struct answer *a, const struct worker *w)
{
    char url[WORKER_URL_MAX];
    struct worker_look look;

    worker_look(w, &look);
    free(a->worker_id);
    free(a->worker_url);
    a->worker_id = str_dup(look.id);
    a->worker_url = str_dup(worker_own_url(w, url));
    if (!a->worker_id || !a->worker_url || (!a->choices && make_choices(a)) || start_deadline(a)) {
        answer_fail_for_memory(a);
        return;
    }
    a->n_workers++;
    a->n_slots = look.n_slots ? look.n_slots : 1;
    a->n_places = a->n_shown ? a->n_slots : 1;
    answer_ask_more(a);
}

bool answer_try_another(struct answer *a, const struct choice *c, enum ask_left left)
{
    bool newest = c->worker == a->n_workers, died = left == ASK_UNANSWERED;

    if (!order_has_text(&a->order) || (newest && a->n_workers >= ANSWER_TRIES_MAX) ||
        (newest && died && a->was_unanswered && !a->wait))
        return false;
    a->was_unanswered |= died;
    if (!newest) /* another one is asked already */
        answer_ask_more(a);
    else if (!a->wait)
        answer_find_worker(a);
    return true;
}
