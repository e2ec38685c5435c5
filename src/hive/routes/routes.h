/* routes.h - the hive's routes: one table a subject, one function a route. Loop thread only. */
#ifndef RBEE_HIVE_ROUTES_ROUTES_H
#define RBEE_HIVE_ROUTES_ROUTES_H

#include "hive/hive.h"

#define ROUTE_ID_MAX 1025 /* a model's reference is the longest */

/* A '*' in the path stands for one part, which the function gets as `id`; a "**" at its end for all
 * that is left, slashes too. */
struct route {
    const char *method, *path;
    void (*handle)(struct hive *h, struct http_exchange *x, const char *id);
};

/* Each ends with a NULL method. */
extern const struct route routes_node[], routes_workers[], routes_downloads[], routes_models[],
    routes_catalog[], routes_upload[], routes_gateway[], routes_pair[];

/* routes_hub.c: what a repository of the hub offers. */
void routes_get_files(struct hive *h, struct http_exchange *x, const char *id);

/*
 * The host that URLs in an answer to `x` should have: the bound one; the one that was asked where
 * the hive listens everywhere, or speaks TLS: a certificate of an authority is for a name. Whoever
 * asks may say any, and has it back for himself.
 */
const char *routes_public_host(const struct hive *h, const struct http_exchange *x,
                               char dst[CONFIG_HOST_MAX]);

#endif
