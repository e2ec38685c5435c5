/*
 * test_tls.c - a real server and a real client speak TLS: who is trusted, who is not, and what
 * becomes of bytes that are no TLS. Certificates are made here, by OpenSSL itself.
 */
#include "http_peer.h"
#include "http_rig.h"

#include <netdb.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/sha256.h"
#include "hive/doors/certificate.h"
#include "net/tls.h"

extern const struct tls rbee_tls; /* linked in, not loaded */

static atomic_uint n_tls_failed;

static void on_tls_failed(void *arg, const char *peer, const char *why)
{
    (void)arg, (void)peer, (void)why;
    n_tls_failed++;
}

/* ---- what the tests share ---- */

struct place {
    char dir[32];
    struct certificate c;
    struct tls_server *server;
    char pin[TLS_PIN_BYTES];
};

static void place_make(struct place *p)
{
    struct err err = {0};

    str_copy(p->dir, sizeof p->dir, "/tmp/rbee-tls-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    if (certificate_load(p->dir, "", "", &p->c, &err) ||
        rbee_tls.server_create(p->c.chain, p->c.key, &p->server, &err) ||
        rbee_tls.pin_of(p->c.chain, p->pin, &err))
        fail_msg("%s", err.text);
}

static void place_end(struct place *p)
{
    static const char *const names[] = {"tls/key.pem", "tls/certificate.pem", "ca.pem"};

    for (size_t i = 0; i < 3; i++) {
        char *path = path_join(p->dir, names[i]);

        unlink(path);
        free(path);
    }
    rbee_tls.server_free(p->server);
    certificate_done(&p->c);
    char *tls = path_join(p->dir, "tls");

    rmdir(tls);
    rmdir(p->dir);
    free(tls);
}

static struct rig *secure_rig(struct tls_server *server, int64_t head_timeout_ms)
{
    struct http_server_params params = {.limits = http_limits_default(),
                                        .tls = &rbee_tls,
                                        .tls_server = server,
                                        .tls_failed = on_tls_failed};

    if (head_timeout_ms)
        params.limits.head_timeout_ms = head_timeout_ms;
    return rig_start(params);
}

static void open_secure(struct told *t, const char *pin)
{
    peer_transport = PLAIN;
    open_client(t);
    http_client_use_tls(t->client, &rbee_tls);
    assert_int_equal(http_client_set_pin(t->client, pin, &t->err), 0);
}

static void ask(struct told *t, const struct rig *rig, struct http_call_params params,
                const char *path)
{
    static char url[256];

    snprintf(url, sizeof url, "https://127.0.0.1:%u%s", rig->port, path);
    params.url = url;
    params.body_max = params.body_max ? params.body_max : 4 << 20;
    t->n_done = 0;
    t->body[0] = '\0';
    run_call(t, params);
}

/* ---- who is trusted ---- */

static void test_tls__carries_requests_to_whom_the_pin_means(void **state)
{
    const size_t n = 1000003; /* many records, and no round number of them */
    char *large = malloc(n);
    struct place p;
    struct rig *rig;
    struct told t;

    (void)state;
    assert_non_null(large);
    memset(large, 'x', n);
    place_make(&p);
    rig = secure_rig(p.server, 0);
    open_secure(&t, p.pin);
    ask(&t, rig, (struct http_call_params){0}, "/hello");
    assert_int_equal(t.rc, 0);
    assert_string_equal(t.body, "hello");
    ask(&t, rig, (struct http_call_params){.method = "POST", .body = large, .body_bytes = n},
        "/echo");
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.body_bytes, n);
    ask(&t, rig, (struct http_call_params){0}, "/hello");
    assert_int_equal(t.status, 200);
    close_client(&t);
    rig_stop(rig);
    place_end(&p);
    free(large);
}

/* A hive made anew has another key: both are named, and nothing was sent to it. */
static void test_tls__refuses_another_certificate_and_names_both(void **state)
{
    struct place old, now;
    struct rig *rig;
    struct told t;

    (void)state;
    place_make(&old);
    place_make(&now);
    assert_string_not_equal(old.pin, now.pin);
    rig = secure_rig(now.server, 0);
    open_secure(&t, old.pin);
    ask(&t, rig, (struct http_call_params){.bearer = "secret"}, "/hello");
    assert_int_equal(t.rc, ERR_DENIED);
    assert_non_null(strstr(t.err.text, old.pin));
    assert_non_null(strstr(t.err.text, now.pin));
    assert_null(strstr(t.err.text, "secret"));
    assert_int_equal(rig->n_handled, 0);
    close_client(&t);
    rig_stop(rig);
    place_end(&old);
    place_end(&now);
}

