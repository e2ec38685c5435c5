/* download.c - see download.h. */
#include "keeper/models/download.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/node/contact.h"
#include "keeper/node/retry.h"
#include "keeper/shell/interrupt.h"

struct watching {
    struct keeper *k;
    struct download *d;
    struct api_error *e;
    const char *body; /* the request for the download */
    int64_t start_ms;
    uint64_t most;         /* bytes there were at some time */
    bool has_moved;        /* more came, with this look */
    bool shown;            /* some progress line */
    bool complete, failed; /* failed: *e is set */
};

enum look_end {
    LOOK_COMPLETE,
    LOOK_FAILED,  /* *e says why */
    LOOK_BROKE,   /* so does it, and to look again may help */
    LOOK_UNKNOWN, /* the hive knows of no such download: *e */
};

const char *download_short_name(const char *model_ref)
{
    return path_base(model_ref);
}

double download_speed(const json_t *told)
{
    return json_number_value(json_object_get(told, "speed_mbps")) * 1e6 / 8;
}

void download_say(struct keeper *k, const struct download *d)
{
    char size[16];

    if (d->was_there)
        term_ok(&k->term, "Model is there: %s", d->path);
    else
        term_ok(&k->term, "Model downloaded (%s%s): %s",
                str_human_bytes(d->bytes, size, sizeof size), d->verified ? ", verified" : "",
                d->path);
}

static void show_bytes(struct watching *w, const json_t *event)
{
    int64_t done = keeper_number(event, "bytes_downloaded", 0);
    int64_t total = keeper_number(event, "bytes_total", 0);
    const char *file = keeper_text(event, "file", NULL);
    struct progress p = {.verb = "Downloading", .name = w->d->name};

    p.done = done > 0 ? (uint64_t)done : 0;
    p.total = total > 0 ? (uint64_t)total : 0;
    p.per_sec = download_speed(event); /* not by the bytes told: some may be of an earlier try */
    w->d->bytes = p.total ? p.total : p.done;
    if (p.done > w->most) {
        w->most = p.done;
        w->has_moved = true;
    }
    if (file)
        str_copy(w->d->name, sizeof w->d->name, path_base(file));
    w->shown = true;
    term_progress(&w->k->term, &p);
}

/* The hive asks the hub first, which may take its time: something should be seen meanwhile. */
static bool on_tick(void *arg)
{
    struct watching *w = arg;

    if (!w->shown && clock_ms() - w->start_ms >= DOWNLOAD_SHOW_MS)
        show_bytes(w, NULL);
    return !interrupt_seen();
}

static bool on_event(void *arg, json_t *event, const char *data, size_t n)
{
    struct watching *w = arg;
    const char *stage = keeper_text(event, "stage", "");

    (void)data;
    (void)n;
    if (str_eq(stage, "complete")) {
        str_copy(w->d->path, sizeof w->d->path, keeper_text(event, "local_path", ""));
        w->d->verified = json_is_true(json_object_get(event, "verified"));
        w->complete = true;
    } else if (str_eq(stage, "error")) {
        w->failed = true;
        keeper_event_error(w->e, event, "hive");
    } else {
        show_bytes(w, event);
    }
    return !w->complete && !w->failed;
}

static enum look_end judge(struct watching *w, enum client_end end)
{
    if (w->complete)
        return LOOK_COMPLETE;
    if (w->failed || end == CLIENT_GARBAGE)
        return LOOK_FAILED;
    if (end == CLIENT_STOPPED || end == CLIENT_DONE) {
        api_error_set(
            w->e, end == CLIENT_DONE ? API_DOWNLOAD_FAILED : API_REQUEST_CANCELLED, "keeper",
            "the hive closed the progress of %.200s without saying how it ended", w->d->name);
        return LOOK_FAILED;
    }
    if (end == CLIENT_REFUSED && w->e->code == API_NOT_FOUND)
        return LOOK_UNKNOWN;
    return retry_may_pass(client_last(w->k->client)) ? LOOK_BROKE : LOOK_FAILED;
}

static enum look_end look(struct watching *w)
{
    char url[KEEPER_URL_MAX], *escaped = keeper_escape(w->d->id);
    struct client_watch watch = {
        .url = url, .head_ms = DOWNLOAD_STALL_MS, .stall_ms = DOWNLOAD_STALL_MS};

