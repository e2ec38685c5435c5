/*
 * pool.h - a worker to infer on: one that is there, or a new one, waited for until it is ready.
 * Contract, sections 2.1 to 2.7.
 */
#ifndef RBEE_KEEPER_ASK_POOL_H
#define RBEE_KEEPER_ASK_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/node/keeper.h"

#define POOL_LOAD_MS    300000 /* a model that takes longer has failed, unless its hive waits */
#define POOL_SPAWN_MS   60000  /* the hive judges the file before it answers */
#define POOL_CONNECT_MS 3000   /* for the first look at the list; preflight waits longer */
#define POOL_REACH_MS   5000   /* to connect to a worker: one that loads can be connected to */
#define POOL_ID_MAX     64     /* bytes of a worker's id, the NUL included */

struct pool_want {
    const char *model_ref;  /* the one spelling of it */
    bool download;          /* the hive may have to fetch it */
    const char *backend;    /* "auto", "cpu", ... */
    int64_t device;         /* -1 = any */
    int64_t slots, ctx;     /* 0 = the worker's choice; an existing one may have more */
    const char *keep_alive; /* NULL = the hive's choice */
    const char *avoid;      /* a worker's id that has turned out to be gone, or NULL */
};

struct pool_worker {
    char id[POOL_ID_MAX];
    char url[KEEPER_URL_MAX]; /* "http://host:port", no slash behind */
};

/* Of the answer of /v1/workers/list the best worker for `want` (borrowed), or NULL. */
const json_t *pool_choose(const json_t *list, const struct pool_want *want);

/*
 * Whom an answer of the hive's names: 0 with *out, or -1 with *e. CERTIFICATE_MISMATCH when the
 * node is spoken to by https and the worker is not: a hive's word may not undo what https is for.
 * CONNECTION_REFUSED when the node is another machine and the worker at a loopback address, which
 * is this machine's.
 */
int pool_take(const char *node_url, const json_t *worker, struct pool_worker *out,
              struct api_error *e);

/* Says on stderr what it does. 0 with *out ready for work, or -1 with *e. */
int pool_acquire(struct keeper *k, const struct pool_want *want, struct pool_worker *out,
                 struct api_error *e);

/*
 * Does the hive say that this worker runs, has loaded its model, and is still the one for whoever
 * wants that? Of one that was found a while ago nothing is known but its URL, and that may be
 * anybody's by now. False with *why_not ("is gone"), also where the hive does not answer: without
 * it there are no workers.
 */
bool pool_has(struct keeper *k, const struct pool_want *want, const char *worker_id,
              const char **why_not);

/* What the hive says of a worker that says nothing. */
enum pool_work {
    POOL_NO_WORK,       /* no request is in one of its slots or waits for one; or it is not known */
    POOL_MAY_HAVE_WORK, /* or its hive has not said otherwise */
    POOL_NOT_REACHED    /* the hive does not answer, either */
};
enum pool_work pool_ask_work(struct keeper *k, const char *worker_id);

/*
 * What the worker says of itself at /v1/ready: 0 with *out owned by the caller, or -1 with *e,
 * WRONG_WORKER when somebody else answers.
 */
int pool_ask_ready(struct keeper *k, const struct pool_worker *worker, int64_t timeout_ms,
                   json_t **out, struct api_error *e);

/*
 * Why did this worker end? Adds to *e, which holds what the keeper saw, what the hive knows of it
 * (error, log), or `otherwise` when that is nothing.
 */
void pool_explain(struct keeper *k, const char *worker_id, const char *otherwise,
                  struct api_error *e);
/* The error is about this worker, if it names none: what to do about it may be to read its log. */
void pool_name(const char *worker_id, struct api_error *e);

#endif
