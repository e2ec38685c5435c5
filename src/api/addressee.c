/* addressee.c - see addressee.h. */
#include "api/addressee.h"

#include <stdio.h>

#include "base/str.h"

#define NAMED_SHOWN 64 /* bytes of the id that an error quotes */

const char *addressee_line(char dst[ADDRESSEE_LINE_MAX], const char *worker_id)
{
    snprintf(dst, ADDRESSEE_LINE_MAX, "%s: %s", ADDRESSEE_HEADER, worker_id);
    return dst;
}

const char *addressee_request_line(char dst[ADDRESSEE_LINE_MAX], const char *request_id)
{
    snprintf(dst, ADDRESSEE_LINE_MAX, "%s: %s", ADDRESSEE_REQUEST_HEADER, request_id);
    return dst;
}

int addressee_check(const char *named, const char *own_id, const char *src, struct api_error *e)
{
    if (!named || str_eq(named, own_id))
        return 0;
    api_error_set(e, API_WRONG_WORKER, src,
                  "The request is for the worker %.*s, and another one has its port by now.",
                  NAMED_SHOWN, named);
    return -1;
}

bool addressee_is_gone(const struct api_error *e)
{
    const json_t *draining = json_object_get(e->details, "draining");

    return e->code == API_WRONG_WORKER || json_is_true(draining) ||
           json_integer_value(draining) != 0;
}
