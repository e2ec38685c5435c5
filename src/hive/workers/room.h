/*
 * room.h - whose memory, or whose place among the workers that there may be, may be taken for a new
 * one: the rule, and nothing else.
 *
 * Only a worker that has nothing to do may be ended for another one: never a busy one, one that is
 * still loading, one that somebody was just given and has not come to yet, or a pinned one
 * (keep_alive -1). Of the others those go first that were used longest ago; none is ended in vain,
 * neither when all of them together would not be enough, nor when the others are enough without it.
 * Where only the pinned are in the way for ever, waiting for the others may be enough.
 *
 * Pure: what it needs to know is passed in. Any thread.
 */
#ifndef RBEE_HIVE_WORKERS_ROOM_H
#define RBEE_HIVE_WORKERS_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct room_worker {
    bool ending;          /* on its way out already */
    bool may_end;         /* idle, loaded, not promised to anybody, not pinned */
    bool may_end_later;   /* not now, but in time: neither ending nor pinned */
    int64_t idle_ms;      /* since it was last used */
    uint64_t frees_bytes; /* what its end gives back, as measured */
    uint64_t wants_bytes; /* what it was planned to take beyond that, and will */
    bool chosen;          /* out: is to be ended */
};

/* The bytes that those which stay are planned to take still. */
uint64_t room_promised(const struct room_worker *all, size_t n);

/* What is missing for `need_bytes` more; sums past 64 bits count as the most there is. */
uint64_t room_lack(uint64_t need_bytes, uint64_t promised_bytes, uint64_t free_bytes);

/*
 * Can `lack_bytes` more be had, and `lack_places`? Marks the workers to be chosen for it: none
 * where those that end anyway are enough, and none when it cannot be. *freed_bytes: what these, or
 * all that may end, give back.
 */
bool room_choose(struct room_worker *all, size_t n, uint64_t lack_bytes, size_t lack_places,
                 uint64_t *freed_bytes);

/* Could it be had once all are idle that are not pinned? */
bool room_comes(const struct room_worker *all, size_t n, uint64_t lack_bytes, size_t lack_places);

#endif
