/*
 * steps.h - counts the steps of one encoding and asks, every few thousand of them, whether it is to
 * end. For the files of this folder; one thread's.
 */
#ifndef RBEE_ENGINE_TOK_STEPS_H
#define RBEE_ENGINE_TOK_STEPS_H

#include "engine/tok/tok.h"

/* A step is a character, a symbol or a pair of them: so many take some milliseconds at most. */
#define STEPS_BETWEEN 4096

struct steps {
    const struct tok_stop *stop; /* NULL: nobody asks */
    uint32_t n;                  /* since it was asked */
};

/* One more; true when the encoding is to end. */
static inline bool steps_ended(struct steps *s)
{
    if (++s->n < STEPS_BETWEEN)
        return false;
    s->n = 0;
    return s->stop && s->stop->is_asked(s->stop->arg);
}

#endif
