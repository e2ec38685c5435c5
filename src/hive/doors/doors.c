/* doors.c - see doors.h: opening and closing, and what is decided for each request. */
#include "hive/doors/doors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/access_share.h"
#include "api/failed_keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/doors/advertise.h"
#include "hive/doors/certificate.h"
#include "hive/doors/doors_internal.h"
#include "hive/doors/pairing.h"
#include "hive/doors/security_log.h"

#define PROGRAM "rbee-hive"
#define SRC     "hive"

/* ---- opening ---- */

/* The first start on an address that others reach: one key, in the clear in its own file. */
static int make_first_key(struct doors *d, struct err *err)
{
    char key[ACCESS_KEY_MAX + 1], *path = path_join(d->home, DOORS_KEY_FILE);
    bool made = false;
    int rc = path ? access_load_key(path, true, key, &made, err)
                  : err_no_memory(err, strlen(d->home), "a path");

    if (rc == 0 && made)
        fprintf(stderr, "%s: other machines can reach this one, so a key is needed: made in %s\n",
                PROGRAM, path);
    explicit_bzero(key, sizeof key);
    free(path);
    return rc;
}

static int open_keys(struct doors *d, struct err *err)
{
    int rc = doors_read_keys(d, err);

    if (rc == 0 && d->keys.n == 0) {
        rc = make_first_key(d, err);
        if (rc == 0)
            rc = doors_read_keys(d, err);
        if (rc == 0 && d->keys.n > 0)
            doors_tell_created(d, &d->keys.items[0]);
    }
    if (rc)
        return rc;
    access_make_key(d->access.link_key);
    d->access.link_path = DOORS_LINK_PATH;
    d->access.keys = &d->keys;
    return 0;
}

static bool wants_tls(const struct doors *d)
{
    const char *told = config_text(d->config, "hive", "tls");

    return str_eq(told, "on") || (str_eq(told, "auto") && !d->access.loopback_only);
}

static int open_tls(struct doors *d, struct certificate *c, struct err *err)
{
    int rc;

    doors_mark_certificate(d);
    rc = certificate_load(d->home, config_text(d->config, "hive", "tls_cert"),
                          config_text(d->config, "hive", "tls_key"), c, err);
    if (rc == 0)
        rc = tls_load(&d->tls, err);
    if (rc == 0)
        rc = d->tls->server_create(c->chain, c->key, &d->tls_server, err);
    if (rc == 0)
        rc = d->tls->pin_of(c->chain, d->pin, err);
    if (rc) {
        err_prefix(err, "https cannot be spoken ([hive] tls = off does without)");
        return rc;
    }
    if (c->made)
        fprintf(stderr, "%s: a certificate was made; its key has the SHA-256 %s\n", PROGRAM,
                d->pin);
    doors_take_certificate(d, c->chain);
    return 0;
}

static int open_log(struct doors *d, struct err *err)
{
    char *dir = path_join(d->home, "logs");
    int rc =
        dir ? security_log_open(dir, &d->log, err) : err_no_memory(err, strlen(d->home), "a path");

    free(dir);
    return rc;
}

int doors_open(struct doors *d, const struct config *config, const char *home, const char *host,
               struct err *err)
{
    struct certificate c = {0};
    struct access_secrets secrets;
    int rc;

    *d = (struct doors){
        .config = config, .home = home, .share_fd = -1, .watch_fd = -1, .spare_fd = -1};
    d->access.loopback_only = access_is_loopback(host);
    d->access.origins = config_text(config, "hive", "origins");
    rc = open_log(d, err);
    if (rc == 0 && !d->access.loopback_only)
        rc = open_keys(d, err);
    if (rc == 0)
        rc = doors_begin_failed(d, err);
    if (rc == 0 && wants_tls(d))
        rc = open_tls(d, &c, err);
    secrets = (struct access_secrets){d->access.link_key, c.chain, c.key};
    if (rc == 0 && (d->access.keys || d->tls))
        rc = access_share_create(&secrets, &d->share, &d->share_fd, err);
    if (rc == 0 && d->share)
        access_share_publish(d->share, &d->keys);
    certificate_done(&c);
    d->access.open_path = d->tls ? DOORS_PAIR_PATH : NULL;
    return rc;
}

void doors_close(struct doors *d)
{
    doors_unwatch(d);
    doors_unwatch_certificate(d);
    doors_free_spare(d);
    doors_note_used(d, true);
    if (d->advertised)
        advertise_remove(d->home);
    doors_end_failed(d);
    if (d->started) /* else a service that fails and is tried again washes out what stands before */
        security_log_event(d->log, "end", NULL);
    security_log_close(d->log);
    access_share_detach(d->share);
    if (d->share_fd >= 0)
        close(d->share_fd);
    if (d->tls)
        d->tls->server_free(d->tls_server);
    explicit_bzero(&d->access, sizeof d->access);
}

/* ---- telling where it is ---- */

static void show_line(const struct advertise *a, const char *code)
{
    char line[ADVERTISE_LINE_MAX];

    fprintf(stderr,
            "%s: to use this machine from another one, run there within an hour:\n  %s\n"
            "(once; `rbee-hive pair` prints another line)\n",
            PROGRAM, advertise_line(a, code, line));
}

