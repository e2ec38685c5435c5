/* failed_keys.c - see failed_keys.h. A token bucket for each address, looked up in a row. */
#include "api/failed_keys.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define PREFIX_BYTES 8 /* of an IPv6 address that count */

/* `debt_ms` falls with the time: each failure adds a refill's time, BURST of them are allowed. */
struct culprit {
    struct in6_addr who; /* IPv4: mapped; IPv6: the lower half is zero */
    int64_t debt_until_ms, last_ms;
    struct {
        int64_t told_ms;
        uint64_t n_untold;
        bool told;
    } of[FAILED_KINDS];
};

struct failed_keys {
    struct culprit all[FAILED_KEYS_MAX];
    size_t n;
    int64_t told_until_ms; /* of all together, as debt_until_ms */
    uint64_t n_untold;     /* the sum of those in `all` */
    uint64_t n_unsaid;
};

struct failed_keys *failed_keys_create(void)
{
    return calloc(1, sizeof(struct failed_keys));
}

void failed_keys_free(struct failed_keys *f)
{
    free(f);
}

/* What is not understood is one address, too. */
static struct in6_addr who_is(const char *peer)
{
    struct in6_addr out = {0};
    struct in_addr v4;
    char text[FAILED_KEYS_WHO_BYTES];
    bool bracketed = peer[0] == '[';
    size_t n = strcspn(peer + bracketed, bracketed ? "]%" : ":");

    if (n >= sizeof text)
        return out;
    memcpy(text, peer + bracketed, n);
    text[n] = '\0';
    if (!bracketed && inet_pton(AF_INET, text, &v4) == 1) {
        out.s6_addr[10] = out.s6_addr[11] = 0xff;
        memcpy(&out.s6_addr[12], &v4, 4);
    } else if (inet_pton(AF_INET6, text, &out) == 1 && !IN6_IS_ADDR_V4MAPPED(&out)) {
        memset(&out.s6_addr[PREFIX_BYTES], 0, sizeof out - PREFIX_BYTES);
    }
    return out;
}

static char *who_text(const struct in6_addr *who, char dst[FAILED_KEYS_WHO_BYTES])
{
    char text[INET6_ADDRSTRLEN] = "?";

    if (IN6_IS_ADDR_V4MAPPED(who))
        inet_ntop(AF_INET, &who->s6_addr[12], text, sizeof text);
    else
        inet_ntop(AF_INET6, who, text, sizeof text);
    snprintf(dst, FAILED_KEYS_WHO_BYTES, "%s%s", text, IN6_IS_ADDR_V4MAPPED(who) ? "" : "/64");
    return dst;
}

char *failed_keys_who(const char *peer, char dst[FAILED_KEYS_WHO_BYTES])
{
    struct in6_addr who = who_is(peer);

    return who_text(&who, dst);
}

static size_t find(const struct failed_keys *f, const struct in6_addr *who)
{
    for (size_t i = 0; i < f->n; i++)
        if (memcmp(&f->all[i].who, who, sizeof *who) == 0)
            return i;
    return f->n;
}

int failed_keys_wait_s(const struct failed_keys *f, const char *peer, int64_t now_ms)
{
    struct in6_addr who = who_is(peer);
    size_t i = find(f, &who);
    int64_t over;

    if (i == f->n)
        return 0;
    over =
        f->all[i].debt_until_ms - now_ms - (FAILED_KEYS_BURST - 1) * (int64_t)FAILED_KEYS_REFILL_MS;
    return over > 0 ? (int)((over + 999) / 1000) : 0;
}

/* A place for a new one. */
static struct culprit *place(struct failed_keys *f)
{
    struct culprit *oldest = &f->all[0];

    if (f->n < FAILED_KEYS_MAX)
        return &f->all[f->n++];
    for (size_t i = 1; i < f->n; i++)
        if (f->all[i].last_ms < oldest->last_ms)
            oldest = &f->all[i];
    return oldest;
}

#define TELL_MOST_MS ((int64_t)FAILED_KEYS_TELL_BURST * FAILED_KEYS_TELL_REFILL_MS)

/* Is there room in what may be told of all together? */
static bool may_tell(struct failed_keys *f, int64_t now_ms)
{
    if (f->told_until_ms < now_ms)
        f->told_until_ms = now_ms;
    if (f->told_until_ms + FAILED_KEYS_TELL_REFILL_MS - now_ms > TELL_MOST_MS)
        return false;
    f->told_until_ms += FAILED_KEYS_TELL_REFILL_MS;
    return true;
}

/* Was much told lately? What is left is for those of whom nothing was told yet. */
static bool is_short(const struct failed_keys *f, int64_t now_ms)
{
    return f->told_until_ms - now_ms > TELL_MOST_MS / 2;
}

static bool has_turn(const struct culprit *c, int kind, int64_t now_ms)
{
    return !c->of[kind].told || now_ms - c->of[kind].told_ms >= FAILED_KEYS_TELL_MS;
}

