/*
 * fetch_hold.c - a stream's bytes on their way to the disk.
 *
 * libcurl hands over 16 KiB at a time (CURL_MAX_WRITE_SIZE), however much it has read at once, and
 * a write of so few bytes costs several times what they do in a larger one. So they are put
 * together, and written when the loop has come round: nothing stays in memory while a line is slow.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "hive/fetch/fetch_internal.h"

/* A source that tells no size cannot go on in the middle: of its file nothing is of use but all. */
static const char *drop_useless(const struct fetch *f)
{
    if (f->pieces || ftruncate(f->fd, 0) != 0)
        return "which are kept";
    return "none of which is kept, as its source tells no size and could not go on there";
}

bool fetch_write(struct fetch *f, const char *bytes, size_t n, uint64_t offset)
{
    int error = path_write_at(f->fd, bytes, n, offset);
    struct err err;

    if (error == 0)
        return true;
    err_errno(&err, ERR_IO, error, "cannot write %s after %llu bytes, %s", f->part,
              (unsigned long long)fetch_bytes(f), drop_useless(f));
    fetch_end(f, err.code == ERR_NO_SPACE ? API_DISK_FULL : API_DOWNLOAD_FAILED, "%s", err.text);
    return false;
}

void fetch_count(struct stream *s, uint64_t n)
{
    s->fresh += n;
    s->got += n;
    fetch_pace_count(&s->f->pace, n);
    fetch_tell_bytes(s->f, n);
}

/* Something is to be done when a piece has its last byte, or the digest a step to take: not before.
 */
static bool is_due(const struct fetch *f, uint64_t from, uint64_t to)
{
    return to == f->want || from / f->found.piece_bytes != to / f->found.piece_bytes ||
           from / FETCH_STEP_BYTES != to / FETCH_STEP_BYTES;
}

bool fetch_hold_flush(struct stream *s)
{
    struct fetch *f = s->f;
    uint64_t from = s->hole ? s->hole->from : 0;
    size_t n = s->n_held;

    s->n_held = 0; /* a disk that does not take them is not asked twice */
    if (n == 0)
        return true;
    if (!fetch_write(f, s->held, n, from))
        return false;
    fetch_arrival_put(&s->arrival, f->pieces, from, s->held, n);
    pieces_fill(f->pieces, s->hole, n);
    fetch_count(s, n);
    fetch_work_more(f);
    if (is_due(f, from, from + n))
        fetch_wake(f);
    return true;
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    fetch_hold_flush(arg);
}

int fetch_hold_open(struct stream *s)
{
    if (!s->due)
        s->due = event_new(s->f->p.base, -1, 0, on_due, s);
    return s->due ? 0 : -1;
}

bool fetch_hold_put(struct stream *s, const char *bytes, size_t n)
{
    if (!s->held && !(s->held = malloc(FETCH_HOLD_BYTES))) {
        fetch_end(s->f, API_INTERNAL, "the hive is out of memory");
        return false;
    }
    while (n > 0) {
        size_t room = FETCH_HOLD_BYTES - s->n_held, some = n < room ? n : room;

        memcpy(s->held + s->n_held, bytes, some);
        s->n_held += some;
        bytes += some;
        n -= some;
        if (s->n_held == FETCH_HOLD_BYTES && !fetch_hold_flush(s))
            return false;
    }
    if (s->n_held > 0)
        event_active(s->due, EV_TIMEOUT, 1);
    return true;
}

void fetch_hold_close(struct stream *s)
{
    free(s->held);
    s->held = NULL;
    s->n_held = 0;
}
