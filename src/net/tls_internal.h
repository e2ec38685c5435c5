/* tls_internal.h - what the files of the TLS module share; the table's functions, see tls.h. */
#ifndef RBEE_NET_TLS_INTERNAL_H
#define RBEE_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* The pin of a certificate; false when OpenSSL is out of memory. */
bool tls_pin_of_x509(X509 *x, char pin[TLS_PIN_BYTES]);
/* OpenSSL's newest complaint in words, "no reason" when there is none. Empties its list. */
const char *tls_reason(void);
/* What server and client have in common. */
SSL_CTX *tls_context(const SSL_METHOD *method);

/* ---- tls_server.c ---- */
int tls_pin_of(const char *pem, char pin[TLS_PIN_BYTES], struct err *err);
int tls_server_create(const char *certificate, const char *private_key, struct tls_server **out,
                      struct err *err);
void tls_server_free(struct tls_server *s);
struct tls_session *tls_accept(struct tls_server *s, int fd);
ssize_t tls_recv(struct tls_session *t, void *dst, size_t n);
ssize_t tls_send(struct tls_session *t, const void *bytes, size_t n);
bool tls_wants_write(const struct tls_session *t);
bool tls_has_pending(const struct tls_session *t);
bool tls_is_up(const struct tls_session *t);
const char *tls_fault(const struct tls_session *t);
void tls_shut(struct tls_session *t);
void tls_session_free(struct tls_session *t);

/* ---- tls_client.c ---- */
int tls_client_create(struct tls_client **out, struct err *err);
void tls_client_free(struct tls_client *c);
struct bufferevent *tls_connect(struct tls_client *c, struct event_base *base, int fd,
                                const char *host, const char *pin, struct err *err);
int tls_explain(struct bufferevent *bev, const char *place, struct err *err);

/* The module's one symbol. */
extern const struct tls rbee_tls;

#endif
