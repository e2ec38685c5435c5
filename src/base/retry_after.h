/* retry_after.h - the value of Retry-After: seconds, or a date. Pure. Source: RFC 9110 (June 2022),
 * sections 10.2.3 and 5.6.7; the two obsolete forms of a date are not read. */
#ifndef RBEE_BASE_RETRY_AFTER_H
#define RBEE_BASE_RETRY_AFTER_H

#include <stdint.h>

/* Milliseconds to wait from `now_ms` (Unix) on, at most max_ms; 0 for a date that is over. -1: it
 * is neither. */
int64_t retry_after_ms(const char *value, int64_t now_ms, int64_t max_ms);

#endif
