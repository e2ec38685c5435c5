/* json_whole.c - see json_whole.h. */
#include "api/json_whole.h"

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

/* Not every caller in jansson looks at what this returns; the buffer remembers it. */
static int put_piece(const char *bytes, size_t n, void *out)
{
    return buf_put(out, bytes, n);
}

int json_put_value(struct buf *out, const json_t *value, size_t flags)
{
    if (json_dump_callback(value, put_piece, out, flags))
        out->failed = true;
    return out->failed ? -1 : 0;
}

char *json_write(const json_t *value, size_t flags)
{
    struct buf out;

    buf_init(&out, SIZE_MAX / 2);
    if (json_put_value(&out, value, flags) == 0)
        return buf_take(&out);
    buf_done(&out);
    return NULL;
}
