/* base64.h - bytes as base64 text (RFC 4648, section 4, with padding). Pure; any thread. */
#ifndef RBEE_BASE_BASE64_H
#define RBEE_BASE_BASE64_H

#include <stddef.h>

#include "base/buf.h"

/* 0, or -1 when the buffer is full. */
int base64_put(struct buf *b, const void *bytes, size_t n);

#endif