static void test_tls__keeps_no_connection_for_another_pin(void **state)
{
    static const char other[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct place p;
    struct rig *rig;
    struct told t;

    (void)state;
    place_make(&p);
    rig = secure_rig(p.server, 0);
    open_secure(&t, p.pin);
    ask(&t, rig, (struct http_call_params){0}, "/hello");
    assert_int_equal(t.rc, 0);
    ask(&t, rig, (struct http_call_params){.pin = other}, "/hello");
    assert_int_equal(t.rc, ERR_DENIED);
    assert_int_equal(rig->n_handled, 1);
    assert_int_equal(http_client_set_pin(t.client, "0123", &t.err), ERR_INVALID);
    close_client(&t);
    rig_stop(rig);
    place_end(&p);
}

/* A self-signed certificate with that address in it, over after `days`; PEM texts to free(). */
static void make_authority(long days, char **certificate, char **key)
{
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    BIO *c_out = BIO_new(BIO_s_mem()), *k_out = BIO_new(BIO_s_mem());
    char *bytes;
    long n;

    assert_true(k && x && san && c_out && k_out);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -30L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x), days * 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, k);
    assert_int_equal(X509_add_ext(x, san, -1), 1);
    assert_true(X509_sign(x, k, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(c_out, x), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(k_out, k, NULL, NULL, 0, NULL, NULL), 1);
    n = BIO_get_mem_data(c_out, &bytes);
    *certificate = str_ndup(bytes, (size_t)n);
    n = BIO_get_mem_data(k_out, &bytes);
    *key = str_ndup(bytes, (size_t)n);
    X509_EXTENSION_free(san);
    X509_free(x);
    EVP_PKEY_free(k);
    BIO_free(c_out);
    BIO_free(k_out);
}

