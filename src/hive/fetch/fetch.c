/*
 * fetch.c - see fetch.h: what is to be done next, and the end. One event, the pump, looks at all
 * that may be due; whoever changes something wakes it.
 */
#include "hive/fetch/fetch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/fetch/fetch_internal.h"
#include "hive/http/reply.h"

static void fetch_free(struct fetch *f)
{
    fetch_streams_stop(f);
    for (size_t i = 0; i < FETCH_STREAMS_MAX; i++) {
        if (f->streams[i].timer)
            event_free(f->streams[i].timer);
        if (f->streams[i].due)
            event_free(f->streams[i].due);
    }
    if (f->pump)
        event_free(f->pump);
    if (f->fd >= 0)
        close(f->fd);
    digest_free(f->digest);
    ledger_close(f->ledger);
    ledger_found_done(&f->found);
    pieces_free(f->pieces);
    api_error_done(&f->error);
    free(f->url);
    free(f->token);
    free(f->name);
    free(f->path);
    free(f->part);
    free(f->ledger_path);
    free(f);
}

void fetch_cancel(struct fetch *f)
{
    if (!f)
        return;
    fetch_streams_stop(f);
    if (!f->ended)
        fetch_work_keep(f);
    fetch_work_abandon(f);
    fetch_free(f);
}

void fetch_wake(struct fetch *f)
{
    event_active(f->pump, EV_TIMEOUT, 1);
}

/* ---- how far ---- */

uint64_t fetch_bytes(const struct fetch *f)
{
    return f->pieces ? f->want - pieces_missing(f->pieces) - f->n_doubted : f->streams[0].pos;
}

void fetch_tell_bytes(struct fetch *f, uint64_t n_new)
{
    f->p.on_bytes(f->p.arg, fetch_bytes(f), n_new);
}

bool fetch_has_room(struct fetch *f)
{
    char need[32], have[32];
    uint64_t left = f->pieces ? pieces_missing(f->pieces) : 0, room;

    if (path_free_bytes(f->part, &room, NULL) || room >= left || f->n_rounds > 0)
        return true;
    fetch_end(f, API_DISK_FULL, "%s are still to come, the disk has room for %s",
              str_human_bytes(left, need, sizeof need), str_human_bytes(room, have, sizeof have));
    return false;
}

/* ---- the end ---- */

static void tell_end(struct fetch *f)
{
    struct api_error e = f->error;

    f->error = (struct api_error){0};
    f->p.on_done(f->p.arg, f->failed ? &e : NULL);
    api_error_done(&e);
    fetch_free(f);
}

void fetch_end(struct fetch *f, enum api_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    if (f->ended)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    f->ended = f->failed = true;
    api_error_set(&f->error, code, REPLY_SRC, "%.200s: %s", f->name, text);
    fetch_streams_stop(f);
    fetch_wake(f);
}

/* ---- what passes ---- */

bool fetch_may_try(const struct fetch *f)
{
    return clock_ms() >= f->lacking_till_ms;
}

void fetch_lacks(struct fetch *f, const struct err *err)
{
    int64_t ms = (int64_t)FETCH_BACKOFF_MS << f->n_lacks;

    if (f->ended)
        return;
    if (++f->n_lacks == FETCH_TRIES) {
        fetch_end(f, API_DOWNLOAD_FAILED, "%s; tried %u times", err->text, f->n_lacks);
        return;
    }
    log_warn("download of %s: %s; try %u of %d in %lld ms", f->name, err->text, f->n_lacks + 1,
             FETCH_TRIES, (long long)ms);
    f->lacking_till_ms = clock_ms() + ms;
    fetch_wake(f);
}

/* Whatever else wakes the pump meanwhile: when the pause is over it comes. The pause that this turn
 * of the pump has kept may have ended in its course. */
static void come_again(struct fetch *f, bool kept)
{
    int64_t left = f->lacking_till_ms - clock_ms(), ms = left > 0 ? left : 1;
    const struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (f->n_lacks > 0 && (left > 0 || kept) && !event_pending(f->pump, EV_TIMEOUT, NULL))
        event_add(f->pump, &when);
}

/* ---- all bytes are there ---- */

static void begin_round(struct fetch *f, size_t n)
{
    f->n_rounds++;
    log_info("download of %s: %zu pieces are suspect and fetched again, round %u", f->name, n,
             f->n_rounds);
    f->hashed = 0;
    f->digest = digest_create();
    if (!f->digest) {
        fetch_end(f, API_INTERNAL, "the hive is out of memory");
        return;
    }
    fetch_tell_bytes(f, 0);
    fetch_wake(f);
}

/* Is anything suspect? Its pieces are missing again then. */
static size_t suspect(struct fetch *f)
{
    size_t n;

    if (f->n_rounds >= FETCH_ROUNDS)
        return 0;
    n = pieces_suspect(f->pieces, false);
    if (n > 0 || f->read_twice)
        return n;
    f->read_twice = true;
    return pieces_suspect(f->pieces, true);
}

/* The readings agree: the verdict is noted, so that the next ask need not read it all again. A life
 * that ended in the middle of a reading has noted nothing; nor are readings that go on to differ.
 */
