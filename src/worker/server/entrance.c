/* entrance.c - see entrance.h. */
#include "worker/server/entrance.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "api/access_share.h"
#include "api/failed_tell.h"
#include "api/inference.h"
#include "api/keys.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "worker/server/answer.h"

#define EVENT_MAX 4096

struct entrance {
    struct access_share *share; /* NULL: nothing was inherited */
    struct failed_keys *failed;
    const struct tls *tls; /* NULL: plain HTTP */
    struct tls_server *tls_server;
    char pin[TLS_PIN_BYTES];
    struct failed_tell telling; /* of those */
    struct event *look;         /* NULL until keys are followed */
    struct http_server *http;
    uint32_t changes; /* of the share, when it was last looked at */
};

/* ---- who shows wrong keys ---- */

static void tell(void *arg, const struct failed_rest *r, void *more)
{
    (void)arg, (void)more;
    if (r->others)
        log_warn("wrong keys from %s (%llu), and from others (%llu)", r->who,
                 (unsigned long long)r->n, (unsigned long long)r->others);
    else
        log_warn("wrong keys from %s (%llu)", r->who, (unsigned long long)r->n);
}

/* ---- what is inherited ---- */

static int take_tls(struct entrance *e, const struct access_secrets *s, struct err *err)
{
    int rc = tls_load(&e->tls, err);

    if (rc == 0)
        rc = e->tls->server_create(s->certificate, s->private_key, &e->tls_server, err);
    if (rc == 0)
        rc = e->tls->pin_of(s->certificate, e->pin, err);
    return rc;
}

static int take_share(struct entrance *e, int fd, struct access *a, struct err *err)
{
    struct access_secrets secrets;
    char *chain = NULL;
    int rc = access_share_attach(fd, &e->share, err);

    close(fd);
    if (rc)
        return rc;
    secrets = access_share_secrets(e->share);
    if (secrets.link_key[0]) { /* else it is for the certificate only: a loopback address */
        a->share = e->share;
        str_copy(a->link_key, sizeof a->link_key, secrets.link_key);
    }
    if (!secrets.private_key)
        return 0;
    rc = access_share_certificate(e->share, &chain, err);
    secrets.certificate = chain;
    if (rc == 0)
        rc = take_tls(e, &secrets, err);
    free(chain);
    return rc;
}

static int read_pem(const char *path, bool is_private, char **out, struct err *err)
{
    struct stat st;
    size_t n;

    if (is_private && stat(path, &st) == 0 && (st.st_mode & 077))
        return err_set(err, ERR_DENIED,
                       "the private key %s can be read by others (mode %03o): run `chmod 600 %s` "
                       "first",
                       path, (unsigned)st.st_mode & 0777, path);
    return path_read_file(path, ACCESS_SHARE_PEM_MAX, out, &n, err);
}

int entrance_show(struct entrance *e, const char *cert_path, const char *key_path, struct err *err)
{
    char *cert = NULL, *key = NULL;
    int rc = read_pem(key_path, true, &key, err);

    if (rc == 0)
        rc = read_pem(cert_path, false, &cert, err);
    if (rc == 0)
        rc = take_tls(e, &(struct access_secrets){.certificate = cert, .private_key = key}, err);
    if (rc)
        err_prefix(err, "https cannot be spoken (--tls off does without)");
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
    free(cert);
    return rc;
}

int entrance_create(int access_fd, struct access *a, struct entrance **out, struct err *err)
{
    struct entrance *e = calloc(1, sizeof *e);
    int rc = 0;

    if (!e || !(e->failed = failed_keys_create())) {
        free(e);
        return err_no_memory(err, sizeof *e, "the table of failed keys");
    }
    e->telling = (struct failed_tell){.failed = e->failed, .tell = tell};
    if (access_fd >= 0)
        rc = take_share(e, access_fd, a, err);
    if (rc)
        entrance_free(e);
    else
        *out = e;
    return rc;
}

void entrance_free(struct entrance *e)
{
    if (!e)
        return;
    if (e->look)
        event_free(e->look);
    failed_tell_end(&e->telling, true);
    if (e->tls)
        e->tls->server_free(e->tls_server);
    failed_keys_free(e->failed);
    access_share_detach(e->share);
    free(e);
}

void entrance_put(const struct entrance *e, struct http_server_params *params)
{
    params->tls = e->tls;
    params->tls_server = e->tls_server;
}

