/* unlinked_reply.h - an answer behind the end of what has lost its name. Loop thread. */
#ifndef RBEE_HIVE_HTTP_UNLINKED_REPLY_H
#define RBEE_HIVE_HTTP_UNLINKED_REPLY_H

#include <jansson.h>

#include "hive/disk/unlinked.h"

struct http_exchange;
struct tasks;

/*
 * Has a helper let go of the files (the caller waits if there is none to be had), then answers,
 * with `body` unless the status is 204. x NULL: nobody is answered. Takes *u and body over.
 */
void unlinked_reply(struct unlinked *u, struct tasks *ts, struct http_exchange *x, int status,
                    json_t *body);

#endif
