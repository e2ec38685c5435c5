/*
 * tls.h - TLS 1.2 and 1.3 for the server and the plain client, behind a table of functions.
 *
 * OpenSSL does the work, in a module of its own (librbee-tls.so) that a program loads when it first
 * needs TLS: on a loopback address, where most calls of the keeper and most workers live, nobody
 * does, and linking OpenSSL would cost each start of a program more time than all else it does
 * (docs/security.md has the figures). Tests link the table.
 *
 * A server has one certificate. Whom a client trusts is said for each connection: a pin, the
 * SHA-256 of the public key (SubjectPublicKeyInfo, as in RFC 7469) as 64 hex digits - then names,
 * dates and issuers do not matter, for who has the key is who was meant - or else the system's
 * certificate authorities, with the host's name or address checked.
 *
 * Sessions of a server are read and written as sockets are, without blocking; the client's side is
 * a bufferevent. One recv takes one record, and who sends nothing but handshakes (new keys, hellos
 * that are not wanted) is broken off after TLS_TALK_MAX of them; who sends half a message of one,
 * when there is something to be sent. No renegotiation, no tickets, no compression. The program
 * ignores SIGPIPE. One thread uses an object at a time.
 */
#ifndef RBEE_NET_TLS_H
#define RBEE_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define TLS_VERSION   2
#define TLS_PIN_BYTES 65 /* 64 hex digits and the NUL */
#define TLS_TALK_MAX  64 /* messages of handshakes in a row; a handshake has 3 from a client */
#define TLS_MODULE    "librbee-tls.so"
#define TLS_SYMBOL    "rbee_tls"

struct bufferevent;
struct event_base;
struct tls_client;
struct tls_server;
struct tls_session;

struct tls {
    unsigned version; /* TLS_VERSION of the module */

    /* The pin of the first certificate in a PEM text. ERR_INVALID. */
    int (*pin_of)(const char *pem, char pin[TLS_PIN_BYTES], struct err *err);

    /* As base/sha256.h's, several times as fast: for who digests more than keys. */
    void (*sha256_of)(const void *bytes, size_t n, unsigned char digest[32]);

    /* ---- server ---- */
    /* A chain, the server's own certificate first, and its key, as PEM. ERR_INVALID. */
    int (*server_create)(const char *certificate, const char *private_key, struct tls_server **out,
                         struct err *err);
    void (*server_free)(struct tls_server *s);                   /* NULL is fine */
    struct tls_session *(*accept)(struct tls_server *s, int fd); /* NULL: no memory */
    /* As recv(2) and send(2) of a socket that does not block; EPROTO for what is no TLS. */
    ssize_t (*recv)(struct tls_session *t, void *dst, size_t n);
    ssize_t (*send)(struct tls_session *t, const void *bytes, size_t n);
    bool (*wants_write)(const struct tls_session *t); /* recv waits for the socket to take bytes */
    bool (*has_pending)(const struct tls_session *t); /* bytes that recv gives without the socket */
    bool (*is_up)(const struct tls_session *t);       /* the handshake is done */
    const char *(*fault)(const struct tls_session *t); /* why EPROTO; a few words */
    void (*shut)(struct tls_session *t);               /* tells the other side that no more comes */
    void (*session_free)(struct tls_session *t);       /* NULL is fine; the socket stays open */

    /* ---- client ---- */
    int (*client_create)(struct tls_client **out, struct err *err);
    void (*client_free)(struct tls_client *c); /* NULL is fine */
    /*
     * A bufferevent that speaks TLS over a connected socket, which it closes when it is freed. Its
     * BEV_EVENT_CONNECTED says that the handshake is done and the other side the one that was
     * meant; what is written before waits for that. `pin` NULL: the system's authorities. NULL on
     * failure; the socket is then still the caller's.
     */
    struct bufferevent *(*connect)(struct tls_client *c, struct event_base *base, int fd,
                                   const char *host, const char *pin, struct err *err);
    /*
     * Says why the handshake failed: ERR_DENIED for a certificate that is not the one meant (both
     * pins) or that no authority vouches for, ERR_CONFLICT for a server that speaks no TLS, else
     * ERR_UNREACHABLE. `place` is "host:port".
     */
    int (*explain)(struct bufferevent *bev, const char *place, struct err *err);
};

/*
 * Loads the module: beside the program, in the build tree, or where it was installed. It stays
 * loaded. ERR_UNSUPPORTED with the places looked at.
 */
int tls_load(const struct tls **out, struct err *err);

/* Is this text 64 lower-case hex digits? */
bool tls_is_pin(const char *text);

#endif
