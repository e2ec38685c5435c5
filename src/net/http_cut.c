/*
 * http_cut.c - requests that are ended from outside, by the pass that let them in: see
 * http_server.h.
 *
 * Nothing is destroyed here: each connection ends its answer and goes on, or closes when a body was
 * still to come.
 */
#include "net/http_internal.h"

static bool may_cut(const struct http_conn *c)
{
    return !c->broken && c->x && c->x->pass &&
           (c->phase == PHASE_BODY || c->phase == PHASE_HANDLER);
}

static void cut_one(struct http_conn *c, const struct http_cut *cut)
{
    struct http_exchange *x = c->x;
    void (*gone)(struct http_exchange * x, void *arg) = x->gone;

    c->phase = PHASE_HANDLER; /* the rest of a body is not waited for */
    x->cut = true;
    x->gone = NULL;
    x->drained = NULL;
    if (gone)
        gone(x, x->gone_arg);
    if (c->x == x)
        cut->farewell(x, cut->arg);
}

uint32_t http_server_cut(struct http_server *s, const struct http_cut *cut)
{
    uint32_t n = 0;

    for (struct http_conn *c = s->conns; c; c = c->next) {
        if (!may_cut(c) || !cut->is_over(cut->arg, c->x->pass))
            continue;
        cut_one(c, cut);
        n++;
    }
    return n;
}
