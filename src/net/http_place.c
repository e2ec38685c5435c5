/*
 * http_place.c - a place for a newcomer when all connections are taken: fairness between addresses.
 *
 * One address could hold every place, by intent or by a mistake, and keep all others out for as
 * long as the time limits let a connection be slow. So a connection of the address that has most
 * makes room, the oldest without a request under way, if that address has more places than the
 * newcomer's would have. A request that is being worked on is never ended for it, and who fills the
 * places alone is told 503, unless one of these connections only waits for a next request.
 */
#include <netinet/in.h>
#include <stdlib.h>
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

/* How many connections an address has; n = 0: an empty place of the table. */
struct tally {
    uint64_t place;
    uint32_t n;
};

static struct tally *tally_of(struct tally *all, size_t n_all, uint64_t place)
{
    size_t i = (size_t)((place * 0x9e3779b97f4a7c15u) >> 32) & (n_all - 1);

    while (all[i].n && all[i].place != place)
        i = (i + 1) & (n_all - 1);
    all[i].place = place;
    return &all[i];
}

static bool has_shown_a_key(const struct http_server *s, uint64_t place)
{
    for (const struct http_conn *c = s->conns; c; c = c->next)
        if (c->place == place && c->had_pass)
            return true;
    return false;
}

/* The oldest stranger that should make room, or NULL. */
static struct http_conn *choose_stranger(const struct http_server *s, uint64_t place,
                                         struct tally *all, size_t n_all)
{
    uint32_t n = tally_of(all, n_all, place)->n;
    bool trusted = has_shown_a_key(s, place);
    struct http_conn *chosen = NULL;

    for (struct http_conn *c = s->conns; c; c = c->next) /* the newest is the first */
        if (may_go(c) && !c->had_pass && c->place != place &&
            (trusted || tally_of(all, n_all, c->place)->n > n))
            chosen = c;
    return chosen;
}

/* The oldest of the address's own that was answered and asks nothing: a pool that somebody keeps
 * must not stand in the way of a question. No key was shown by it, for its owner would be the one
 * to lose by a stranger at the same address. */
static struct http_conn *choose_idle(const struct http_server *s, uint64_t place)
{
    struct http_conn *chosen = NULL;

    for (struct http_conn *c = s->conns; c; c = c->next)
        if (may_go(c) && !c->had_pass && c->place == place && http_conn_is_idle(c))
            chosen = c;
    return chosen;
}

/* The oldest of those that may go, of the address that has most; NULL when none should. */
static struct http_conn *choose(const struct http_server *s, uint64_t place, struct tally *all,
                                size_t n_all)
{
    struct http_conn *chosen = NULL, *stranger;
    uint32_t most = 0, n;

    for (const struct http_conn *c = s->conns; c; c = c->next)
        if (!c->broken && !c->refused)
            tally_of(all, n_all, c->place)->n++;
    for (struct http_conn *c = s->conns; c; c = c->next) {
        if (!may_go(c) || c->place == place || (n = tally_of(all, n_all, c->place)->n) < most)
            continue;
        most = n;
        chosen = c;
    }
    if (most > tally_of(all, n_all, place)->n + 1)
        return chosen;
    stranger = choose_stranger(s, place, all, n_all);
    return stranger ? stranger : choose_idle(s, place);
}

bool http_place_make(struct http_server *s, uint64_t place)
{
    struct http_conn *chosen;
    struct tally *all;
    size_t n_all = 16;

    while (n_all < 2 * ((size_t)s->n_conns + 1))
        n_all *= 2;
    all = calloc(n_all, sizeof *all);
    if (!all)
        return false;
    chosen = choose(s, place, all, n_all);
    free(all);
    if (chosen)
        http_conn_break(chosen);
    return chosen != NULL;
}
