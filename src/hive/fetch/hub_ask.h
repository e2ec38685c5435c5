/*
 * hub_ask.h - asks the hub's API what a repository holds; again where the failure may pass.
 *
 * No answer, 408, 429 and 5xx are asked again: HUB_ASK_TRIES times in all, with pauses that are
 * doubled from HUB_ASK_PAUSE_MS on, or as long as Retry-After says. What was tried stands in the
 * error. Loop thread only.
 *
 * An answer may have 16 MiB, all of which is here while it comes, and a hub need not end it. So an
 * ask waits for its turn (turns.h: four at once, those of all askers by turns); a pause is nobody's
 * turn.
 */
#ifndef RBEE_HIVE_FETCH_HUB_ASK_H
#define RBEE_HIVE_FETCH_HUB_ASK_H

#include <stdint.h>

#include "api/errors.h"
#include "base/buf.h"

#define HUB_ASK_TRIES        7
#define HUB_ASK_PAUSE_MS     100   /* 100 ms ... 3.2 s */
#define HUB_ASK_AFTER_MAX_MS 60000 /* of a Retry-After no more is waited for */
#define HUB_ASK_LIMIT_MS     30000 /* for one answer */

struct event_base;
struct http_client;
struct hub_ask;
struct turns;

struct hub_ask_params {
    struct event_base *base;
    struct http_client *client;
    struct turns *turns; /* of all asks of the hub */
    const char *who;     /* asks, as turns.h tells them apart; "" = the hive */
    const char *endpoint, *repo;
    const char *token, *revision; /* NULL = none, "main" */
    /* Somebody waits, and no longer than this: no pause goes beyond it, no turn and no answer is
     * waited for later. 0 = no limit. */
    int64_t patience_ms;
    void *arg;
    /* Once, from the loop; the ask is no more. `body` is the hub's answer (hub_parse), the ask's
     * own; or NULL, and *e says why (MODEL_NOT_FOUND, MODEL_ACCESS_DENIED, DOWNLOAD_FAILED,
     * QUEUE_TIMEOUT: its turn did not come, ...), the callee moves it out. */
    void (*done)(void *arg, const struct buf *body, struct api_error *e);
};

/* Texts are copied. -1 with *e, and no `done`, when it cannot begin. */
int hub_ask_start(const struct hub_ask_params *params, struct hub_ask **out, struct api_error *e);
void hub_ask_cancel(struct hub_ask *a); /* `done` does not come; NULL is fine */

#endif
