/* download_internal.h - what the files behind download.h share; for nobody else. */
#ifndef RBEE_HIVE_MODELS_DOWNLOAD_INTERNAL_H
#define RBEE_HIVE_MODELS_DOWNLOAD_INTERNAL_H

#include <jansson.h>
#include <sys/queue.h>

#include "hive/fetch/fetch_disks.h"
#include "hive/fetch/fetch_thread.h"
#include "hive/fetch/speed.h"
#include "hive/models/download.h"

struct event;
struct flush;
struct hub_ask;
struct sse_stream;

enum download_state { DOWNLOAD_RESOLVING, DOWNLOAD_FETCHING, DOWNLOAD_COMPLETE, DOWNLOAD_FAILED };

/* One of the card's files. */
struct part {
    struct download *d;
    struct fetch_job *fetch; /* NULL: not begun, or done */
    uint64_t bytes;
    bool done;
};

struct watcher {
    LIST_ENTRY(watcher) link;
    struct sse_stream *stream;
};

struct download {
    TAILQ_ENTRY(download) link;
    struct downloads *owner;
    char id[DOWNLOAD_ID_BYTES];
    char *model_ref; /* canonical */
    struct model_ref ref;
    enum download_state state;
    int64_t ended_ms;

    /* resolving */
    struct hub_ask *ask;
    struct event *timer; /* until the next look at another download */

    /* fetching */
    struct card *card;  /* while the hub is asked anew, still the old one */
    bool from_card;     /* the card was found on disk: its commit may be gone from the hub */
    struct part *parts; /* as the card's files */
    size_t n_fetching;
    unsigned connections;
    struct flush *flush; /* the card is on its way to the disk; then: */
    void (*then)(struct download *d, const struct err *err);
    struct admit *admit;     /* all is there, and is being judged */
    uint64_t limit_per_sec;  /* 0 = none of its own */
    struct fetch_flow *flow; /* NULL: nothing has been fetched yet */
    uint64_t seen_bytes;     /* at the last look, ... */
    int64_t moved_ms;        /* ... and since when it has stood there */
    int64_t away_ms;         /* since when its disk has not answered; 0 = it does */

    /* progress */
    uint64_t bytes, shown; /* true now; the most ever told */
    uint64_t received;     /* over the network, in all */
    struct speed speed;
    int64_t told_ms;
    LIST_HEAD(, watcher) watchers;

    struct api_error error; /* DOWNLOAD_FAILED */
};

struct downloads {
    struct downloads_params p;
    char *models_dir, *endpoint, *token; /* owned */
    TAILQ_HEAD(, download) all;
    bool closed;
    struct fetch_disks *disks;
    struct event *look; /* at disks that may not answer, while anything is fetched */
};

/* download.c: the end, by failure or not. The error is taken over. */
void download_fail(struct download *d, struct api_error *e);
/* What a card's place, or the disk, said to be the end. */
void download_fail_of(struct download *d, const struct err *err);
/* download_left.c: a row for each that an earlier life of the hive left unfinished, as far as the
 * disk answers. */
void downloads_add_left(const struct downloads *ds, json_t *list);
/* download_files.c: the card is known; fetch what is missing. */
void download_fetch(struct download *d);
void download_stop_parts(struct download *d); /* what has arrived stays */
void download_share_anew(struct download *d); /* `connections` was changed */
/* download_disk.c: one that is fetched from now on; if its disk answers no more it fails. */
void download_look_after(struct download *d);
/* download_resolve.c: find the card on disk or ask the hub. */
void download_resolve(struct download *d);
/* Asks the hub, whatever the card says; what that has is kept if it is the same still. */
void download_resolve_anew(struct download *d);

/* download_watch.c */
void download_count(struct download *d);          /* bytes have come, or time has passed */
void download_tell(struct download *d, bool now); /* progress, when it is due or `now` */
void download_tell_end(struct download *d);       /* the last event, [DONE], no watchers left */

#endif
