/* json_text.h - the texts of JSON objects, where one that is missing says nothing. */
#ifndef RBEE_API_JSON_TEXT_H
#define RBEE_API_JSON_TEXT_H

#include <jansson.h>

/* The member's text, which is the object's; "" where there is none, it is no text, or no object. */
const char *json_text(const json_t *object, const char *name);

#endif