/* Asks a server with such a certificate, trusting `trusted` as the system would (NULL: itself). */
static void ask_by_authority(long days, bool trusted, struct told *t)
{
    struct tls_server *server;
    struct place p;
    char *certificate, *key, *file;
    struct rig *rig;

    place_make(&p);
    make_authority(days, &certificate, &key);
    file = path_join(p.dir, "ca.pem");
    assert_int_equal(path_write_file(file, trusted ? certificate : p.c.chain,
                                     strlen(trusted ? certificate : p.c.chain), 0600, NULL),
                     0);
    setenv("SSL_CERT_FILE", file, 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    assert_int_equal(rbee_tls.server_create(certificate, key, &server, NULL), 0);
    rig = secure_rig(server, 0);
    open_secure(t, NULL);
    ask(t, rig, (struct http_call_params){0}, "/hello");
    close_client(t);
    rig_stop(rig);
    rbee_tls.server_free(server);
    place_end(&p);
    free(certificate);
    free(key);
    free(file);
}

static void test_tls__without_a_pin_the_authorities_decide(void **state)
{
    struct told t;

    (void)state;
    ask_by_authority(2, true, &t);
    assert_int_equal(t.rc, 0);
    assert_string_equal(t.body, "hello");
    ask_by_authority(2, false, &t);
    assert_int_equal(t.rc, ERR_DENIED);
    assert_non_null(strstr(t.err.text, "cannot be trusted"));
    ask_by_authority(-1, true, &t);
    assert_int_equal(t.rc, ERR_DENIED);
    assert_non_null(strstr(t.err.text, "expired"));
}

/* "fe80::2%eth0" was no address, so it had to be a name in the certificate, which no authority
 * would write: eth0 is this machine's own word. */
static void test_tls__an_address_is_expected_without_its_zone(void **state)
{
    struct event_base *base = event_base_new();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct tls_client *client;
    struct bufferevent *bev;
    struct err err = {0};
    char *expected;
    SSL *ssl;

    (void)state;
    assert_int_equal(rbee_tls.client_create(&client, &err), 0);
    bev = rbee_tls.connect(client, base, fd, "fe80::2%eth0", NULL, &err);
    assert_non_null(bev);
    ssl = bufferevent_openssl_get_ssl(bev);
    expected = X509_VERIFY_PARAM_get1_ip_asc(SSL_get0_param(ssl));
    assert_non_null(expected);
    assert_string_equal(expected, "FE80:0:0:0:0:0:0:2");
    assert_null(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    OPENSSL_free(expected);
    bufferevent_free(bev);
    rbee_tls.client_free(client);
    event_base_free(base);
}

/* ---- what is no TLS ---- */

static void test_tls__plain_http_is_told_to_use_https(void **state)
{
    struct place p;
    struct rig *rig;
    const char *text;
    int fd;

    (void)state;
    place_make(&p);
    rig = secure_rig(p.server, 0);
    n_tls_failed = 0;
    fd = raw_connect(rig->port);
    raw_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n");
    text = raw_hear_all(fd);
    assert_int_equal(strncmp(text, "HTTP/1.1 400 ", 13), 0);
    assert_non_null(strstr(text, HTTP_SPEAKS_HTTPS));
    assert_null(strstr(text, "secret"));
    close(fd);
    rig_stop(rig);
    assert_int_equal(n_tls_failed, 1);
    place_end(&p);
}

/* Garbage, and a true hello cut at every length: the connection ends, the server goes on. */
static void test_tls__malformed_bytes_cost_a_connection(void **state)
{
    static const char *const garbage[] = {"\x16\x03\x01\x02",
                                          "\x16\x03\x01\xff\xff\x01",
                                          "\x16\x03\x03\x40\x00\xff\xff\xff\xff",
                                          "\x16\x16\x16\x16\x16\x16\x16\x16",
                                          "\x80\x2e\x01\x03\x01",
                                          "\x15\x03\x01\x02\x02\x28",
                                          "\x17\x03\x03\x05\x01\x02\x03\x04\x05",
                                          "\xff\xff\xff\xff\xff\xff\xff\xff"};
    unsigned char noise[512];
    uint64_t seed = 88172645463325252u;
    struct place p;
    struct rig *rig;
    struct told t;

    (void)state;
    place_make(&p);
    rig = secure_rig(p.server, 0);
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = raw_connect(rig->port);

        raw_say(fd, garbage[i]);
        shutdown(fd, SHUT_WR);
        raw_hear_all(fd);
        close(fd);
    }
    for (int i = 0; i < 200; i++) {
        int fd = raw_connect(rig->port);

        for (size_t k = 0; k < sizeof noise; k++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17; /* Marsaglia's xorshift */
            noise[k] = (unsigned char)seed;
        }
        noise[0] = 0x16; /* goes into OpenSSL, not to the answer for plain HTTP */
        noise[1] = 0x03;
        noise[3] = (unsigned char)(i % 3);
        raw_send(fd, noise, sizeof noise);
        shutdown(fd, SHUT_WR);
        raw_hear_all(fd);
        close(fd);
    }
    open_secure(&t, p.pin);
    ask(&t, rig, (struct http_call_params){0}, "/hello");
    assert_int_equal(t.rc, 0);
    assert_int_equal(rig->n_handled, 1);
    close_client(&t);
    rig_stop(rig);
    place_end(&p);
}

static void test_tls__who_does_not_shake_hands_is_cut_off(void **state)
{
    struct place p;
    struct rig *rig;
    char byte;
    int silent, slow;

    (void)state;
    place_make(&p);
    rig = secure_rig(p.server, 150);
    silent = raw_connect(rig->port);
    slow = raw_connect(rig->port);
    raw_send(slow, "\x16\x03\x01\x01\x00\x01\x00", 7);
    assert_int_equal(raw_read(silent, &byte, 1, RAW_PATIENCE_MS), 0);
    assert_int_equal(raw_read(slow, &byte, 1, RAW_PATIENCE_MS), 0);
    close(silent);
    close(slow);
    rig_stop(rig);
    place_end(&p);
}

static void test_tls__a_server_without_it_is_named(void **state)
{
    struct rig *rig = rig_start_default();
    struct place p;
    struct told t;

    (void)state;
    place_make(&p);
    open_secure(&t, p.pin);
    ask(&t, rig, (struct http_call_params){0}, "/hello");
    assert_int_equal(t.rc, ERR_CONFLICT);
    assert_non_null(strstr(t.err.text, "does not speak https"));
    close_client(&t);
    rig_stop(rig);
    place_end(&p);
}

/* ---- who says nothing ---- */

/* The linker puts this in the place of getaddrinfo: a host with two addresses. */
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *want,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *want,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *want,
                       struct addrinfo **found)
{
    int rc;

    if (!str_eq(host, "two.test") || want->ai_flags & AI_NUMERICHOST)
        return __real_getaddrinfo(host, service, want, found);
    rc = __real_getaddrinfo("127.0.0.2", service, want, found);
    return rc ? rc : __real_getaddrinfo("127.0.0.1", service, want, &(*found)->ai_next);
}

/* Where the first of a hive's addresses leads to something that takes connections and says nothing
 * (a router that forwards the port, say), its https was CONNECTION_TIMEOUT: the handshake with it
 * had all the time of the call, though there was another address. */
