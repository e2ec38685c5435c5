/* doors_failed.c - who was wrong at the door: counted, and told in the logs. See failed_keys.h. */
#include "base/clock.h"
#include "base/log.h"
#include "hive/doors/doors_internal.h"
#include "hive/doors/security_log.h"

/* `more` (may be NULL) is put beside who it was, and how often. */
static void tell(void *arg, const struct failed_rest *r, void *more)
{
    static const char *const events[FAILED_KINDS] = {"wrong_key", "pairing_failed", "tls_failed",
                                                     "forbidden_place"};
    json_t *facts = json_pack("{s:s, s:I}", "from", r->who, "times", (json_int_t)r->n);
    struct doors *d = arg;

    log_warn("%s from %s (%llu)", events[r->kind], r->who, (unsigned long long)r->n);
    if (facts && r->others)
        json_object_set_new(facts, "others", json_integer((json_int_t)r->others));
    if (facts && more)
        json_object_update(facts, more);
    security_log_event(d->log, events[r->kind], facts);
}

int doors_begin_failed(struct doors *d, struct err *err)
{
    d->failed = failed_keys_create();
    d->telling = (struct failed_tell){.failed = d->failed, .tell = tell, .arg = d};
    return d->failed ? 0 : err_no_memory(err, 0, "the table of failed keys");
}

int doors_tell_in_time(struct doors *d, struct event_base *base, struct err *err)
{
    return failed_tell_in_time(&d->telling, base, err);
}

void doors_end_failed(struct doors *d)
{
    failed_tell_end(&d->telling, d->started);
    failed_keys_free(d->failed);
    d->failed = NULL;
}

/* ---- counting ---- */

void doors_note_failure(struct doors *d, enum failed_kind kind, const char *peer)
{
    failed_tell_note(&d->telling, kind, peer, true, NULL);
}

void doors_note_unheard(struct doors *d, enum failed_kind kind, const char *peer)
{
    failed_tell_note(&d->telling, kind, peer, false, NULL);
}

void doors_note_forbidden(struct doors *d, const struct access_ask *ask, const char *peer)
{
    json_t *more = json_pack("{s:o*, s:o*}", "host", ask->host ? security_text(ask->host) : NULL,
                             "origin", ask->origin ? security_text(ask->origin) : NULL);

    failed_tell_note(&d->telling, FAILED_PLACE, peer, true, more);
    json_decref(more);
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
