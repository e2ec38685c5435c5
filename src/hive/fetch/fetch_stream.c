/*
 * fetch_stream.c - the streams of a fetch: what each asks for, its tries and the waits between
 * them.
 */
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/fetch/fetch_internal.h"
#include "hive/fetch/rate.h"

static bool is_busy(const struct stream *s)
{
    return s->call || s->waiting;
}

static unsigned count_alive(const struct fetch *f)
{
    unsigned n = 0;

    for (size_t i = 0; i < FETCH_STREAMS_MAX; i++)
        n += is_busy(&f->streams[i]);
    return n;
}

/* ---- the end of a request ---- */

static void halt(struct stream *s)
{
    struct fetch *f = s->f;

    fetch_hold_flush(s); /* before the hole goes; should that fail, this comes by once more */
    if (s->call)
        http_call_cancel(s->call);
    if (s->timer)
        event_del(s->timer);
    if (s->hole && f->pieces)
        pieces_drop(f->pieces, s->hole);
    fetch_arrival_forget(&s->arrival);
    fetch_hold_close(s);
    s->call = NULL;
    s->hole = NULL;
    s->waiting = s->pouring = false;
}

static void release(struct stream *s)
{
    if (!s->active)
        return;
    s->active = false;
    s->f->p.shared->streams_left++;
    s->f->p.on_free_stream(s->f->p.arg);
}

void fetch_streams_stop(struct fetch *f)
{
    for (size_t i = 0; i < FETCH_STREAMS_MAX; i++) {
        if (!f->streams[i].f)
            continue;
        halt(&f->streams[i]);
        release(&f->streams[i]);
    }
}

void fetch_stream_idle(struct stream *s)
{
    halt(s);
    s->tries = 0;
    release(s);
    fetch_wake(s->f);
}

/* ---- a try ---- */

/* "" when all of a file is asked for. */
static void make_range(const struct stream *s, char range[80])
{
    const struct fetch *f = s->f;
    const struct hole *h = s->hole;

    range[0] = '\0';
    if (!h || (h->from == 0 && h->to == f->want))
        return;
    if (h->to == f->want)
        snprintf(range, 80, "Range: bytes=%llu-", (unsigned long long)h->from);
    else
        snprintf(range, 80, "Range: bytes=%llu-%llu", (unsigned long long)h->from,
                 (unsigned long long)h->to - 1);
}

/* A strong tag of a file without a digest: another version comes whole, with 200. */
static void make_if_range(const struct fetch *f, char line[LEDGER_TAG_MAX + 16])
{
    line[0] = '\0';
    if (!f->sha256[0] && f->tag[0] == '"')
        snprintf(line, LEDGER_TAG_MAX + 16, "If-Range: %s", f->tag);
}

static void ask(struct stream *s)
{
    struct fetch *f = s->f;
    char range[80], if_range[LEDGER_TAG_MAX + 16];
    const char *headers[] = {range, NULL, NULL};
    struct http_call_params call = {.url = f->url,
                                    .bearer = f->token,
                                    .follow = true,
                                    .stall_ms = f->p.stall_ms > 0 ? f->p.stall_ms : 0,
                                    .arg = s,
                                    .on_header = fetch_on_header,
                                    .on_body = fetch_on_body,
                                    .on_done = fetch_on_done};
    struct err err;

    s->answer = (struct fetch_answer){.retry_after_ms = 0};
    s->asked_ms = clock_ms();
    s->got = 0;
    s->asked_to = s->hole ? s->hole->to : 0;
    make_range(s, range);
    make_if_range(f, if_range);
    if (if_range[0])
        headers[1] = if_range;
    if (range[0])
        call.headers = headers;
    if (http_call_start(f->p.client, &call, &s->call, &err)) {
        s->call = NULL;
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err.text);
    }
}

/* Several streams could be worth their requests: not those of a small file, nor when ranges do not
 * work, or when nobody knows the size. */
