/*
 * routes.h - the worker's HTTP routes: one table of methods and paths. The loop's thread only.
 *
 * A path that is not in it gets 404, a method that the path has not gets 405 with Allow. HEAD is
 * answered wherever GET is, but for streams.
 */
#ifndef RBEE_WORKER_SERVER_ROUTES_H
#define RBEE_WORKER_SERVER_ROUTES_H

struct http_exchange;
struct job;
struct server;

/* For http_server_params.handle; arg is the struct server. */
void routes_handle(struct http_exchange *x, void *arg);

/* The inference's handlers (routes_inference.c). `rest` is what stands behind a path's prefix. */
void route_inference(struct server *s, struct http_exchange *x, const char *rest);
void route_cancel(struct server *s, struct http_exchange *x, const char *rest);

/* Questions about text and tokens (routes_text.c). */
void route_render(struct server *s, struct http_exchange *x, const char *rest);
void route_tokenize(struct server *s, struct http_exchange *x, const char *rest);
void route_detokenize(struct server *s, struct http_exchange *x, const char *rest);

/* Texts to vectors (routes_embeddings.c). */
void route_embeddings(struct server *s, struct http_exchange *x, const char *rest);

/*
 * Sends a job on its way, or refuses it where the worker takes none now (routes_inference.c). Takes
 * the job over; NULL is an answer of 500.
 */
void route_admit(struct server *s, struct http_exchange *x, struct job *j);

#endif
