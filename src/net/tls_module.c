/* tls_module.c - the table that the module exports, and what its two sides share. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/sha256.h"
#include "net/tls_internal.h"

static void sha256_by_openssl(const void *bytes, size_t n, unsigned char digest[SHA256_BYTES])
{
    if (EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL) != 1)
        sha256_of(bytes, n, digest); /* no memory for it: ours needs none */
}

__attribute__((visibility("default"))) const struct tls rbee_tls = {
    .version = TLS_VERSION,
    .pin_of = tls_pin_of,
    .sha256_of = sha256_by_openssl,
    .server_create = tls_server_create,
    .server_free = tls_server_free,
    .accept = tls_accept,
    .recv = tls_recv,
    .send = tls_send,
    .wants_write = tls_wants_write,
    .has_pending = tls_has_pending,
    .is_up = tls_is_up,
    .fault = tls_fault,
    .shut = tls_shut,
    .session_free = tls_session_free,
    .client_create = tls_client_create,
    .client_free = tls_client_free,
    .connect = tls_connect,
    .explain = tls_explain,
};

bool tls_pin_of_x509(X509 *x, char pin[TLS_PIN_BYTES])
{
    unsigned char *der = NULL, digest[SHA256_BYTES];
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);

    if (n <= 0)
        return false;
    sha256_of(der, (size_t)n, digest);
    OPENSSL_free(der);
    sha256_hex(digest, pin);
    return true;
}

const char *tls_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return text ? text : "no reason";
}

SSL_CTX *tls_context(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* HTTP says itself where a message ends, so a missing close_notify hides nothing. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    /* A record without data ends a read: else one goes on for as long as they come, and holds the
     * loop. */
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    return ctx;
}
