/*
 * ask.h - one generation asked of a worker: POST /v1/inference, its events, its end.
 *
 * Loop thread only. Callbacks come from the loop. `on_end` comes exactly once, and the ask is no
 * more then; ask_cancel takes it away (and closes the connection, which cancels the worker's job).
 */
#ifndef RBEE_HIVE_GATEWAY_ASK_H
#define RBEE_HIVE_GATEWAY_ASK_H

#include "api/errors.h"
#include "hive/gateway/event.h"

#define ASK_ERROR_MAX 65536 /* bytes of an answer that is an error */

struct ask;
struct event_base;
struct http_client;

/* What a worker left of a request that it did not end. */
enum ask_left {
    ASK_BEGUN,     /* it had begun on it, or refused it */
    ASK_UNTOUCHED, /* it takes no more requests: another one may be asked */
    ASK_UNANSWERED /* it went without a word: of something else, or of this very request */
};

struct ask_params {
    struct event_base *base;
    struct http_client *client;
    struct workers *workers; /* whose worker it is; told of the visit, asked why it broke off */
    const char *worker_id;   /* copied */
    const char *request_id;  /* of the client's */
    const char *url, *key;   /* of the worker; key "" = none */
    const char *body;        /* of the request; copied */
    size_t n_body;
    void *arg;
    /* Neither END nor ERROR. The callee's to change; everything in it is gone behind the call. */
    void (*on_event)(void *arg, struct event *e);
    void (*on_comment)(void *arg); /* the worker is there, and has nothing to say */
    void (*on_pause)(void *arg);   /* all that came in one read was given: time to write it out */
    /*
     * One of the two: how it ended, or what went wrong (what they hold is moved out, or freed
     * behind the call).
     */
    void (*on_end)(void *arg, struct event_end *end, struct api_error *e, enum ask_left left);
};

/* -1 with *e when nothing began. */
int ask_start(const struct ask_params *params, struct ask **out, struct api_error *e);
void ask_cancel(struct ask *a); /* NULL is fine */
/* Bytes of an event that has not come whole. NULL: none. */
size_t ask_held(const struct ask *a);

/*
 * Its client is slow: no more is read of the worker's answer until ask_go_on. What the worker makes
 * meanwhile waits in the kernel and, bounded, in the worker. NULL is fine.
 */
void ask_hold(struct ask *a);
void ask_go_on(struct ask *a);

#endif
