/* removed_reply.c - see removed_reply.h. */
#include "hive/routes/removed_reply.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/hive.h"
#include "hive/http/unlinked_reply.h"
#include "hive/workers/workers.h"
#include "net/http_server.h"

#define LOOK_MS 20

struct removed {
    struct hive *h;
    struct http_exchange *x;
    char *model_ref, *path; /* owned */
    struct unlinked u;
    uint64_t bytes;
    int64_t until_ms;
    struct event *look;
};

static void removed_free(struct removed *r)
{
    if (r->look)
        event_free(r->look);
    free(r->model_ref);
    free(r->path);
    free(r);
}

static void reply(struct hive *h, struct http_exchange *x, const char *model_ref, bool held,
                  struct unlinked *u, uint64_t bytes)
{
    unlinked_reply(u, h->tasks, x, 200,
                   json_pack("{s:s, s:I, s:I}", "removed", model_ref, "freed_bytes",
                             (json_int_t)(held ? 0 : bytes), "held_bytes",
                             (json_int_t)(held ? bytes : 0)));
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct removed *r = arg;
    bool held = workers_use_path(r->h->workers, r->path);

    (void)fd;
    (void)what;
    if (held && clock_ms() < r->until_ms)
        return;
    http_on_gone(r->x, NULL, NULL);
    reply(r->h, r->x, r->model_ref, held, &r->u, r->bytes);
    removed_free(r);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct removed *r = arg;

    (void)x;
    unlinked_reply(&r->u, r->h->tasks, NULL, 0, NULL);
    removed_free(r);
}

/* False: no memory to wait with. */
static bool begin_wait(struct hive *h, struct http_exchange *x, const char *model_ref,
                       const char *path, const struct unlinked *u, uint64_t bytes)
{
    const struct timeval every = {.tv_usec = LOOK_MS * 1000};
    struct removed *r = calloc(1, sizeof *r);

    if (!r)
        return false;
    *r = (struct removed){.h = h,
                          .x = x,
                          .model_ref = str_dup(model_ref),
                          .path = str_dup(path),
                          .u = *u,
                          .bytes = bytes,
                          .until_ms = clock_ms() + REMOVED_WAIT_MS,
                          .look = event_new(h->base, -1, EV_PERSIST, on_look, r)};
    if (!r->model_ref || !r->path || !r->look || event_add(r->look, &every)) {
        removed_free(r);
        return false;
    }
    http_on_gone(x, on_gone, r);
    return true;
}

void removed_reply(struct hive *h, struct http_exchange *x, const char *model_ref, const char *path,
                   struct unlinked *u, uint64_t bytes)
{
    bool held = bytes > 0 && path && workers_use_path(h->workers, path);

    if (!held || !begin_wait(h, x, model_ref, path, u, bytes))
        reply(h, x, model_ref, held, u, bytes);
}
