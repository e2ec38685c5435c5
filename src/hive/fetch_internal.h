/* fetch_internal.h - what the files behind fetch.h share; for nobody else. */
#ifndef RBEE_HIVE_FETCH_INTERNAL_H
#define RBEE_HIVE_FETCH_INTERNAL_H

#include "hive/digest.h"
#include "hive/fetch.h"
#include "net/http_client.h"

#define FETCH_ERROR_CODE_MAX 64

struct fetch_work;

/* What the heads of one try's answers said. */
struct fetch_answer {
    bool judged;   /* the last hop's head was looked at */
    uint64_t skip; /* bytes to pass over: the server began at zero though asked for the rest */
    bool has_range, has_length, has_linked_size;
    uint64_t range_first, range_total, length, linked_size;
    int64_t retry_after_ms;
    char linked_sha256[CARD_SHA256_BYTES];
    char error_code[FETCH_ERROR_CODE_MAX]; /* X-Error-Code: "GatedRepo" ... */
};

struct fetch {
    struct fetch_params p; /* its texts are not used: copies follow */
    char *url, *token, *name, *path, *part;
    int fd;
    struct digest *digest; /* of the first `have` bytes */
    uint64_t have, want;
    bool want_known;
    char sha256[CARD_SHA256_BYTES];
    unsigned tries;
    uint64_t fresh_from; /* `have` when the tries were last counted */
    bool resumed;        /* some bytes came by another try than the last */
    bool started_over;   /* once, because of a wrong digest */
    struct http_call *call;
    struct fetch_answer answer;
    struct event *timer;
    void (*next)(struct fetch *f); /* what the timer does */
    struct fetch_work *work;       /* in a helper thread now */
    bool failed;
    struct api_error error;
};

/* fetch.c */
void fetch_free(struct fetch *f);
void fetch_end(struct fetch *f, enum api_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void fetch_try_failed(struct fetch *f, bool stalled, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int fetch_start_over(struct fetch *f);
/* False when the disk has no room for the rest: the fetch has been ended then. */
bool fetch_has_room(struct fetch *f);
void fetch_complete(struct fetch *f);
void fetch_hashed(struct fetch *f, int rc, const struct err *err); /* fetch_work_hash is done */
void fetch_settled(struct fetch *f);                               /* so is fetch_work_settle */

/* fetch_answer.c: libcurl's callbacks */
void fetch_on_header(void *arg, int status, const char *name, const char *value);
bool fetch_on_body(void *arg, int status, const char *bytes, size_t n);
void fetch_on_done(void *arg, int rc, const struct http_response *response, const struct err *err);

/* fetch_work.c: fd and digest are the helper's while it works */
int fetch_work_hash(struct fetch *f, struct err *err);
void fetch_work_settle(struct fetch *f);
void fetch_work_abandon(struct fetch *f);

#endif
