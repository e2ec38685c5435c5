/*
 * hive.h - the daemon: what its parts share, and its command.
 *
 * One thread runs the event loop and owns everything here; downloads have one of their own
 * (fetch_thread.h), and helpers hash, write and sync files (task.h) and look up names (libcurl). It
 * must be the process's main thread, because workers are
 * bound to the life of the thread that started them.
 */
#ifndef RBEE_HIVE_HIVE_H
#define RBEE_HIVE_HIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cli.h"
#include "config/config.h"
#include "hive/doors/doors.h"

struct event;
struct event_base;
struct http_client;
struct http_exchange;
struct http_server;
struct looks;
struct models;
struct post;
struct reach;
struct tasks;
struct turns;
struct workers;

#define HIVE_BODY_MAX (1u << 20) /* of a request; none of the hive's own needs more */
#define HIVE_CHAT_MAX                                                                              \
    (16u << 20) /* of one that holds a conversation or texts; a worker takes as much */
#define HIVE_N_SIGNALS   3
#define HIVE_FLUSH_MS    2000 /* at the end, for the last answers to leave */
#define HIVE_END_MS      5000 /* then, for helpers and downloads to note down what has come */
#define HIVE_AT_ONCE_MS  1000 /* ... behind a second signal, or an error at the start */
#define HIVE_API_VERSION "v1"

struct hive {
    struct config *config;
    char *home, *models_dir; /* owned */
    int lock_fd;             /* held while the hive runs: one hive a home */
    int models_lock_fd;      /* ... and a folder of models; -1 where nothing can be locked */
    struct config_addr addr; /* bound: numeric, with the true port */
    struct doors doors;      /* keys, certificate, security log */
    struct event_base *base;
    struct post *post;
    struct tasks *tasks;
    struct looks *looks;         /* programs of a moment */
    struct turns *turns;         /* of work on model files */
    struct turns *hub_turns;     /* of asks of the hub */
    unsigned n_chores;           /* chore.c's */
    unsigned n_hub_asks;         /* routes_hub.c's */
    struct reach *reach;         /* which file systems answer */
    struct http_client *outside; /* by libcurl: the hub */
    struct http_client *inside;  /* plain: this hive's workers */
    struct http_server *server;
    struct workers *workers;
    struct models *models;
    TAILQ_HEAD(, upload_piece) pieces; /* upload_piece.c's */
    LIST_HEAD(, running) running;      /* gateway/running.h's */
    struct event *signals[HIVE_N_SIGNALS];
    struct event *drain_poll; /* looks whether the last answers are out */
    int64_t drain_until_ms;
    bool ending; /* a signal came */
    int exit_code;
};

int cmd_daemon(const struct cli_command *self, int argc, char **argv);
int cmd_pair(const struct cli_command *self, int argc, char **argv);

/* routes.c: the HTTP server's handler; arg is the hive. */
void routes_handle(struct http_exchange *x, void *arg);
/* What every answer has, whatever becomes of the request: its id, and what lets a page read it. */
void routes_prepare(struct http_exchange *x, void *arg);
/* Its filter: who may ask at all. */
bool routes_filter(struct http_exchange *x, void *arg);

#endif
