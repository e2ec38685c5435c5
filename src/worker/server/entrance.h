/*
 * entrance.h - the worker's door: what it inherits of its hive's keys and certificate, and who has
 * shown wrong keys here.
 *
 * All that is needed is taken at the start, before the model is opened: the share is mapped, TLS
 * loaded, the certificate read; nothing is opened afterwards. A worker that a person started has
 * none of it but the count of wrong keys.
 *
 * No message tells a worker that a key was revoked: while a request runs that such a key let in,
 * the share is looked at ENTRANCE_LOOK_MS apart, and what runs under a key that is gone ends with
 * an error event or a 401 (http_server_cut). Loop thread only.
 */
#ifndef RBEE_WORKER_SERVER_ENTRANCE_H
#define RBEE_WORKER_SERVER_ENTRANCE_H

#include <stdbool.h>

#include "api/access.h"

#define ENTRANCE_LOOK_MS 100

struct entrance;
struct event_base;
struct http_client;
struct http_exchange;
struct http_server;
struct http_server_params;

/* access_fd -1: no hive's. Puts share and link key into *a; closes the descriptor. */
int entrance_create(int access_fd, struct access *a, struct entrance **out, struct err *err);
void entrance_free(struct entrance *e); /* NULL is fine */

/* For a worker without a hive: https with these PEM files. ERR_DENIED when others may read the key.
 */
int entrance_show(struct entrance *e, const char *cert_path, const char *key_path, struct err *err);

/* What the server needs to speak TLS, if it is to. */
void entrance_put(const struct entrance *e, struct http_server_params *params);
bool entrance_tls(const struct entrance *e);
/* A client of the hive's: it shows the same certificate, and TLS is here already. */
int entrance_trust(const struct entrance *e, struct http_client *c, struct err *err);
const char *entrance_link_key(const struct entrance *e); /* "" = none */

/* Both are there now and outlive the entrance's requests; keys are followed from here on. */
int entrance_follow(struct entrance *e, struct event_base *base, struct http_server *http,
                    struct err *err);

/* For the server's filter, as access_check; *wait_s > 0 when its address has to wait. */
int entrance_check(struct entrance *e, const struct access *a, struct http_exchange *x,
                   struct api_error *error, int *wait_s);

#endif