bool entrance_tls(const struct entrance *e)
{
    return e->tls != NULL;
}

int entrance_trust(const struct entrance *e, struct http_client *c, struct err *err)
{
    if (!e->share || !e->tls) /* a certificate of one's own says nothing of a hive */
        return 0;
    http_client_use_tls(c, e->tls);
    return http_client_set_pin(c, e->pin, err);
}

const char *entrance_link_key(const struct entrance *e)
{
    return e->share ? access_share_secrets(e->share).link_key : "";
}

/* ---- keys that are gone ---- */

static void farewell(struct http_exchange *x, void *arg)
{
    struct api_error e;
    struct buf text;

    (void)arg;
    api_error_set(&e, API_INVALID_API_KEY, ANSWER_SRC, ACCESS_REVOKED_TEXT);
    if (!http_stream_begun(x)) {
        http_add_header(x, "WWW-Authenticate", "Bearer");
        answer_error(x, &e);
        return;
    }
    buf_init(&text, EVENT_MAX);
    buf_puts(&text, "data: ");
    if (str_eq(http_path(x), "/v1/loading/progress"))
        buf_printf(&text, "{\"stage\":\"error\",\"code\":\"%s\",\"message\":\"%s\"}",
                   api_error_info(e.code)->code, e.message);
    else
        inference_event_error(&text, &e);
    buf_puts(&text, "\n\ndata: [DONE]\n\n");
    http_stream_put(x, buf_str(&text), text.len);
    buf_done(&text);
    http_stream_end(x);
}

/* What a look finds. */
struct look {
    struct keys now;
    bool changed; /* `now` holds */
    unsigned n;   /* requests under a key of the hive's */
};

static bool is_over(void *arg, uint64_t pass)
{
    struct look *look = arg;

    look->n++;
    return look->changed && !keys_has_mark(&look->now, pass);
}

static void look_on(struct entrance *e)
{
    const struct timeval soon = {.tv_usec = ENTRANCE_LOOK_MS * 1000};

    if (e->look && !event_pending(e->look, EV_TIMEOUT, NULL))
        event_add(e->look, &soon);
}

/* A change that is under way is seen by the next look. */
static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct entrance *e = arg;
    uint32_t changes = access_share_changes(e->share), n;
    struct look look = {.n = 0};
    const struct http_cut cut = {is_over, farewell, &look};

    (void)fd, (void)what;
    look.changed = changes != e->changes && access_share_keys(e->share, &look.now);
    if (look.changed)
        e->changes = changes;
    n = http_server_cut(e->http, &cut);
    if (n)
        log_info("%u requests were ended: their keys were revoked", n);
    if (look.n > n)
        look_on(e);
}

int entrance_follow(struct entrance *e, struct event_base *base, struct http_server *http,
                    struct err *err)
{
    if (e->share) {
        e->http = http;
        e->look = evtimer_new(base, on_look, e);
        if (!e->look)
            return err_no_memory(err, 128, "following changes of the keys");
    }
    return failed_tell_in_time(&e->telling, base, err);
}

int entrance_check(struct entrance *e, const struct access *a, struct http_exchange *x,
                   struct api_error *error, int *wait_s)
{
    const struct access_ask ask = {http_path(x), http_header(x, "host"), http_header(x, "origin"),
                                   http_header(x, "authorization"),
                                   http_header(x, "sec-fetch-site")};
    int entry, rc;

    if (access_is_open(a, ask.path) && http_limit_body(x, ACCESS_OPEN_BODY_MAX)) {
        *wait_s = 0;
        api_error_set(error, API_BODY_TOO_LARGE, ANSWER_SRC,
                      "the request's body is over the %d bytes allowed at %s", ACCESS_OPEN_BODY_MAX,
                      ask.path);
        return -1;
    }
    rc = failed_keys_check(e->failed, a, &ask, http_peer(x), ANSWER_SRC, clock_ms(), &entry, error,
                           wait_s);
    if (rc && (error->code == API_INVALID_API_KEY || error->code == API_TOO_MANY_FAILURES))
        failed_tell_note(&e->telling, FAILED_KEY, http_peer(x), error->code == API_INVALID_API_KEY,
                         NULL);
    if (rc == 0 && entry == ACCESS_BY_SHARE) {
        http_set_pass(x, keys_mark_of(access_bearer(ask.authorization)));
        look_on(e);
    }
    return rc;
}
