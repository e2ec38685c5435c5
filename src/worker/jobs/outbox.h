/*
 * outbox.h - what the engine's side tells the loop.
 *
 * Notes are collected under one lock and the loop is woken once for many of them; the loop takes
 * all at once by swapping two sets of buffers, so that a token costs a copy of its text and no
 * allocation. The text of a job always comes before its end. The end of a job and the news about
 * loading need no memory, so they cannot get lost.
 *
 * Threads: outbox_take is the loop's alone; everything else is for the engine's thread and the
 * intake, outbox_end and outbox_flush for all.
 */
#ifndef RBEE_WORKER_JOBS_OUTBOX_H
#define RBEE_WORKER_JOBS_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/engine.h"
#include "worker/jobs/job_list.h"

struct job;
struct outbox;
struct post;

enum note_kind {
    NOTE_STARTED,   /* the job was accepted; no text */
    NOTE_TEXT,      /* content */
    NOTE_REASONING, /* text of a thought */
    NOTE_CALL,      /* a tool call begins; the text is its name */
    NOTE_ARGS       /* more of its arguments */
};

/* The text is bytes.data + at, whole UTF-8 characters; scores (logprobs.h) are the n_scores bytes
 * behind it. */
struct outbox_note {
    struct job *job;
    enum note_kind kind;
    uint32_t index; /* of the tool call */
    size_t at, n, n_scores;
    uint64_t tokens_out;
};

enum load_stage { LOAD_NO_NEWS, LOAD_GOING_ON, LOAD_DONE, LOAD_FAILED };

struct outbox_batch {
    struct outbox_note *notes;
    size_t n_notes, cap_notes;
    struct buf bytes;
    struct job_list ended; /* in the order they ended; they are the taker's now */
    enum load_stage stage; /* the last news; LOAD_FAILED: the board has the error */
    bool has_load;         /* `load` is news, too */
    struct engine_load load;
};

/* `deliver` runs in the loop's thread (by `post`, which must outlive the outbox). */
int outbox_create(struct post *post, void (*deliver)(void *arg), void *arg, struct outbox **out,
                  struct err *err);
void outbox_free(struct outbox *o); /* frees jobs that nobody took */

/* 0, or -1 when out of memory. */
int outbox_started(struct outbox *o, struct job *j);
/* Text and scores are copied; the note's own `at` is the outbox's to set. */
int outbox_text(struct outbox *o, const struct outbox_note *note, const char *text,
                const char *scores);
/* The job goes back to the loop. */
void outbox_end(struct outbox *o, struct job *j);
/* `load` may be NULL. */
void outbox_load(struct outbox *o, enum load_stage stage, const struct engine_load *load);

/* Wakes the loop when something waits, which needs no memory either. Any thread. */
void outbox_flush(struct outbox *o);

/* All that has come; valid until the next take. The caller takes over the list `ended`. */
const struct outbox_batch *outbox_take(struct outbox *o);

#endif
