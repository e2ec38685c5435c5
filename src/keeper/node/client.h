/*
 * client.h - the keeper's calls to hives and workers: ask for JSON, ask for text, watch a stream.
 *
 * Every failure is an api_error fit to be shown: what the other side said in its error body, or
 * CONNECTION_REFUSED, CONNECTION_TIMEOUT with the real host and port in the hint, VERSION_MISMATCH
 * for what answers in a way that no program of rbee's does. Calls block, and
 * end with REQUEST_CANCELLED soon after an interrupt. The one place that chooses the key that a
 * call carries is client_open's caller; the one that puts it on is here. Main thread only.
 */
#ifndef RBEE_KEEPER_NODE_CLIENT_H
#define RBEE_KEEPER_NODE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "api/errors.h"
#include "base/buf.h"

#define CLIENT_BODY_MAX       (16u << 20) /* bytes of an answer */
#define CLIENT_ERROR_BODY_MAX (256u << 10)
#define CLIENT_TIMEOUT_MS     30000
#define CLIENT_REFUSAL_MS     10000 /* for all of the answer that a stream's place is taken by */

struct client;

/* `key` (may be NULL) is borrowed until client_close. */
int client_open(const char *key, struct client **out, struct err *err);
void client_close(struct client *c); /* NULL is fine */
/* Whom https trusts: see http_client_set_pin. NULL = the system's authorities. */
int client_set_pin(struct client *c, const char *pin, struct err *err);

/*
 * Milliseconds as clock_ms counts them, but for those in which the program stood still (Ctrl+Z, a
 * terminal that takes nothing): what was said meanwhile waits in the socket, and nobody was silent.
 * By it all time limits of calls are counted, and others should be that wait for somebody else.
 */
int64_t client_ms(struct client *c);

/* How the last call of client_json, client_text or client_watch ended, for who may ask again. */
struct client_last {
    int rc;                 /* 0: a whole answer; else as http_client.h's on_done has it */
    int status;             /* 0 = no answer */
    int64_t retry_after_ms; /* what its Retry-After says in seconds; -1 = nothing */
    bool connected; /* somebody was there and took the connection; true while he is listened to */
    bool sent;      /* of client_json and client_text: he may have heard what was asked */
};
const struct client_last *client_last(const struct client *c);

struct client_ask {
    const char *method; /* NULL = GET */
    const char *url;
    const char *body;           /* JSON, or NULL */
    size_t body_bytes;          /* 0 = to its NUL */
    const char *type;           /* of the body; NULL = JSON */
    const char *header;         /* one more, "Name: value", or NULL */
    int64_t timeout_ms;         /* of the whole call; 0 = CLIENT_TIMEOUT_MS */
    int64_t connect_timeout_ms; /* 0 = as timeout_ms */
    bool once;                  /* never sent twice: see http_client.h */
    bool after_interrupt;       /* goes on though Ctrl+C was pressed: what cleans up */
};

/*
 * 0 with *out (owned by the caller; `out` may be NULL) for a status of 200 to 299; an empty body
 * gives an empty object. -1 with *e otherwise.
 */
int client_json(struct client *c, const struct client_ask *ask, json_t **out, struct api_error *e);
/* The same for a body that is text; `body` is initialised by the caller. */
int client_text(struct client *c, const struct client_ask *ask, struct buf *body,
                struct api_error *e);

/* *e for an answer that no program of rbee's gives: fmt says what it is. */
void client_foreign(struct api_error *e, const char *url, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- streams ---- */
struct client_watch {
    const char *method, *url, *body;
    const char *header;         /* one more, "Name: value", or NULL */
    int64_t connect_timeout_ms; /* 0 = http_client.h's */
    int64_t timeout_ms;         /* of the whole stream; 0 = none */
    int64_t head_ms;            /* until the first byte of the answer; 0 = none */
    int64_t stall_ms;           /* without a byte afterwards; 0 = none */
    void *arg;
    /* An event: its JSON (borrowed) and the bytes it came as. False ends the stream. */
    bool (*on_event)(void *arg, json_t *event, const char *data, size_t n);
    /* Called every INTERRUPT_LOOK_MS; false ends the stream. May be NULL: ends on an interrupt. */
    bool (*on_tick)(void *arg);
};

enum client_end {
    CLIENT_DONE,        /* [DONE] came */
    CLIENT_STOPPED,     /* on_event or on_tick said so */
    CLIENT_REFUSED,     /* an answer that is no stream: *e is what it says, as far as it came */
    CLIENT_UNREACHABLE, /* no answer, or no connection in time: *e */
    CLIENT_BROKEN,      /* the stream ended without [DONE]: *e */
    CLIENT_TIMED_OUT,   /* timeout_ms or stall_ms passed: *e */
    CLIENT_GARBAGE      /* an event was no JSON object, or too large: *e */
};
/* *e is set for the last five. */
enum client_end client_watch(struct client *c, const struct client_watch *w, struct api_error *e);

/* Starts a call that nobody waits for; it is made while a client_watch runs. For DELETE. `header`
 * as in client_ask. */
void client_send(struct client *c, const char *method, const char *url, const char *header);

/* ---- several at once ---- */
struct client_probe {
    const char *url, *pin;      /* as client_set_pin's */
    const char *key;            /* NULL = none goes there */
    const char *body;           /* JSON to POST; NULL = GET */
    int64_t connect_timeout_ms; /* 0 = http_client.h's */
    json_t *answer;             /* owned by the caller afterwards; NULL = none came */
    struct api_error error;
};
/* Asks them all at the same time. False when it could not even begin. */
bool client_probe_all(struct client *c, struct client_probe *probes, size_t n, int64_t timeout_ms);

/* "host:port" of a URL for people; returns dst. */
char *client_url_host(const char *url, char *dst, size_t dst_size);

#endif
