/*
 * workers.h - the hive's workers: starting, watching, stopping them, and remembering how they
 * ended.
 *
 * All in the loop's thread, which must be the process's main thread (children die with the thread
 * that made them). A worker's record lives from the first ask for it until the process has ended
 * and, when it failed, DEAD_KEPT_MS longer, so that people can be told what happened.
 *
 * How a worker is watched: its pidfd is in the loop, so a death is noticed at once; its board
 * (shared memory) is looked at four times a second for state and idleness; its health route is
 * asked over HTTP at an interval.
 */
#ifndef RBEE_HIVE_WORKERS_WORKERS_H
#define RBEE_HIVE_WORKERS_WORKERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"
#include "config/config.h"

#define WORKERS_MAX             64     /* alive at once */
#define WORKERS_DEAD_MAX        64     /* failed ones remembered */
#define WORKERS_DEAD_KEPT_MS    600000 /* how long */
#define WORKERS_RETRY_MS        10000 /* a model whose load failed is not tried again for so long */
#define WORKERS_HEALTH_LIMIT_MS 5000  /* for an answer; the interval when that is shorter */
#define WORKERS_HEALTH_STRIKES  3
#define WORKERS_DRAIN_MS        20000 /* from the ask to end to SIGTERM: with the next, 30 s in all */
#define WORKERS_TERM_MS         10000 /* from SIGTERM to SIGKILL */
#define WORKERS_KILL_MS         3000  /* from SIGKILL until nobody waits any longer */
#define WORKERS_FREE_MS         2000  /* workers_free waits at most so long */
#define WORKERS_FAILED_MS       5000  /* from a worker's word that it failed to SIGKILL */
#define WORKERS_STACKS_MS       500   /* for a stuck worker to write where it is */
#define WORKERS_UNUSED_MS       30000 /* a worker not used yet stays at least so long */
#define WORKERS_LINE_RETRY_S    1     /* who waited in line in vain may ask again so soon */
#define WORKER_URL_MAX          (CONFIG_HOST_MAX + 32)
#define WORKERS_USED_EVERY_MS   3600000
#define WORKERS_LOG_LINES       20 /* of a dead one's log that its record keeps */
#define WORKERS_LOGS_EACH       16 /* so many new logs later old ones are deleted (home.h) */

struct event_base;
struct http_client;
struct judge;
struct looks;
struct model_facts;
struct plan_need;
struct reach;
struct worker;
struct workers;

struct workers_params {
    struct event_base *base;
    struct http_client *client;
    struct looks *looks;
    struct reach *reach;
    const struct config *config; /* [hive] worker, slots, ctx, threads, keep_alive ... */
    const char *logs_dir, *run_dir;
    const char *key;         /* the link key, which opens every worker; "" = none. It must stay */
    int share_fd;            /* for workers to inherit (api/access_share.h); -1 = none */
    bool tls;                /* the hive and its workers speak https */
    struct config_addr addr; /* the hive's own, numeric, with its true port */
    /* A worker for that model was started, or was at work: when, in Unix milliseconds. Told at its
     * start and its end, and once in WORKERS_USED_EVERY_MS between. */
    void (*used)(void *arg, const char *model_ref, int64_t unix_ms);
    void *used_arg;
};

int workers_create(const struct workers_params *params, struct workers **out, struct err *err);
/* Kills what still lives, and waits a moment until it is gone. What is not (it hangs in a disk or a
 * filesystem) is left to the system, with its note for the next hive (reaper.h). */
void workers_free(struct workers *ws);

/* ---- starting ---- */
struct launch {
    const char *model_ref; /* canonical */
    const char *model_path;
    const char *backend; /* as chosen by detect_choose */
    int64_t device;
    int64_t slots, ctx;    /* 0 = the configuration's */
    bool keep_alive_given; /* else the configuration's */
    int64_t keep_alive_ms; /* -1 = for ever */
    bool fresh;            /* do not take one that is there */
    int64_t ctx_min;       /* rather one with so many positions (worker_context.c); 0 = any */
    /* Where workers that have work have the memory it waits for their end as long as for a slot
     * ([hive] queue_timeout), and no longer than this; 0 = no other bound. */
    int64_t room_wait_max_ms;
};

/*
 * Finds or starts a worker. `done` is called once: now, or from the loop; with the worker, or with
 * an error (moved out by the callee or freed behind the call) and, when trying again later is the
 * advice, the seconds to wait. workers_forget takes the callback of `arg` away.
 */
void workers_launch(struct workers *ws, const struct launch *l,
                    void (*done)(void *arg, const struct worker *w, struct api_error *e,
                                 int retry_after_s),
                    void *arg);
void workers_forget(struct workers *ws, const void *arg);
/* Does the worker of that `arg` wait until others have nothing to do? Then *e says for whom. */
bool workers_in_line(struct workers *ws, const void *arg, struct api_error *e);

