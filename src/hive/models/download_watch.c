/* download_watch.c - what the watchers of a download are told, and when. */
#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/clock.h"
#include "hive/http/reply.h"
#include "hive/models/download_internal.h"
#include "net/http_server.h"
#include "net/sse.h"

void download_count(struct download *d)
{
    speed_count(&d->speed, d->received, clock_ms());
}

/* By what comes now: some of it may have been here before. */
static int64_t eta_s(struct download *d)
{
    uint64_t total = card_total_bytes(d->card);

    download_count(d);
    return speed_eta_s(&d->speed, total > d->bytes ? total - d->bytes : 0, clock_ms());
}

/* ---- events ---- */

/* What is told never goes backwards, even when bytes turned out wrong and are fetched again. */
static json_t *progress_json(struct download *d)
{
    uint64_t total = card_total_bytes(d->card);
    int64_t eta = eta_s(d);
    json_t *event;

    if (d->bytes > d->shown)
        d->shown = d->bytes;
    event = json_pack("{s:s, s:I, s:o, s:f, s:s}", "stage", "downloading", "bytes_downloaded",
                      (json_int_t)d->shown, "bytes_total",
                      total ? json_integer((json_int_t)total) : json_null(), "speed_mbps",
                      d->speed.bytes_per_sec * 8 / 1e6, "file", d->card->files[0].name);
    if (eta >= 0)
        json_object_set_new(event, "eta_seconds", json_integer((json_int_t)eta));
    return event;
}

static json_t *end_json(const struct download *d)
{
    if (d->state == DOWNLOAD_COMPLETE)
        return json_pack("{s:s, s:s, s:s, s:b}", "stage", "complete", "local_path",
                         d->card->files[0].path, "file", d->card->files[0].name, "verified",
                         card_is_verified(d->card));
    return json_pack("{s:s, s:s, s:s, s:b}", "stage", "error", "code",
                     api_error_info(d->error.code)->code, "message", d->error.message, "retriable",
                     api_error_info(d->error.code)->retriable);
}

/* Takes the event over. */
static void send(struct sse_stream *stream, json_t *event)
{
    char *text = event ? json_write(event, JSON_COMPACT) : NULL;

    if (text)
        sse_send(stream, text, strlen(text));
    free(text);
    json_decref(event);
}

void download_tell(struct download *d, bool now)
{
    struct watcher *w, *next;

    if (LIST_EMPTY(&d->watchers) || (!now && clock_ms() - d->told_ms < DOWNLOAD_EVENT_MS))
        return;
    d->told_ms = clock_ms();
    for (w = LIST_FIRST(&d->watchers); w; w = next) {
        next = LIST_NEXT(w, link);
        send(w->stream, progress_json(d));
    }
}

void download_tell_end(struct download *d)
{
    struct watcher *w;

    while ((w = LIST_FIRST(&d->watchers))) {
        LIST_REMOVE(w, link);
        send(w->stream, end_json(d));
        sse_end(w->stream);
        free(w);
    }
}

/* ---- watchers ---- */

static void on_gone(void *arg)
{
    struct watcher *w = arg;

    LIST_REMOVE(w, link);
    free(w);
}

void download_watch(struct download *d, struct http_exchange *x)
{
    struct watcher *w = calloc(1, sizeof *w);

    if (!w) {
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
        return;
    }
    w->stream = sse_begin(d->owner->p.base, x, on_gone, w);
    if (!w->stream) {
        free(w); /* answered already */
        return;
    }
    LIST_INSERT_HEAD(&d->watchers, w, link);
    if (d->state == DOWNLOAD_FETCHING)
        send(w->stream, progress_json(d));
    else if (d->state != DOWNLOAD_RESOLVING)
        download_tell_end(d);
}

void download_look(struct download *d, struct download_look *out)
{
    *out = (struct download_look){.complete = d->state == DOWNLOAD_COMPLETE,
                                  .bytes_done = d->bytes,
                                  .path = "",
                                  .file = "",
                                  .sha256 = "",
                                  .eta_s = -1,
                                  .error = d->state == DOWNLOAD_FAILED ? &d->error : NULL};
    if (!d->card)
        return;
    out->bytes_total = card_total_bytes(d->card);
    out->path = d->card->files[0].path;
    out->eta_s = eta_s(d);
    for (size_t i = 0; d->parts && i < d->card->n_files; i++) {
        if (d->parts[i].done)
            continue;
        out->file = d->card->files[i].name;
        out->sha256 = d->card->files[i].sha256;
        out->file_done = d->parts[i].bytes;
        out->file_total = d->card->files[i].size_bytes;
        return;
    }
}

static const char *state_name(const struct download *d)
{
    switch (d->state) {
    case DOWNLOAD_RESOLVING:
        return "resolving";
    case DOWNLOAD_FETCHING:
        return "downloading";
    case DOWNLOAD_COMPLETE:
        return "complete";
    case DOWNLOAD_FAILED:
        break;
    }
    return "error";
}

static json_t *row_json(struct download *d)
{
    json_t *row = d->state == DOWNLOAD_FETCHING    ? progress_json(d)
                  : d->state == DOWNLOAD_RESOLVING ? json_pack("{s:s}", "stage", "downloading")
                                                   : end_json(d);

    if (!row)
        return NULL;
    json_object_set_new(row, "download_id", json_string(d->id));
    json_object_set_new(row, "model_ref", json_string(d->model_ref));
    json_object_set_new(row, "state", json_string(state_name(d)));
    json_object_del(row, "stage");
    if (d->state == DOWNLOAD_FAILED && d->card) {
        json_object_set_new(row, "bytes_downloaded", json_integer((json_int_t)d->shown));
        json_object_set_new(row, "bytes_total",
                            json_integer((json_int_t)card_total_bytes(d->card)));
    }
    return row;
}

json_t *downloads_json(struct downloads *ds)
{
    json_t *list = json_array();
    struct download *d;

    TAILQ_FOREACH(d, &ds->all, link)
    json_array_append_new(list, row_json(d));
    if (list)
        downloads_add_left(ds, list);
    return list ? json_pack("{s:o}", "downloads", list) : NULL;
}
