/*
 * json_guard.h - json_loadb for a process whose memory may run out.
 *
 * jansson (2.14) goes on with a text for which it could get no more place: it loses letters of it,
 * and where the closing quote is among those it writes past its memory. So while a text is read
 * its allocations are listed; the first that fails ends the reading, and what was made for it is
 * freed. Any thread.
 */
#ifndef RBEE_API_JSON_GUARD_H
#define RBEE_API_JSON_GUARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* From now on jansson allocates by way of the guard, with malloc and free. Done by the first load;
 * for who counts allocations from the beginning. */
void json_guard_install(void);

/*
 * How many values, or parts of one, this thread could not make so far for lack of memory, in a load
 * or otherwise. Who puts an object together from many parts asks before and behind: where the
 * numbers differ some part may be missing.
 */
unsigned json_guard_n_failed(void);

/* json_loadb; NULL, and json_is_no_memory(why), when memory has run out. */
json_t *json_guard_load(const char *text, size_t n, size_t flags, json_error_t *why);
bool json_is_no_memory(const json_error_t *why);
#define JSON_NO_MEMORY_HINT "Try again in a moment, or with less at once."

#endif
