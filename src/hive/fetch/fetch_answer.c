/*
 * fetch_answer.c - what the hub and its CDN answer to one try, and what is made of it.
 *
 * What heads say is read in fetch_head.c. A server may ignore Range and send all (200): the stream
 * then pours, and what is here already is passed over.
 */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/fetch/fetch_internal.h"
#include "hive/fetch/rate.h"

#define UNTOLD UINT64_MAX

/* ---- heads ---- */

/* The whole file's, as the answer tells it, or UNTOLD. */
static uint64_t told_size(const struct fetch_answer *a)
{
    return a->has_linked_size ? a->linked_size
           : a->has_range     ? a->range_total
           : a->has_length    ? a->length
                              : UNTOLD;
}

/* Takes over what only the file's own answer tells. False when it contradicts what is known. */
static bool learn(struct stream *s)
{
    struct fetch *f = s->f;
    const struct fetch_answer *a = &s->answer;
    uint64_t size = told_size(a);
    bool news = false;

    if (f->want_known && size != UNTOLD && size != f->want)
        return false;
    if (!f->want_known && size != UNTOLD && size > 0) {
        f->want = size;
        f->want_known = news = true;
    }
    if (!f->sha256[0] && a->linked_sha256[0]) {
        str_copy(f->sha256, sizeof f->sha256, a->linked_sha256);
        news = true;
    }
    if (news)
        f->p.on_told(f->p.arg, f->want, f->sha256);
    return !a->linked_sha256[0] || str_eq(a->linked_sha256, f->sha256);
}

/* The source has another version now than the one our bytes are of. That may have another size;
 * without a digest to hold it to, it is as good as the one before. */
static void begin_anew(struct stream *s)
{
    struct fetch *f = s->f;
    struct err err = {0};
    uint64_t size = told_size(&s->answer);

    log_warn("download of %s: it changed at its source, from %s to %s: beginning anew", f->name,
             f->tag, s->answer.tag);
    fetch_streams_stop(f);
    if (++f->n_changes > FETCH_CHANGES_MAX)
        fetch_end(f, API_DOWNLOAD_FAILED, "the file changed at its source %u times while it came",
                  f->n_changes);
    else if (fetch_start_over(f, size != UNTOLD && size > 0 ? size : f->want, &err))
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err.text);
    fetch_tell_bytes(f, 0);
    fetch_wake(f);
}

/* False: the bytes are of another version, and the stream was stopped. */
static bool check_tag(struct stream *s)
{
    struct fetch *f = s->f;
    struct err err = {0};

    if (f->sha256[0] || !s->answer.tag[0])
        return true;
    if (f->tag[0] && !str_eq(f->tag, s->answer.tag)) {
        begin_anew(s);
        return false;
    }
    if (!f->tag[0]) {
        str_copy(f->tag, sizeof f->tag, s->answer.tag);
        if (f->ledger && ledger_add_tag(f->ledger, f->tag, &err))
            log_warn("download of %s: %s", f->name, err.text);
    }
    return true;
}

/* The size has just become known: the stream goes on as one that pours. */
static bool open_pieces(struct stream *s)
{
    struct err err = {0};

    if (s->f->pieces || !s->f->want_known)
        return true;
    if (fetch_open_pieces(s->f, &err) == 0)
        return true;
    fetch_end(s->f, err.code == ERR_NO_SPACE ? API_DISK_FULL : API_DOWNLOAD_FAILED, "%s", err.text);
    return false;
}

/* Looks at the head of a 200 or 206 before its first byte is taken. False: the try is over. */
static bool judge_head(struct stream *s, int status)
{
    struct fetch *f = s->f;
    struct fetch_answer *a = &s->answer;
    uint64_t from = s->hole ? s->hole->from : 0;

    a->judged = true;
    if (status == 206 && (!a->has_range || a->range_first != from)) {
        fetch_stream_failed(s, false, "the server sent another part of the file than asked for");
        return false;
    }
    if (f->pieces && !check_tag(s))
        return false;
    if (!learn(s)) {
        fetch_end(f, API_DOWNLOAD_FAILED,
                  "the hub gives another size or digest with the file than in its listing");
        return false;
    }
    if (!open_pieces(s) || !check_tag(s)) /* the ledger knows the tag of its bytes */
        return false;
    if (status == 200 && s->hole && (s->hole->from > 0 || s->hole->to < f->want))
        fetch_stream_pours(s);
    return fetch_has_room(f);
}

/* ---- bytes ---- */

/* Each try begins at the first byte: of what an earlier one had brought nothing is headway, or a
 * source that breaks off at the same place each time would be asked for ever. */
static void count_poured(struct stream *s, uint64_t at, uint64_t end)
{
    struct fetch *f = s->f;

    fetch_count(s, end - at);
    if (at < f->furthest)
        s->fresh -= (end < f->furthest ? end : f->furthest) - at;
    if (end > f->furthest)
        f->furthest = end;
}

