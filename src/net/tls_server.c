/* tls_server.c - see tls.h: the server's side, sessions that are read and written like sockets. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "net/tls_internal.h"

struct tls_server {
    SSL_CTX *ctx;
};

struct tls_session {
    SSL *ssl;
    unsigned n_talk;  /* messages of handshakes, changes of keys among them, since the last data */
    bool wants_write; /* a read does */
    bool up;          /* the first handshake is done */
    bool broken;      /* OpenSSL wants no more calls, not even SSL_shutdown */
    const char *fault;
};

/* ---- certificates ---- */

int tls_pin_of(const char *pem, char pin[TLS_PIN_BYTES], struct err *err)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    bool good = x && tls_pin_of_x509(x, pin);

    X509_free(x);
    BIO_free(in);
    return good ? 0 : err_set(err, ERR_INVALID, "this is no certificate: %s", tls_reason());
}

/* The server's own certificate and those behind it. */
static bool use_chain(SSL_CTX *ctx, BIO *in)
{
    X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);
    bool good = x && SSL_CTX_use_certificate(ctx, x) == 1;

    X509_free(x);
    while (good && (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
        good = SSL_CTX_add1_chain_cert(ctx, x) == 1;
        X509_free(x);
    }
    if (good)
        ERR_clear_error(); /* the end of the text is one */
    return good;
}

static int no_password(char *dst, int size, int rwflag, void *arg)
{
    (void)dst, (void)size, (void)rwflag, (void)arg;
    return 0; /* a server has nobody to ask */
}

static bool use_key(SSL_CTX *ctx, BIO *in)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
    bool good = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    EVP_PKEY_free(key);
    return good;
}

static int fill(SSL_CTX *ctx, const char *certificate, const char *private_key, struct err *err)
{
    BIO *chain = BIO_new_mem_buf(certificate, -1), *key = BIO_new_mem_buf(private_key, -1);
    int rc = 0;

    if (!chain || !key)
        rc = err_no_memory(err, strlen(certificate), "a certificate");
    else if (!use_chain(ctx, chain))
        rc = err_set(err, ERR_INVALID, "the certificate cannot be used: %s", tls_reason());
    else if (!use_key(ctx, key) || SSL_CTX_check_private_key(ctx) != 1)
        rc = err_set(err, ERR_INVALID,
                     "the private key cannot be used (PEM, without a password, the certificate's "
                     "own): %s",
                     tls_reason());
    BIO_free(chain);
    BIO_free(key);
    return rc;
}

int tls_server_create(const char *certificate, const char *private_key, struct tls_server **out,
                      struct err *err)
{
    struct tls_server *s = calloc(1, sizeof *s);
    int rc;

    if (!s || !(s->ctx = tls_context(TLS_server_method()))) {
        free(s);
        return err_no_memory(err, sizeof *s, "TLS");
    }
    SSL_CTX_set_num_tickets(s->ctx, 0);
    rc = fill(s->ctx, certificate, private_key, err);
    if (rc)
        tls_server_free(s);
    else
        *out = s;
    return rc;
}

void tls_server_free(struct tls_server *s)
{
    if (s)
        SSL_CTX_free(s->ctx);
    free(s);
}

/* ---- sessions ---- */

/* Called by OpenSSL with each message and record header, both ways. */
static void on_message(int write_p, int version, int content_type, const void *bytes, size_t n,
                       SSL *ssl, void *arg)
{
    struct tls_session *t = arg;

    (void)version, (void)bytes, (void)n, (void)ssl;
    t->n_talk += !write_p && content_type == SSL3_RT_HANDSHAKE;
}

struct tls_session *tls_accept(struct tls_server *s, int fd)
{
    struct tls_session *t = calloc(1, sizeof *t);

    if (t && (t->ssl = SSL_new(s->ctx)) && SSL_set_fd(t->ssl, fd) == 1) {
        SSL_set_accept_state(t->ssl);
        SSL_set_msg_callback(t->ssl, on_message);
        SSL_set_msg_callback_arg(t->ssl, t);
        return t;
    }
    tls_session_free(t);
    ERR_clear_error();
    return NULL;
}

/* What a call that moved nothing means, as errno; or 0 for the end. */
static ssize_t judge(struct tls_session *t, int rc)
{
    int saved = errno;

    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_WRITE:
        t->wants_write = true;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_WANT_READ:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        t->broken = true;
        t->fault = "broken off";
        errno = saved ? saved : ECONNRESET;
        return -1;
    default:
        t->broken = true;
        t->fault = tls_reason();
        errno = EPROTO;
        return -1;
    }
}

/* New keys without end, or handshakes that are not wanted: work for us, and nothing to serve. */
static ssize_t end_talk(struct tls_session *t)
{
    ERR_clear_error();
    t->broken = true;
    t->fault = "nothing but handshakes";
    errno = EPROTO;
    return -1;
}

ssize_t tls_recv(struct tls_session *t, void *dst, size_t n)
{
    int rc;

    t->wants_write = false;
    ERR_clear_error();
    errno = 0;
    rc = SSL_read(t->ssl, dst, n < INT_MAX ? (int)n : INT_MAX);
    t->up |= SSL_is_init_finished(t->ssl) == 1; /* not so amid a change of keys */
    if (rc > 0)
        t->n_talk = 0;
    else if (t->n_talk > TLS_TALK_MAX)
        return end_talk(t);
    return rc > 0 ? rc : judge(t, rc);
}

/*
 * Half a handshake message has come behind the handshake, and OpenSSL wants the rest before it
 * writes anything. A socket with room tells nobody when that comes; and who is there sends a change
 * of keys, the only such message, in one record: it has five bytes.
 */
static ssize_t end_half(struct tls_session *t)
{
    t->broken = true;
    t->fault = "half a handshake message";
    errno = EPROTO;
    return -1;
}

ssize_t tls_send(struct tls_session *t, const void *bytes, size_t n)
{
    bool read_waits = t->wants_write;
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_write(t->ssl, bytes, n < INT_MAX ? (int)n : INT_MAX);
    if (rc > 0)
        return rc;
    if (SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_READ)
        return end_half(t);
    if (judge(t, rc) == 0)
        errno = EPIPE;
    t->wants_write = read_waits; /* the sender knows it has to come again */
    return -1;
}

bool tls_wants_write(const struct tls_session *t)
{
    return t->wants_write;
}

bool tls_has_pending(const struct tls_session *t)
{
    return SSL_pending(t->ssl) > 0;
}

bool tls_is_up(const struct tls_session *t)
{
    return t->up;
}

const char *tls_fault(const struct tls_session *t)
{
    return t->fault ? t->fault : "no fault";
}

void tls_shut(struct tls_session *t)
{
    if (!t->broken && SSL_is_init_finished(t->ssl) == 1)
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

void tls_session_free(struct tls_session *t)
{
    if (t)
        SSL_free(t->ssl);
    free(t);
}
