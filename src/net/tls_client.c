/* tls_client.c - see tls.h: the client's side, who is trusted and what is said when not. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/str.h"
#include "net/tls_internal.h"

struct tls_client {
    SSL_CTX *ctx;
    int place;            /* of a connection's expectation in its SSL object */
    bool has_authorities; /* they take milliseconds to read: only when somebody needs them */
};

/* Whom one connection is for; owned by its SSL object. */
struct expectation {
    char pin[TLS_PIN_BYTES];  /* "" = the authorities' word counts */
    char seen[TLS_PIN_BYTES]; /* of the certificate that was shown */
    long verdict;             /* of OpenSSL, X509_V_OK */
};

static void free_expectation(void *parent, void *what, CRYPTO_EX_DATA *data, int index, long argl,
                             void *argp)
{
    (void)parent, (void)data, (void)index, (void)argl, (void)argp;
    free(what);
}

/* Called by OpenSSL with the chain that the server has shown. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    const struct tls_client *c = arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct expectation *e = SSL_get_ex_data(ssl, c->place);
    bool good = tls_pin_of_x509(X509_STORE_CTX_get0_cert(store), e->seen);

    if (e->pin[0]) {
        good = good && str_eq(e->pin, e->seen);
        e->verdict = good ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION;
        X509_STORE_CTX_set_error(store, (int)e->verdict);
        return good;
    }
    good = X509_verify_cert(store) == 1 && good;
    e->verdict = X509_STORE_CTX_get_error(store);
    return good;
}

int tls_client_create(struct tls_client **out, struct err *err)
{
    struct tls_client *c = calloc(1, sizeof *c);

    if (!c || !(c->ctx = tls_context(TLS_client_method()))) {
        free(c);
        return err_no_memory(err, sizeof *c, "TLS");
    }
    c->place = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_expectation);
    if (c->place < 0) {
        tls_client_free(c);
        return err_no_memory(err, sizeof *c, "TLS");
    }
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(c->ctx, verify, c);
    SSL_CTX_set_app_data(c->ctx, c);
    *out = c;
    return 0;
}

void tls_client_free(struct tls_client *c)
{
    if (c)
        SSL_CTX_free(c->ctx);
    free(c);
}

/* The name goes to the server and must be in its certificate; an address only the latter, without
 * its zone, which is this machine's own matter. */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char bytes[16];
    char address[INET6_ADDRSTRLEN] = "";
    size_t n = strcspn(host, "%");

    if (n < sizeof address)
        memcpy(address, host, n);
    if (inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address) == 1;
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static SSL *session_for(struct tls_client *c, const char *host, const char *pin)
{
    struct expectation *e = calloc(1, sizeof *e);
    SSL *ssl;

    if (!pin && !c->has_authorities)
        c->has_authorities = SSL_CTX_set_default_verify_paths(c->ctx) == 1;
    ssl = e ? SSL_new(c->ctx) : NULL;
    if (!ssl || SSL_set_ex_data(ssl, c->place, e) != 1) {
        free(e);
        SSL_free(ssl);
        return NULL;
    }
    if (pin)
        str_copy(e->pin, sizeof e->pin, pin);
    if (expect_host(ssl, host))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

struct bufferevent *tls_connect(struct tls_client *c, struct event_base *base, int fd,
                                const char *host, const char *pin, struct err *err)
{
    SSL *ssl = session_for(c, host, pin);
    struct bufferevent *bev = NULL;

    if (ssl)
        bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_CONNECTING,
                                             BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        err_set(err, ERR_NO_MEMORY, "TLS to %s cannot begin: %s", host, tls_reason());
    ERR_clear_error();
    return bev;
}

/* A server that answers a TLS hello with anything else: most likely HTTP. */
static bool is_no_tls(unsigned long code)
{
    int reason = ERR_GET_REASON(code);

    return ERR_GET_LIB(code) == ERR_LIB_SSL &&
           (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_UNKNOWN_PROTOCOL ||
            reason == SSL_R_PACKET_LENGTH_TOO_LONG);
}

int tls_explain(struct bufferevent *bev, const char *place, struct err *err)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    const struct tls_client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct expectation *e = SSL_get_ex_data(ssl, c->place);
    unsigned long code = bufferevent_get_openssl_error(bev);
    const char *reason = ERR_reason_error_string(code);

    ERR_clear_error();
    if (e->pin[0] && e->seen[0] && !str_eq(e->pin, e->seen))
        return err_set(err, ERR_DENIED,
                       "%s shows another certificate than the one that was agreed upon: its key "
                       "has the SHA-256 %s, expected was %s",
                       place, e->seen, e->pin);
    if (!e->pin[0] && e->verdict != X509_V_OK)
        return err_set(err, ERR_DENIED,
                       "the certificate of %s cannot be trusted: %s (its key has "
                       "the SHA-256 %s)",
                       place, X509_verify_cert_error_string(e->verdict),
                       e->seen[0] ? e->seen : "?");
    if (is_no_tls(code))
        return err_set(err, ERR_CONFLICT, "%s does not speak https", place);
    return err_set(err, ERR_UNREACHABLE, "the TLS handshake with %s failed: %s", place,
                   reason ? reason : "it broke off");
}