static void test_tls__a_silent_address_leaves_the_next_one_its_time(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct http_call_params params = {.body_max = 9, .connect_timeout_ms = 2000};
    struct place p;
    struct rig *rig;
    char url[64];
    struct told t;

    (void)state;
    place_make(&p);
    rig = secure_rig(p.server, 0);
    at.sin_port = htons(rig->port);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    snprintf(url, sizeof url, "https://two.test:%u/hello", rig->port);
    params.url = url;
    open_secure(&t, p.pin);
    run_call(&t, params);
    assert_int_equal(t.rc, 0);
    assert_string_equal(t.body, "hello");
    close_client(&t);
    close(fd);
    rig_stop(rig);
    place_end(&p);
}

/* ---- who breaks off ---- */

/* Shakes hands with one client, hears a little of its request, may say something, and resets. */
struct breaker {
    struct place p;
    int fd;
    uint16_t port;
    const char *says;
    pthread_t thread;
};

static void *breaker_run(void *arg)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    struct breaker *b = arg;
    int fd = accept(b->fd, NULL, NULL);
    struct tls_session *t = rbee_tls.accept(b->p.server, fd);
    char some[1000];

    if (t && rbee_tls.recv(t, some, sizeof some) > 0 && b->says)
        rbee_tls.send(t, b->says, strlen(b->says));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    rbee_tls.session_free(t);
    close(fd);
    return NULL;
}

