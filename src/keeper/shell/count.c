/* count.c - see count.h. */
#include "keeper/shell/count.h"

uint64_t count_whole(double number)
{
    if (number <= 0)
        return 0;
    return number < 18446744073709551616.0 ? (uint64_t)number : UINT64_MAX; /* 2^64 */
}

const char *count_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}
