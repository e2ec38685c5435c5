/*
 * http_place.c - a place for a newcomer when all connections are taken: fairness between addresses.
 *
 * One address could hold every place, by intent or by a mistake, and keep all others out for as
 * long as the time limits let a connection be slow. So the connection that has been here longest
 * without a request under way makes room, if its address has more places than the newcomer's
 * would have. A request that is being worked on is never ended for it, and who fills the
 * places alone is told 503 as ever.
 */
#include <netinet/in.h>
#include <string.h>

#include "net/http_internal.h"

uint64_t http_place_of(const struct sockaddr_storage *from)
{
    static const unsigned char v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
    uint64_t net = 0;

    if (from->ss_family == AF_INET6) {
        memcpy(&in6, from, sizeof in6);
        if (memcmp(&in6.sin6_addr, v4_mapped, sizeof v4_mapped) == 0)
            memcpy(&net, in6.sin6_addr.s6_addr + 12, 4);
        else
            memcpy(&net, &in6.sin6_addr, sizeof net);
    } else if (from->ss_family == AF_INET) {
        memcpy(&in, from, sizeof in);
        memcpy(&net, &in.sin_addr, 4);
    }
    return net;
}

static bool may_go(const struct http_conn *c)
{
    return !c->broken && !c->refused && c->phase != PHASE_HANDLER && c->phase != PHASE_CLOSING;
}

static uint32_t count_of(const struct http_server *s, uint64_t place)
{
    uint32_t n = 0;

    for (const struct http_conn *c = s->conns; c; c = c->next)
        n += !c->broken && !c->refused && c->place == place;
    return n;
}

bool http_place_make(struct http_server *s, uint64_t place)
{
    struct http_conn *oldest = NULL;

    for (struct http_conn *c = s->conns; c; c = c->next) /* the newest is the first */
        if (may_go(c) && c->place != place)
            oldest = c;
    if (!oldest || count_of(s, oldest->place) <= count_of(s, place) + 1)
        return false;
    http_conn_break(oldest);
    return true;
}
