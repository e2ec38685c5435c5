/* heap.h - what malloc keeps of memory that was given back. */
#ifndef RBEE_BASE_HEAP_H
#define RBEE_BASE_HEAP_H

#include <stddef.h>

/*
 * For programs that live long: what large buffers took goes back to the system at once. By itself
 * glibc keeps more of it the larger they were: 50 MB for ever after one of 16 MiB. Before the first
 * large one. (mallopt(3))
 */
void heap_keep_little(void);

#define HEAP_LARGE_BYTES ((size_t)4 << 20) /* of a request: what it took is worth giving back */

/* Behind many small values: nor does what they took go back by itself. Milliseconds; any thread. */
void heap_give_back(void);

#endif
