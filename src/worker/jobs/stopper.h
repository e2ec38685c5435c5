/*
 * stopper.h - finds stop strings in a stream of text, wherever the pieces were cut.
 *
 * The first stop string to be complete ends the text; of several complete at the same byte the
 * longest one. This depends on the bytes alone, never on how they came in pieces. The stop string
 * is not given out, and text that may still become one is held back until it is known.
 *
 * Text goes in as whole UTF-8 characters and comes out so: a stop string begins with a character's
 * first byte, thus no cut falls into a character. One thread owns a stopper.
 */
#ifndef RBEE_WORKER_JOBS_STOPPER_H
#define RBEE_WORKER_JOBS_STOPPER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct stopper;

/* Copies n_stops (may be 0) texts, each valid UTF-8 of 1 to UINT16_MAX bytes. ERR_NO_MEMORY. */
int stopper_create(char *const *stops, size_t n_stops, struct stopper **out, struct err *err);
void stopper_free(struct stopper *s);

/*
 * Takes n bytes and puts what can be given out behind `out`. 1 once a stop string is complete
 * (nothing may be put any more), 0 to go on, -1 when `out` is full, or there is no memory for what
 * is held back: text is lost then.
 */
int stopper_put(struct stopper *s, const char *bytes, size_t n, struct buf *out);

/* The text is over without a stop string: puts what was held back. 0, or -1 when `out` is full. */
int stopper_end(struct stopper *s, struct buf *out);

/* Which of the stop strings was found; only after stopper_put gave 1. */
size_t stopper_matched(const struct stopper *s);

#endif
