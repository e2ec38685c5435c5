/*
 * answer.h - a model's answer on its way to stdout: content as it comes, thoughts set apart.
 *
 * Thoughts are dim on a terminal; elsewhere, and with NO_COLOR, they stand between the lines
 * "<think>" and "</think>". Who wants to keep the answer gets both texts.
 */
#ifndef RBEE_KEEPER_ASK_ANSWER_H
#define RBEE_KEEPER_ASK_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "keeper/shell/out.h"

#define ANSWER_MAX (64u << 20) /* bytes of a text that is kept */

struct answer {
    struct out *out; /* borrowed; NULL = nothing is shown */
    bool dim;        /* thoughts are dim, not marked */
    bool hush;       /* thoughts are not shown */
    bool keep;       /* text and thoughts are collected */
    bool thinking;   /* the last that came was a thought */
    struct buf text, thoughts;
};

/* `hush` and `keep` are the caller's to set afterwards. */
void answer_init(struct answer *a, struct out *out, bool ascii);
void answer_done(struct answer *a);

void answer_content(struct answer *a, const char *text, size_t n);
void answer_thought(struct answer *a, const char *text, size_t n);

/* The end: thoughts are closed, and the last line has its line feed. */
void answer_end(struct answer *a);
/* The end in the middle, of the command too: only the terminal is as it was. */
void answer_break(struct answer *a);

/* Ready for the next one. */
void answer_clear(struct answer *a);

#endif
