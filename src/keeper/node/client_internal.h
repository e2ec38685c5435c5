/* client_internal.h - what client.c and watch.c share; for nobody else. */
#ifndef RBEE_KEEPER_NODE_CLIENT_INTERNAL_H
#define RBEE_KEEPER_NODE_CLIENT_INTERNAL_H

#include "keeper/node/client.h"
#include "net/http_client.h"

struct client {
    struct event_base *base;  /* owned */
    struct event *tick;       /* owned: wakes the loop */
    struct http_client *http; /* owned */
    const char *key;          /* borrowed, may be NULL */
    struct client_last last;
    int64_t looked_ms; /* when the loop turned last */
    int64_t stood_ms;  /* how long it stood still in all */
};

/* The headers of every call, NULL behind the last. */
extern const char *const client_headers[];

/* A call begins: what `last` is to tell of it. For http_call_params.on_header. */
void client_last_begin(struct client *c);
void client_last_header(struct client *c, const char *name, const char *value);

/* *e for a call that got no whole answer: rc and why as http_client.h gives them. */
void client_transport_error(struct api_error *e, int rc, const struct err *why, const char *url);
/* *e for an answer of a status that is no success, of what answers at url. */
void client_status_error(struct api_error *e, int status, const struct buf *body, const char *url);

#endif
