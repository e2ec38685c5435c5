/* vec.c - see vec.h. No state. */
#include "grammar/vec.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ITEMS 16

int vec_room(void *items, uint32_t *cap, uint32_t need, size_t item_bytes)
{
    uint64_t want = *cap ? *cap : FIRST_ITEMS;
    void *old, *grown;

    if (need <= *cap)
        return 0;
    while (want < need)
        want += want / 2;
    if (want > UINT32_MAX || want > SIZE_MAX / item_bytes)
        return -1;
    memcpy(&old, items, sizeof old);
    grown = realloc(old, (size_t)want * item_bytes);
    if (!grown)
        return -1;
    memcpy(items, &grown, sizeof grown);
    *cap = (uint32_t)want;
    return 0;
}