/* ---- looking ---- */
/* What is wanted, where the request left it open: the configuration's. */
void workers_fill_in(const struct workers *ws, struct launch *l);
/* The one that workers_launch would give out, NULL when it would start a new one. Of several it is
 * one with context and slots enough, that is loaded, with most free slots, that was used last. */
const struct worker *workers_usable(struct workers *ws, const struct launch *l);
/* What is known of model files. */
struct judge *workers_judge(struct workers *ws);
/* A context that was asked for: 0, or -1 with *e when the model was trained for less. */
int workers_check_ctx(int64_t ctx, const char *model_ref, const struct model_facts *facts,
                      struct api_error *e);
/* May a new one be started now, but for memory? 0, or -1 with *e and the seconds after which it may
 * (unchanged: none). */
int worker_may_start(struct workers *ws, const struct launch *l, struct api_error *e,
                     int *retry_after_s);
/* The memory plan of a launch that is filled in; the code for what it gave otherwise. */
int workers_plan(const struct workers *ws, const struct launch *l, const struct model_facts *facts,
                 struct plan_need *out, struct err *err);
enum api_code workers_plan_code(int rc);

/* The memory of all workers together ([hive] memory_limit; 0 = the kernel does not tell), and what
 * a new one may take of it: it is free, and promised to none that is there. */
void workers_memory(const struct workers *ws, uint64_t *total_bytes, uint64_t *usable_bytes);

/* Those whom a list is shown choose by it themselves: looks anew which workers are given to nobody
 * any more, as their model's file was replaced or a larger one is there. `id` NULL: of all. */
void workers_see_files(struct workers *ws, const char *id);
/* The reference means the file at `path` now: that is where it is looked for from now on. */
void workers_moved(struct workers *ws, const char *model_ref, const char *path);
/* All of them, or the one of that id (NULL when there is none). `host` is put into the URLs. */
json_t *workers_list_json(struct workers *ws, const char *host);
json_t *worker_json(const struct worker *w, const char *host);
const struct worker *workers_find(struct workers *ws, const char *id);
const char *worker_state_text(const struct worker *w); /* "idle", "draining", "failed" ... */
/* What a worker is and does, at this moment; texts are the record's own. */
struct worker_look {
    const char *id, *model_ref, *model_path, *backend, *fingerprint;
    bool usable;                          /* it takes requests now, or will once it is loaded */
    bool ready;                           /* its model is loaded */
    bool failed;                          /* see `error` */
    uint32_t layers_loaded, layers_total; /* of the model, while it is being loaded */
    uint64_t bytes_loaded, bytes_total;
    uint32_t n_slots;      /* 0 = not known yet */
    int64_t n_ctx;         /* positions of a slot; 0 = not known yet */
    int64_t keep_alive_ms; /* -1 = for ever */
    int64_t idle_since_ms; /* monotonic; its last activity, or its start */
    const struct api_error *error;
};
void worker_look(const struct worker *w, struct worker_look *out);
/* In the order of their start, dead ones too; `each` returns false to stop, and changes nothing. */
void workers_each(const struct workers *ws, bool (*each)(void *arg, const struct worker *w),
                  void *arg);
/* Why the worker of that id failed, or is being ended for; false while nothing is known. */
bool workers_failure(const struct workers *ws, const char *id, enum api_code *code,
                     char text[ERR_TEXT_MAX]);
/* It has ended, or is on its way to it. */
bool workers_is_over(const struct workers *ws, const char *id);
/* Its process has begun to end, by whatever: it will have ended soon. False where that is not told.
 */
bool workers_is_exiting(const struct workers *ws, const char *id);
/* "http://127.0.0.1:8081": where the hive itself reaches it. */
const char *worker_own_url(const struct worker *w, char dst[WORKER_URL_MAX]);
/* It was started, and has not been seen to be ready yet. */
bool worker_is_new(const struct worker *w);
const char *worker_log_path(const struct worker *w);
bool workers_use_path(const struct workers *ws, const char *model_path);
uint32_t workers_n_alive(const struct workers *ws);

/* ---- visiting ---- */
/* The hive has a request under way at a worker, and has it no more: its board says so late, and is
 * not the one to count the hive's own. Nothing happens when it is not there any more. */
void workers_visit(struct workers *ws, const char *id);
void workers_leave(struct workers *ws, const char *id);

/* ---- stopping ---- */
/* ERR_NOT_FOUND. A worker that has ended or is on its way counts as stopped. */
int workers_stop(struct workers *ws, const char *id, struct err *err);
void workers_stop_path(struct workers *ws, const char *model_path);
/* Those of a model, by its name or its file, that take requests or are being prepared to. */
void workers_stop_model(struct workers *ws, const char *model_ref, const char *model_path);
/* All of them, and no new ones; `gone` is called from the loop (or now) when none is left but those
 * that SIGKILL does not end (WORKERS_KILL_MS). */
void workers_stop_all(struct workers *ws, void (*gone)(void *arg), void *arg);

#endif
