/* piece_size.c - see piece_size.h. */
#include "keeper/models/piece_size.h"

#define PIECE_BYTES_MOST ((size_t)1 << 30) /* whatever the line: sums stay far from any limit */

static size_t within(uint64_t n)
{
    return n < PIECE_BYTES_MIN    ? PIECE_BYTES_MIN
           : n > PIECE_BYTES_MOST ? PIECE_BYTES_MOST
                                  : (size_t)n;
}

size_t piece_size_at(const struct piece_size *s, uint64_t from, uint64_t to, size_t max_bytes)
{
    uint64_t n = max_bytes - from % max_bytes;

    if (n > s->next)
        n = s->next;
    return (size_t)(n < to - from ? n : to - from);
}

void piece_size_sent(struct piece_size *s, size_t n, int64_t ms)
{
    size_t by_pace = within((uint64_t)n * PIECE_AIM_MS / (uint64_t)(ms > 0 ? ms : 1));
    size_t by_growth = within((uint64_t)s->next * PIECE_GROWTH);

    if (n < s->next && by_pace < s->next)
        return; /* an end of a file or a MiB: its time is mostly the way there and back */
    s->next = by_pace < by_growth ? by_pace : by_growth;
}

void piece_size_failed(struct piece_size *s)
{
    s->next = within(s->next / PIECE_GROWTH);
}
