/* figures.h - how long an answer took and what it used: the lines that say so. */
#ifndef RBEE_KEEPER_ASK_FIGURES_H
#define RBEE_KEEPER_ASK_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"

#define FIGURES_LINE_MAX  512
#define FIGURES_QUEUED_MS 2000 /* a wait for a slot of so long is told */

struct figures {
    bool ended; /* the worker's end event came; without it only first_ms is known */
    int64_t tokens_out, prompt_tokens, cached_tokens, reasoning_tokens;
    int64_t decode_ms, prefill_ms, queue_ms;
    int64_t first_ms; /* from the request to the first text */
    char reason[32];  /* the stop_reason */
    bool context_full;
};

/* From an end event; n_texts stands in where it does not count. first_ms stays. */
void figures_read(struct figures *f, const json_t *event, uint64_t n_texts);

/* "20 tokens, 42.5 tok/s, first token after 31 ms (the limit was reached)" */
void figures_line(const struct figures *f, struct buf *out);

/* "prompt 57 tokens, 48 of them cached, in 12 ms; context 77 of 4096 tokens"; n_ctx 0 = not known
 */
void figures_more(const struct figures *f, int64_t n_ctx, struct buf *out);

/* Tokens of the context that are in use, at most n_ctx where that is known. */
int64_t figures_used(const struct figures *f, int64_t n_ctx);

#endif
