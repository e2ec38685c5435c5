/*
 * tuning.h - when the engine makes itself faster (engine_tune: it packs its weights). Step by step:
 * as fast as it goes while the CPUs are free or the model is in use, and a small part of the time
 * where others want the CPUs, for those may be workers of models that answer. A lower priority
 * would not do: workers are sessions of their own, among which Linux shares the CPUs as it shares
 * them among threads, and what has lowered its priority may not raise it again.
 *
 * That others want the CPUs is seen by how often this process's threads had to leave one amid their
 * work. What they wait for themselves (a disk that is slow) is no such thing.
 *
 * The engine's thread owns it; zeroed = to begin at once.
 */
#ifndef RBEE_WORKER_SCHEDULE_TUNING_H
#define RBEE_WORKER_SCHEDULE_TUNING_H

#include <stdbool.h>
#include <stdint.h>

struct engine;

struct tuning {
    bool done;
    int64_t due_ms; /* the next step (clock_ms) */
};

/* When there is something to do next, in clock_ms; INT64_MAX = never. */
int64_t tuning_due_ms(const struct tuning *t);

/* One step, where it is due or the model is in use. */
void tuning_go_on(struct tuning *t, struct engine *e, bool in_use);

/* Whether threads that worked for worked_ms in all, and had to leave n_left times, met others. */
bool tuning_is_in_the_way(int64_t worked_ms, uint64_t n_left);

#endif
