/* mask.h - which tokens may come at a place, as a bit mask kept with the place. */
#ifndef RBEE_GRAMMAR_MASK_H
#define RBEE_GRAMMAR_MASK_H

#include "grammar/places.h"

/*
 * The mask of the place *at, which lies in a root; made when the place has none. It belongs to the
 * place: count a reference to keep it. NULL: no memory, or past GRAMMAR_MAX_WORK (p->too_long).
 * Wants the lock.
 */
struct mask *mask_of(struct places *p, const uint32_t *at);

#endif