static void show_line_here(const struct advertise *a)
{
    char line[ADVERTISE_LINE_MAX];

    fprintf(stderr, "%s: for other accounts of this machine to use it, run there:\n  %s\n", PROGRAM,
            advertise_line(a, NULL, line));
}

/* A keeper gives the key of its home to nobody without TLS. The file is not there where the keys
 * are others, made by `keys create`: these were shown once. */
static void show_key(const struct doors *d)
{
    char *path = path_join(d->home, DOORS_KEY_FILE);
    bool there = path && access(path, F_OK) == 0;

    fprintf(stderr,
            "%s: [hive] tls is off: keys and prompts cross the network in the clear. Every keeper, "
            "this machine's too, needs %s%s as RBEE_API_KEY%s.\n",
            PROGRAM, there ? "the key in " : "a key", there ? path : "",
            there ? "" : "; `rbee-keeper keys create` makes one");
    free(path);
}

/* On a full disk the hive starts all the same: those who know it can remove a model by it. */
static int unless_full(int rc, const char *lost, const struct err *err)
{
    if (rc != ERR_NO_SPACE)
        return rc;
    log_warn("%s: %s until the hive is started again with room there, which `rbee-keeper models "
             "rm` of a paired machine makes",
             err->text, lost);
    return 0;
}

/* What is lost by it on a loopback address: who is told the address finds the hive all the same. */
static int unless_full_here(int rc, const struct config_addr *addr, const struct err *err)
{
    char where[CONFIG_HOST_MAX + 9];

    if (rc != ERR_NO_SPACE)
        return rc;
    log_warn("%s: keepers of this home look for the hive at localhost:%d until it is started again "
             "with room there, which `rbee-keeper models rm MODEL --node %s` makes",
             err->text, CONFIG_DEFAULT_PORT, config_addr_text(addr, where, sizeof where));
    return 0;
}

static int announce(struct doors *d, const struct config_addr *addr, struct err *err)
{
    struct advertise a = {.addr = *addr, .tls = d->tls != NULL};
    char code[PAIRING_CODE_BYTES];
    int rc;

    str_copy(a.pin, sizeof a.pin, d->pin);
    rc = advertise_write(d->home, &a, err);
    d->advertised = rc == 0;
    if (d->access.loopback_only) {
        rc = unless_full_here(rc, addr, err);
        if (rc == 0 && a.tls)
            show_line_here(&a);
        return rc;
    }
    rc = unless_full(rc, "keepers on this machine and `rbee-hive pair` do not find this hive", err);
    if (rc)
        return rc;
    if (!a.tls) {
        show_key(d);
        return 0;
    }
    rc = pairing_make(d->home, code, clock_unix_ms() / 1000, NULL, err);
    if (rc == 0)
        show_line(&a, code);
    return unless_full(rc, "no further machine can be paired", err);
}

/* By two starts one sees what became of the keys between them, when no hive ran to tell. */
static json_t *prints_of(const struct keys *keys)
{
    json_t *prints = keys->n ? json_array() : NULL;
    char print[KEYS_PRINT_BYTES];

    for (size_t i = 0; i < keys->n; i++)
        json_array_append_new(prints, json_string(keys_print(keys->items[i].hash, print)));
    return prints;
}

int doors_announce(struct doors *d, const struct config_addr *addr, struct err *err)
{
    int rc = announce(d, addr, err);

    if (rc)
        return rc;
    d->started = true;
    security_log_event(d->log, "start",
                       json_pack("{s:s, s:i, s:b, s:b, s:i, s:o*}", "host", addr->host, "port",
                                 (int)addr->port, "loopback", d->access.loopback_only, "tls",
                                 d->tls != NULL, "keys", (int)d->keys.n, "prints",
                                 prints_of(&d->keys)));
    return 0;
}

/* ---- each request ---- */

int doors_check(struct doors *d, const struct access_ask *ask, const char *peer, uint64_t *pass,
                struct api_error *e, int *retry_after_s)
{
    int entry, rc = failed_keys_check(d->failed, &d->access, ask, peer, SRC, clock_ms(), &entry, e,
                                      retry_after_s);

    *pass = rc == 0 && entry >= 0 ? keys_mark(d->keys.items[entry].hash) : 0;
    if (rc == 0) {
        if (entry >= 0)
            doors_note_use(d, &d->keys.items[entry]);
        return 0;
    }
    if (e->code == API_INVALID_API_KEY)
        doors_note_failure(d, FAILED_KEY, peer);
    else if (e->code == API_TOO_MANY_FAILURES)
        doors_note_unheard(d, FAILED_KEY, peer);
    else if (e->code == API_FORBIDDEN_HOST)
        doors_note_forbidden(d, ask, peer);
    return -1;
}

int doors_check_preflight(struct doors *d, const struct access_ask *ask, const char *peer,
                          struct api_error *e)
{
    if (access_check_place(&d->access, ask, SRC, e) == 0)
        return 0;
    doors_note_forbidden(d, ask, peer);
    return -1;
}
