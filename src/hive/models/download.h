/*
 * download.h - the downloads of this hive: from a reference to files on disk, watched by many.
 *
 * One download a reference at a time; whoever asks for the same joins it. Its steps: ask the hub
 * which files are meant (or read it from the card that an earlier life left), fetch them side by
 * side with a number of connections that they share, tell. Ended ones are remembered for a while,
 * so that a late watcher learns the end. Loop thread only.
 */
#ifndef RBEE_HIVE_MODELS_DOWNLOAD_H
#define RBEE_HIVE_MODELS_DOWNLOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"
#include "api/modelref.h"
#include "base/uuid.h"
#include "hive/catalog/card.h"

#define DOWNLOAD_ID_BYTES    UUID_BYTES
#define DOWNLOADS_ACTIVE_MAX 16
#define DOWNLOADS_RETRY_S    5 /* whoever came when there were so many may ask again */
#define DOWNLOADS_ENDED_MAX  64
#define DOWNLOADS_KEPT_MS    600000
#define DOWNLOAD_EVENT_MS    250 /* progress is told at most so often */

#define DOWNLOAD_CONNECTIONS 4 /* when nobody says otherwise */

struct admit;
struct at_work_list;
struct download;
struct downloads;
struct event_base;
struct http_client;
struct http_exchange;
struct post;
struct reach;
struct tasks;
struct turns;

struct downloads_params {
    struct event_base *base;
    struct http_client *client; /* asks the hub */
    struct turns *hub_turns;    /* when it is asked */
    struct post *post;          /* of the loop */
    struct tasks *tasks;        /* wait for the disk */
    struct reach *reach;        /* may be NULL */
    const char *models_dir;
    const struct at_work_list *at_work; /* where others are at work */
    const char *endpoint, *token;       /* of the hub; token NULL = none */
    int64_t stall_ms;
    unsigned connections;   /* of one download; 0 = DOWNLOAD_CONNECTIONS */
    uint64_t limit_per_sec; /* bytes, of all downloads together; 0 = none */
    void *arg;
    /* Is a file known to be bad, though it is there in its full size? */
    bool (*is_bad)(void *arg, const char *path);
    /* May it enter the catalog? As admit_start: `done` comes once, maybe at once; the card has the
     * verdict then. */
    void (*judge)(void *arg, struct card *card,
                  void (*done)(void *done_arg, const struct api_error *e), void *done_arg,
                  struct admit **out);
    /* All files of a model are in place. -1 with *e when it cannot be catalogued. */
    int (*on_complete)(void *arg, const char *model_ref, const struct card *card,
                       struct api_error *e);
};

int downloads_create(const struct downloads_params *params, struct downloads **out,
                     struct err *err);
/* Ends all as downloads_stop_all does, and forgets them. */
void downloads_free(struct downloads *ds);

/* What whoever asks may wish; a download under way takes both over. */
struct download_wish {
    uint64_t limit_per_sec; /* 0 = none of its own */
    unsigned connections;   /* 0 = the hive's number */
};
/* Begins or joins; the id is put to `id`. A NULL wish is none. -1 with *e when it cannot begin. */
int downloads_begin(struct downloads *ds, const char *model_ref, const struct download_wish *wish,
                    char id[DOWNLOAD_ID_BYTES], struct api_error *e);
struct download *downloads_find(struct downloads *ds, const char *id);

/* {"downloads":[...]}, the newest first; NULL when out of memory. */
json_t *downloads_json(struct downloads *ds);
/* Its canonical reference; the download's own. */
const char *download_ref(const struct download *d);
bool download_is_complete(const struct download *d);
bool download_is_active(const struct download *d); /* it has not ended */
/* Ends one; what has arrived is kept for the next ask. False when it has ended already. */
bool downloads_stop(struct download *d);

/* Ends the one of this reference; what has arrived is the caller's to delete. False when none is
 * under way. */
bool downloads_cancel(struct downloads *ds, const char *model_ref);
/* Ends all; what has arrived is kept; watchers are told so. No new ones begin. */
void downloads_stop_all(struct downloads *ds);

/* How far it is, for who watches by looking; texts are the download's own. */
struct download_look {
    bool complete;
    uint64_t bytes_done, bytes_total; /* of all files; 0 = not known yet */
    uint64_t file_done, file_total;   /* of the one under way */
    const char *path, *file;          /* of the first file; the one under way; "" = not known yet */
    const char *sha256;               /* of the file under way, "" = not known */
    int64_t eta_s;                    /* -1 = nobody can say */
    const struct api_error *error;    /* it failed */
};
void download_look(struct download *d, struct download_look *out);

/* Answers the exchange with the progress as a stream, to the end. */
void download_watch(struct download *d, struct http_exchange *x);

#endif
