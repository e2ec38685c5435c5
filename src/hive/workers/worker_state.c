/* worker_state.c - see worker_state.h. */
#include "hive/workers/worker_state.h"

#define NO 0 /* what the table holds for an event that cannot be; else the state and one */

#define TO(state) ((unsigned char)(WORKER_##state + 1))

static const unsigned char table[WORKER_N_STATES][WORKER_N_EVENTS] = {
    [WORKER_PREPARING] = {[WORKER_START] = TO(LOADING), [WORKER_GIVE_UP] = TO(GONE)},
    [WORKER_LOADING] = {[WORKER_IS_READY] = TO(READY),
                        [WORKER_SUSPEND] = TO(SUSPENDED),
                        [WORKER_STOP] = TO(DRAINING),
                        [WORKER_CONDEMN] = TO(CONDEMNED),
                        [WORKER_FAIL] = TO(DEAD),
                        [WORKER_END] = TO(GONE)},
    [WORKER_READY] = {[WORKER_SUSPEND] = TO(SUSPENDED),
                      [WORKER_STOP] = TO(DRAINING),
                      [WORKER_CONDEMN] = TO(CONDEMNED),
                      [WORKER_FAIL] = TO(DEAD),
                      [WORKER_END] = TO(GONE)},
    [WORKER_SUSPENDED] = {[WORKER_RESUME] = TO(LOADING),
                          [WORKER_STOP] = TO(DRAINING),
                          [WORKER_CONDEMN] = TO(CONDEMNED),
                          [WORKER_FAIL] = TO(DEAD),
                          [WORKER_END] = TO(GONE)},
    [WORKER_DRAINING] =
        {[WORKER_CONDEMN] = TO(CONDEMNED), [WORKER_FAIL] = TO(DEAD), [WORKER_END] = TO(GONE)},
    [WORKER_CONDEMNED] = {[WORKER_FAIL] = TO(DEAD)},
    [WORKER_DEAD] = {[WORKER_FORGET] = TO(GONE)},
};

int worker_state_next(enum worker_state from, enum worker_event event)
{
    return table[from][event] == NO ? -1 : table[from][event] - 1;
}

bool worker_state_runs(enum worker_state s)
{
    return s == WORKER_LOADING || s == WORKER_READY || s == WORKER_SUSPENDED;
}

const char *worker_state_name(enum worker_state s)
{
    static const char *const names[WORKER_N_STATES] = {
        "preparing", "loading", "ready", "suspended", "draining", "condemned", "dead", "gone"};

    return names[s];
}

const char *worker_event_name(enum worker_event e)
{
    static const char *const names[WORKER_N_EVENTS] = {"start",  "give up", "is ready", "suspend",
                                                       "resume", "stop",    "condemn",  "fail",
                                                       "end",    "forget"};

    return names[e];
}
