/*
 * download_disk.c - a download whose disk answers no more fails, instead of standing for ever.
 *
 * Its thread waits for the disk, in the kernel, and nothing ends that: NFS whose server is gone
 * may be back in a minute or never. So the loop looks at those whose bytes stand still, and asks,
 * as before it touches a file itself, whether the file system answers (hive/disk/reach.h). One that
 * has not for as long as the hub's silence may last is given up; asked for again it goes on from
 * where it was.
 */
#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "hive/models/download_internal.h"

#define LOOK_MS  1000
#define STILL_MS 1000 /* that bytes do not move is worth a question */

/* Its bytes have not moved since long ago. */
static bool is_still(struct download *d, int64_t now)
{
    uint64_t bytes = d->bytes + d->received;

    if (bytes != d->seen_bytes || !d->moved_ms)
        d->moved_ms = now;
    d->seen_bytes = bytes;
    return now - d->moved_ms >= STILL_MS;
}

static void look_at(struct download *d, int64_t now)
{
    struct err err;

    if (!is_still(d, now) || card_reach(d->owner->p.reach, d->card, &err) == 0) {
        d->away_ms = 0;
        return;
    }
    if (!d->away_ms) {
        d->away_ms = now;
        log_warn("download of %s stands: %s", d->model_ref, err.text);
    } else if (now - d->away_ms >= d->owner->p.stall_ms) {
        download_fail_of(d, &err);
    }
}

static void begin(struct downloads *ds)
{
    const struct timeval soon = {.tv_sec = LOOK_MS / 1000};

    if (ds->look)
        event_add(ds->look, &soon);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct downloads *ds = arg;
    int64_t now = clock_ms();
    struct download *d;
    bool any = false;

    (void)fd, (void)what;
    TAILQ_FOREACH(d, &ds->all, link)
    {
        if (d->state == DOWNLOAD_FETCHING)
            look_at(d, now);
        any = any || d->state == DOWNLOAD_FETCHING;
    }
    if (any)
        begin(ds);
}

void download_look_after(struct download *d)
{
    struct downloads *ds = d->owner;

    d->moved_ms = d->away_ms = 0;
    if (ds->p.stall_ms <= 0)
        return;
    if (!ds->look)
        ds->look = evtimer_new(ds->p.base, on_look, ds);
    if (ds->look && !event_pending(ds->look, EV_TIMEOUT, NULL))
        begin(ds);
}
