/*
 * error_log.h - errors of our own (INTERNAL) in a program's log, under the id that its client is
 * told: people are asked to report one "with the request id and the log". No prompt, no answer and
 * no key is in such an error's sentence; of an answer without an error body it has the status
 * alone. Any thread.
 */
#ifndef RBEE_API_ERROR_LOG_H
#define RBEE_API_ERROR_LOG_H

#include "api/errors.h"

/* Where the error leaves for its client; does nothing for another code than INTERNAL. */
void api_error_log(const struct api_error *e, const char *request_id);

#endif
