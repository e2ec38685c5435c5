/*
 * routes.h - the worker's HTTP routes: one table of methods and paths. The loop's thread only.
 *
 * A path that is not in it gets 404, a method that the path has not gets 405 with Allow. HEAD is
 * answered wherever GET is, but for streams.
 */
#ifndef RBEE_WORKER_ROUTES_H
#define RBEE_WORKER_ROUTES_H

struct http_exchange;
struct server;

/* For http_server_params.handle; arg is the struct server. */
void routes_handle(struct http_exchange *x, void *arg);

/* The inference's handlers (routes_inference.c). `rest` is what stands behind a path's prefix. */
void route_inference(struct server *s, struct http_exchange *x, const char *rest);
void route_cancel(struct server *s, struct http_exchange *x, const char *rest);

#endif
