/* heap.c - see heap.h. */
#include "base/heap.h"

#include <malloc.h>

#define LARGE_BYTES (1 << 20)

void heap_keep_little(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

void heap_give_back(void)
{
    malloc_trim(LARGE_BYTES);
}
