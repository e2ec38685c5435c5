/*
 * fetch.c - see fetch.h: the tries, their ends and the waiting between them. What a single answer
 * must look like is in fetch_answer.c, the work in helper threads in fetch_work.c.
 */
#include "hive/fetch.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/fetch_internal.h"
#include "hive/reply.h"

static void begin_try(struct fetch *f);

void fetch_free(struct fetch *f)
{
    if (f->call)
        http_call_cancel(f->call);
    if (f->timer)
        event_free(f->timer);
    if (f->fd >= 0)
        close(f->fd);
    digest_free(f->digest);
    api_error_done(&f->error);
    free(f->url);
    free(f->token);
    free(f->name);
    free(f->path);
    free(f->part);
    free(f);
}

void fetch_cancel(struct fetch *f)
{
    if (!f)
        return;
    fetch_work_abandon(f);
    fetch_free(f);
}

/* ---- what comes next, always from the loop ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct fetch *f = arg;

    (void)fd;
    (void)what;
    f->next(f);
}

static void go_on(struct fetch *f, void (*next)(struct fetch *f), int64_t in_ms)
{
    struct timeval when = {.tv_sec = in_ms / 1000, .tv_usec = in_ms % 1000 * 1000};

    f->next = next;
    evtimer_add(f->timer, &when);
}

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

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (f->call)
        http_call_cancel(f->call);
    f->call = NULL;
    f->failed = true;
    api_error_set(&f->error, code, REPLY_SRC, "%.200s: %s", f->name, text);
    go_on(f, tell_end, 0);
}

void fetch_settled(struct fetch *f)
{
    go_on(f, tell_end, 0);
}

/* ---- a try that failed ---- */

int fetch_start_over(struct fetch *f)
{
    struct digest *fresh = digest_create();

    if (!fresh || ftruncate(f->fd, 0) != 0) {
        digest_free(fresh);
        return -1;
    }
    digest_free(f->digest);
    f->digest = fresh;
    f->have = f->fresh_from = 0;
    f->resumed = false;
    f->p.on_bytes(f->p.arg, 0);
    return 0;
}

void fetch_try_failed(struct fetch *f, bool stalled, const char *fmt, ...)
{
    char why[ERR_TEXT_MAX / 2];
    int64_t wait_ms;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    if (f->call)
        http_call_cancel(f->call);
    f->call = NULL;
    if (f->have >= f->fresh_from + FETCH_FRESH_BYTES)
        f->tries = 0;
    f->fresh_from = f->have;
    f->tries++;
    if (f->tries >= FETCH_TRIES) {
        fetch_end(f, stalled ? API_DOWNLOAD_STALLED : API_DOWNLOAD_FAILED,
                  "%s; tried %u times, %llu bytes are kept", why, f->tries,
                  (unsigned long long)f->have);
        return;
    }
    f->resumed = f->resumed || f->have > 0;
    wait_ms = (int64_t)FETCH_BACKOFF_MS << (f->tries - 1);
    if (wait_ms < f->answer.retry_after_ms)
        wait_ms = f->answer.retry_after_ms;
    log_info("download of %s: %s; try %u of %d from byte %llu in %lld ms", f->name, why,
             f->tries + 1, FETCH_TRIES, (unsigned long long)f->have, (long long)wait_ms);
    go_on(f, begin_try, wait_ms);
}

/* ---- a try ---- */

bool fetch_has_room(struct fetch *f)
{
    char need[32], have[32];
    uint64_t left = f->want_known ? f->want - f->have : 0, room;

    if (path_free_bytes(f->part, &room, NULL) || room >= left)
        return true;
    fetch_end(f, API_DISK_FULL, "%s are still to come, the disk has room for %s",
              str_human_bytes(left, need, sizeof need), str_human_bytes(room, have, sizeof have));
    return false;
}

static void begin_try(struct fetch *f)
{
    char range[64];
    const char *headers[] = {range, NULL};
    struct http_call_params call = {.url = f->url,
                                    .headers = f->have ? headers : NULL,
                                    .bearer = f->token,
                                    .follow = true,
                                    .stall_ms = f->p.stall_ms > 0 ? f->p.stall_ms : 0,
                                    .arg = f,
                                    .on_header = fetch_on_header,
                                    .on_body = fetch_on_body,
                                    .on_done = fetch_on_done};
    struct err err;

    f->answer = (struct fetch_answer){.retry_after_ms = 0};
    if (f->want_known && f->have == f->want) {
        fetch_complete(f);
        return;
    }
    if (!fetch_has_room(f))
        return;
    snprintf(range, sizeof range, "Range: bytes=%llu-", (unsigned long long)f->have);
    if (http_call_start(f->p.client, &call, &f->call, &err))
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err.text);
}

void fetch_hashed(struct fetch *f, int rc, const struct err *err)
{
    if (rc == 0) {
        f->resumed = f->have > 0;
    } else if (fetch_start_over(f)) {
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err->text);
        return;
    }
    f->fresh_from = f->have;
    f->p.on_bytes(f->p.arg, f->have);
    go_on(f, begin_try, 0);
}

/* ---- all bytes are there ---- */

void fetch_complete(struct fetch *f)
{
    char hex[CARD_SHA256_BYTES];

    digest_end(f->digest, hex);
    digest_free(f->digest);
    f->digest = NULL;
    if (!f->sha256[0] || str_eq(hex, f->sha256)) {
        fetch_work_settle(f);
        return;
    }
    log_warn("download of %s: the SHA-256 is %s, the hub says %s", f->name, hex, f->sha256);
    if (f->resumed && !f->started_over && fetch_start_over(f) == 0) {
        f->started_over = true;
        fetch_try_failed(f, false, "the bytes that were kept are wrong");
        return;
    }
    unlink(f->part);
    fetch_end(f, API_CHECKSUM_MISMATCH,
              "the SHA-256 of what arrived is %s, the hub says %s; it was thrown away", hex,
              f->sha256);
}

/* ---- beginning ---- */

static int open_part(struct fetch *f, struct err *err)
{
    struct stat st;

    f->fd = open(f->part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return err_errno(err, errno == EACCES ? ERR_DENIED : ERR_IO, errno, "cannot write %s",
                         f->part);
    f->have = (uint64_t)st.st_size;
    if (f->want_known && f->have > f->want) {
        if (ftruncate(f->fd, 0) != 0)
            return err_errno(err, ERR_IO, errno, "cannot empty %s", f->part);
        f->have = 0;
    }
    return 0;
}

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
                        .timer = evtimer_new(p->base, on_timer, f)};
    str_copy(f->sha256, sizeof f->sha256, p->sha256);
    if (f->url && f->name && f->path && f->part && f->digest && f->timer &&
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
        rc = open_part(f, &err);
    if (rc == 0 && f->have)
        rc = fetch_work_hash(f, &err);
    else if (rc == 0)
        go_on(f, begin_try, 0);
    if (rc == 0) {
        *out = f;
        return 0;
    }
    if (f)
        fetch_free(f);
    api_error_set(e, rc == ERR_NO_SPACE ? API_DISK_FULL : API_DOWNLOAD_FAILED, REPLY_SRC, "%s",
                  err.text);
    return -1;
}
