/*
 * timings.h - where the time of a command goes, phase by phase: what --timings shows.
 *
 * The clock starts in main; what came before it, the system's loading of the program, is taken as
 * the CPU time the process has used by then, and is the first phase, "start". Phases follow each
 * other without a gap, so they add up to the total. One thread at a time.
 */
#ifndef RBEE_BASE_TIMINGS_H
#define RBEE_BASE_TIMINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define TIMINGS_MAX        16
#define TIMINGS_TEXT_BYTES 512 /* of all phases as text */

struct timings {
    uint64_t mark_ns; /* where the last phase ended */
    size_t n;
    struct {
        const char *name;
        uint64_t ns;
    } phases[TIMINGS_MAX];
};

/* Starts the clock, without a phase. */
void timings_begin(struct timings *t);
/* The same, behind the phase "start". First thing in a program. */
void timings_begin_process(struct timings *t);

/* A phase from the last one's end until now. One that is there already grows. */
void timings_phase(struct timings *t, const char *name);

/* A phase of so many ns behind the last one's end, measured by another. */
void timings_part(struct timings *t, const char *name, uint64_t ns);

/* "start 2.1, header 0.6, total 2.7": milliseconds. */
void timings_put(const struct timings *t, struct buf *out);

#endif
