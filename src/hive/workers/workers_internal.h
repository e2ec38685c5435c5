/* workers_internal.h - what the files behind workers.h share; for nobody else. */
#ifndef RBEE_HIVE_WORKERS_WORKERS_INTERNAL_H
#define RBEE_HIVE_WORKERS_WORKERS_INTERNAL_H

#include <sys/queue.h>

#include "api/board.h"
#include "base/str.h"
#include "base/uuid.h"
#include "hive/catalog/judge.h"
#include "hive/catalog/verdicts.h"
#include "hive/machine/fingerprint.h"
#include "hive/process/child.h"
#include "hive/workers/plan.h"
#include "hive/workers/stall.h"
#include "hive/workers/worker_state.h"
#include "hive/workers/workers.h"

#define WORKER_ID_BYTES (7 + UUID_BYTES) /* "worker-" and a UUID */

struct glance;
struct http_call;
struct procfs_view;

/* Somebody who waits for a worker that is being prepared. */
struct waiter {
    TAILQ_ENTRY(waiter) link;
    void (*done)(void *arg, const struct worker *w, struct api_error *e, int retry_after_s);
    void *arg;
    int64_t since_ms, until_ms; /* how long it waits in line, at most */
};

struct worker {
    TAILQ_ENTRY(worker) link;
    struct workers *owner;
    enum worker_state state; /* changed by worker_move alone */
    char id[WORKER_ID_BYTES];
    char *model_ref, *model_path, *log_path; /* owned */
    const char *backend;
    int64_t device, slots, ctx, keep_alive_ms;
    bool ctx_asked;        /* ctx came with the request, not from the configuration */
    bool keep_alive_asked; /* so did keep_alive_ms */
    bool by_hand;          /* a context of its own, or one more of a model, was asked for */
    int64_t ctx_min;       /* what a request wanted beyond the configuration's; 0 = nothing */
    int64_t asked_ms;      /* when it was last given to somebody who asked for a worker */
    int64_t n_visits;      /* requests that the hive itself has under way there */
    struct file_mark file; /* of its model (the first part); all 0 = not known */
    char *moved_path;      /* owned: where the reference leads since; NULL = as at the start */
    struct glance *glance; /* at the place where that is now, when it is far; NULL = none yet */
    bool replaced;         /* another file is at the model's place now: given to nobody */
    bool outgrown;         /* a larger one is there for all who ask: given to nobody */

    /* preparing */
    TAILQ_HEAD(, waiter) waiters;
    struct judge_ask *judging;
    struct model_facts facts; /* once it was judged */
    struct plan_need need;    /* of the same: what it may take */
    bool waits_for_room;      /* others are being ended for it */
    bool in_line;             /* waits until others have nothing to do (worker_line.c) */

    /* running */
    struct child child;
    struct procfs_view *process; /* NULL: nobody tells of it */
    struct event *ended;
    struct board *board;
    uint16_t port;
    char fingerprint[FINGERPRINT_BYTES];
    int64_t started_unix_ms, started_ms;
    int64_t ready_ms;          /* when the board first said so; 0 = not yet */
    int64_t ready_activity_ms; /* the board's last_activity at that moment */
    int64_t used_told_ms;      /* the last use of it that was told */
    int64_t looked_ms;         /* when the last look was */
    int64_t loading_ms;        /* for how long it has been seen to load ... */
    int64_t failed_ms;         /* ... and to have failed by its own word */
    struct http_call *health;
    int64_t next_health_ms;
    unsigned strikes;
    struct stall stall; /* what its steps and its process looked like at the last look */
    struct stall intakes[BOARD_N_INTAKES]; /* the same of the threads that read texts */
    char *cgroup;                          /* owned; NULL = none of its own */

    /* ending */
    struct http_call *shutdown;
    struct event *stop_timer;
    bool terminated; /* SIGTERM was sent: SIGKILL is next */
    int64_t kill_ms; /* CONDEMNED: when SIGKILL follows; 0 = it was sent */
    bool stranded;   /* CONDEMNED: SIGKILL has not ended it in good time (worker_strand) */

    /* dead */
    struct board *kept; /* owned: what the board said last; NULL = there was none, or no memory */
    struct api_error error;
    json_t *log_tail; /* array of lines */
    int64_t dead_ms;
    bool died_loading;
    const char *oom; /* "certain", "likely": killed for want of memory; else NULL */
};

struct workers {
    struct workers_params params;
    char *logs_dir;           /* owned */
    TAILQ_HEAD(, worker) all; /* in the order of their start, dead ones too */
    struct judge judge;
    int lease_read,
        lease_write; /* every worker holds the read end: EOF tells it the hive is gone */
    char *run_dir, *cgroup_base; /* owned; the second may be NULL */
    /* How many processes the kernel had killed for want of memory, at least a second ago and
     * lately. */
    int64_t oom_before, oom_lately; /* see procfs_oom_kills */
    int64_t oom_ms;
    struct event *tick;
    unsigned n_logs;     /* begun since the folder was last tidied */
    int64_t tick_due_ms; /* the next look at them, while ticking */
    bool ticking, closed;
    bool address_gone; /* workers_own_host is not this machine's at the moment, which was told */
    void (*gone)(void *arg);
    void *gone_arg;
};

/* In whatever state it is; NULL: there is none of that id. */
static inline struct worker *worker_by_id(const struct workers *ws, const char *id)
{
    struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    if (str_eq(w->id, id))
        return w;
    return NULL;
}

