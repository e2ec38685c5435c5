/* uuid.h - random ids (RFC 9562, version 4) and random bytes from the kernel. Any thread. */
#ifndef RBEE_BASE_UUID_H
#define RBEE_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_BYTES 37 /* 36 characters and the NUL */

char *uuid_make(char dst[UUID_BYTES]);
bool uuid_is_one(const char *text); /* of any version, in lower case as above */
void random_bytes(void *dst, size_t n);
uint64_t random_u64(void);

#endif
