/* json_copy.c - see json_copy.h. */
#include "api/json_copy.h"

#include <stdbool.h>
#include <stdint.h>

static json_t *whole(json_t *copy, bool is_whole)
{
    if (is_whole)
        return copy;
    json_decref(copy);
    return NULL;
}

json_t *json_copy_top(const json_t *value)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)value);

    return whole(copy, json_object_size(copy) == json_object_size(value) &&
                           json_array_size(copy) == json_array_size(value));
}

json_t *json_copy_all(const json_t *value)
{
    json_t *copy = json_deep_copy(value);

    return whole(copy, json_equal(copy, value));
}
