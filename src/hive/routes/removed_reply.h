/*
 * removed_reply.h - the answer to the removal of a model: what the disk has back, and what it has
 * not. Loop thread.
 *
 * A worker maps its model's files: until it has ended the disk has none of their bytes, whatever
 * was deleted. One without work ends at once, one with work may take 30 s.
 */
#ifndef RBEE_HIVE_ROUTES_REMOVED_REPLY_H
#define RBEE_HIVE_ROUTES_REMOVED_REPLY_H

#include <stdint.h>

#define REMOVED_WAIT_MS 3000 /* for the end of workers; then the answer says what they hold */

struct hive;
struct http_exchange;
struct unlinked;

/*
 * Waits for the workers of `path` (NULL: there can be none), which have been told to end, and
 * answers: "removed" (model_ref), "freed_bytes" and "held_bytes", which make up `bytes`. Takes *u
 * over.
 */
void removed_reply(struct hive *h, struct http_exchange *x, const char *model_ref, const char *path,
                   struct unlinked *u, uint64_t bytes);

#endif
