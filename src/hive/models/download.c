/* download.c - see download.h: the list of downloads, their begin and their end. */
#include "hive/models/download.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/catalog/flush.h"
#include "hive/fetch/fetch.h"
#include "hive/fetch/hub_ask.h"
#include "hive/http/reply.h"
#include "hive/models/admit.h"
#include "hive/models/download_internal.h"

int downloads_create(const struct downloads_params *params, struct downloads **out, struct err *err)
{
    struct downloads *ds = calloc(1, sizeof *ds);

    if (!ds)
        return err_no_memory(err, sizeof *ds, "the list of downloads");
    TAILQ_INIT(&ds->all);
    ds->p = *params;
    if (ds->p.connections == 0)
        ds->p.connections = DOWNLOAD_CONNECTIONS;
    if (ds->p.connections > FETCH_STREAMS_MAX)
        ds->p.connections = FETCH_STREAMS_MAX;
    ds->models_dir = str_dup(params->models_dir);
    ds->endpoint = str_dup(params->endpoint);
    ds->token = params->token ? str_dup(params->token) : NULL;
    if (ds->models_dir && ds->endpoint && (ds->token || !params->token) &&
        fetch_disks_create(params->post, params->limit_per_sec, params->stall_ms, &ds->disks,
                           err) == 0) {
        *out = ds;
        return 0;
    }
    downloads_free(ds);
    return err_no_memory(err, strlen(params->models_dir), "the list of downloads");
}

bool download_is_active(const struct download *d)
{
    return d->state == DOWNLOAD_RESOLVING || d->state == DOWNLOAD_FETCHING;
}

/* Ends whatever it is waiting for. */
static void halt(struct download *d)
{
    hub_ask_cancel(d->ask);
    if (d->timer)
        event_free(d->timer);
    download_stop_parts(d);
    flush_cancel(d->flush);
    d->flush = NULL;
    admit_cancel(d->admit);
    d->admit = NULL;
    d->ask = NULL;
    d->timer = NULL;
}

static void free_download(struct download *d)
{
    halt(d);
    TAILQ_REMOVE(&d->owner->all, d, link);
    card_free(d->card);
    free(d->parts);
    model_ref_done(&d->ref);
    api_error_done(&d->error);
    free(d->model_ref);
    free(d);
}

void downloads_free(struct downloads *ds)
{
    struct download *d;

    if (!ds)
        return;
    downloads_stop_all(ds);
    while ((d = TAILQ_FIRST(&ds->all)))
        free_download(d);
    fetch_disks_free(ds->disks);
    if (ds->look)
        event_free(ds->look);
    free(ds->models_dir);
    free(ds->endpoint);
    free(ds->token);
    free(ds);
}

void download_fail(struct download *d, struct api_error *e)
{
    halt(d);
    d->error = *e;
    *e = (struct api_error){0};
    d->state = DOWNLOAD_FAILED;
    d->ended_ms = clock_ms();
    log_warn("download of %s failed: %s: %s", d->model_ref, api_error_info(d->error.code)->code,
             d->error.message);
    download_tell_end(d);
}

void download_fail_of(struct download *d, const struct err *err)
{
    enum api_code code = err->code == ERR_NO_SPACE      ? API_DISK_FULL
                         : err->code == ERR_UNREACHABLE ? API_DISK_NOT_ANSWERING
                         : err->code == ERR_CONFLICT    ? API_INVALID_REQUEST
                                                        : API_DOWNLOAD_FAILED;
    struct api_error e;

    api_error_set(&e, code, REPLY_SRC, "%s", err->text);
    download_fail(d, &e);
}

/* Forgets what ended long ago, and the oldest when there are too many: new ones are put first. */
static void prune(struct downloads *ds)
{
    struct download *d, *next;
    size_t n = 0;

    for (d = TAILQ_FIRST(&ds->all); d; d = next) {
        next = TAILQ_NEXT(d, link);
        if (!download_is_active(d) &&
            (clock_ms() - d->ended_ms > DOWNLOADS_KEPT_MS || ++n > DOWNLOADS_ENDED_MAX))
            free_download(d);
    }
}

static struct download *make(struct downloads *ds, const char *model_ref, struct api_error *e)
{
    struct download *d = calloc(1, sizeof *d);

