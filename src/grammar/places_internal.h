/* places_internal.h - what the files behind places.h share. */
#ifndef RBEE_GRAMMAR_PLACES_INTERNAL_H
#define RBEE_GRAMMAR_PLACES_INTERNAL_H

#include "grammar/places.h"

#define NO_FRAME UINT32_MAX /* too deep, or no memory */

/* An empty table of frames and places. 0, or -1: no memory. */
int places_begin(struct places *p);
/* Frees the table, its masks by reference. */
void places_end(struct places *p);

/* The frame of a state upon a parent. NO_FRAME also past GRAMMAR_MAX_DEPTH. */
uint32_t places_frame(struct places *p, uint32_t state, uint32_t parent, uint32_t min,
                      uint32_t max);
/* The same, but 0 when it was never made. */
uint32_t places_find(const struct places *p, uint32_t state, uint32_t parent, uint32_t min,
                     uint32_t max);

/* A search: frames are put in, places_search follows them over nothing and makes the place of what
 * it finds. */
void places_search_begin(struct places *p);
/* Counts edges; false when there were too many. */
bool places_edges(struct places *p, uint32_t n);
void places_enter(struct places *p, uint32_t state, uint32_t parent);
uint32_t places_search(struct places *p);

/* Where a byte leads from a place, looked for anew: places_step without what is noted. */
uint32_t places_search_step(struct places *p, uint32_t at, unsigned char byte);

/* The place of the frames in `found`, in any order, without doubles. */
uint32_t places_intern(struct places *p, bool may_end);

/* Throws away what no root holds. -1: no memory, everything stays. */
int places_compact(struct places *p);

#endif
