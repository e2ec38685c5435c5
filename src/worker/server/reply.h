/*
 * reply.h - what one client of an inference is told: events as they come, or one object at the end.
 *
 * A reply belongs to a job and lives as long as it, also when the client has left. A client that
 * leaves, and a deadline that passes, become a wish of the job; the answer ends when the job comes
 * back. The loop's thread only.
 */
#ifndef RBEE_WORKER_SERVER_REPLY_H
#define RBEE_WORKER_SERVER_REPLY_H

#include <stddef.h>

#include "worker/jobs/outbox.h"

struct http_exchange;
struct job;
struct reply;
struct server;

/* Ties the job to the exchange, and into the server's list. ERR_NO_MEMORY: nothing is tied. */
int reply_create(struct server *s, struct http_exchange *x, struct job *j, struct err *err);

/* The job was accepted (the stream begins), or has more text. */
void reply_note(const struct outbox_note *note, const char *text);

/* The job is over: the rest of the answer; frees the job and its reply. */
void reply_end(struct job *j);

/* The job of this id that is not over yet, or NULL. */
struct job *reply_find_job(const struct server *s, const char *job_id);

/* Wishes the end of every job. */
void reply_shut_down_all(struct server *s);

#endif
