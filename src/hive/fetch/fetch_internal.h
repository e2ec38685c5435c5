/* fetch_internal.h - what the files behind fetch.h share; for nobody else. */
#ifndef RBEE_HIVE_FETCH_FETCH_INTERNAL_H
#define RBEE_HIVE_FETCH_FETCH_INTERNAL_H

#include "hive/disk/digest.h"
#include "hive/disk/ledger.h"
#include "hive/disk/pieces.h"
#include "hive/fetch/fetch.h"
#include "hive/fetch/fetch_arrival.h"
#include "hive/fetch/fetch_pace.h"
#include "net/http_client.h"

#define FETCH_ERROR_CODE_MAX 64
/* A stream's bytes on their way to the disk, at most. Longer writes cost less, and have the kernel
 * take the file's memory in larger blocks: where a host takes back what its guests do not use, one
 * download of four waited half a second for them. */
#define FETCH_HOLD_BYTES (32u << 10)

#define FETCH_STEP_BYTES (4u << 20) /* so much of a file is worth a look at what is due */

struct fetch_work;

/* What the heads of one try's answers said. */
struct fetch_answer {
    bool judged; /* the last hop's head was looked at */
    bool has_range, has_length, has_linked_size;
    uint64_t range_first, range_total, length, linked_size;
    int64_t retry_after_ms;
    char linked_sha256[DIGEST_SHA256_BYTES];
    char tag[LEDGER_TAG_MAX];              /* ETag, else Last-Modified */
    char error_code[FETCH_ERROR_CODE_MAX]; /* X-Error-Code: "GatedRepo" ... */
};

/* One request at a time, or a pause before the next. */
struct stream {
    struct fetch *f;
    struct http_call *call;
    struct event *timer; /* the next try, or the rate's leave */
    struct hole *hole;   /* what it fills; NULL: it pours, or does nothing */
    int64_t asked_ms;    /* when its request began, or the line became slow */
    uint64_t got;        /* bytes of it since */
    uint64_t asked_to;   /* where the hole ended when it was asked for */
    bool active;         /* it has one of the shared streams */
    bool waiting;        /* for the next try */
    bool pouring;        /* all of the file comes; `pos` is where it is */
    uint64_t pos;
    unsigned tries;
    char *held; /* bytes behind hole->from that are not written yet; NULL = none were */
    size_t n_held;
    struct event *due;            /* they are to be written now */
    struct fetch_arrival arrival; /* of the piece it brings, while it fills a hole */
    uint64_t fresh;               /* bytes since the tries were last counted */
    bool given_up;
    struct fetch_answer answer;
};

struct fetch {
    struct fetch_params p; /* its texts are not used: copies follow */
    char *url, *token, *name, *path, *part, *ledger_path;
    int fd;
    struct event *pump;
    uint64_t want;
    bool want_known, sizeless; /* sizeless: nobody tells the size; one stream to its end */
    char sha256[DIGEST_SHA256_BYTES];
    struct pieces *pieces; /* once the size is known */
    struct ledger *ledger; /* NULL while a helper has it */
    struct ledger_found found;
    size_t n_checked;   /* of the found claims */
    uint64_t n_doubted; /* bytes of claims not checked yet */
    char tag[LEDGER_TAG_MAX];
    unsigned n_rounds, n_changes;
    uint64_t furthest; /* without pieces: the byte that any try has come to */
    bool read_twice;   /* every piece was, in this ledger's life */
    bool no_ranges;
    struct fetch_pace pace;
    struct stream streams[FETCH_STREAMS_MAX];
    struct digest *digest; /* of the first `hashed` bytes; NULL while a helper has it */
    uint64_t hashed, unsynced;
    struct fetch_work *piece_work, *whole_work, *keep_work, *sync_work; /* in helper threads now */
    unsigned n_lacks;        /* in a row: no helper or descriptor could be had */
    int64_t lacking_till_ms; /* nothing that needs one is tried before */
    bool opened, settling, placed, ended, kept;
    bool failed;
    struct api_error error;
};

/* fetch.c */
/* The end, told once what is there has been noted down. May be called from anywhere. */
void fetch_end(struct fetch *f, enum api_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * No descriptor, thread or memory could be had, which passes: the pump comes again, after a pause
 * as between a stream's tries, and the fetch ends with *err after FETCH_TRIES of these in a row.
 */
void fetch_lacks(struct fetch *f, const struct err *err);
bool fetch_may_try(const struct fetch *f); /* that pause is over */
/* False when the disk has no room for the rest: the fetch has been ended then. */
bool fetch_has_room(struct fetch *f);
/* Bytes on disk that are not known to be wrong; tells them. */
uint64_t fetch_bytes(const struct fetch *f);
void fetch_tell_bytes(struct fetch *f, uint64_t n_new);

/* fetch_begin.c */
/* The size is known: pieces, ledger, what an earlier life left. ERR_BUSY as below. */
int fetch_open_pieces(struct fetch *f, struct err *err);
int fetch_open_part(struct fetch *f, struct err *err); /* ERR_BUSY: no descriptor at the moment */
/* Forgets all bytes: another file is there now, of that size. */
int fetch_start_over(struct fetch *f, uint64_t size_bytes, struct err *err);

/* fetch_stream.c */
void fetch_streams_begin(struct fetch *f); /* as many as there is work and leave for */
void fetch_streams_stop(struct fetch *f);
void fetch_stream_failed(struct stream *s, bool stalled, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void fetch_stream_idle(struct stream *s); /* its request is over, well */
/* All of the file comes by this one; the others stop. */
void fetch_stream_pours(struct stream *s);

/* fetch_head.c: libcurl's callback; arg is the stream, of which it touches `answer` alone */
void fetch_on_header(void *arg, int status, const char *name, const char *value);
/* A status that brings bytes of the file. */
bool fetch_is_file(int status);

/* fetch_answer.c: libcurl's callbacks; arg is the stream */
bool fetch_on_body(void *arg, int status, const char *bytes, size_t n);
void fetch_on_done(void *arg, int rc, const struct http_response *response, const struct err *err);

/* fetch_hold.c; false: the disk does not take them, the fetch has been ended */
int fetch_hold_open(struct stream *s); /* -1: out of memory */
bool fetch_hold_put(struct stream *s, const char *bytes, size_t n);
bool fetch_hold_flush(struct stream *s);
void fetch_hold_close(struct stream *s);
bool fetch_write(struct fetch *f, const char *bytes, size_t n, uint64_t offset);
/* So many of a stream's bytes are on the disk. */
void fetch_count(struct stream *s, uint64_t n);

/* fetch_work.c */
void fetch_work_pieces(struct fetch *f); /* notes and hashes claims and whole pieces, if any */
/* Brings bytes and ledger to the disk, every LEDGER_SYNC_BYTES. */
void fetch_work_sync(struct fetch *f);
/* Notes down what is there of unfinished pieces. */
void fetch_work_keep(struct fetch *f);
void fetch_work_abandon(struct fetch *f);

/* fetch_whole.c */
void fetch_work_whole(struct fetch *f); /* goes on with the whole file's digest */
void fetch_work_more(struct fetch *f);  /* more bytes are there for one that goes on */
/* Syncs and renames; ends the fetch. To be called again where no helper could be had. */
void fetch_work_settle(struct fetch *f);

#endif