static void ask_breaker(const char *says, struct told *t)
{
    const size_t n = 32u << 20; /* far more than kernels keep */
    struct breaker b = {.says = says};
    char url[64], *large = calloc(1, n);
    int small = 65536;

    assert_non_null(large);
    place_make(&b.p);
    b.fd = raw_listen(&b.port);
    setsockopt(b.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(pthread_create(&b.thread, NULL, breaker_run, &b), 0);
    open_secure(t, b.p.pin);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", b.port);
    run_call(t, (struct http_call_params){
                    .method = "POST", .url = url, .body = large, .body_bytes = n, .body_max = 100});
    close_client(t);
    pthread_join(b.thread, NULL);
    close(b.fd);
    place_end(&b.p);
    free(large);
}

/* A worker died while its hive was sending it a long prompt: the call never ended, and the client
 * waited for ever. With TLS libevent stops reading, too, when a write fails. */
static void test_tls__a_request_that_is_broken_off_ends(void **state)
{
    struct told t;

    (void)state;
    ask_breaker(NULL, &t);
    assert_int_not_equal(t.rc, 0);
    assert_int_equal(t.status, 0);
    ask_breaker("HTTP/1.1 401 Not You\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", &t);
    assert_int_equal(t.rc, 0); /* what was said before it is heard */
    assert_int_equal(t.status, 401);
    assert_string_equal(t.body, "no");
}

/* ---- who has nothing to say ---- */

/* A session of the server's, and the client at its other end; no server's loop between them. */
struct pair {
    struct place p;
    struct tls_session *session;
    SSL_CTX *ctx;
    SSL *client;
    int fds[2];
};

static void note_secret(const SSL *ssl, const char *line);

static void pair_make(struct pair *pair, int version)
{
    char byte;

    place_make(&pair->p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fds),
                     0);
    pair->session = rbee_tls.accept(pair->p.server, pair->fds[0]);
    pair->ctx = SSL_CTX_new(TLS_client_method());
    assert_true(pair->session && pair->ctx);
    assert_int_equal(SSL_CTX_set_min_proto_version(pair->ctx, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(pair->ctx, version), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(pair->ctx, "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
    assert_int_equal(SSL_CTX_set_ciphersuites(pair->ctx, "TLS_AES_128_GCM_SHA256"), 1);
    SSL_CTX_set_keylog_callback(pair->ctx, note_secret);
    pair->client = SSL_new(pair->ctx);
    assert_non_null(pair->client);
    assert_int_equal(SSL_set_fd(pair->client, pair->fds[1]), 1);
    for (int i = 0; i < 20 && (SSL_connect(pair->client) != 1 || !rbee_tls.is_up(pair->session));
         i++)
        assert_int_equal(rbee_tls.recv(pair->session, &byte, 1), -1);
    assert_true(rbee_tls.is_up(pair->session));
}

static void pair_end(struct pair *pair)
{
    rbee_tls.session_free(pair->session);
    SSL_free(pair->client);
    SSL_CTX_free(pair->ctx);
    close(pair->fds[0]);
    close(pair->fds[1]);
    place_end(&pair->p);
}

static void send_new_keys(struct pair *pair, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(SSL_key_update(pair->client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(pair->client), 1);
    }
}

/*
 * A client without a key sent new keys without end, a little faster than the server could read
 * them. OpenSSL goes on reading in the same call until data comes: the whole hive stood still for
 * as long as that client wished.
 */
static void test_tls__a_record_without_data_ends_a_read(void **state)
{
    const unsigned n = TLS_TALK_MAX / 2;
    unsigned n_calls = 0;
    struct pair pair;
    char byte = 0;
    ssize_t got;

    (void)state;
    pair_make(&pair, TLS1_3_VERSION);
    for (int i = 0; i < 3; i++) { /* data between them: there is no end to what is allowed */
        send_new_keys(&pair, n);
        assert_int_equal(SSL_write(pair.client, "x", 1), 1);
        for (n_calls = 1; (got = rbee_tls.recv(pair.session, &byte, 1)) < 0; n_calls++)
            assert_int_equal(errno, EAGAIN);
        assert_int_equal(got, 1);
        assert_int_equal(byte, 'x');
        assert_true(n_calls > n); /* others could be served between any two */
    }
    pair_end(&pair);
}

/* The keys of a connection by TLS 1.2 (RFC 5246, section 6.3): 16 bytes for what the client
 * encrypts, 16 for the server, and 4 each to begin their nonces with. */
static void keys_of(SSL *ssl, unsigned char keys[40])
{
    unsigned char master[48], seed[13 + 2 * SSL3_RANDOM_SIZE] = "key expansion";
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_octet_string("secret", master, sizeof master),
        OSSL_PARAM_construct_octet_string("seed", seed, sizeof seed),
        OSSL_PARAM_END,
    };

    assert_non_null(ctx);
    assert_int_equal(SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master), 48);
    SSL_get_server_random(ssl, seed + 13, SSL3_RANDOM_SIZE);
    SSL_get_client_random(ssl, seed + 13 + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
    assert_int_equal(EVP_KDF_derive(ctx, keys, 40, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* Hellos without end: no client of OpenSSL's would send more than one. */
static void send_hellos(struct pair *pair, unsigned n)
{
    static const unsigned char hello[] = {1, 0, 0, 0}; /* its type, and that it is empty */
    unsigned char keys[40], nonce[12],
        about[13] = {[8] = 0x16, 3, 3, 0, sizeof hello},
        record[5 + 8 + sizeof hello + 16] = {0x16, 3, 3, 0, sizeof record - 5};
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len;

    keys_of(pair->client, keys);
    memcpy(nonce, keys + 32, 4);
    for (unsigned i = 1; i <= n; i++) { /* 0 was the end of the handshake */
        about[7] = record[12] = nonce[11] = (unsigned char)i;
        memset(nonce + 4, 0, 7);
        assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, keys, nonce), 1);
        assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &len, about, sizeof about), 1);
        assert_int_equal(EVP_EncryptUpdate(ctx, record + 13, &len, hello, sizeof hello), 1);
        assert_int_equal(EVP_EncryptFinal_ex(ctx, record + 13 + len, &len), 1);
        assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, record + 17), 1);
        raw_send(pair->fds[1], record, sizeof record);
    }
    EVP_CIPHER_CTX_free(ctx);
}

/* And it need not be listened to: it says nothing that could be served. */
static void test_tls__who_sends_nothing_but_handshakes_is_broken_off(void **state)
{
    (void)state;
    for (int old = 0; old < 2; old++) {
        struct pair pair;
        unsigned n = 0;
        char byte;

        pair_make(&pair, old ? TLS1_2_VERSION : TLS1_3_VERSION);
        (old ? send_hellos : send_new_keys)(&pair, 2 * TLS_TALK_MAX);
        errno = EAGAIN;
        for (; n < 2 * TLS_TALK_MAX && errno == EAGAIN; n++)
            assert_int_equal(rbee_tls.recv(pair.session, &byte, 1), -1);
        assert_int_equal(errno, EPROTO);
        assert_string_equal(rbee_tls.fault(pair.session), "nothing but handshakes");
        assert_in_range(n, TLS_TALK_MAX / 2, TLS_TALK_MAX + 1);
        pair_end(&pair);
    }
}

/* ---- half a message ---- */

static unsigned char traffic_secret[32];

