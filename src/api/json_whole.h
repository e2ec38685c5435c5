/*
 * json_whole.h - JSON copied and written whole, or not at all.
 *
 * jansson's own copies leave a member out when there is no memory for it, and its texts a key, and
 * say nothing: a conversation would lose a message, a schema one of its rules.
 */
#ifndef RBEE_API_JSON_WHOLE_H
#define RBEE_API_JSON_WHOLE_H

#include <jansson.h>

#include "base/buf.h"

/* A new reference; NULL when out of memory, or for NULL. */
json_t *json_copy_top(const json_t *value); /* shares the members of an object or array */
json_t *json_copy_all(const json_t *value); /* shares nothing */

/* The value as text, with json_dumps's flags. When -1 comes of it `out` has failed. */
int json_put_value(struct buf *out, const json_t *value, size_t flags);
/* json_dumps, whose text lacks pieces where there was no memory for them: NULL then; free(). */
char *json_write(const json_t *value, size_t flags);

#endif
