/* json_text.c - see json_text.h. */
#include "api/json_text.h"

const char *json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}