/* Called by OpenSSL with each secret, as a line for a file. */
static void note_secret(const SSL *ssl, const char *line)
{
    const char *hex = strrchr(line, ' ') + 1;

    (void)ssl;
    if (!str_starts(line, "CLIENT_TRAFFIC_SECRET_0 ") || strlen(hex) != 64)
        return;
    for (size_t i = 0; i < sizeof traffic_secret; i++)
        traffic_secret[i] =
            (unsigned char)(str_hex_digit(hex[2 * i]) * 16 + str_hex_digit(hex[2 * i + 1]));
}

/* HKDF-Expand-Label of the client's secret (RFC 8446, section 7.1). */
static void expand_label(const char *label, unsigned char *dst, size_t n)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("mode", (char[]){"EXPAND_ONLY"}, 0),
        OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_octet_string("key", traffic_secret, sizeof traffic_secret),
        OSSL_PARAM_construct_octet_string("prefix", (char[]){"tls13 "}, 6),
        OSSL_PARAM_construct_octet_string("label", (void *)(uintptr_t)label, strlen(label)),
        OSSL_PARAM_END,
    };

    assert_non_null(ctx);
    assert_int_equal(EVP_KDF_derive(ctx, dst, n, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* The first record that the client sends behind its handshake, by TLS 1.3 (RFC 8446, section 5.2):
 * n bytes of a handshake message; no client of OpenSSL's would cut one. */
static void send_record(struct pair *pair, const unsigned char *message, size_t n)
{
    unsigned char key[16], nonce[12], plain[16], record[5 + sizeof plain + 16] = {0x17, 3, 3, 0};
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len;

    assert_true(n < sizeof plain);
    memcpy(plain, message, n);
    plain[n++] = 0x16;
    record[4] = (unsigned char)(n + 16);
    expand_label("key", key, sizeof key);
    expand_label("iv", nonce, sizeof nonce);
    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &len, record, 5), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, record + 5, &len, plain, (int)n), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, record + 5 + len, &len), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, record + 5 + n), 1);
    raw_send(pair->fds[1], record, 5 + n + 16);
    EVP_CIPHER_CTX_free(ctx);
}

/*
 * A client without a key sent four of the five bytes of a change of keys (RFC 8446, section 5.1: a
 * message may lie in several records). OpenSSL would write nothing before the fifth came, the
 * server took that for a full socket and waited until it had room, which it had: a core of the hive
 * was busy with it for as long as that client wished.
 */
static void test_tls__who_sends_half_a_message_is_not_written_to(void **state)
{
    static const unsigned char new_keys[] = {24, 0, 0, 1, 0};
    struct pair pair;
    char byte;

    (void)state;
    pair_make(&pair, TLS1_3_VERSION);
    send_record(&pair, new_keys, 4);
    assert_int_equal(rbee_tls.recv(pair.session, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(rbee_tls.is_up(pair.session)); /* its first handshake was done long ago */
    assert_int_equal(rbee_tls.send(pair.session, "x", 1), -1);
    assert_int_equal(errno, EPROTO);
    assert_string_equal(rbee_tls.fault(pair.session), "half a handshake message");
    pair_end(&pair);
}

/* But a record may come in pieces: nothing keeps an answer from leaving meanwhile. */
static void test_tls__a_record_in_pieces_holds_no_answer_up(void **state)
{
    struct pair pair;
    unsigned char record[64];
    char byte;
    int between[2];
    ssize_t n;

    (void)state;
    pair_make(&pair, TLS1_3_VERSION);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, between), 0);
    assert_int_equal(SSL_set_wfd(pair.client, between[0]), 1);
    send_new_keys(&pair, 1);
    n = raw_read(between[1], record, sizeof record, RAW_PATIENCE_MS);
    assert_in_range(n, 5 + 6 + 16, sizeof record - 1);
    for (ssize_t i = 0; i < n; i++) {
        raw_send(pair.fds[1], record + i, 1);
        assert_int_equal(rbee_tls.recv(pair.session, &byte, 1), -1);
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(rbee_tls.send(pair.session, "x", 1), 1);
        assert_int_equal(SSL_read(pair.client, &byte, 1), 1);
    }
    pair_end(&pair);
    close(between[0]);
    close(between[1]);
}

/* ---- streams ---- */

static bool seen_piece(void *arg, int status, const char *bytes, size_t n)
{
    struct told *t = arg;

    (void)status, (void)bytes;
    t->n_body += (int)n;
    event_base_loopbreak(t->base);
    return true;
}

