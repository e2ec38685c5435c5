/* heap.c - see heap.h. */
#include "base/heap.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define LARGE_BYTES (1 << 20)

void heap_keep_little(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
#endif
}

void heap_give_back(void)
{
#ifdef __GLIBC__
    malloc_trim(LARGE_BYTES);
#endif
}
