/*
 * http_bodies.c - the bytes of requests' bodies that a server holds, of all connections together,
 * and of what handlers keep of them.
 *
 * A limit for each body bounds nothing while thousands may come at once. Past the limit for all the
 * largest of those that are still coming is refused: who sends little is not kept out by those who
 * send much, or begin much and never end it. What handlers keep may wait for minutes: a quarter is
 * left for bodies that come, and for handlers that keep little.
 */
#include "net/http_internal.h"

static struct http_conn *largest_coming(struct http_server *s)
{
    struct http_conn *largest = NULL;

    for (struct http_conn *c = s->conns; c; c = c->next)
        if (!c->broken && c->phase == PHASE_BODY &&
            (!largest || c->x->n_counted > largest->x->n_counted))
            largest = c;
    return largest;
}

static void refuse(struct http_conn *c)
{
    const struct http_server *s = c->server;
    struct http_fault full = {0};

    http_fault_set(&full, 503,
                   "The server holds %zu bytes of requests' bodies, and %zu are allowed at once.",
                   s->n_body_bytes, s->params.limits.bodies_max);
    http_reply_fault(c, &full);
}

void http_bodies_forget(struct http_exchange *x)
{
    x->conn->server->n_body_bytes -= x->n_counted;
    x->conn->server->n_held_bytes -= x->n_held;
    x->n_counted = x->n_held = 0;
}

/* Are n bytes more than there is room for, beside those of others? */
static bool is_over(size_t n, size_t others, size_t max)
{
    return n > max || others > max - n;
}

void http_hold_granted(struct http_exchange *x, size_t n)
{
    x->n_granted = n;
}

bool http_hold(struct http_exchange *x, size_t n)
{
    struct http_server *s = x->conn->server;
    size_t max = s->params.limits.bodies_max, others = s->n_body_bytes - x->n_counted,
           others_held = s->n_held_bytes - x->n_held;
    bool little = n <= x->n_granted + HTTP_HOLD_LITTLE;

    if (n > x->n_counted && is_over(n, others, max))
        return false;
    if (n > x->n_held && !little && is_over(n, others_held, max - max / 4))
        return false;
    s->n_body_bytes = others + n;
    s->n_held_bytes = others_held + n;
    x->n_counted = x->n_held = n;
    return true;
}

bool http_bodies_count(struct http_conn *c)
{
    struct http_server *s = c->server;
    struct http_conn *largest;

    s->n_body_bytes += c->x->req.body.len - c->x->n_counted;
    c->x->n_counted = c->x->req.body.len;
    if (c->phase != PHASE_BODY || s->n_body_bytes <= s->params.limits.bodies_max)
        return true;
    largest = largest_coming(s);
    refuse(largest);
    return largest != c;
}