    if (d && (d->model_ref = str_dup(model_ref)) &&
        model_ref_parse(model_ref, &d->ref, NULL) == 0) {
        d->owner = ds;
        d->connections = ds->p.connections;
        uuid_make(d->id);
        LIST_INIT(&d->watchers);
        TAILQ_INSERT_HEAD(&ds->all, d, link);
        return d;
    }
    if (d) {
        model_ref_done(&d->ref);
        free(d->model_ref);
        free(d);
    }
    api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    return NULL;
}

static void grant(struct download *d, const struct download_wish *wish)
{
    if (wish && wish->limit_per_sec) {
        d->limit_per_sec = wish->limit_per_sec;
        if (d->flow)
            fetch_flow_limit(d->flow, d->limit_per_sec);
    }
    if (wish && wish->connections) {
        d->connections =
            wish->connections < FETCH_STREAMS_MAX ? wish->connections : FETCH_STREAMS_MAX;
        download_share_anew(d);
    }
}

int downloads_begin(struct downloads *ds, const char *model_ref, const struct download_wish *wish,
                    char id[DOWNLOAD_ID_BYTES], struct api_error *e)
{
    struct download *d;
    size_t n = 0;

    prune(ds);
    TAILQ_FOREACH(d, &ds->all, link)
    {
        n += download_is_active(d);
        if (download_is_active(d) && str_eq(d->model_ref, model_ref)) {
            str_copy(id, DOWNLOAD_ID_BYTES, d->id);
            grant(d, wish);
            return 0;
        }
    }
    if (ds->closed) {
        api_error_set(e, API_DOWNLOAD_FAILED, REPLY_SRC, "the hive is about to end");
        return -1;
    }
    if (n >= DOWNLOADS_ACTIVE_MAX) {
        api_error_set(e, API_QUEUE_TIMEOUT, REPLY_SRC,
                      "the hive has %d downloads under way, which is the limit",
                      DOWNLOADS_ACTIVE_MAX);
        e->details = json_pack("{s:s, s:i}", "hint",
                               "Ask again when one has ended: `rbee-keeper models downloads` shows "
                               "them, `rbee-keeper models cancel MODEL` ends one.",
                               "retry_after_s", DOWNLOADS_RETRY_S);
        return -1;
    }
    d = make(ds, model_ref, e);
    if (!d)
        return -1;
    str_copy(id, DOWNLOAD_ID_BYTES, d->id);
    log_info("download of %s begins", model_ref);
    grant(d, wish);
    download_resolve(d);
    return 0;
}

struct download *downloads_find(struct downloads *ds, const char *id)
{
    struct download *d;

    TAILQ_FOREACH(d, &ds->all, link)
    if (str_eq(d->id, id))
        return d;
    return NULL;
}

const char *download_ref(const struct download *d)
{
    return d->model_ref;
}

bool download_is_complete(const struct download *d)
{
    return d->state == DOWNLOAD_COMPLETE;
}

bool downloads_stop(struct download *d)
{
    struct api_error e;

    if (!download_is_active(d))
        return false;
    api_error_set(&e, API_REQUEST_CANCELLED, REPLY_SRC,
                  "the download was cancelled; %llu bytes of %.200s are kept, asking again goes on "
                  "from there",
                  (unsigned long long)d->bytes, d->model_ref);
    download_fail(d, &e);
    return true;
}

bool downloads_cancel(struct downloads *ds, const char *model_ref)
{
    struct download *d;
    struct api_error e;

    TAILQ_FOREACH(d, &ds->all, link)
    {
        if (!download_is_active(d) || !str_eq(d->model_ref, model_ref))
            continue;
        api_error_set(&e, API_REQUEST_CANCELLED, REPLY_SRC, "%.200s was removed while it came",
                      model_ref);
        download_fail(d, &e);
        return true;
    }
    return false;
}

void downloads_stop_all(struct downloads *ds)
{
    struct download *d;
    struct api_error e;

    ds->closed = true;
    TAILQ_FOREACH(d, &ds->all, link)
    {
        if (!download_is_active(d))
            continue;
        api_error_set(&e, API_DOWNLOAD_FAILED, REPLY_SRC,
                      "the hive ends; %llu bytes of %.200s are kept", (unsigned long long)d->bytes,
                      d->model_ref);
        download_fail(d, &e);
    }
}
