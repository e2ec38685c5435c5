/* clock.h - time: a monotonic clock for durations, the calendar for people. Any thread. */
#ifndef RBEE_BASE_CLOCK_H
#define RBEE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_ns(void);     /* monotonic */
int64_t clock_ms(void);      /* monotonic */
int64_t clock_unix_ms(void); /* since 1970, UTC */

/* "2026-01-31T12:00:00.123Z", with its NUL. Times before 1970 are told as its beginning, and those
 * beyond the year 9999 as its end: there is no room for more. */
#define CLOCK_ISO_BYTES  25
#define CLOCK_ISO_MAX_MS INT64_C(253402300799999)
char *clock_iso8601(int64_t unix_ms, char dst[CLOCK_ISO_BYTES]);

void clock_sleep_ms(int64_t ms); /* may end early on a signal */

#endif
