/*
 * chore.h - work on model files that takes a while (hashing, copying, judging), for one client who
 * watches it as a stream of events and ends it by going away.
 *
 * A chore is a row of steps: one in a helper thread, or a look into a file by `llm-worker-rbee
 * inspect`; behind each its `done` runs in the loop and begins the next one, or ends the chore.
 * When the client has left, the step is cut short and `done` comes all the same: it looks at
 * chore_is_gone, touches nothing but its own memory, and ends the chore. Loop thread, but for what
 * is said to be the step's.
 */
#ifndef RBEE_HIVE_CHORES_CHORE_H
#define RBEE_HIVE_CHORES_CHORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"

#define CHORE_EVENT_MS 250 /* progress is told at most so often */
#define CHORES_MAX     64  /* at work, waiting for their turn, or hanging in a disk */
#define CHORES_RETRY_S 5   /* the answer's Retry-After past that */

struct chore;
struct hive;
struct http_exchange;

/* Begins the stream; NULL when there are CHORES_MAX, or no memory: the exchange is answered. */
struct chore *chore_begin(struct hive *h, struct http_exchange *x);

/*
 * Runs `work` in a helper thread once it is its turn (turns.h); progress is told as
 * {"stage","name", "bytes_done","bytes_total"}, with the stage "waiting" before that. `may` is
 * asked in the loop right before `work`: do the disks that it will touch answer still? `done` comes
 * once in any case, with *err as `work` or `may` left it.
 */
struct chore_step {
    const char *stage, *name; /* copied */
    uint64_t bytes_total;
    void *arg;
    int (*may)(void *arg, struct err *err);
    int (*work)(void *arg, struct chore *c, struct err *err);
    void (*done)(void *arg, struct chore *c, int rc, const struct err *err);
};
void chore_run(struct chore *c, const struct chore_step *step);

/* From the step's thread: so many more bytes are done; true = give up. */
bool chore_count(struct chore *c, uint64_t n_more);
/* The same, to be asked by digest_put_range; the argument is the chore. */
bool chore_stopped(const void *c);

/* Has a file judged (admit.h). `done` comes once; *e NULL: it may enter, or the client has left. */
void chore_judge(struct chore *c, const char *path, const char *sha256,
                 void (*done)(void *arg, struct chore *c, const struct api_error *e), void *arg);

/* Sends an event, taken over. Nothing happens when the client has left. */
void chore_say(struct chore *c, json_t *event);
/* {"stage":"error","code","message", "name"?}: not the end, the next one may go well. */
void chore_say_error(struct chore *c, const char *name, enum api_code code, const char *message);
bool chore_is_gone(const struct chore *c);

/* [DONE]; the chore is no more. */
void chore_end(struct chore *c);

#endif
