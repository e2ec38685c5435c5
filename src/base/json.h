/*
 * json.h - JSON text written by hand, where no library is linked (the engine) or wanted (a hot
 * path). Numbers and structure are put with buf_printf; only strings need care.
 */
#ifndef RBEE_BASE_JSON_H
#define RBEE_BASE_JSON_H

#include <stddef.h>

#include "base/buf.h"

/*
 * Puts n bytes as a JSON string, quotes included. Control characters are escaped; what is not
 * well-formed UTF-8 becomes U+FFFD (one for each longest beginning of a character), so that the
 * result is always valid JSON. 0, or -1 when the buffer is full.
 */
int json_put_string(struct buf *b, const char *bytes, size_t n);

#endif