static bool can_spread(const struct fetch *f)
{
    return f->pieces && !f->no_ranges && f->want >= 2 * FETCH_STREAM_BYTES &&
           f->p.shared->per_fetch > 1;
}

static unsigned streams_wanted(const struct fetch *f)
{
    return can_spread(f) && f->pace.pace == PACE_SLOW ? f->p.shared->per_fetch : 1;
}

/* What a line brought while it was quick does not speak for it now. */
static void forget_pace(struct fetch *f)
{
    for (size_t i = 0; i < FETCH_STREAMS_MAX; i++) {
        f->streams[i].asked_ms = clock_ms();
        f->streams[i].got = 0;
    }
}

static void look_at_pace(struct fetch *f)
{
    const struct timeval soon = {.tv_usec = FETCH_ALONE_MS * 1000};
    enum pace before = f->pace.pace;

    if (!can_spread(f) || before == PACE_SLOW)
        return;
    if (fetch_pace_look(&f->pace, clock_ms()) == PACE_SLOW && before == PACE_FAST)
        forget_pace(f);
    else if (!event_pending(f->pump, EV_TIMEOUT, NULL))
        event_add(f->pump, &soon);
}

static uint64_t ask_bytes(const struct fetch *f)
{
    uint64_t n = pieces_missing(f->pieces) / FETCH_STREAMS_MAX;

    if (!can_spread(f) || f->pace.pace == PACE_FAST)
        return UINT64_MAX;
    if (n > FETCH_ASK_BYTES)
        return FETCH_ASK_BYTES;
    return n < FETCH_STREAM_BYTES ? FETCH_STREAM_BYTES : n;
}

/* Milliseconds until a stream is through at the pace it has had; one that has had time and gave
 * nothing needs for ever. */
static double needs_ms(const struct stream *s, int64_t now_ms)
{
    int64_t passed = now_ms - s->asked_ms;

    if (!s->call || !s->hole || passed < FETCH_LOOK_MS)
        return 0;
    return (double)(s->hole->to - s->hole->from) * (double)passed / ((double)s->got + 1);
}

/* Half of what the slowest has left, when that is worth throwing away what is in flight. */
static struct hole *take_over(struct fetch *f)
{
    struct stream *slowest = NULL;
    double most = FETCH_SLOW_MS;
    int64_t now = clock_ms();

    for (size_t i = 0; i < FETCH_STREAMS_MAX; i++) {
        double needs = f->streams[i].f ? needs_ms(&f->streams[i], now) : 0;

        if (needs <= most)
            continue;
        most = needs;
        slowest = &f->streams[i];
    }
    return slowest && fetch_hold_flush(slowest) ? pieces_split(f->pieces, slowest->hole) : NULL;
}

/* Gives it something to do. False: there is nothing. */
static bool begin(struct stream *s)
{
    struct fetch *f = s->f;

    if (f->pieces && pieces_missing(f->pieces) == 0)
        return false;
    if (!f->pieces || f->no_ranges) {
        s->pouring = true;
        s->pos = 0;
    } else {
        s->hole = pieces_take(f->pieces, ask_bytes(f));
        if (!s->hole && streams_wanted(f) > 1)
            s->hole = take_over(f);
        if (!s->hole)
            return false;
    }
    if (fetch_has_room(f))
        ask(s);
    return true;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;

    (void)fd, (void)what;
    if (s->call) { /* it was held back by the rate */
        http_call_resume(s->call);
        return;
    }
    s->waiting = false;
    if (!begin(s))
        fetch_stream_idle(s);
}

void fetch_rate_changed(struct fetch *f)
{
    for (size_t i = 0; i < FETCH_STREAMS_MAX; i++) {
        struct stream *s = &f->streams[i];

        if (s->call && event_pending(s->timer, EV_TIMEOUT, NULL))
            event_active(s->timer, EV_TIMEOUT, 1);
    }
    fetch_wake(f);
}

