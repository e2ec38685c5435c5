/*
 * http_plain_addrs.c - to which of a host's addresses a call connects: one after the other, each
 * with its share of the time. See http_plain.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "net/http_plain.h"

/* This machine has no way to such an address; nothing was learned of who may be there. */
static bool is_no_way(int why)
{
    return why == EADDRNOTAVAIL || why == EAFNOSUPPORT || why == ENETUNREACH || why == EHOSTUNREACH;
}

/* Without IPv6 there is no ::1: that is no want of ports. */
static bool is_six_loopback(const struct sockaddr_storage *at)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)at;

    return at->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* The kernel's "Invalid argument" for an address that says not in which network it is. */
static bool wants_zone(const struct sockaddr_storage *at, int why)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)at;

    return why == EINVAL && at->ss_family == AF_INET6 && six->sin6_scope_id == 0 &&
           IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr);
}

/* A connection did not even begin: for want of something here, or the other side refuses at once.
 */
static int not_begun(const struct plain_call *t, size_t i, int why, struct err *err)
{
    bool none_left = why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM ||
                     (why == EADDRNOTAVAIL && !is_six_loopback(&t->way->addrs.at[i]));

    if (none_left)
        return err_set(err, ERR_BUSY, "there is nothing left for a connection to %s: %s",
                       t->url.place, strerror(why));
    return http_call_broken(&t->call,
                            wants_zone(&t->way->addrs.at[i], why)
                                ? "a link-local address needs the interface that leads to it, as "
                                  "in fe80::1%eth0"
                                : strerror(why),
                            err);
}

/* The call is gone before its owner has read the error to its end. */
static void end_failed(struct plain_call *t)
{
    struct err err = t->way->failure;

    http_plain_refused(t, err.code, &err);
}

/* In the second round those only that may have been slow: of the others all is known. */
static bool next_address(struct plain_way *w, size_t *i)
{
    while (w->n_tried < w->addrs.n) {
        *i = w->n_tried++;
        if (!w->again || w->late[*i])
            return true;
    }
    return false;
}

static size_t n_late(const struct plain_way *w, size_t from)
{
    size_t n = 0;

    for (size_t i = from; i < w->addrs.n; i++)
        n += w->late[i];
    return n;
}

/*
 * What address `i` gets of the time that is left. A name's first address may be a dead one, of a
 * network that is not there any more: while there are others it has PLAIN_FIRST_MS, and is come
 * back to when they are no better.
 */
static int64_t share_of(const struct plain_way *w, size_t i, int64_t left)
{
    int64_t n_left = (int64_t)(w->addrs.n - i), share = left;

    if (w->again)
        share = left / (int64_t)n_late(w, i);
    else if (n_left > 1)
        share = left / n_left < PLAIN_FIRST_MS ? left / n_left : PLAIN_FIRST_MS;
    else if (n_late(w, 0) > 0)
        share = left / 2;
    return share > 0 ? share : 1;
}

/* A refusal says more than the silence of others that were tried once more. */
static void be_late(struct plain_call *t)
{
    struct plain_way *w = t->way;

    if (!w->again || w->failure.code == ERR_NONE || w->failure.code == ERR_TIMEOUT)
        http_call_connect_late(&t->call, &w->failure);
}

/* Begins with the next one that can be begun with, while there is time. */
static bool try_round(struct plain_call *t, int64_t *left)
{
    size_t i;

    while ((*left = t->connect_by_ms - clock_ms()) > 0 && next_address(t->way, &i)) {
        if (http_plain_connect(t, i, share_of(t->way, i, *left)) == 0)
            return true;
        if (!t->way->failure.code || !is_no_way(errno))
            not_begun(t, i, errno, &t->way->failure);
    }
    return false;
}

/*
 * Each address gets its share of the time that is left. The end tells of the last one that says
 * something: "refused" of 127.0.0.1, and not that there is no ::1 here.
 */
void http_plain_try_address(struct plain_call *t)
{
    struct plain_way *w = t->way;
    int64_t left;

    if (try_round(t, &left))
        return;
    if (left > 0 && !w->again && n_late(w, 0) > 0) {
        w->again = true;
        w->n_tried = 0;
        if (try_round(t, &left))
            return;
    }
    if (left <= 0)
        be_late(t);
    end_failed(t);
}

void http_plain_next_address(struct plain_call *t, bool late, const char *why)
{
    http_plain_close(t->conn);
    if (late) {
        t->way->late[t->way->n_tried - 1] = true;
        be_late(t);
    } else {
        http_call_broken(&t->call, why, &t->way->failure);
    }
    http_plain_try_address(t);
}
