/* download_files.c - the files of a card, side by side; then the model is complete. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/flush.h"
#include "hive/fetch/hub.h"
#include "hive/http/reply.h"
#include "hive/models/download_internal.h"
#include "hive/models/models_internal.h"

static void begin_parts(struct download *d);

static void out_of_memory(struct download *d)
{
    struct api_error e;

    api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    download_fail(d, &e);
}

static void add_up(struct download *d)
{
    d->bytes = 0;
    for (size_t i = 0; i < d->card->n_files; i++)
        d->bytes += d->parts[i].bytes;
    download_count(d);
}

static void on_bytes(void *arg, uint64_t n_bytes, uint64_t n_new)
{
    struct part *p = arg;

    p->bytes = n_bytes;
    p->d->received += n_new;
    add_up(p->d);
    download_tell(p->d, false);
}

static void on_told(void *arg, uint64_t size_bytes, const char *sha256)
{
    struct part *p = arg;
    struct download *d = p->d;
    struct card_file *f = &d->card->files[p - d->parts];

    f->size_bytes = size_bytes;
    str_copy(f->sha256, sizeof f->sha256, sha256);
    flush_card_later(d->owner->p.reach, d->owner->p.tasks, d->card);
}

/* ---- the card ---- */

static void on_card_kept(void *arg, const struct err *err)
{
    struct download *d = arg;

    d->flush = NULL;
    d->then(d, err);
}

/* Goes on with `then` once the disk has the card, or *err. */
static void keep_card(struct download *d, void (*then)(struct download *d, const struct err *err))
{
    struct err err = {0};
    int fd, rc = card_reach(d->owner->p.reach, d->card, &err);

    d->then = then;
    if (rc == 0)
        rc = card_save_open(d->card, &fd, &err);
    if (rc)
        then(d, &err);
    else
        flush_start(d->owner->p.tasks, fd, d->card->path, on_card_kept, d, &d->flush);
}

/* ---- its files ---- */

void download_stop_parts(struct download *d)
{
    for (size_t i = 0; d->parts && i < d->card->n_files; i++) {
        fetch_job_cancel(d->parts[i].fetch);
        d->parts[i].fetch = NULL;
    }
    d->n_fetching = 0;
    fetch_flow_free(d->flow);
    d->flow = NULL;
}

/* The commit that an old card names may be gone: then the hub is asked, once, what the reference
 * means today. A hub that lags behind itself says the same of one that is there: nothing is deleted
 * before its answer (download_resolve.c). */
static bool may_ask_anew(const struct download *d, const struct api_error *e)
{
    return e->code == API_MODEL_NOT_FOUND && d->from_card;
}

static void ask_anew(struct download *d)
{
    log_info("download of %s: the hub does not show commit %s", d->model_ref, d->card->commit);
    download_stop_parts(d);
    free(d->parts);
    d->parts = NULL;
    d->bytes = 0;
    download_resolve_anew(d);
}

static void on_done(void *arg, struct api_error *e)
{
    struct part *p = arg;
    struct download *d = p->d;

    p->fetch = NULL;
    d->n_fetching--;
    if (e && may_ask_anew(d, e)) {
        ask_anew(d);
    } else if (e) {
        download_fail(d, e);
    } else {
        p->done = true;
        begin_parts(d);
    }
}

/* False: the download has failed. */
static bool start_fetch(struct download *d, size_t i)
{
    struct downloads *ds = d->owner;
    const struct card_file *f = &d->card->files[i];
    char *url = hub_file_url(ds->endpoint, d->card->repo, d->card->commit, f->name);
    struct fetch_job_params params = {.url = url,
                                      .token = ds->token,
                                      .name = f->name,
                                      .path = f->path,
                                      .size_bytes = f->size_bytes,
                                      .sha256 = f->sha256,
                                      .known_by = d->card->path,
                                      .arg = &d->parts[i],
                                      .on_bytes = on_bytes,
                                      .on_told = on_told,
                                      .on_done = on_done};

    if (url)
        d->parts[i].fetch = fetch_job_start(d->flow, &params);
    free(url);
    if (!d->parts[i].fetch) {
        out_of_memory(d);
        return false;
    }
    d->n_fetching++;
    return true;
}

/* The last step. What cannot be run is kept, and told: a later rbee may be able to. */
static void on_judged(void *arg, const struct api_error *verdict)
{
    struct download *d = arg;
    struct api_error e = {0};

    d->admit = NULL;
    if (d->card->verdict.judge[0])
        flush_card_later(d->owner->p.reach, d->owner->p.tasks, d->card);
    if (verdict) {
        api_error_set(&e, verdict->code, REPLY_SRC, "%.200s is here (%.300s), but: %.400s",
                      d->model_ref, d->card->files[0].path, verdict->message);
    } else if (d->owner->p.on_complete(d->owner->p.arg, d->model_ref, d->card, &e) == 0) {
        download_tell(d, true);
        d->state = DOWNLOAD_COMPLETE;
        d->ended_ms = clock_ms();
        log_info("download of %s is complete: %s", d->model_ref, d->card->files[0].path);
        download_tell_end(d);
        return;
    }
    download_fail(d, &e);
}

/* All is in place, and the disk has a card that vouches for it. */
static void complete(struct download *d, const struct err *err)
{
    struct err away;

    if (err)
        download_fail_of(d, err);
    else if (card_reach(d->owner->p.reach, d->card, &away))
        download_fail_of(d, &away);
    else
        d->owner->p.judge(d->owner->p.arg, d->card, on_judged, d, &d->admit);
}

