/*
 * revoke.h - what runs under a key ends with the key.
 *
 * Each request remembers the mark of the key that let it in (api/keys.h, http_set_pass). When the
 * key is gone, streams get the error event of their API and their last word, and who has no answer
 * yet gets 401; what they waited for is let go as if the client had left, so slots are free. What
 * several may share, such as a download, goes on without them. Loop thread only.
 */
#ifndef RBEE_HIVE_DOORS_REVOKE_H
#define RBEE_HIVE_DOORS_REVOKE_H

#include <stdint.h>

#include "api/errors.h"
#include "base/sha256.h"

struct http_server;

/* Ends all requests under the key of that hash; how many. `s` may be NULL: none. */
uint32_t revoke_end(struct http_server *s, const unsigned char hash[SHA256_BYTES]);

/* For handlers that say farewell themselves (http_is_cut). */
void revoke_error(struct api_error *e);

#endif
