/* vec.h - room in growing arrays of structs, counted in uint32_t. */
#ifndef RBEE_GRAMMAR_VEC_H
#define RBEE_GRAMMAR_VEC_H

#include <stddef.h>
#include <stdint.h>

/*
 * Room for `need` items of item_bytes in the array whose pointer lies at `items` (a T **) and whose
 * capacity lies at `cap`; grows by halves. 0, or -1 when there is no memory: all stays as it was.
 */
int vec_room(void *items, uint32_t *cap, uint32_t need, size_t item_bytes);

#endif