bool worker_is_alive(const struct worker *w);
/* A new request may be given to it: it runs, and is not stopped by a signal. */
bool worker_takes_work(const struct worker *w);
/* Its state changes by the table (worker_state.h); what the table does not know is a bug. */
void worker_move(struct worker *w, enum worker_event event);

/* worker_choose.c: what workers_usable says, to be changed; those found replaced or outgrown are
 * marked. `but` is not looked at; NULL = all are. */
struct worker *worker_choose(struct workers *ws, const struct launch *l, const struct worker *but);

/* The file at the launch's path, into *mark; NULL when it cannot be looked at. */
const struct file_mark *worker_file_now(struct workers *ws, const struct launch *l,
                                        struct file_mark *mark);
/* One model may have several names (a symlink, hf:a/b and hf:a/b:Q4_K_M): it is the launch's by its
 * name, or by its file, which is `now` at the launch's path (NULL: not known). */
bool worker_is_of(const struct worker *w, const struct launch *l, const struct file_mark *now);
/* It has, or will have, the context and the slots that were asked for; a wish (ctx_min) is none. */
bool worker_has_size(const struct worker *w, const struct launch *l);

/* ---- worker_context.c ---- */
/* A worker that is still to be judged gets as many positions as the request wants. */
void worker_context_wish(struct worker *w, const struct launch *l);
/* It has no room: plans it with no more positions than the request wants, or than the configuration
 * has. False: it is not larger than that. */
bool worker_context_reduce(struct worker *w, bool to_own);
/* The request wants more than this worker has, the model could have more, and there is room for a
 * larger one beside it, or in its place. */
bool worker_context_is_small(const struct worker *w, const struct launch *l);

/* ---- worker_line.c ---- */
struct worker_room;
/* Until when who asks may wait in line; INT64_MAX = as long as it takes. */
int64_t worker_line_until_ms(const struct workers *ws, const struct launch *l, int64_t now);
/* It waits until workers are idle that have work, as `room` says. */
void worker_line_join(struct worker *w, const struct worker_room *room);
/* Who has waited too long is told, who can start does. */
void workers_look_at_line(struct workers *ws, int64_t now, bool late);

/* worker_start.c: the process. 0, or -1 with *e and nothing left behind. */
int worker_start(struct worker *w, struct api_error *e);

/* worker_watch.c: the periodic look at all that live; starts when there is one. */
int workers_watch_create(struct workers *ws, struct err *err);
void workers_watch_wake(struct workers *ws);

/* worker_stop.c */
void worker_stop(struct worker *w);
/* What is known of its threads goes to its log, and it writes their stacks there; then as below. */
void worker_kill_stuck(struct worker *w, const char *what, int64_t silent_ms, int64_t limit_ms);
/* SIGKILL, and what to say about it when the end comes. */
void worker_kill(struct worker *w, enum api_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* It got SIGKILL and has not ended for so long as others take: it hangs in a disk or a filesystem,
 * and may for ever. */
bool worker_is_stranded(const struct worker *w, int64_t now);
/* Of such a one: who waits for it is told why it was killed, now and whenever this is called. True
 * the first time. */
bool worker_strand(struct worker *w);

/* worker_end.c: called when the pidfd says that the process has ended. */
void worker_ended(struct worker *w);
/* The last lines of its log, an array of texts. */
json_t *worker_log_tail(const struct worker *w);
/* Its process has ended: its note and its cgroup go, and whatever it left in there. */
void worker_tidy(struct worker *w);
/* Its cgroup goes, and whatever is in there. Nothing happens without one. */
void worker_end_cgroup(struct worker *w);
/* Gives back what only a living worker has. */
void worker_release(struct worker *w);

/* worker_board.c; but for the first, of a worker with a board */
/* The board's state, BOARD_STARTING without one; what is none is BOARD_FAILED. */
enum board_state worker_board_state(const struct worker *w);
/* What a failed worker wrote on its board. */
void worker_board_error(const struct worker *w, struct api_error *e);
/* The positions of its slots: as planned until it says them; before that the most there are. */
int64_t worker_n_ctx(const struct worker *w);
/* When it last did something, by its own word: never in the future. */
int64_t worker_activity_ms(const struct worker *w, int64_t now);
/* The process is no more, and the board about to go: its numbers stay. */
void worker_keep_board(struct worker *w);
/* Its engine has jobs, and should make steps: in slots or, once the model is loaded, on their way
 * into one. Those whose prompts are being rendered are not the engine's yet. */
bool worker_has_work(const struct worker *w);
/* Its last use is told (workers_params), if it is so much later than what was told before. */
void worker_tell_use(struct worker *w, int64_t at_least_ms);
/* It was given to somebody who has not come to it yet. */
bool worker_is_unused(const struct worker *w);
/* It has had nothing to do for its keep-alive; one that gets no more work is not kept long. */
bool worker_is_idle_too_long(const struct worker *w, int64_t now);

/* workers.c */
/* The address by which the hive reaches its workers. */
const char *workers_own_host(const struct workers *ws);
/* Memory was given back: whoever waits for it may start. */
void workers_room_freed(struct workers *ws);
/* The same, but only those in line are tried: workers may have become idle. */
void workers_serve_line(struct workers *ws);
void worker_free(struct worker *w); /* out of the list, too */
/* One more log is about to be begun: now and then the oldest go, of those whose workers are not
 * known any more. */
void workers_tidy_logs(struct workers *ws);
void workers_check_gone(struct workers *ws);

#endif
