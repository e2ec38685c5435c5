/* clock.h - time: a monotonic clock for durations, the calendar for people. Any thread. */
#ifndef RBEE_BASE_CLOCK_H
#define RBEE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t clock_ns(void);     /* monotonic */
int64_t clock_ms(void);      /* monotonic */
int64_t clock_unix_ms(void); /* since 1970, UTC */

/*
 * How much too late it is for what was due at due_ms (clock_ms); 0 = it comes in time, which is
 * within CLOCK_LATE_MS. A loop that stood still (SIGSTOP, a paused machine, a cgroup that was
 * frozen) runs all timers that are over before it looks at any socket: what came meanwhile lies
 * there, and nobody may be judged for it yet.
 */
#define CLOCK_LATE_MS 100
int64_t clock_late_ms(int64_t due_ms);

/* "2026-01-31T12:00:00.123Z", with its NUL. Times before 1970 are told as its beginning, and those
 * beyond the year 9999 as its end: there is no room for more. */
#define CLOCK_ISO_BYTES  25
#define CLOCK_ISO_MAX_MS INT64_C(253402300799999)
char *clock_iso8601(int64_t unix_ms, char dst[CLOCK_ISO_BYTES]);

/* A file's time in milliseconds since 1970, held within what clock_iso8601 tells: file systems take
 * any. */
int64_t clock_unix_ms_of(const struct timespec *t);

void clock_sleep_ms(int64_t ms); /* may end early on a signal */

#endif
