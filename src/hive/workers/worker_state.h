/*
 * worker_state.h - the life of a worker as its hive sees it: states, events, and one table of which
 * event is possible in which state and where it leads. Pure: no process, no clock.
 *
 *   PREPARING ──start──► LOADING ──ready──► READY
 *       │ give up           │  ▲              │
 *       ▼                   ▼  └──resume──┐   ▼
 *      GONE              SUSPENDED (SIGSTOP; also from READY)
 *
 *   LOADING, READY, SUSPENDED ──stop──► DRAINING ──end──► GONE
 *   LOADING, READY, SUSPENDED, DRAINING ──condemn──► CONDEMNED ──fail──► DEAD ──forget──► GONE
 *   LOADING, READY, SUSPENDED, DRAINING ──fail──► DEAD, ──end──► GONE
 */
#ifndef RBEE_HIVE_WORKERS_WORKER_STATE_H
#define RBEE_HIVE_WORKERS_WORKER_STATE_H

#include <stdbool.h>

enum worker_state {
    WORKER_PREPARING, /* its model is being looked into; no process yet */
    WORKER_LOADING,   /* the process is there, the board has not said ready since it went on */
    WORKER_READY,     /* the board said ready; it says more */
    WORKER_SUSPENDED, /* stopped by a signal: makes nothing, but is not stuck */
    WORKER_DRAINING,  /* asked to end */
    WORKER_CONDEMNED, /* found unfit; its error is known, its process is being killed */
    WORKER_DEAD,      /* failed; kept for those who ask */
    WORKER_GONE,      /* the record is about to be freed */
    WORKER_N_STATES
};

enum worker_event {
    WORKER_START,   /* its process runs */
    WORKER_GIVE_UP, /* it will have none */
    WORKER_IS_READY,
    WORKER_SUSPEND,
    WORKER_RESUME,
    WORKER_STOP,    /* somebody wants it to end */
    WORKER_CONDEMN, /* the hive wants it to end, and calls it a failure */
    WORKER_FAIL,    /* its process has ended as it should not */
    WORKER_END,     /* its process has ended as it should */
    WORKER_FORGET,  /* the record is no longer wanted */
    WORKER_N_EVENTS
};

/* Where the event leads; -1: it cannot happen in that state. */
int worker_state_next(enum worker_state from, enum worker_event event);

/* Its process is there, and takes requests or will: LOADING, READY, SUSPENDED. */
bool worker_state_runs(enum worker_state s);

const char *worker_state_name(enum worker_state s);
const char *worker_event_name(enum worker_event e);

#endif