static void test_tls__pieces_of_a_stream_arrive_as_they_are_put(void **state)
{
    struct http_call_params params = {.on_body = seen_piece, .on_done = on_done};
    struct timeval patience = {.tv_sec = RAW_PATIENCE_MS / 1000};
    char url[64];
    struct place p;
    struct rig *rig;
    struct told t;

    (void)state;
    place_make(&p);
    rig = secure_rig(p.server, 0);
    open_secure(&t, p.pin);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/stream", rig->port);
    params.url = url;
    params.arg = &t;
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    event_base_loopexit(t.base, &patience);
    while (t.n_body < 15 && t.n_done == 0) {
        event_base_loop(t.base, EVLOOP_NONBLOCK);
        if (t.n_body % 5 == 0 && rig->n_handled && t.n_body < 15)
            rig_do(rig, rig_do_put);
    }
    assert_true(t.n_body >= 15);
    rig_do(rig, rig_do_end);
    event_base_dispatch(t.base);
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.rc, 0);
    close_client(&t);
    rig_stop(rig);
    place_end(&p);
}

/* ---- certificates on disk ---- */

static void test_certificate__own_one_is_private_and_stays(void **state)
{
    struct certificate again;
    char *key_path, pin[TLS_PIN_BYTES];
    struct err err = {0};
    struct place p;
    struct stat st;

    (void)state;
    place_make(&p);
    assert_true(p.c.made);
    key_path = path_join(p.dir, "tls/key.pem");
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(certificate_load(p.dir, "", "", &again, &err), 0);
    assert_false(again.made);
    assert_string_equal(again.chain, p.c.chain);
    certificate_done(&again);
    /* A lost certificate is signed anew with the same key: keepers go on trusting it. */
    {
        char *chain_path = path_join(p.dir, "tls/certificate.pem");

        unlink(chain_path);
        free(chain_path);
    }
    assert_int_equal(certificate_load(p.dir, "", "", &again, &err), 0);
    assert_int_equal(rbee_tls.pin_of(again.chain, pin, &err), 0);
    assert_string_equal(pin, p.pin);
    certificate_done(&again);
    assert_int_equal(chmod(key_path, 0640), 0);
    assert_int_equal(certificate_load(p.dir, "", "", &again, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "chmod 600"));
    certificate_done(&again);
    assert_int_equal(certificate_load(p.dir, "only-one", "", &again, &err), ERR_INVALID);
    certificate_done(&again);
    free(key_path);
    place_end(&p);
}

static char *read_file(const struct place *p, const char *name)
{
    char *path = path_join(p->dir, name), *text;
    size_t n;

    assert_int_equal(path_read_file(path, 65536, &text, &n, NULL), 0);
    free(path);
    return text;
}

static void write_file(const struct place *p, const char *name, const char *text)
{
    char *path = path_join(p->dir, name);

    assert_int_equal(path_write_file(path, text, strlen(text), 0600, NULL), 0);
    free(path);
}

/*
 * `tls/key.pem` was deleted, so that a new key be made, and the hive was killed between writing
 * that and the certificate: no hive started there any more, "key values mismatch".
 */
static void test_certificate__one_of_another_key_is_made_anew(void **state)
{
    struct certificate again;
    struct place p, other;
    struct tls_server *server;
    char pin[TLS_PIN_BYTES], *chain;
    struct err err = {0};

    (void)state;
    place_make(&p);
    place_make(&other);
    write_file(&p, "tls/key.pem", other.c.key);
    assert_int_equal(certificate_load(p.dir, "", "", &again, &err), 0);
    assert_true(again.made);
    assert_string_equal(again.key, other.c.key);
    assert_int_equal(rbee_tls.server_create(again.chain, again.key, &server, &err), 0);
    assert_int_equal(rbee_tls.pin_of(again.chain, pin, &err), 0);
    assert_string_equal(pin, other.pin);
    chain = read_file(&p, "tls/certificate.pem");
    assert_string_equal(chain, again.chain);
    free(chain);
    rbee_tls.server_free(server);
    certificate_done(&again);
    assert_int_equal(certificate_load(p.dir, "", "", &again, &err), 0);
    assert_false(again.made);
    certificate_done(&again);
    place_end(&other);
    place_end(&p);
}

/* Nor is it written over when it is not one that rbee made: a person put it there. */
static void test_certificate__a_persons_own_is_left_alone(void **state)
{
    char *key = NULL, *chain = NULL, *there;
    struct certificate again;
    struct err err = {0};
    struct place p;

    (void)state;
    place_make(&p);
    make_authority(CERTIFICATE_DAYS, &chain, &key);
    write_file(&p, "tls/certificate.pem", chain);
    assert_int_equal(certificate_load(p.dir, "", "", &again, &err), 0);
    assert_string_equal(again.chain, chain); /* what TLS says of it, and its key, is for TLS */
    there = read_file(&p, "tls/certificate.pem");
    assert_string_equal(there, chain);
    free(there);
    free(chain);
    free(key);
    certificate_done(&again);
    place_end(&p);
}