/* All of the file comes by, from its first byte; only what is missing is written. */
static void pour(struct stream *s, const char *bytes, size_t n)
{
    struct fetch *f = s->f;
    uint64_t at = s->pos, end = s->pos + n, first, last;

    if (!f->pieces) {
        if (!fetch_write(f, bytes, n, at))
            return;
        s->pos = end;
        count_poured(s, at, end);
        return;
    }
    s->pos = end;
    while (pieces_hole_in(f->pieces, at, end, &first, &last)) {
        if (!fetch_write(f, bytes + (first - (end - n)), (size_t)(last - first), first))
            return;
        if (pieces_close(f->pieces, first, last)) {
            fetch_end(f, API_INTERNAL, "the hive is out of memory");
            return;
        }
        fetch_count(s, last - first);
        at = last;
    }
    if (pieces_missing(f->pieces) == 0)
        fetch_stream_idle(s);
    else
        fetch_wake(f);
}

static void fill(struct stream *s, const char *bytes, size_t n)
{
    struct fetch *f = s->f;
    uint64_t left = s->hole->to - s->hole->from - s->n_held;
    size_t take = n < left ? n : (size_t)left;

    if (!fetch_hold_put(s, bytes, take) || (take == left && !fetch_hold_flush(s)))
        return;
    if (n > left && s->hole->to == s->asked_to)
        fetch_stream_failed(s, false, "the server sends more than the file's %llu bytes",
                            (unsigned long long)f->want);
    else if (take == left && s->hole->to < s->asked_to)
        fetch_stream_idle(s); /* another has taken over the rest of its request */
    else if (take == left)
        fetch_wake(f);
}

/* False: not yet, the timer goes on. */
static bool rate_allows(struct stream *s, size_t n)
{
    int64_t ms = rate_take(s->f->p.shared->rate, clock_ms(), n);
    struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (ms <= 0)
        return true;
    evtimer_add(s->timer, &when);
    return false;
}

bool fetch_on_body(void *arg, int status, const char *bytes, size_t n)
{
    struct stream *s = arg;

    if (!fetch_is_file(status))
        return true; /* the body of a refusal */
    if (!s->answer.judged && !judge_head(s, status))
        return true;
    if (!rate_allows(s, n))
        return false;
    if (s->pouring)
        pour(s, bytes, n);
    else
        fill(s, bytes, n);
    return true;
}

/* ---- the end ---- */

/* "https://host:port" of an URL: its length up to the path. */
static size_t origin_length(const char *url)
{
    const char *host = strstr(url, "://");

    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url);
}

/* Whether the answer is the hub's own: a CDN that refuses a signed URL is asked anew. */
static bool is_from_hub(const struct fetch *f, const char *url)
{
    size_t n = origin_length(f->url);

    return !url || (origin_length(url) == n && strncasecmp(url, f->url, n) == 0);
}

static void refused(struct stream *s, const struct http_response *r)
{
    struct fetch *f = s->f;
    bool hub = is_from_hub(f, r->url);
    const char *code = s->answer.error_code, *sep = code[0] ? ": " : "";

    if (hub && (r->status == 401 || r->status == 403)) {
        fetch_end(f, API_MODEL_ACCESS_DENIED, "the hub answers %d%s%s", r->status, sep, code);
    } else if (hub && (r->status == 404 || r->status == 410)) {
        fetch_end(f, API_MODEL_NOT_FOUND, "the hub does not have it (any more): status %d%s%s",
                  r->status, sep, code);
    } else if (!hub || r->status == 408 || r->status == 416 || r->status == 425 ||
               r->status == 429 || r->status >= 500) {
        f->no_ranges = f->no_ranges || r->status == 416; /* what it says of ranges is wrong */
        fetch_stream_failed(s, false, "%.200s answers %d%s%s", hub ? "the hub" : "the hub's store",
                            r->status, sep, code);
    } else {
        fetch_end(f, API_DOWNLOAD_FAILED, "the hub answers %d%s%s", r->status, sep, code);
    }
}

/* A whole answer has come, of a file whose size nobody told: that is it. */
static void size_from_end(struct stream *s)
{
    struct fetch *f = s->f;
    uint64_t size = s->pos;
    struct err err = {0};

    f->want = size;
    f->want_known = true;
    f->p.on_told(f->p.arg, f->want, f->sha256);
    if (size == 0)
        fetch_end(f, API_DOWNLOAD_FAILED, "the source sent no byte");
    else if (fetch_open_pieces(f, &err) || pieces_close(f->pieces, 0, size))
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err.text);
    else
        fetch_stream_idle(s);
}

static void ended_early(struct stream *s)
{
    fetch_stream_failed(s, false, "the connection ended after %llu of %llu bytes",
                        (unsigned long long)fetch_bytes(s->f), (unsigned long long)s->f->want);
}

void fetch_on_done(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    struct stream *s = arg;
    struct fetch *f = s->f;

    s->call = NULL;
    if (!fetch_hold_flush(s))
        return;
    if (rc == ERR_DENIED || rc == ERR_NO_MEMORY || rc == ERR_INVALID)
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err->text);
    else if (rc)
        fetch_stream_failed(s, rc == ERR_TIMEOUT, "%s", err->text);
    else if (!fetch_is_file(response->status))
        refused(s, response);
    else if (!s->answer.judged && !judge_head(s, response->status))
        return;
    else if (!f->pieces)
        size_from_end(s);
    else if (s->hole && s->hole->from == s->hole->to)
        fetch_stream_idle(s);
    else
        ended_early(s);
}
