/*
 * fetch_pace.h - is one connection all that a line needs?
 *
 * Several connections fill a line that a single one cannot: its window is too small for the way, or
 * somebody gives each its share. Where one does, others cost: the file comes out of order, its
 * digest lags behind, and each request has its price. So a fetch begins with one, which has
 * FETCH_ALONE_MS to show that it is enough; it is looked at again as often, until it is not.
 */
#ifndef RBEE_HIVE_FETCH_FETCH_PACE_H
#define RBEE_HIVE_FETCH_FETCH_PACE_H

#include <stdint.h>

#define FETCH_ALONE_MS   250
#define FETCH_FAST_BPS   (200u << 20) /* enough: so many bytes a second */
#define FETCH_SHOW_BYTES (16u << 20)  /* so many, as fast, need not wait for the time */

enum pace {
    PACE_UNKNOWN,
    PACE_FAST, /* one connection is enough */
    PACE_SLOW, /* several are to share; for good */
};

struct fetch_pace { /* all zero: nothing has begun */
    enum pace pace;
    int64_t from_ms; /* `bytes` have come since; 0 = not begun */
    uint64_t bytes;
};

void fetch_pace_count(struct fetch_pace *p, uint64_t n_bytes);
/* now_ms > 0, never less than before. Begins with the first look. */
enum pace fetch_pace_look(struct fetch_pace *p, int64_t now_ms);

#endif