/* On a full disk no hive started any more once its certificate had to be signed anew, though that
 * is known by the key, which was there. */
static void test_certificate__that_cannot_be_written_is_shown_all_the_same(void **state)
{
    struct rlimit all, none;
    struct certificate again;
    char pin[TLS_PIN_BYTES], *there;
    struct err err = {0};
    struct place p;
    int rc;

    (void)state;
    place_make(&p);
    write_file(&p, "tls/certificate.pem", "torn");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = all.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    rc = certificate_load(p.dir, "", "", &again, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    assert_int_equal(rc, 0);
    assert_int_equal(rbee_tls.pin_of(again.chain, pin, &err), 0);
    assert_string_equal(pin, p.pin);
    there = read_file(&p, "tls/certificate.pem");
    assert_string_equal(there, "torn"); /* it was not written */
    free(there);
    certificate_done(&again);
    place_end(&p);
}

static void test_certificate__tells_from_when_until_when_it_holds(void **state)
{
    static const long days[] = {CERTIFICATE_DAYS, 5, -3};
    char *key = NULL, *chain = NULL;
    int64_t from, until, now;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        make_authority(days[i], &chain, &key);
        now = (int64_t)time(NULL) * 1000;
        assert_int_equal(certificate_dates(chain, &from, &until, &err), 0);
        assert_in_range(until - now - days[i] * 86400000 + 60000, 0, 120000);
        assert_true(from < until || days[i] < 0);
        free(chain);
        free(key);
    }
    assert_int_equal(certificate_dates("rubbish", &from, &until, &err), ERR_INVALID);
}

/* The pin is what RFC 7469 calls one: `openssl x509 -pubkey | openssl pkey -pubin -outform der |
 * sha256sum`, computed here by OpenSSL's own functions. */
static void test_certificate__pin_is_the_hash_of_the_public_key(void **state)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    char hex[SHA256_HEX_BYTES];
    struct place p;
    BIO *in;
    X509 *x;
    int n;

    (void)state;
    place_make(&p);
    in = BIO_new_mem_buf(p.c.chain, -1);
    x = PEM_read_bio_X509(in, NULL, NULL, NULL);
    n = i2d_PUBKEY(X509_get0_pubkey(x), &der);
    assert_true(n > 0);
    assert_int_equal(EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL), 1);
    assert_string_equal(sha256_hex(digest, hex), p.pin);
    OPENSSL_free(der);
    X509_free(x);
    BIO_free(in);
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls__carries_requests_to_whom_the_pin_means),
        cmocka_unit_test(test_tls__refuses_another_certificate_and_names_both),
        cmocka_unit_test(test_tls__keeps_no_connection_for_another_pin),
        cmocka_unit_test(test_tls__without_a_pin_the_authorities_decide),
        cmocka_unit_test(test_tls__an_address_is_expected_without_its_zone),
        cmocka_unit_test(test_tls__plain_http_is_told_to_use_https),
        cmocka_unit_test(test_tls__malformed_bytes_cost_a_connection),
        cmocka_unit_test(test_tls__who_does_not_shake_hands_is_cut_off),
        cmocka_unit_test(test_tls__a_server_without_it_is_named),
        cmocka_unit_test(test_tls__a_silent_address_leaves_the_next_one_its_time),
        cmocka_unit_test(test_tls__a_request_that_is_broken_off_ends),
        cmocka_unit_test(test_tls__a_record_without_data_ends_a_read),
        cmocka_unit_test(test_tls__who_sends_nothing_but_handshakes_is_broken_off),
        cmocka_unit_test(test_tls__who_sends_half_a_message_is_not_written_to),
        cmocka_unit_test(test_tls__a_record_in_pieces_holds_no_answer_up),
        cmocka_unit_test(test_tls__pieces_of_a_stream_arrive_as_they_are_put),
        cmocka_unit_test(test_certificate__own_one_is_private_and_stays),
        cmocka_unit_test(test_certificate__one_of_another_key_is_made_anew),
        cmocka_unit_test(test_certificate__a_persons_own_is_left_alone),
        cmocka_unit_test(test_certificate__that_cannot_be_written_is_shown_all_the_same),
        cmocka_unit_test(test_certificate__tells_from_when_until_when_it_holds),
        cmocka_unit_test(test_certificate__pin_is_the_hash_of_the_public_key),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
