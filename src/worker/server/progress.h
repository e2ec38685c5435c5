/*
 * progress.h - who watches the model being loaded.
 *
 * Any number of clients; each gets the present state at once, every layer's report while loading
 * goes on, then "ready" or "error", and [DONE]. The loop's thread only.
 */
#ifndef RBEE_WORKER_SERVER_PROGRESS_H
#define RBEE_WORKER_SERVER_PROGRESS_H

#include "base/err.h"

struct http_exchange;
struct progress;
struct server;

int progress_create(struct server *s, struct progress **out, struct err *err);
/* The streams must have ended. NULL is fine. */
void progress_free(struct progress *p);

/* Answers the exchange with the stream. */
void progress_watch(struct progress *p, struct http_exchange *x);

/* The server's stage or load changed. */
void progress_news(struct progress *p);

/* The worker ends: those who still watch are told so. */
void progress_shut_down(struct progress *p);

#endif
