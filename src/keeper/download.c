/* download.c - see download.h. */
#include "keeper/download.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/contact.h"
#include "keeper/interrupt.h"
#include "keeper/retry.h"

struct watching {
    struct keeper *k;
    struct download *d;
    struct api_error *e;
    struct progress_rate rate;
    int64_t start_ms;
    bool shown;            /* some progress line */
    bool complete, failed; /* failed: *e is set */
};

const char *download_short_name(const char *model_ref)
{
    return path_base(model_ref);
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
    p.per_sec = event ? progress_rate_add(&w->rate, clock_ms(), p.done) : 0;
    w->d->bytes = p.total ? p.total : p.done;
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

/* One look at the progress. 0 = complete, -1 = *e says why not, 1 = the stream broke: look again.
 */
static int watch_once(struct watching *w, const char *url)
{
    struct client_watch watch = {
        .url = url, .head_ms = DOWNLOAD_STALL_MS, .stall_ms = DOWNLOAD_STALL_MS};
    enum client_end end;

    watch.arg = w;
    watch.on_event = on_event;
    watch.on_tick = on_tick;
    end = client_watch(w->k->client, &watch, w->e);
    if (w->complete)
        return 0;
    if (w->failed || end == CLIENT_REFUSED || end == CLIENT_GARBAGE)
        return -1;
    if (end == CLIENT_STOPPED || end == CLIENT_DONE) {
        api_error_set(
            w->e, end == CLIENT_DONE ? API_DOWNLOAD_FAILED : API_REQUEST_CANCELLED, "keeper",
            "the hive closed the progress of %.200s without saying how it ended", w->d->name);
        return -1;
    }
    return 1;
}

static int watch(struct watching *w, const char *id)
{
    char url[KEEPER_URL_MAX], *escaped = keeper_escape(id);
    int rc = 1;

    if (!escaped) {
        api_error_set(w->e, API_INTERNAL, "keeper", "the download's id %.40s cannot be sent", id);
        return -1;
    }
    keeper_url(w->k, url, "/v1/models/download/progress?id=%s", escaped);
    free(escaped);
    for (unsigned i = 0; rc == 1; i++) {
        rc = watch_once(w, url);
        if (rc != 1)
            break;
        if (i + 1 == DOWNLOAD_WATCHES || !interrupt_sleep_ms(500)) {
            rc = -1;
            break;
        }
        api_error_done(w->e);
    }
    term_progress_end(&w->k->term);
    if (interrupt_seen())
        term_note(&w->k->term, "The hive goes on with the download; ask again to see how far it "
                               "is.");
    return rc;
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
        text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
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

int download_run_as(struct keeper *k, const char *model_ref, const struct download_wish *wish,
                    struct download *d, struct api_error *e)
{
    struct watching w = {.k = k, .d = d, .e = e, .start_ms = clock_ms()};
    char url[KEEPER_URL_MAX], *body = request_text(model_ref, wish);
    struct client_ask ask = {.method = "POST", .timeout_ms = DOWNLOAD_ASK_MS};
    json_t *answer = NULL;
    int rc = -1;

    *d = (struct download){0};
    str_copy(d->name, sizeof d->name, download_short_name(model_ref));
    if (!body) {
        api_error_set(e, API_INVALID_MODEL_REF, "keeper", "the model reference is no UTF-8 text");
        return -1;
    }
    ask.url = keeper_url(k, url, "/v1/models/download");
    ask.body = body;
    if (begin(k, &ask, &answer, e) || !contact_has(k, answer, "download_id", JSON_STRING, e))
        goto out;
    str_copy(d->id, sizeof d->id, keeper_text(answer, "download_id", ""));
    d->was_there = str_eq(d->id, "cached");
    str_copy(d->path, sizeof d->path, keeper_text(answer, "local_path", ""));
    rc = d->was_there || wish->background ? 0 : watch(&w, d->id);
out:
    json_decref(answer);
    free(body);
    return rc;
}

int download_run(struct keeper *k, const char *model_ref, struct download *d, struct api_error *e)
{
    const struct download_wish none = {0};

    return download_run_as(k, model_ref, &none, d, e);
}
