/*
 * models_late.c - models that are whole on the disk, and that nobody has judged (the hive was
 * killed between a download's last byte and the verdict), or that could not be run: whether this is
 * still so is the program's to say, which may be a later one. They are judged after the start, one
 * at a time.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "hive/catalog/flush.h"
#include "hive/models/admit.h"
#include "hive/models/models_internal.h"

struct late {
    TAILQ_ENTRY(late) link;
    struct card *card;
    char judge[sizeof((struct catalog_verdict *)0)->judge]; /* whose verdict the card had */
};

static void next(struct models *m);

static void forget_first(struct models *m)
{
    struct late *l = TAILQ_FIRST(&m->late);

    TAILQ_REMOVE(&m->late, l, link);
    card_free(l->card);
    free(l);
}

static void on_judged(void *arg, const struct api_error *e)
{
    struct models *m = arg;
    const struct late *l = TAILQ_FIRST(&m->late);
    struct card *card = l->card;
    struct err err;
    bool away = card_reach(m->reach, card, &err) != 0;
    bool there = !away && card_is_complete(card); /* or it was removed meanwhile */

    m->late_admit = NULL;
    if (away)
        log_warn("%s: %s enters the catalog when the hive is started again", err.text, card->path);
    if (there && !str_eq(card->verdict.judge, l->judge))
        flush_card_later(m->reach, m->tasks, card);
    if (there && e)
        log_warn("%s is on the disk, but does not enter the catalog: %s", card->path, e->message);
    else if (there)
        models_enter_all(m, card, NULL);
    forget_first(m);
    next(m);
}

/* From the loop each time: one that is known at once must not call itself. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct models *m = arg;

    (void)fd;
    (void)what;
    models_judge(m, TAILQ_FIRST(&m->late)->card, on_judged, m, &m->late_admit);
}

static void next(struct models *m)
{
    static const struct timeval now = {0};

    if (TAILQ_EMPTY(&m->late))
        return;
    if (!m->late_timer)
        m->late_timer = evtimer_new(m->base, on_timer, m);
    if (!m->late_timer || evtimer_add(m->late_timer, &now))
        log_warn("out of memory: some models on the disk are not judged, and not in the catalog");
}

void models_judge_late(struct models *m, struct card *card)
{
    struct late *l = calloc(1, sizeof *l);
    bool first = TAILQ_EMPTY(&m->late);

    if (!l) {
        log_warn("out of memory: %s is not judged, and not in the catalog", card->path);
        card_free(card);
        return;
    }
    l->card = card;
    str_copy(l->judge, sizeof l->judge, card->verdict.judge);
    TAILQ_INSERT_TAIL(&m->late, l, link);
    if (first)
        next(m);
}

void models_late_stop(struct models *m)
{
    admit_cancel(m->late_admit);
    m->late_admit = NULL;
    if (m->late_timer)
        event_free(m->late_timer);
    m->late_timer = NULL;
    while (!TAILQ_EMPTY(&m->late))
        forget_first(m);
}
