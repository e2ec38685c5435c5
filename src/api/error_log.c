/* error_log.c - see error_log.h. */
#include "api/error_log.h"

#include "base/log.h"

void api_error_log(const struct api_error *e, const char *request_id)
{
    if (e->code == API_INTERNAL)
        log_error("%s in request %s, found by the %s: %s", api_error_info(e->code)->code,
                  request_id, e->src && e->src[0] ? e->src : "answer", e->message);
}
