/* clock.h - time: a monotonic clock for durations, the calendar for people. Any thread. */
#ifndef RBEE_BASE_CLOCK_H
#define RBEE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_ns(void);     /* monotonic */
int64_t clock_ms(void);      /* monotonic */
int64_t clock_unix_ms(void); /* since 1970, UTC */

/* "2026-01-31T12:00:00.123Z", with its NUL. */
#define CLOCK_ISO_BYTES 25
char *clock_iso8601(int64_t unix_ms, char dst[CLOCK_ISO_BYTES]);

void clock_sleep_ms(int64_t ms); /* may end early on a signal */

#endif
