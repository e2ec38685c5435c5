/*
 * doors_certificate.c - a certificate of the user's own while the hive runs: what is to be said of
 * its dates, and the one that takes its place; see doors.h.
 *
 * Who renews certificates (certbot and the like) writes files and tells nobody. Taken without a
 * start anew is one of the same key: keepers, workers and the hive's own calls to them go by that.
 * Workers that run show the one that they were started with; those who go by authorities and dates
 * ask the hive.
 */
#include <event2/event.h>
#include <string.h>

#include "api/access_share.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/disk/reach.h"
#include "hive/doors/certificate.h"
#include "hive/doors/doors_internal.h"
#include "net/http_server.h"

#define DAY_MS  86400000LL
#define SOON_MS (14 * DAY_MS)

/* ---- its dates ---- */

static void say_dates(struct doors_certificate *c)
{
    char from[CLOCK_ISO_BYTES], until[CLOCK_ISO_BYTES];
    int64_t now = clock_unix_ms();

    clock_iso8601(c->from_ms, from);
    clock_iso8601(c->until_ms, until);
    if (now >= c->until_ms)
        log_warn("the certificate %s is over since %s: clients that go by authorities refuse it; "
                 "renew it",
                 c->chain_path, until);
    else if (now < c->from_ms)
        log_warn("the certificate %s is not valid before %s: until then clients that go by "
                 "authorities refuse it",
                 c->chain_path, from);
    else if (c->until_ms - now < SOON_MS)
        log_warn("the certificate %s is over on %s, in %lld days: renew it", c->chain_path, until,
                 (long long)((c->until_ms - now) / DAY_MS));
    c->said_ms = clock_ms();
}

static void take_dates(struct doors_certificate *c, const char *chain)
{
    struct err err;

    if (certificate_dates(chain, &c->from_ms, &c->until_ms, &err)) {
        log_warn("%s: %s", c->chain_path, err.text);
        c->from_ms = 0;
        c->until_ms = CLOCK_ISO_MAX_MS;
    }
}

void doors_take_certificate(struct doors *d, const char *chain)
{
    struct doors_certificate *c = &d->certificate;

    if (!c->chain_path)
        return;
    take_dates(c, chain);
    say_dates(c);
}

/* ---- the one that takes its place ---- */

void doors_mark_certificate(struct doors *d)
{
    const char *chain = config_text(d->config, "hive", "tls_cert");

    if (!chain[0])
        return;
    d->certificate.chain_path = chain;
    d->certificate.key_path = config_text(d->config, "hive", "tls_key");
    file_mark_of(chain, &d->certificate.chain);
    file_mark_of(d->certificate.key_path, &d->certificate.key);
}

/* *server is made of them, if they are of the key that all who are paired know. */
static int try_files(const struct doors *d, const struct certificate *c, struct tls_server **server,
                     struct err *err)
{
    char pin[TLS_PIN_BYTES];
    int rc = d->tls->pin_of(c->chain, pin, err);

    if (rc)
        return rc;
    if (!str_eq(pin, d->pin))
        return err_set(err, ERR_CONFLICT,
                       "it is of another key, and paired keepers know this hive by the one of "
                       "before. Renew it with that key (certbot: --reuse-key), or start rbee-hive "
                       "again and pair them anew");
    return d->tls->server_create(c->chain, c->key, server, err);
}

/* Connections that there are keep what they have agreed upon. */
static int renew(struct doors *d, struct err *err)
{
    struct doors_certificate *own = &d->certificate;
    struct certificate c;
    struct tls_server *server = NULL;
    int rc = certificate_load(d->home, own->chain_path, own->key_path, &c, err);

    if (rc == 0)
        rc = try_files(d, &c, &server, err);
    if (rc == 0 && d->share)
        rc = access_share_renew(d->share, c.chain, err);
    if (rc == 0) {
        if (d->server)
            http_server_renew_tls(d->server, server);
        d->tls->server_free(d->tls_server);
        d->tls_server = server;
        take_dates(own, c.chain);
    } else {
        d->tls->server_free(server);
    }
    certificate_done(&c);
    return rc;
}

static bool look(const struct doors *d, const char *path, struct file_mark *mark)
{
    return reach_check(d->reach, path, NULL) == 0 && file_mark_of(path, mark);
}

/* A process of a moment looks at files that may hang: one each second would be many in a year. */
static bool is_time(const struct doors *d)
{
    const struct doors_certificate *c = &d->certificate;

    return (reach_is_near(d->reach, c->chain_path) && reach_is_near(d->reach, c->key_path)) ||
           !c->looked_ms || clock_ms() - c->looked_ms >= DOORS_CERTIFICATE_FAR_S * 1000;
}

/*
 * Files that could not be taken are tried again as they are: who may read the key, and whether
 * there is a descriptor, changes without their bytes. They stay of another key for as long as those
 * are the same.
 */
static bool is_due(const struct doors_certificate *c, const struct file_mark *chain,
                   const struct file_mark *key)
{
    return !file_mark_same_bytes(chain, &c->chain) || !file_mark_same_bytes(key, &c->key) ||
           (c->failed.code && c->failed.code != ERR_CONFLICT);
}

static void take_files(struct doors *d)
{
    struct doors_certificate *c = &d->certificate;
    struct err err = {0};
    int rc;

    doors_free_spare(d);
    rc = renew(d, &err);
    doors_keep_spare(d);
    if (rc == 0) {
        log_info("the certificate %s has changed, and is shown from now on", c->chain_path);
        say_dates(c);
    } else if (err.code != c->failed.code || !str_eq(err.text, c->failed.text)) { /* said once */
        log_warn("the certificate %s has changed, and the one of before is shown still: %s",
                 c->chain_path, err.text);
    }
    c->failed = err;
}

static void look_at_certificate(struct doors *d)
{
    struct doors_certificate *c = &d->certificate;
    struct file_mark chain, key;

    if (is_time(d)) {
        c->looked_ms = clock_ms();
        if (look(d, c->chain_path, &chain) && look(d, c->key_path, &key) &&
            is_due(c, &chain, &key)) {
            c->chain = chain;
            c->key = key;
            take_files(d);
        }
    }
    if (clock_ms() - c->said_ms >= DAY_MS)
        say_dates(c);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    look_at_certificate(arg);
}

int doors_watch_certificate(struct doors *d, struct event_base *base, struct err *err)
{
    const struct timeval every = {.tv_sec = DOORS_CERTIFICATE_S};

    if (!d->tls || !d->certificate.chain_path)
        return 0;
    doors_keep_spare(d);
    d->certificate.look = event_new(base, -1, EV_PERSIST, on_look, d);
    if (d->certificate.look && event_add(d->certificate.look, &every) == 0)
        return 0;
    return err_no_memory(err, 128, "following the certificate");
}

void doors_unwatch_certificate(struct doors *d)
{
    if (d->certificate.look)
        event_free(d->certificate.look);
    d->certificate.look = NULL;
}
