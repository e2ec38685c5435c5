/*
 * addressee.h - which worker a request is for, and in whose name it comes.
 *
 * A worker's port is free as soon as the worker ends or drains, and the next worker takes it: an
 * URL alone may lead to another model. So whoever knows a worker from its hive says its id with
 * each request, in a header, and a worker of another id refuses. Requests without the header are
 * answered by whoever is there. The gateway says, too, by which id its client knows the request:
 * an error in the worker's log has the same. Any thread.
 */
#ifndef RBEE_API_ADDRESSEE_H
#define RBEE_API_ADDRESSEE_H

#include <stdbool.h>

#include "api/errors.h"

#define ADDRESSEE_HEADER         "X-Rbee-Worker"
#define ADDRESSEE_REQUEST_HEADER "X-Rbee-Request"
#define ADDRESSEE_LINE_MAX       160 /* bytes of a header with an id, the NUL included */

/* "X-Rbee-Worker: ID"; an id too long is cut, and is nobody's then. Returns dst. */
const char *addressee_line(char dst[ADDRESSEE_LINE_MAX], const char *worker_id);

/* "X-Rbee-Request: ID" likewise. */
const char *addressee_request_line(char dst[ADDRESSEE_LINE_MAX], const char *request_id);

/* `named` is the header's value, NULL when it was not sent. 0 when the worker `own_id` may answer,
 * or -1 with *e as WRONG_WORKER. */
int addressee_check(const char *named, const char *own_id, const char *src, struct api_error *e);

/* Does a worker's refusal say that another worker is to be asked? One on its way out refuses as a
 * full one does, and says so in the details; where it has ended, another one has its port. */
bool addressee_is_gone(const struct api_error *e);

#endif
