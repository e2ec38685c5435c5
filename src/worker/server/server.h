/*
 * server.h - the worker's server: what its parts share.
 *
 * Two sides. The loop's thread (the process's main one) owns everything in struct server: HTTP, the
 * answers in progress, progress watchers, timers, signals. The engine's side (scheduler, intake) is
 * reached by scheduler_submit and job_wish_end, and speaks back by the outbox. A slow client slows
 * nobody else: its bytes wait in its connection, and past a limit it is cut off.
 *
 * Admission is decided here and only here: at most slots + queue_max jobs exist at once.
 */
#ifndef RBEE_WORKER_SERVER_SERVER_H
#define RBEE_WORKER_SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/access.h"
#include "api/board.h"
#include "base/buf.h"
#include "base/err.h"
#include "engine/engine.h"
#include "worker/jobs/outbox.h"
#include "worker/sandbox/sandbox.h"
#include "worker/sandbox/sources.h"

#define SERVER_NAME      "llm-worker-rbee"
#define SERVER_BACKEND   "cpu"
#define SERVER_HOST_MAX  256
#define SERVER_URL_MAX   (SERVER_HOST_MAX + 32)
#define SERVER_QUEUE_MAX 65536

struct callback;
struct event;
struct entrance;
struct event_base;
struct http_exchange;
struct http_server;
struct lifecycle;
struct post;
struct progress;
struct reply;
struct scheduler;

/* As given on the command line; the texts must stay. */
struct serve_options {
    const char *model_path;
    const char *chat_template; /* a file, or NULL */
    const char *model_ref;     /* what the model is called in answers */
    const char *worker_id;
    const char *host;               /* a literal address, or NULL with listen_fd */
    const char *tls_cert, *tls_key; /* PEM files; NULL = none */
    bool plain_http;                /* also where others reach it: so told */
    int port;
    int listen_fd, lease_fd, board_fd, access_fd; /* -1 = none */
    const char *hive_url, *public_url;            /* may be NULL */
    int64_t device;
    uint32_t queue_max;
    int64_t queue_limit_ms;                                     /* as in scheduler_params */
    int64_t head_timeout_ms, body_timeout_ms, write_timeout_ms; /* as in http_limits */
    bool guess;                                                 /* as in scheduler_params */
    enum sandbox_mode sandbox;
    struct engine_params engine;
};

struct server {
    struct serve_options o;
    struct sources sources;
    struct sandbox_level sandbox;
    struct event_base *base;
    struct post *post;
    struct outbox *outbox;
    struct scheduler *scheduler;
    struct board *board;
    struct http_server *http;
    struct callback *callback; /* NULL where there is no hive to speak to */
    struct progress *progress;
    struct lifecycle *life;
    struct event *ticker; /* copies the engine's steps to the board while there is work */
    struct access access;
    struct entrance *entrance;  /* keys and TLS of the hive, wrong keys: see entrance.h */
    char host[SERVER_HOST_MAX]; /* bound to */
    char url[SERVER_URL_MAX];

    struct reply *replies; /* one for each job that exists */
    uint32_t n_jobs;
    bool was_large;         /* a request since the last time there were none */
    double mean_service_ms; /* of the jobs so far: begin to end */
    struct buf json;        /* scratch for one event */

    enum load_stage stage; /* LOAD_NO_NEWS until the first layer */
    struct engine_load load;
    bool draining;
};

/* Serves until told to end; an exit code of cli.h. One sentence on stderr when it cannot begin. */
int server_run(const struct serve_options *o);

/* Puts into the error after how many seconds a refused client may find a place. */
void server_set_retry_after(const struct server *s, struct api_error *e);

/* The jobs' number changed: the board's count of those that wait, the ticker, a drain's end. */
void server_jobs_changed(struct server *s);

#endif
