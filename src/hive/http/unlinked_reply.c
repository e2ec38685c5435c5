/* unlinked_reply.c - see unlinked_reply.h. */
#include "hive/http/unlinked_reply.h"

#include <stdlib.h>

#include "hive/http/reply.h"
#include "hive/process/task.h"

struct late_reply {
    struct unlinked u;
    struct http_exchange *x; /* NULL: nobody asked, or the client has left */
    int status;
    json_t *body;
};

static void reply(struct http_exchange *x, int status, json_t *body)
{
    if (!x)
        json_decref(body);
    else if (status == 204)
        http_reply(x, 204, NULL, NULL, 0);
    else
        reply_json(x, status, body);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct late_reply *late = arg;

    (void)x;
    late->x = NULL;
}

static void let_go(void *arg, const struct task *self)
{
    struct late_reply *late = arg;

    (void)self;
    unlinked_close(&late->u);
}

static void done(void *arg)
{
    struct late_reply *late = arg;

    if (late->x)
        http_on_gone(late->x, NULL, NULL);
    reply(late->x, late->status, late->body);
    free(late);
}

void unlinked_reply(struct unlinked *u, struct tasks *ts, struct http_exchange *x, int status,
                    json_t *body)
{
    struct late_reply *late = u->n > 0 ? malloc(sizeof *late) : NULL;
    struct task *task;

    if (late) {
        *late = (struct late_reply){.u = *u, .x = x, .status = status, .body = body};
        if (tasks_start(ts, let_go, done, late, &task, NULL) == 0) {
            u->n = 0; /* they are the helper's */
            if (x)
                http_on_gone(x, on_gone, late);
            return;
        }
        free(late);
    }
    unlinked_close(u);
    reply(x, status, body);
}
