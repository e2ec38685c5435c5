/* clock.c - see clock.h. */
#include "base/clock.h"

#include <stdio.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

uint64_t clock_ns(void)
{
    return (uint64_t)read_ns(CLOCK_MONOTONIC);
}

int64_t clock_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_late_ms(int64_t due_ms)
{
    int64_t late = clock_ms() - due_ms;

    return late < CLOCK_LATE_MS ? 0 : late;
}

int64_t clock_unix_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

char *clock_iso8601(int64_t unix_ms, char dst[CLOCK_ISO_BYTES])
{
    int64_t told = unix_ms < 0 ? 0 : unix_ms < CLOCK_ISO_MAX_MS ? unix_ms : CLOCK_ISO_MAX_MS;
    time_t seconds = (time_t)(told / 1000);
    struct tm tm;
    char day[20];

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(dst, CLOCK_ISO_BYTES, "%s.%03uZ", day, (unsigned)(told % 1000));
    return dst;
}

int64_t clock_unix_ms_of(const struct timespec *t)
{
    if (t->tv_sec < 0)
        return 0;
    if (t->tv_sec > CLOCK_ISO_MAX_MS / 1000)
        return CLOCK_ISO_MAX_MS;
    return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};

    if (ms > 0)
        nanosleep(&ts, NULL);
}
