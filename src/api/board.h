/*
 * board.h - what a worker lets its hive see at any moment: a page of shared memory.
 *
 * The hive makes it (a memfd), the worker maps it and is its only writer; the hive reads it
 * whenever it lists workers, judges idleness or looks whether a worker still makes steps. No
 * message is needed, so a worker that hangs cannot hide it. A worker started by hand has a private
 * one.
 *
 * Every number is an atomic of its own; texts are written before `state` is set (release) and read
 * after it (acquire).
 */
#ifndef RBEE_API_BOARD_H
#define RBEE_API_BOARD_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

#define BOARD_MAGIC     0x72626565u /* "rbee" */
#define BOARD_VERSION   6
#define BOARD_ERROR_MAX 1024

/* How a worker ends whose hive is of another build, so that neither knows what the other shares
 * with it: EX_PROTOCOL of sysexits.h. */
#define BOARD_EXIT_OTHER_BUILD 76

enum board_state {
    BOARD_STARTING = 0, /* the process is there */
    BOARD_LOADING = 1,
    BOARD_READY = 2,    /* idle or busy: see slots_busy */
    BOARD_DRAINING = 3, /* takes no new work */
    BOARD_FAILED = 4    /* error_code and error_text say why; the process ends */
};

/* How far a job was when it was cancelled, and by what. */
enum board_phase { BOARD_QUEUED, BOARD_PREFILL, BOARD_DECODE, BOARD_N_PHASES };
enum board_cancel { BOARD_DISCONNECT, BOARD_DELETE, BOARD_DEADLINE, BOARD_N_CANCELS };

/* Threads of a worker that read texts: prompts to be answered, and questions about text alone. */
enum board_intake { BOARD_PROMPTS, BOARD_QUESTIONS, BOARD_N_INTAKES };

struct board {
    uint32_t magic, version;
    _Atomic uint32_t state; /* enum board_state */
    _Atomic uint32_t slots_total, slots_busy, queued;
    _Atomic uint64_t steps;           /* layers computed (engine_steps) */
    _Atomic uint64_t tokens_out;      /* generated since start */
    _Atomic int64_t last_activity_ms; /* clock_ms (the monotonic clock is one for all processes) */
    _Atomic uint64_t bytes_loaded, bytes_total;
    _Atomic uint32_t layers_loaded, layers_total;
    _Atomic uint32_t n_ctx; /* positions a sequence may have */
    char error_code[64];    /* an api_code's text */
    char error_text[BOARD_ERROR_MAX];
    /* A pass is a step of the engine for all slots: one token each, and chunks of prompts. */
    _Atomic uint64_t passes;      /* ended since the start */
    _Atomic uint32_t pass_p99_ms; /* 99 of 100 took no longer; 0 = too few to tell (pace.h) */
    /* The most passes that ended between the wish to cancel a job and the slot's being free. */
    _Atomic uint32_t late_passes_max;
    _Atomic uint64_t cancelled[BOARD_N_PHASES][BOARD_N_CANCELS];
    _Atomic uint32_t sandbox; /* sandbox_pack of its level (api/sandbox.h); 0 = not told yet */
    _Atomic uint64_t queue_timeouts; /* jobs that waited for a slot too long */
    /* Of those queued: their prompts are tokens, and it is the engine's thread that has them. */
    _Atomic uint32_t engine_queued;
    /* Jobs taken and given back by the threads that make prompts into tokens: odd while one has
     * one. */
    _Atomic uint64_t intake[BOARD_N_INTAKES];
    /* Written by the hive: it has opened what /proc tells of the worker, which it may not any more
     * once the worker is in its sandbox. */
    _Atomic uint32_t looked_up;
};

/* The hive's side: makes the memory; *fd is to be inherited by the worker. */
int board_create(struct board **out, int *fd, struct err *err);
/* The worker's side: fd < 0 makes a private one. ERR_INVALID; ERR_CONFLICT: of another build. */
int board_attach(int fd, struct board **out, struct err *err);
void board_detach(struct board *b);
/*
 * What all memory begins with that hive and worker share: a mark and a version, which come before
 * its size, for another build's may have another one. ERR_INVALID: there is no such beginning;
 * ERR_CONFLICT: it is another build's. `what` is "a board".
 */
int board_check_head(int fd, uint32_t magic, uint32_t version, size_t size_bytes, const char *what,
                     struct err *err);

/* "starting" "loading" "idle" "busy" "draining" "failed": what people and programs are shown. */
const char *board_state_name(const struct board *b);

/* One of the counts as JSON can hold it: a worker may write any number there. */
int64_t board_count(const _Atomic uint64_t *count);

/* {"queued":{"disconnect":0,"delete":0,"deadline":0},"prefill":{...},"decode":{...}} */
json_t *board_cancelled_json(const struct board *b);

/* Writes the error and sets BOARD_FAILED. */
void board_fail(struct board *b, const char *code, const char *text);

#endif
