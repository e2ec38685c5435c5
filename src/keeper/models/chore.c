/* chore.c - see chore.h. */
#include "keeper/models/chore.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/node/contact.h"
#include "keeper/node/retry.h"

#define CHORE_STALL_MS 60000 /* without a byte from the hive; it sends comments meanwhile */

struct watching {
    struct keeper *k;
    const struct chore *chore;
    struct progress_rate rate;
    char stage[32], name[256]; /* of the step at work */
    bool failed, complete;
};

/* "hashing" -> "Hashing"; one that has not begun yet says what it waits for. */
static const char *verb_of(struct watching *w, const char *stage, char dst[32])
{
    str_copy(dst, 32, str_eq(stage, "waiting") ? "Waiting for its turn:" : stage);
    if (dst[0] >= 'a' && dst[0] <= 'z')
        dst[0] = (char)(dst[0] - 'a' + 'A');
    if (!str_eq(w->stage, stage))
        w->rate = (struct progress_rate){0};
    str_copy(w->stage, sizeof w->stage, stage);
    return dst;
}

static void show_progress(struct watching *w, const json_t *event)
{
    int64_t done = keeper_number(event, "bytes_done", 0);
    int64_t total = keeper_number(event, "bytes_total", 0);
    char verb[32];
    struct progress p = {.verb = verb_of(w, keeper_text(event, "stage", ""), verb),
                         .name = w->name};

    str_copy(w->name, sizeof w->name, keeper_text(event, "name", ""));
    p.done = done > 0 ? (uint64_t)done : 0;
    p.total = total > 0 ? (uint64_t)total : 0;
    p.per_sec = progress_rate_add(&w->rate, clock_ms(), p.done);
    term_progress(&w->k->term, &p);
}

/* One that failed; the others go on. */
static void show_error(struct watching *w, const json_t *event)
{
    char room[API_HINT_MAX];
    const char *hint;
    struct api_error e;

    w->failed = true;
    keeper_advise(w->k, "%s: %s: %s", keeper_text(event, "name", "?"),
                  keeper_text(event, "code", "?"), keeper_text(event, "message", "?"));
    keeper_event_error(&e, event, "hive");
    hint = e.code == API_INTERNAL ? "See to what it names, and try again."
                                  : keeper_hint(w->k, &e, room);
    if (hint[0])
        keeper_advise(w->k, "%s", hint);
    api_error_done(&e);
}

/* Each one that failed was told of before, if it could be. */
static void take_complete(struct watching *w, const json_t *event)
{
    int64_t n = keeper_number(event, "failed", 0) + keeper_number(event, "bad", 0);

    w->complete = true;
    if (n <= 0 || w->failed)
        return;
    w->failed = true;
    term_say(&w->k->term, "%lld failed, and the hive did not say why: its log may.", (long long)n);
}

static bool on_event(void *arg, json_t *event, const char *data, size_t n)
{
    struct watching *w = arg;
    const char *stage = keeper_text(event, "stage", "");

    if (json_object_get(event, "bytes_done")) {
        show_progress(w, event);
        return true;
    }
    term_progress_end(&w->k->term);
    w->failed = w->failed || str_eq(stage, "bad");
    if (str_eq(stage, "complete"))
        take_complete(w, event);
    if (str_eq(stage, "error"))
        show_error(w, event);
    if (w->chore->json) {
        out_put(&w->k->out, data, n);
        out_put(&w->k->out, "\n", 1);
    } else if (w->complete && w->chore->on_complete) {
        w->chore->on_complete(w->chore->arg, w->k, event);
    } else if (!w->complete && !str_eq(stage, "error")) {
        w->chore->on_result(w->chore->arg, w->k, event);
    }
    return true;
}

static enum client_end ask(struct keeper *k, const struct chore *chore,
                           const struct client_watch *watch, struct api_error *e)
{
    unsigned n_failed = 0, n_full = 0;

    for (;;) {
        int64_t began_ms = clock_ms();
        enum client_end end = client_watch(k->client, watch, e);

        if (end == CLIENT_REFUSED && e->code == API_QUEUE_TIMEOUT && retry_wait(k, ++n_full, e))
            continue; /* nothing was begun there */
        if (!chore->again || (end != CLIENT_UNREACHABLE && end != CLIENT_TIMED_OUT) ||
            !contact_again(k, ++n_failed, began_ms, e))
            return end;
    }
}

int chore_watch(struct keeper *k, const struct chore *chore)
{
    struct watching w = {.k = k, .chore = chore};
    char url[KEEPER_URL_MAX], *body = chore->body ? json_write(chore->body, JSON_COMPACT) : NULL;
    struct client_watch watch = {.method = "POST",
                                 .body = body,
                                 .head_ms = CHORE_STALL_MS,
                                 .stall_ms = CHORE_STALL_MS,
                                 .arg = &w,
                                 .on_event = on_event};
    struct api_error e = {0};
    enum client_end end;

    json_decref(chore->body);
    if (!body) {
        api_error_set(&e, API_INVALID_REQUEST, "keeper", "what was typed is no UTF-8 text");
        return keeper_fail(k, &e);
    }
    watch.url = keeper_url(k, url, "%s", chore->path);
    end = ask(k, chore, &watch, &e);
    free(body);
    term_progress_end(&k->term);
    if (end == CLIENT_STOPPED)
        return keeper_cancelled(k);
    if (w.complete && end != CLIENT_DONE) { /* its last word had come before the line broke */
        api_error_done(&e);
        end = CLIENT_DONE;
    }
    if (end == CLIENT_DONE && !w.complete && !w.failed) {
        api_error_set(&e, API_INTERNAL, "keeper",
                      "the hive ended its account without a word of how it went");
        end = CLIENT_BROKEN;
    }
    if (end == CLIENT_REFUSED)
        contact_doubt(k, &e);
    if (end != CLIENT_DONE)
        return contact_refused(k, &e);
    return w.failed ? CLI_ERROR : CLI_DONE;
}
