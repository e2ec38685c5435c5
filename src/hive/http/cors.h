/*
 * cors.h - what browsers need to let a page read the hive's answers (Fetch standard, section 3.2):
 * for pages of this machine, and of the places in [hive] origins. Others get no header, and on a
 * loopback address no answer either (api/access.h). A page still has to send a key where one is
 * asked for; only the browser's own question beforehand carries none.
 */
#ifndef RBEE_HIVE_HTTP_CORS_H
#define RBEE_HIVE_HTTP_CORS_H

#include <stdbool.h>

#include "api/access.h"

struct http_exchange;

/* Puts the headers for the page that asks, if it may, onto the coming answer. */
void cors_put(const struct access *a, struct http_exchange *x);

/* Is this a browser's question whether a page may ask? */
bool cors_is_preflight(const struct http_exchange *x);
/* Answers it, behind cors_put: yes, for this route's methods and the headers that are wished for;
 * or a bare no. */
void cors_answer(const struct access *a, struct http_exchange *x);

#endif
