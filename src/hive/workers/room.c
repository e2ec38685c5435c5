/* room.c - see room.h. */
#include "hive/workers/room.h"

/* Ending a worker gives back what it has, and what it would have taken. */
static uint64_t gain(const struct room_worker *w)
{
    uint64_t sum;

    return __builtin_add_overflow(w->frees_bytes, w->wants_bytes, &sum) ? UINT64_MAX : sum;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t room_promised(const struct room_worker *all, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        if (!all[i].chosen)
            sum = add(sum, all[i].wants_bytes);
    return sum;
}

uint64_t room_lack(uint64_t need_bytes, uint64_t promised_bytes, uint64_t free_bytes)
{
    uint64_t wanted = add(need_bytes, promised_bytes);

    return wanted > free_bytes ? wanted - free_bytes : 0;
}

/* The one that may end, is not chosen yet, and was used longest ago. */
static struct room_worker *oldest(struct room_worker *all, size_t n)
{
    struct room_worker *found = NULL;

    for (size_t i = 0; i < n; i++)
        if (all[i].may_end && !all[i].ending && !all[i].chosen &&
            (!found || all[i].idle_ms > found->idle_ms))
            found = &all[i];
    return found;
}

/* The chosen one that was used most lately and is no more than what is too much. */
static struct room_worker *needless(struct room_worker *all, size_t n, uint64_t too_much)
{
    struct room_worker *found = NULL;

    for (size_t i = 0; i < n; i++)
        if (all[i].chosen && gain(&all[i]) <= too_much &&
            (!found || all[i].idle_ms < found->idle_ms))
            found = &all[i];
    return found;
}

/* What ending some gives back. */
struct freed {
    uint64_t bytes;
    size_t places;
};

/* Nobody is chosen; what comes from those that end anyway. */
static struct freed begin(struct room_worker *all, size_t n)
{
    struct freed f = {0};

    for (size_t i = 0; i < n; i++) {
        all[i].chosen = false;
        if (all[i].ending) {
            f.bytes = add(f.bytes, gain(&all[i]));
            f.places++;
        }
    }
    return f;
}

bool room_choose(struct room_worker *all, size_t n, uint64_t lack_bytes, size_t lack_places,
                 uint64_t *freed_bytes)
{
    struct freed f = begin(all, n);
    struct room_worker *w;
    bool enough;

    while ((f.bytes < lack_bytes || f.places < lack_places) && (w = oldest(all, n)) != NULL) {
        w->chosen = true;
        f.bytes = add(f.bytes, gain(w));
        f.places++;
    }
    *freed_bytes = f.bytes;
    enough = f.bytes >= lack_bytes && f.places >= lack_places;
    if (!enough)
        begin(all, n);
    while (enough && f.places > lack_places &&
           (w = needless(all, n, f.bytes - lack_bytes)) != NULL) {
        w->chosen = false;
        f.bytes -= gain(w);
        f.places--;
        *freed_bytes = f.bytes;
    }
    return enough;
}

bool room_comes(const struct room_worker *all, size_t n, uint64_t lack_bytes, size_t lack_places)
{
    struct freed f = {0};

    for (size_t i = 0; i < n; i++)
        if (all[i].ending || all[i].may_end || all[i].may_end_later) {
            f.bytes = add(f.bytes, gain(&all[i]));
            f.places++;
        }
    return f.bytes >= lack_bytes && f.places >= lack_places;
}
