/*
 * turns.h - work that anybody may ask for, and that takes a thread, or much memory, each: few at
 * once.
 *
 * At most TURNS_AT_ONCE are at work, the others wait; next is the one whose asker has the fewest at
 * work, of these the one that came first. Work that makes no headway for TURN_STUCK_MS (a disk that
 * does not answer, a lock that somebody holds) lends its place to the next until it goes on: a dead
 * disk holds up nobody but those who read it. Who waits for another's turn in his own waits no
 * longer than that. How many may wait is for whoever asks to say. Loop thread only.
 */
#ifndef RBEE_HIVE_PROCESS_TURNS_H
#define RBEE_HIVE_PROCESS_TURNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/failed_keys.h"
#include "base/err.h"

#define TURNS_AT_ONCE 4
#define TURN_STUCK_MS 10000 /* disks that sleep wake up in that time */

struct event_base;
struct turns;

enum turn_state {
    TURN_NONE,
    TURN_WAITS,
    TURN_WORKS,
    TURN_STUCK, /* at work, and counted among those who are no more */
};

/* The asker's; `who`, `arg` and `begin` are filled in by it, the rest is 0. */
struct turn {
    char who[FAILED_KEYS_WHO_BYTES]; /* as failed_keys_who tells addresses apart */
    void *arg;
    void (*begin)(void *arg); /* it is at work from now on; may end it */

    enum turn_state state;
    struct turns *of;
    uint64_t n_done;
    int64_t moved_ms; /* when n_done last changed */
    TAILQ_ENTRY(turn) link;
};

int turns_create(struct event_base *base, struct turns **out, struct err *err);
void turns_free(struct turns *ts); /* when nobody is at work or waits. NULL is fine */

/* `begin` comes from the loop, unless the turn is ended before. */
void turn_ask(struct turns *ts, struct turn *t);
/* Out of work, or out of the queue; nothing where it is in neither. */
void turn_end(struct turn *t);
/* So much of the work is done now; to be told now and then while it is at work. */
void turn_moves(struct turn *t, uint64_t n_done, int64_t now_ms);

#endif