/* How often, which is told from here on. */
static uint64_t take(struct failed_keys *f, struct culprit *c, int kind)
{
    uint64_t n = c->of[kind].n_untold;

    c->of[kind].n_untold = 0;
    f->n_untold -= n;
    return n;
}

static uint64_t tell(struct failed_keys *f, struct culprit *c, int kind, int64_t now_ms)
{
    c->of[kind].told = true;
    c->of[kind].told_ms = now_ms;
    return take(f, c, kind);
}

/* Of this one nothing will be told but the sum with others. */
static void leave_unsaid(struct failed_keys *f, struct culprit *c)
{
    for (int k = 0; k < FAILED_KINDS; k++)
        f->n_unsaid += take(f, c, k);
}

/* Of what may pass: nobody learns anything of a key by it. */
static bool is_sure(const struct access *a, const struct access_ask *ask, int entry)
{
    const char *sent = access_bearer(ask->authorization);

    return entry == ACCESS_BY_LINK || access_is_open(a, ask->path) ||
           (sent && access_is_made_key(sent));
}

int failed_keys_check(const struct failed_keys *f, const struct access *a,
                      const struct access_ask *ask, const char *peer, const char *src,
                      int64_t now_ms, int *entry, struct api_error *e, int *wait_s)
{
    int rc = access_check(a, ask, src, entry, e);

    *wait_s = ask->authorization && !(rc == 0 && is_sure(a, ask, *entry))
                  ? failed_keys_wait_s(f, peer, now_ms)
                  : 0;
    if (*wait_s == 0)
        return rc;
    if (rc)
        api_error_done(e);
    api_error_set(e, API_TOO_MANY_FAILURES, src,
                  "Too many wrong keys came from this address; it is listened to again in %d "
                  "seconds.",
                  *wait_s);
    return -1;
}

static bool note(struct failed_keys *f, enum failed_kind kind, const char *peer, int64_t now_ms,
                 int64_t debt_ms, uint64_t *n)
{
    struct in6_addr who = who_is(peer);
    size_t i = find(f, &who);
    bool known = i < f->n;
    struct culprit *c = known ? &f->all[i] : place(f);

    if (!known) {
        leave_unsaid(f, c); /* the one that is forgotten */
        *c = (struct culprit){.who = who};
    }
    if (c->debt_until_ms < now_ms)
        c->debt_until_ms = now_ms;
    c->debt_until_ms += debt_ms;
    c->last_ms = now_ms;
    c->of[kind].n_untold++;
    f->n_untold++;
    if (!has_turn(c, kind, now_ms) || !may_tell(f, now_ms))
        return false;
    *n = tell(f, c, kind, now_ms);
    return true;
}

bool failed_keys_note(struct failed_keys *f, enum failed_kind kind, const char *peer,
                      int64_t now_ms, uint64_t *n)
{
    const bool counts = kind == FAILED_KEY || kind == FAILED_CODE;

    return note(f, kind, peer, now_ms, counts ? FAILED_KEYS_REFILL_MS : 0, n);
}

bool failed_keys_note_unheard(struct failed_keys *f, enum failed_kind kind, const char *peer,
                              int64_t now_ms, uint64_t *n)
{
    return note(f, kind, peer, now_ms, 0, n);
}

/* ---- what is left to tell ---- */

bool failed_keys_has_rest(const struct failed_keys *f)
{
    return f->n_untold > 0;
}

/* The one with most; NULL: none. */
static struct culprit *find_rest(struct failed_keys *f, int64_t now_ms, bool any, int *kind)
{
    struct culprit *found = NULL;

    for (size_t i = 0; i < f->n; i++)
        for (int k = 0; k < FAILED_KINDS; k++) {
            struct culprit *c = &f->all[i];

            if (c->of[k].n_untold > (found ? found->of[*kind].n_untold : 0) &&
                (any || has_turn(c, k, now_ms))) {
                found = c;
                *kind = k;
            }
        }
    return found;
}

bool failed_keys_rest(struct failed_keys *f, int64_t now_ms, bool last, struct failed_rest *out)
{
    int kind = 0;
    struct culprit *c = find_rest(f, now_ms, last, &kind);
    bool has_room = c && may_tell(f, now_ms);

    if (!c || (!has_room && !last))
        return false;
    out->kind = (enum failed_kind)kind;
    who_text(&c->who, out->who);
    out->n = tell(f, c, kind, now_ms);
    for (size_t i = 0; (!has_room || is_short(f, now_ms)) && i < f->n; i++)
        leave_unsaid(f, &f->all[i]);
    out->others = failed_keys_unsaid(f);
    return true;
}

uint64_t failed_keys_unsaid(struct failed_keys *f)
{
    uint64_t n = f->n_unsaid;

    f->n_unsaid = 0;
    return n;
}
