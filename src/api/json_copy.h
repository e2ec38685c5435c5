/*
 * json_copy.h - copies of JSON that are whole, or not there.
 *
 * jansson's own leave a member out when there is no memory for it, and say nothing: a conversation
 * would lose a message's text, a schema one of its rules.
 */
#ifndef RBEE_API_JSON_COPY_H
#define RBEE_API_JSON_COPY_H

#include <jansson.h>

/* A new reference; NULL when out of memory, or for NULL. */
json_t *json_copy_top(const json_t *value); /* shares the members of an object or array */
json_t *json_copy_all(const json_t *value); /* shares nothing */

#endif