    if (!escaped) {
        api_error_set(w->e, API_INTERNAL, "keeper", "the download's id %.40s cannot be sent",
                      w->d->id);
        return LOOK_FAILED;
    }
    keeper_url(w->k, url, "/v1/models/download/progress?id=%s", escaped);
    free(escaped);
    w->has_moved = false;
    watch.arg = w;
    watch.on_event = on_event;
    watch.on_tick = on_tick;
    return judge(w, client_watch(w->k->client, &watch, w->e));
}

/* Where there are as many downloads as there may be, the ask is made again a few times. */
static int begin(struct keeper *k, const struct client_ask *ask, json_t **answer,
                 struct api_error *e)
{
    unsigned n_full = 0;

    while (contact_json(k, ask, answer, e))
        if (e->code != API_QUEUE_TIMEOUT || !retry_wait(k, ++n_full, e))
            return -1;
    return 0;
}

/* 0: the download is under way, or the model was there; or -1 with *e. */
static int ask(struct watching *w)
{
    char url[KEEPER_URL_MAX];
    const struct client_ask ask = {.method = "POST",
                                   .url = keeper_url(w->k, url, "/v1/models/download"),
                                   .body = w->body,
                                   .timeout_ms = DOWNLOAD_ASK_MS};
    struct download *d = w->d;
    json_t *answer = NULL;
    int rc = -1;

    if (begin(w->k, &ask, &answer, w->e) == 0 &&
        contact_has(w->k, answer, "download_id", JSON_STRING, w->e)) {
        str_copy(d->id, sizeof d->id, keeper_text(answer, "download_id", ""));
        d->was_there = str_eq(d->id, "cached");
        str_copy(d->path, sizeof d->path, keeper_text(answer, "local_path", ""));
        rc = 0;
    }
    json_decref(answer);
    return rc;
}

/* Until the download has ended, or cannot be looked at any more. */
static int watch(struct watching *w)
{
    enum look_end end;
    unsigned n_failed = 0;
    bool asked_anew = false, again;

    do {
        end = look(w);
        if (w->has_moved) {
            n_failed = 0;
            asked_anew = false;
        }
        again = end == LOOK_BROKE && retry_wait(w->k, ++n_failed, w->e);
        if (end == LOOK_UNKNOWN && !asked_anew) {
            asked_anew = true;
            api_error_done(w->e);
            if (ask(w))
                end = LOOK_FAILED;
            else if (w->d->was_there)
                end = LOOK_COMPLETE;
            else
                again = true;
        }
    } while (again);
    term_progress_end(&w->k->term);
    if (interrupt_seen())
        term_note(&w->k->term, "The hive goes on with the download; ask again to see how far it "
                               "is.");
    else if (end == LOOK_BROKE)
        term_note(&w->k->term, "If the hive still runs it goes on with the download; ask again to "
                               "see how far it is.");
    return end == LOOK_COMPLETE ? 0 : -1;
}

static char *request_text(const char *model_ref, const struct download_wish *wish)
{
    json_t *request = json_pack("{s:s}", "model_ref", model_ref);
    char *text = NULL;

    if (request && wish->limit_rate)
        json_object_set_new(request, "limit_rate", json_integer((json_int_t)wish->limit_rate));
    if (request && wish->connections)
        json_object_set_new(request, "connections", json_integer(wish->connections));
    if (request)
        text = json_write(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

int download_run_as(struct keeper *k, const char *model_ref, const struct download_wish *wish,
                    struct download *d, struct api_error *e)
{
    char *body = request_text(model_ref, wish);
    struct watching w = {.k = k, .d = d, .e = e, .body = body, .start_ms = clock_ms()};
    int rc;

    *d = (struct download){0};
    str_copy(d->name, sizeof d->name, download_short_name(model_ref));
    if (!body) {
        api_error_set(e, API_INVALID_MODEL_REF, "keeper", "the model reference is no UTF-8 text");
        return -1;
    }
    rc = ask(&w);
    if (rc == 0 && !d->was_there && !wish->background)
        rc = watch(&w);
    free(body);
    return rc;
}

int download_run(struct keeper *k, const char *model_ref, struct download *d, struct api_error *e)
{
    const struct download_wish none = {0};

    return download_run_as(k, model_ref, &none, d, e);
}