/* Whether one of those that work turns out to be slow. */
static void look_again(struct fetch *f, unsigned n_busy)
{
    const struct timeval soon = {.tv_usec = FETCH_LOOK_MS * 1000};
    struct err err;

    if (n_busy == 0 && f->pieces && pieces_missing(f->pieces) > 0) { /* nobody has it, or will */
        err_no_memory(&err, sizeof(struct hole), "a part of the file");
        if (fetch_may_try(f)) /* else the pump comes by when the pause is over */
            fetch_lacks(f, &err);
        return;
    }

    if (n_busy > 0 && f->pieces && !event_pending(f->pump, EV_TIMEOUT, NULL))
        event_add(f->pump, &soon);
}

void fetch_streams_begin(struct fetch *f)
{
    unsigned n = count_alive(f), wanted;

    look_at_pace(f);
    wanted = streams_wanted(f);
    for (size_t i = 0; i < FETCH_STREAMS_MAX && n < wanted && !f->ended; i++) {
        struct stream *s = &f->streams[i];

        if (is_busy(s) || s->given_up || (!s->active && f->p.shared->streams_left <= 0))
            continue;
        s->f = f;
        if ((!s->timer && !(s->timer = evtimer_new(f->p.base, on_timer, s))) ||
            fetch_hold_open(s)) {
            fetch_end(f, API_INTERNAL, "the hive is out of memory");
            return;
        }
        if (!s->active)
            f->p.shared->streams_left--;
        s->active = true;
        if (!begin(s)) { /* all is taken: nobody is told of a stream that did nothing */
            f->p.shared->streams_left += s->active; /* unless the fetch has ended meanwhile */
            s->active = false;
            if (!f->ended)
                look_again(f, n);
            return;
        }
        n++;
    }
}

/* ---- a try that failed ---- */

static int64_t pause_ms(const struct stream *s)
{
    int64_t ms = (int64_t)FETCH_BACKOFF_MS << (s->tries - 1);

    return ms < s->answer.retry_after_ms ? s->answer.retry_after_ms : ms;
}

static void wait_and_try(struct stream *s, const char *why)
{
    int64_t ms = pause_ms(s);
    struct timeval when = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    log_info("download of %s: %s; %llu bytes are here, try %u of %d in %lld ms", s->f->name, why,
             (unsigned long long)fetch_bytes(s->f), s->tries + 1, FETCH_TRIES, (long long)ms);
    s->waiting = true;
    evtimer_add(s->timer, &when);
}

void fetch_stream_failed(struct stream *s, bool stalled, const char *fmt, ...)
{
    struct fetch *f = s->f;
    char why[ERR_TEXT_MAX / 2];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    halt(s);
    if (f->ended) /* the disk did not take what it held: there is no next try */
        return;
    if (s->fresh >= FETCH_FRESH_BYTES)
        s->tries = 0;
    s->fresh = 0;
    s->tries++;
    if (s->tries < FETCH_TRIES) {
        wait_and_try(s, why);
        fetch_wake(f); /* what it left may be had by another */
        return;
    }
    s->given_up = true;
    release(s);
    if (count_alive(f) == 0)
        fetch_end(f, stalled ? API_DOWNLOAD_STALLED : API_DOWNLOAD_FAILED,
                  "%s; tried %u times, %llu bytes are kept", why, s->tries,
                  (unsigned long long)(f->pieces ? fetch_bytes(f) : 0));
    else
        log_info("download of %s: %s; going on with fewer connections", f->name, why);
}

void fetch_stream_pours(struct stream *s)
{
    struct fetch *f = s->f;

    if (!f->no_ranges)
        log_info("download of %s: the server ignores ranges; one stream passes over what is here",
                 f->name);
    f->no_ranges = true;
    for (size_t i = 0; i < FETCH_STREAMS_MAX; i++) {
        if (!f->streams[i].f || &f->streams[i] == s)
            continue;
        halt(&f->streams[i]);
        release(&f->streams[i]);
    }
    if (s->hole)
        pieces_drop(f->pieces, s->hole);
    s->hole = NULL;
    s->pouring = true;
    s->pos = 0;
}