/* True when the file is in its place already: its card vouches for it, the rename came last. */
static bool is_there(const struct downloads *ds, const struct card_file *f)
{
    uint64_t size;

    return f->size_bytes > 0 && path_file_size(f->path, &size, NULL) == 0 &&
           size == f->size_bytes && !ds->p.is_bad(ds->p.arg, f->path);
}

/* As many files at once as there are connections; each gets its share of them. */
static void begin_parts(struct download *d)
{
    size_t n_left = 0, n_idle = 0;
    unsigned all = d->connections;

    for (size_t i = 0; i < d->card->n_files; i++) {
        n_left += !d->parts[i].done;
        n_idle += !d->parts[i].done && !d->parts[i].fetch;
    }
    if (n_left == 0) {
        keep_card(d, complete);
        return;
    }
    fetch_flow_share(d->flow, n_left < all ? all / (unsigned)n_left : 1);
    for (size_t i = 0; i < d->card->n_files && n_idle && d->n_fetching < all; i++)
        if (!d->parts[i].done && !d->parts[i].fetch && !start_fetch(d, i))
            return;
}

void download_share_anew(struct download *d)
{
    if (d->flow)
        fetch_flow_connections(d->flow, d->connections);
    if (d->n_fetching)
        begin_parts(d);
}

/* A thread is begun with its disk's first download: most hives' lives have none. False: the
 * download has failed. */
static bool open_flow(struct download *d)
{
    struct fetch_thread *thread;
    struct err err;

    if (d->flow)
        return true;
    if (fetch_disks_thread(d->owner->disks, d->card->dir, &thread, &err)) {
        download_fail_of(d, &err);
        return false;
    }
    d->flow = fetch_flow_create(thread, d->connections, d->limit_per_sec);
    if (!d->flow)
        out_of_memory(d);
    return d->flow != NULL;
}

static void begin_files(struct download *d)
{
    struct err err;

    if (card_reach(d->owner->p.reach, d->card, &err)) {
        download_fail_of(d, &err);
        return;
    }
    free(d->parts);
    d->parts = calloc(d->card->n_files, sizeof *d->parts);
    if (!d->parts) {
        out_of_memory(d);
        return;
    }
    if (!open_flow(d))
        return;
    for (size_t i = 0; i < d->card->n_files; i++) {
        d->parts[i].d = d;
        d->parts[i].done = is_there(d->owner, &d->card->files[i]);
        d->parts[i].bytes = d->parts[i].done ? d->card->files[i].size_bytes : 0;
    }
    add_up(d);
    begin_parts(d);
}

/* ---- two references, one file ---- */

/* The download under way that writes the same files. */
static const struct download *find_same(const struct download *d)
{
    const struct download *other;

    TAILQ_FOREACH(other, &d->owner->all, link)
    if (other != d && other->n_fetching && str_eq(other->card->path, d->card->path))
        return other;
    return NULL;
}

static void wait_for_same(struct download *d, const struct download *other);

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct download *d = arg;
    const struct download *other = find_same(d);

    (void)fd;
    (void)what;
    if (other)
        wait_for_same(d, other);
    else
        begin_files(d); /* all is there, or what the other one left is taken up */
}

static void wait_for_same(struct download *d, const struct download *other)
{
    const struct timeval soon = {.tv_usec = DOWNLOAD_EVENT_MS * 1000};

    d->bytes = other->bytes;
    d->received = other->received;
    download_count(d);
    download_tell(d, false);
    if (d->timer)
        event_free(d->timer);
    d->timer = evtimer_new(d->owner->p.base, on_look, d);
    if (!d->timer || evtimer_add(d->timer, &soon))
        out_of_memory(d);
}

/* ---- begin ---- */

/* Is there room for what is still to come? Asked once for all files, before the first byte. */
static bool has_room(const struct download *d, struct api_error *e)
{
    uint64_t total = card_total_bytes(d->card), here = card_bytes_on_disk(d->card), room;
    char need[32], have[32];

    if (here >= total || path_free_bytes(d->card->dir, &room, NULL) || room >= total - here)
        return true;
    api_error_set(e, API_DISK_FULL, REPLY_SRC,
                  "%.200s needs %s more on the disk of %.200s, which has room for %s", d->model_ref,
                  str_human_bytes(total - here, need, sizeof need), d->card->dir,
                  str_human_bytes(room, have, sizeof have));
    e->details = json_pack("{s:I, s:I}", "need_bytes", (json_int_t)(total - here), "have_bytes",
                           (json_int_t)room);
    return false;
}

static void on_card_begun(struct download *d, const struct err *err)
{
    const struct download *other;
    struct api_error e = {0};
    struct err away;

    if (!err && card_reach(d->owner->p.reach, d->card, &away))
        err = &away;
    if (err) {
        download_fail_of(d, err);
        return;
    }
    downloads_sweep(d->owner, d->card);
    if (!has_room(d, &e)) {
        download_fail(d, &e);
        return;
    }
    other = find_same(d);
    if (other)
        wait_for_same(d, other);
    else
        begin_files(d);
    if (d->state == DOWNLOAD_FETCHING)
        download_tell(d, true);
}

void download_fetch(struct download *d)
{
    d->state = DOWNLOAD_FETCHING;
    download_look_after(d);
    keep_card(d, on_card_begun);
}