static void give_verdict(struct fetch *f, const char *hex)
{
    bool settled = f->n_rounds < FETCH_ROUNDS;
    struct err err = {0};

    if (f->n_rounds > 0 && settled && ledger_add_round(f->ledger, f->n_rounds, &err))
        log_warn("download of %s: %s", f->name, err.text);
    fetch_end(f, API_CHECKSUM_MISMATCH,
              "the SHA-256 of what arrived is %s, the hub says %s; %s, and it is kept as %s; "
              "cancelling with a discard, or removing the model, deletes it",
              hex, f->sha256,
              settled
                  ? "reading it again gave the same bytes"
                  : "reading suspect pieces again gave other bytes each time, so the line or the "
                    "source changes them",
              f->part);
}

static void complete(struct fetch *f)
{
    char hex[DIGEST_SHA256_BYTES];
    size_t n;

    digest_end(f->digest, hex);
    digest_free(f->digest);
    f->digest = NULL;
    if (!f->sha256[0] || str_eq(hex, f->sha256)) {
        fetch_work_settle(f);
        return;
    }
    log_warn("download of %s: the SHA-256 is %s, the hub says %s", f->name, hex, f->sha256);
    n = suspect(f);
    if (n > 0)
        begin_round(f, n);
    else
        give_verdict(f, hex);
}

/* ---- what is due ---- */

static void look_at_end(struct fetch *f)
{
    if (f->failed && !f->kept) {
        f->kept = true;
        fetch_work_keep(f); /* its end comes back here */
    }
    if (!f->piece_work && !f->whole_work && !f->keep_work && !f->sync_work)
        tell_end(f);
}

/* The part, and where the size is known its pieces. */
static int open_all(struct fetch *f, struct err *err)
{
    int rc = f->fd < 0 ? fetch_open_part(f, err) : 0;

    if (rc == 0 && f->want_known && !f->pieces) {
        ledger_found_done(&f->found); /* of another try */
        rc = fetch_open_pieces(f, err);
    }
    f->opened = rc == 0;
    if (f->opened)
        f->n_lacks = 0;
    return rc;
}

static bool is_open(struct fetch *f)
{
    struct err err = {0};
    int rc;

    if (f->opened || !fetch_may_try(f))
        return f->opened;
    rc = open_all(f, &err);
    if (rc == ERR_BUSY)
        fetch_lacks(f, &err);
    else if (rc)
        fetch_end(f, rc == ERR_NO_SPACE ? API_DISK_FULL : API_DOWNLOAD_FAILED, "%s", err.text);
    return f->opened;
}

static void do_due(struct fetch *f)
{
    if (!is_open(f))
        return;
    if (f->settling) {
        fetch_work_settle(f);
        return;
    }
    if (f->pieces) {
        fetch_work_pieces(f);
        fetch_work_sync(f);
        fetch_work_whole(f);
        if (!f->ended && f->ledger && f->digest && f->hashed == f->want &&
            pieces_all_safe(f->pieces)) {
            fetch_streams_stop(f);
            complete(f);
            return;
        }
    }
    fetch_streams_begin(f);
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    struct fetch *f = arg;
    bool keeps = !fetch_may_try(f);

    (void)fd, (void)what;
    if (f->ended) {
        look_at_end(f);
        return;
    }
    do_due(f);
    if (!f->ended)
        come_again(f, keeps);
}

/* ---- beginning ---- */

static int make(const struct fetch_params *p, struct fetch **out, struct err *err)
{
    struct fetch *f = calloc(1, sizeof *f);

    if (!f)
        return err_no_memory(err, sizeof *f, "a download");
    *f = (struct fetch){.p = *p,
                        .fd = -1,
                        .url = str_dup(p->url),
                        .token = p->token ? str_dup(p->token) : NULL,
                        .name = str_dup(p->name),
                        .path = str_dup(p->path),
                        .part = str_printf("%s.part", p->path),
                        .want = p->size_bytes,
                        .want_known = p->size_bytes > 0,
                        .digest = digest_create(),
                        .pump = event_new(p->base, -1, 0, on_pump, f)};
    str_copy(f->sha256, sizeof f->sha256, p->sha256);
    f->ledger_path = f->part ? ledger_path(f->part) : NULL;
    if (f->url && f->name && f->path && f->ledger_path && f->digest && f->pump &&
        (f->token || !p->token)) {
        *out = f;
        return 0;
    }
    fetch_free(f);
    return err_no_memory(err, sizeof *f, "a download");
}

int fetch_start(const struct fetch_params *params, struct fetch **out, struct api_error *e)
{
    struct fetch *f = NULL;
    struct err err = {0};
    int rc = make(params, &f, &err);

    if (rc == 0)
        rc = open_all(f, &err);
    if (rc == ERR_BUSY)
        fetch_lacks(f, &err);
    if (rc == 0 || rc == ERR_BUSY) {
        fetch_wake(f);
        *out = f;
        return 0;
    }
    if (f)
        fetch_free(f);
    api_error_set(e, rc == ERR_NO_SPACE ? API_DISK_FULL : API_DOWNLOAD_FAILED, REPLY_SRC, "%s",
                  err.text);
    return -1;
}
