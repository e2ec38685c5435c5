/* running.c - see running.h. */
#include "hive/gateway/running.h"

#include "base/str.h"
#include "hive/http/reply.h"
#include "net/http_server.h"

void running_enter(struct hive *h, struct running *r)
{
    LIST_INSERT_HEAD(&h->running, r, entry);
    r->listed = true;
}

void running_leave(struct running *r)
{
    if (r->listed)
        LIST_REMOVE(r, entry);
    r->listed = false;
}

static struct running *find(const struct hive *h, const char *id)
{
    struct running *r = LIST_FIRST(&h->running);

    while (r && !str_eq(http_request_id(r->x), id) && !(r->id && str_eq(r->id, id)))
        r = LIST_NEXT(r, entry);
    return r;
}

void running_error(struct api_error *e)
{
    api_error_set(e, API_REQUEST_CANCELLED, REPLY_SRC, "the request was cancelled");
}

/* The end of one may be that of others: each time the list is looked through anew. */
void running_delete(struct hive *h, struct http_exchange *x, const char *id)
{
    struct running *r;

    while ((r = find(h, id))) {
        running_leave(r);
        r->end(r->arg);
    }
    http_reply(x, 204, NULL, NULL, 0);
}
