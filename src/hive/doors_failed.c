/* doors_failed.c - who was wrong at the door: counted, and told in the logs. See failed_keys.h. */
#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "hive/doors_internal.h"
#include "hive/security_log.h"

/* `more` (taken over, may be NULL) is put beside who it was, and how often. */
static void tell(struct doors *d, const struct failed_rest *r, json_t *more)
{
    static const char *const events[FAILED_KINDS] = {"wrong_key", "pairing_failed", "tls_failed",
                                                     "forbidden_place"};
    json_t *facts = json_pack("{s:s, s:I}", "from", r->who, "times", (json_int_t)r->n);

    log_warn("%s from %s (%llu)", events[r->kind], r->who, (unsigned long long)r->n);
    if (facts && r->others)
        json_object_set_new(facts, "others", json_integer((json_int_t)r->others));
    if (facts && more)
        json_object_update(facts, more);
    json_decref(more);
    security_log_event(d->log, events[r->kind], facts);
}

static void tell_later(struct doors *d)
{
    const struct timeval later = {.tv_sec = FAILED_KEYS_TELL_MS / 1000};

    if (d->tell && failed_keys_has_rest(d->failed) && !event_pending(d->tell, EV_TIMEOUT, NULL))
        event_add(d->tell, &later);
}

static void tell_rest(struct doors *d, bool last)
{
    struct failed_rest r;

    while (failed_keys_rest(d->failed, clock_ms(), last, &r))
        tell(d, &r, NULL);
}

static void on_tell(evutil_socket_t fd, short what, void *arg)
{
    struct doors *d = arg;

    (void)fd, (void)what;
    tell_rest(d, false);
    tell_later(d);
}

int doors_tell_in_time(struct doors *d, struct event_base *base, struct err *err)
{
    d->tell = evtimer_new(base, on_tell, d);
    return d->tell ? 0 : err_no_memory(err, 128, "a timer");
}

void doors_end_failed(struct doors *d)
{
    if (d->tell)
        event_free(d->tell);
    d->tell = NULL;
    if (d->started)
        tell_rest(d, true);
}

/* ---- counting ---- */

static void note(struct doors *d, enum failed_kind kind, const char *peer, bool heard, json_t *more)
{
    struct failed_rest r = {.kind = kind};

    if (heard ? failed_keys_note(d->failed, kind, peer, clock_ms(), &r.n)
              : failed_keys_note_unheard(d->failed, kind, peer, clock_ms(), &r.n)) {
        failed_keys_who(peer, r.who);
        r.others = failed_keys_unsaid(d->failed);
        tell(d, &r, more);
    } else {
        json_decref(more);
        tell_later(d);
    }
}

void doors_note_failure(struct doors *d, enum failed_kind kind, const char *peer)
{
    note(d, kind, peer, true, NULL);
}

void doors_note_unheard(struct doors *d, enum failed_kind kind, const char *peer)
{
    note(d, kind, peer, false, NULL);
}

void doors_note_forbidden(struct doors *d, const struct access_ask *ask, const char *peer)
{
    note(d, FAILED_PLACE, peer, true,
         json_pack("{s:o*, s:o*}", "host", ask->host ? security_text(ask->host) : NULL, "origin",
                   ask->origin ? security_text(ask->origin) : NULL));
}

int doors_wait_s(const struct doors *d, const char *peer)
{
    return failed_keys_wait_s(d->failed, peer, clock_ms());
}

void doors_tls_failed(struct doors *d, const char *peer, const char *why)
{
    log_debug("TLS with %s failed: %s", peer, why);
    doors_note_failure(d, FAILED_TLS, peer);
}
