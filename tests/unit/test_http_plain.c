/*
 * What the plain transport of the HTTP client has to prove beyond test_http_client.c: libcurl did
 * these things unasked.
 */
#include "http_peer.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <event2/bufferevent.h>

#include "net/http_plain.h"
#include "net/http_resolve.h"
#include "net/http_url.h"

#define KEPT "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* ---- URLs and addresses ---- */

static void test_http_plain__reads_urls(void **state)
{
    static const struct {
        const char *url, *host, *place, *target;
        bool tls;
    } good[] = {
        {"http://127.0.0.1:8080/v1/health", "127.0.0.1", "127.0.0.1:8080", "/v1/health", false},
        {"HTTP://bee2", "bee2", "bee2:80", "", false},
        {"http://[::1]:81?x=1#y", "::1", "[::1]:81", "?x=1", false},
        {"http://[fe80::2]/", "fe80::2", "[fe80::2]:80", "/", false},
        {"https://bee2:/a#b", "bee2", "bee2:443", "/a", true},
        {"http://[fe80::2%eth0]:81/", "fe80::2%eth0", "[fe80::2]:81", "/", false},
        {"http://[fe80::2%25eth0]/", "fe80::2%eth0", "[fe80::2]:80", "/", false},
        {"http://[fe80::2%25]/", "fe80::2%25", "[fe80::2]:80", "/", false},
    };
    static const char *const bad[] = {"",
                                      "bee2:8080",
                                      "ftp://bee2/",
                                      "http:/bee2",
                                      "http://",
                                      "http:///x",
                                      "http://:80/",
                                      "http://bee2:0/",
                                      "http://bee2:65536/",
                                      "http://bee2:8o/",
                                      "http://bee2:000080/",
                                      "http://ann@bee2/",
                                      "http://ann:secret@bee2/",
                                      "http://[::1/",
                                      "http://[::1]x/",
                                      "http://::1/",
                                      "http://bee 2/",
                                      "http://bee2/a b",
                                      "http://bee2/\r\nX: y",
                                      "http://bee2/\xc3\xa4",
                                      "http://bee%32/",
                                      "http://bee2%eth0/",
                                      "http://[%eth0]/",
                                      "http://[fe80::2%]/",
                                      "http://[fe80::2%a%b]/",
                                      "http://[fe80::2%a:b]/"};
    struct http_url u;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(http_url_parse(good[i].url, &u, NULL), 0);
        assert_string_equal(u.host, good[i].host);
        assert_string_equal(u.place, good[i].place);
        assert_int_equal(u.target_bytes, strlen(good[i].target));
        assert_memory_equal(u.target, good[i].target, strlen(good[i].target));
        assert_int_equal(u.tls, good[i].tls);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (http_url_parse(bad[i], &u, NULL) != ERR_INVALID)
            fail_msg("taken: %s", bad[i]);
}

/* Of a password with an '@' in it the end was shown. */
static void test_http_plain__shows_urls_without_their_secrets(void **state)
{
    static const char *const urls[][2] = {
        {"http://bee2:81/a?key=k#f", "http://bee2:81/a"},
        {"http://ann:secret@bee2/a", "http://bee2/a"},
        {"http://ann:se@cret@bee2", "http://bee2"},
        {"http://bee2/a@b", "http://bee2/a@b"},
        {"x?://a@b", "x"},
        {"ann@bee2", "ann@bee2"},
    };
    char shown[64];

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_string_equal(http_url_shown(urls[i][0], shown, sizeof shown), urls[i][1]);
}

static void test_http_plain__localhost_and_addresses_ask_nobody(void **state)
{
    static const struct {
        const char *host;
        size_t n;
    } known[] = {
        {"127.0.0.1", 1}, {"::1", 1}, {"localhost", 2}, {"LOCALHOST", 2}, {"a.localhost", 2}};
    char unknown[65]; /* so long that no name server is asked */
    struct http_addrs addrs;
    struct err err = {0};

    (void)state;
    memset(unknown, 'x', 64);
    unknown[64] = '\0';
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_int_equal(http_resolve(known[i].host, 80, HTTP_NAMES_REFUSED, NULL, &addrs, NULL),
                         0);
        assert_int_equal(addrs.n, known[i].n);
    }
    assert_int_equal(http_resolve("bee2", 80, HTTP_NAMES_REFUSED, NULL, &addrs, &err),
                     ERR_UNSUPPORTED);
    assert_int_equal(http_resolve(unknown, 80, HTTP_NAMES_WAIT, NULL, &addrs, &err),
                     ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, unknown));
}

/* A listener on ::1 only; false where there is no IPv6. */
static bool listen_on_six(int *fd, uint16_t *port)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t n = sizeof at;

    *fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&at, sizeof at) || listen(*fd, 8) ||
        getsockname(*fd, (struct sockaddr *)&at, &n)) {
        close(*fd);
        return false;
    }
    *port = ntohs(at.sin6_port);
    return true;
}

static void test_http_plain__tries_all_addresses(void **state)
{
    static const struct line script[] = {{OK("six"), CLOSE, 0}, {OK("six"), CLOSE, 0}};
    static const char *const hosts[] = {"localhost", "[::1]"};
    struct peer *peer = calloc(1, sizeof *peer);
    struct told t;

    (void)state;
    assert_non_null(peer);
    if (!listen_on_six(&peer->fd, &peer->port)) {
        free(peer);
        skip();
    }
    peer->script = script;
    peer->n = 2;
    peer_go(peer);
    for (int i = 0; i < 2; i++) {
        char url[64], host[64];

        snprintf(url, sizeof url, "http://%s:%u/", hosts[i], peer->port);
        snprintf(host, sizeof host, "\r\nHost: %s:%u\r\n", hosts[i], peer->port);
        open_client(&t);
        run_call(&t, (struct http_call_params){.url = url, .body_max = 9});
        assert_int_equal(t.rc, 0);
        assert_string_equal(t.body, "six");
        assert_non_null(strstr(peer->seen[i], host));
        close_client(&t);
    }
    peer_stop(peer);
}

/* The linker puts this in the place of connect: there is no IPv6 here, and connecting there fails
 * at once with this errno; 0 = it is as it is. */
static int six_fails;
/* Or: an address of this machine's link 1 or 2 leads to that port of 127.0.0.1; 0 = it does not. */
static uint16_t link_ports[2];
int __real_connect(int fd, const struct sockaddr *at, socklen_t n);

static int connect_to_link(int fd, const struct sockaddr_in6 *at)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6};

    assert_in_range(at->sin6_scope_id, 1, 2);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr), 1);
    to.sin6_port = htons(link_ports[at->sin6_scope_id - 1]);
    return __real_connect(fd, (const struct sockaddr *)&to, sizeof to);
}

/* Or: the first so many connections go to a port that answers none, the others to another one,
 * whichever of the addresses of localhost is asked; and when each was begun. */
static struct {
    unsigned n, n_dead;
    uint16_t dead_port, port;
    int64_t at_ms[4];
} steered;

static int connect_steered(int fd, int family)
{
    uint16_t port = steered.n < steered.n_dead ? steered.dead_port : steered.port;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    assert_in_range(steered.n, 0, 3);
    steered.at_ms[steered.n++] = clock_ms();
    four.sin_port = six.sin6_port = htons(port);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr), 1);
    return family == AF_INET ? __real_connect(fd, (const struct sockaddr *)&four, sizeof four)
                             : __real_connect(fd, (const struct sockaddr *)&six, sizeof six);
}

int __wrap_connect(int fd, const struct sockaddr *at, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *at, socklen_t n)
{
    if (steered.port)
        return connect_steered(fd, at->sa_family);
    if (at->sa_family == AF_INET6 && link_ports[0])
        return connect_to_link(fd, (const struct sockaddr_in6 *)at);
    if (!six_fails || at->sa_family != AF_INET6)
        return __real_connect(fd, at, n);
    errno = six_fails;
    return -1;
}

/*
 * A node on the same cable has such an address only. It was taken for one, saved, and then every
 * command failed with INTERNAL: what names the link was no part of an URL. The same address on
 * another link is another machine.
 */
static void test_http_plain__an_address_of_a_link_is_asked_by_that_link(void **state)
{
    struct peer *first = PEER({KEPT, HOLD, 0}), *second = PEER({OK("no"), CLOSE, 0});
    struct peer *peers[2] = {first, second};
    const char *zones[2] = {"%251", "%2"};
    int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct told t;

    (void)state;
    open_client(&t);
    for (int i = 0; i < 2; i++)
        link_ports[i] = peers[i]->port;
    for (int i = 0; i < 2 && six >= 0; i++) {
        char url[64], host[64];

        snprintf(url, sizeof url, "http://[fe80::2%s]:8080/", zones[i]);
        snprintf(host, sizeof host, "\r\nHost: [fe80::2]:8080\r\n");
        t.n_done = 0;
        run_call(&t, (struct http_call_params){.url = url, .body_max = 9});
        assert_int_equal(t.rc, 0);
        assert_string_equal(t.body, i == 0 ? "ok" : "no");
        assert_non_null(strstr(peers[i]->seen[0], host));
    }
    link_ports[0] = 0;
    close_client(&t);
    peer_stop(first);
    peer_stop(second);
    if (six < 0)
        skip();
    close(six);
}

static int fail_with_six(struct told *t, const char *url, int why)
{
    open_client(t);
    six_fails = why;
    run_call(t, (struct http_call_params){.url = url, .body_max = 9});
    six_fails = 0;
    close_client(t);
    return t->rc;
}

/*
 * Where IPv6 is switched off (servers, containers) and no hive ran, the keeper said that there was
 * nothing left for a connection to localhost, that this was rbee's fault, and did not try again:
 * 127.0.0.1 had refused, but only what connecting to ::1 had given was told.
 */
static void test_http_plain__an_address_without_a_way_hides_no_refusal(void **state)
{
    static const int whys[] = {EADDRNOTAVAIL, EAFNOSUPPORT, ENETUNREACH, EHOSTUNREACH};
    struct told t;

    (void)state;
    for (size_t i = 0; i < sizeof whys / sizeof *whys; i++) {
        assert_int_equal(fail_with_six(&t, "http://localhost:1/", whys[i]), ERR_UNREACHABLE);
        assert_non_null(strstr(t.err.text, "Connection refused"));
        assert_int_equal(fail_with_six(&t, "http://[::1]:1/", whys[i]), ERR_UNREACHABLE);
        assert_non_null(strstr(t.err.text, strerror(whys[i])));
    }
    /* No port is left for a connection to that machine: it may be there all the same. */
    assert_int_equal(fail_with_six(&t, "http://[2001:db8::1]:1/", EADDRNOTAVAIL), ERR_BUSY);
}

/* A listener whose backlog is full, and the connections in it. */
static void fill_backlog(int fds[3])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;

    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fds[0], (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fds[0], 0), 0);
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)&at, &n), 0);
    for (int i = 1; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (__real_connect(fds[i], (struct sockaddr *)&at, sizeof at))
            assert_int_equal(errno, EINPROGRESS);
    }
    steered.dead_port = ntohs(at.sin_port);
}

/* Asks localhost, of whose two addresses the first `n_dead` to be tried are dead. */
static void ask_steered(unsigned n_dead, int64_t connect_ms)
{
    struct peer *peer = PEER({OK("ok"), CLOSE, 0});
    struct told t;
    int fds[3];

    open_client(&t);
    memset(&steered, 0, sizeof steered);
    fill_backlog(fds);
    steered.n_dead = n_dead;
    steered.port = peer->port;
    run_call(&t, (struct http_call_params){.url = "http://localhost:9/",
                                           .body_max = 9,
                                           .connect_timeout_ms = connect_ms});
    steered.port = 0;
    if (t.rc)
        fail_msg("%s", t.err.text);
    assert_string_equal(t.body, "ok");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close_client(&t);
    peer_stop(peer);
}

/*
 * A name whose first address was a black hole (an old record, a VPN that is down) cost each command
 * half of the time that there was to connect: 5 s, and `node list` called the node dead.
 */
static void test_http_plain__a_dead_first_address_costs_a_second(void **state)
{
    int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    if (six < 0)
        skip();
    close(six);
    ask_steered(1, 20000);
    assert_int_equal(steered.n, 2);
    assert_in_range(steered.at_ms[1] - steered.at_ms[0], PLAIN_FIRST_MS - 50, 5000);
}

/* It may only have been slow, and the others may be dead. */
static void test_http_plain__a_late_first_address_is_come_back_to(void **state)
{
    int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    if (six < 0)
        skip();
    close(six);
    ask_steered(2, 6000);
    assert_int_equal(steered.n, 3);
}

/* Nodes are asked directly, whatever the environment says of proxies. */
/* The linker puts this in the place of getaddrinfo: a name server that does not answer. */
#define SLOW_MS 700
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *want,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *want,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *want,
                       struct addrinfo **found)
{
    if (!str_eq(host, "slow.test") || want->ai_flags & AI_NUMERICHOST)
        return __real_getaddrinfo(host, service, want, found);
    clock_sleep_ms(SLOW_MS);
    return EAI_AGAIN;
}

/* "Invalid argument" was all that a person was told who had left out "%eth0". */
static void test_http_plain__an_address_of_a_link_without_its_link(void **state)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct told t;

    (void)state;
    if (fd < 0)
        skip();
    close(fd);
    open_client(&t);
    six_fails = EINVAL;
    run_call(&t, (struct http_call_params){.url = "http://[fe80::2]:9/", .body_max = 9});
    six_fails = 0;
    assert_int_equal(t.rc, ERR_UNREACHABLE);
    assert_non_null(strstr(t.err.text, "fe80::1%eth0"));
    close_client(&t);
}

static void start_to(struct told *t, const char *url)
{
    struct http_call_params params = {
        .url = url, .arg = t, .on_done = on_done, .connect_timeout_ms = SLOW_MS - 100};

    assert_int_equal(http_call_start(t->client, &params, NULL, &t->err), 0);
}

/* With two nodes in the list, one behind a name that nobody resolved in time, the other was
 * CONNECTION_TIMEOUT though it was alive: its time to connect ran while the loop stood still. */
static void test_http_plain__a_slow_name_server_makes_no_other_call_late(void **state)
{
    (void)state;
    for (int slow_first = 0; slow_first < 2; slow_first++) { /* and two are begun in either order */
        struct peer *peer = PEER({OK("alive"), CLOSE, 0});
        struct told slow, t;

        open_client(&t);
        memset(&slow, 0, sizeof slow);
        slow.base = t.base;
        slow.client = t.client;
        if (slow_first)
            start_to(&slow, "http://slow.test/");
        start_to(&t, url_of(peer, "/"));
        if (!slow_first)
            start_to(&slow, "http://slow.test/");
        while (t.n_done + slow.n_done < 2)
            assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
        assert_int_equal(slow.rc, ERR_UNREACHABLE);
        assert_int_equal(t.rc, 0);
        assert_int_equal(t.status, 200);
        close_client(&t);
        peer_stop(peer);
    }
}

/* The keeper's client saw that the loop had stood still, and gave the calls the time that they had
 * been given already: beside two names of 5 s a node that says nothing was waited for for 22 s. */
static void test_http_plain__time_is_given_once(void **state)
{
    struct peer *peer = PEER({"HTTP/1.1 200 OK\r\n", HOLD, 0});
    struct told slow, t;
    struct http_call_params params = {.url = url_of(peer, "/"), .arg = &t, .on_done = on_done};
    int64_t began_ms, waited_ms;

    (void)state;
    open_client(&t);
    memset(&slow, 0, sizeof slow);
    slow.base = t.base;
    slow.client = t.client;
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    began_ms = t.call->started_ms;
    start_to(&slow, "http://slow.test/");
    while (!slow.n_done)
        assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
    waited_ms = t.call->started_ms - began_ms;
    assert_true(waited_ms >= SLOW_MS);
    http_client_stood_still(t.client, waited_ms);
    assert_int_equal(t.call->started_ms, began_ms + waited_ms);
    http_client_stood_still(t.client, 70);
    assert_int_equal(t.call->started_ms, began_ms + waited_ms + 70);
    close_client(&t);
    peer_stop(peer);
}

/* A program that was stopped for longer than a call may take found it late, though its answer lay
 * in the socket: what it did not run counts for none of its limits. */
static void test_http_plain__no_limit_counts_while_the_program_stands_still(void **state)
{
    struct peer *peer = PEER({"HTTP/1.1 200 OK\r\n", HOLD, 0});
    struct told t;
    struct http_call_params params = {
        .url = url_of(peer, "/"), .arg = &t, .on_done = on_done, .timeout_ms = 150};
    int64_t began_ms = clock_ms();

    (void)state;
    open_client(&t);
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    http_client_stood_still(t.client, 150);
    while (!t.n_done)
        assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
    assert_int_equal(t.rc, ERR_TIMEOUT);
    assert_true(clock_ms() - began_ms >= 300);
    close_client(&t);
    peer_stop(peer);
}

/* The client sees by itself that it comes late, and is told of it by a program that counts its own
 * stops: after Ctrl+Z a keeper would have waited once more as long as it was stopped. */
static void test_http_plain__a_stop_is_not_given_twice(void **state)
{
    enum { STOP_MS = 1000, LIMIT_MS = 100 };
    struct peer *peer = PEER({"HTTP/1.1 200 OK\r\n", HOLD, 0});
    struct told t;
    struct http_call_params params = {
        .url = url_of(peer, "/"), .arg = &t, .on_done = on_done, .timeout_ms = LIMIT_MS};
    int64_t began_ms = clock_ms();

    (void)state;
    open_client(&t);
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0); /* its limit is looked at */
    clock_sleep_ms(STOP_MS);
    http_client_stood_still(t.client, STOP_MS);
    while (!t.n_done)
        assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
    assert_int_equal(t.rc, ERR_TIMEOUT);
    assert_in_range(clock_ms() - began_ms, STOP_MS, 2 * STOP_MS - LIMIT_MS);
    close_client(&t);
    peer_stop(peer);
}

/* Waits for nobody who has connected and says nothing; the second one is quick enough. */
static void *impatient(void *arg)
{
    char seen[4096];
    int fd = accept(*(int *)arg, NULL, NULL);

    close(fd);
    fd = accept(*(int *)arg, NULL, NULL);
    if (peer_hear(fd, seen, sizeof seen))
        raw_say(fd, OK("alive"));
    close(fd);
    return NULL;
}

/* A hive waits 10 s for a request: behind a name server that took 12 it was CONNECTION_REFUSED. */
static void test_http_plain__asks_again_who_lost_patience_meanwhile(void **state)
{
    struct told slow, t;
    pthread_t thread;
    char url[64];
    uint16_t port;
    int fd = raw_listen(&port);

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, impatient, &fd), 0);
    open_client(&t);
    memset(&slow, 0, sizeof slow);
    slow.base = t.base;
    slow.client = t.client;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    start_to(&slow, "http://slow.test/");
    start_to(&t, url); /* the last one is begun first */
    while (t.n_done + slow.n_done < 2)
        assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.status, 200);
    close_client(&t);
    shutdown(fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(fd);
}

static void test_http_plain__asks_no_proxy(void **state)
{
    struct peer *peer = PEER({OK("direct"), CLOSE, 0});
    struct told t;

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 9});
    unsetenv("http_proxy");
    assert_int_equal(t.rc, 0);
    close_client(&t);
    peer_stop(peer);
}

static void test_http_plain__says_what_it_does_not_do(void **state)
{
    const struct http_call_params tls = {.url = "https://bee2:8080/v1/health?key=secret",
                                         .follow = true};
    const struct http_call_params follow = {.url = "http://bee2/", .follow = true};
    const struct http_call_params user = {.url = "http://ann:secret@bee2/"};
    const struct http_call_params method = {.url = "http://bee2/", .method = "GET /x"};
    struct told t;

    (void)state;
    open_client(&t);
    assert_int_equal(http_call_start(t.client, &tls, NULL, &t.err), ERR_UNSUPPORTED);
    assert_null(strstr(t.err.text, "secret"));
    assert_int_equal(http_call_start(t.client, &follow, NULL, &t.err), ERR_UNSUPPORTED);
    assert_int_equal(http_call_start(t.client, &user, NULL, &t.err), ERR_INVALID);
    assert_null(strstr(t.err.text, "secret"));
    assert_int_equal(http_call_start(t.client, &method, NULL, &t.err), ERR_INVALID);
    close_client(&t);
}

/* ---- kept connections ---- */

/* One after the other on one client; returns the last one's rc. */
static int call_in_turn(struct told *t, const struct peer *peer, const char *const *methods, int n)
{
    for (int i = 0; i < n; i++) {
        t->n_done = 0;
        t->body[0] = '\0';
        run_call(t, (struct http_call_params){
                        .method = methods[i], .url = url_of(peer, "/"), .body_max = 9});
    }
    return t->rc;
}

/* A server may close a kept connection just as the next request arrives. */
static void test_http_plain__asks_again_when_a_kept_connection_was_closed(void **state)
{
    static const char *const methods[] = {"GET", "GET"};
    struct peer *peer = PEER({KEPT, KEEP, 0}, {"", CLOSE, 0}, {KEPT, KEEP, 0});
    struct told t;

    (void)state;
    open_client(&t);
    assert_int_equal(call_in_turn(&t, peer, methods, 2), 0);
    assert_string_equal(t.body, "ok");
    assert_int_equal(peer->n_seen, 3);
    close_client(&t);
    peer_stop(peer);
}

/* But only once, and not what must not be done twice, and not behind a byte of an answer. */
static void test_http_plain__asks_again_with_care(void **state)
{
    static const char *const two_gets[] = {"GET", "GET"}, *const two_posts[] = {"POST", "POST"};
    struct peer *once = PEER({KEPT, KEEP, 0}, {"", CLOSE, 0}, {"", CLOSE, 0}, {KEPT, KEEP, 0});
    struct peer *post = PEER({KEPT, KEEP, 0}, {"", CLOSE, 0}, {KEPT, KEEP, 0});
    struct peer *begun = PEER({KEPT, KEEP, 0}, {"HTTP/1.1 2", CLOSE, 0}, {KEPT, KEEP, 0});
    struct told t;

    (void)state;
    open_client(&t);
    assert_int_equal(call_in_turn(&t, once, two_gets, 2), ERR_UNREACHABLE);
    assert_int_equal(once->n_seen, 3);
    assert_int_equal(call_in_turn(&t, post, two_posts, 2), ERR_UNREACHABLE);
    assert_int_equal(post->n_seen, 2);
    assert_int_equal(call_in_turn(&t, begun, two_gets, 2), ERR_UNREACHABLE);
    assert_int_equal(begun->n_seen, 2);
    close_client(&t);
    peer_stop(once);
    peer_stop(post);
    peer_stop(begun);
}

/* Waits until there is something to read on a connection. */
static void await_bytes(const struct plain_conn *conn)
{
    struct pollfd ready = {.fd = bufferevent_getfd(conn->bev), .events = POLLIN};

    assert_int_equal(poll(&ready, 1, RAW_PATIENCE_MS), 1);
}

/* An end, or bytes nobody asked for, on a kept connection: the next call takes another. */
static void test_http_plain__drops_kept_connections_that_speak(void **state)
{
    static const char *const methods[] = {"POST", "POST", "POST"};
    struct peer *peer =
        PEER({KEPT, CLOSE, 0}, {KEPT "HTTP/1.1 200 OK\r\n", HOLD, 0}, {KEPT, KEEP, 0});
    struct told t;

    (void)state;
    open_client(&t);
    for (int i = 0; i < 3; i++) {
        const struct plain_conn *kept = ((struct plain_client *)t.client)->conns;

        if (kept) /* it may have spoken before it was kept */
            await_bytes(kept);
        assert_int_equal(call_in_turn(&t, peer, methods, 1), 0);
    }
    assert_int_equal(peer->n_seen, 3);
    close_client(&t);
    peer_stop(peer);
}

static bool on_body_pausing_once(void *arg, int status, const char *bytes, size_t n)
{
    struct told *t = arg;

    (void)status, (void)bytes, (void)n;
    if (t->n_body++)
        return true;
    http_call_resume(t->call);
    return false;
}

/* A connection whose call rested at the answer's very end was kept, but not read any more. */
static void test_http_plain__a_pause_does_not_outlive_its_call(void **state)
{
    static const char *const methods[] = {"GET"};
    struct peer *peer = PEER({KEPT, KEEP, 0}, {KEPT, KEEP, 0});
    struct told t;

    (void)state;
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"),
                                           .on_body = on_body_pausing_once,
                                           .timeout_ms = 2000});
    assert_int_equal(t.rc, 0);
    assert_int_equal(call_in_turn(&t, peer, methods, 1), 0);
    assert_string_equal(t.body, "ok");
    assert_int_equal(peer->n_seen, 2);
    close_client(&t);
    peer_stop(peer);
}

/* ---- odd answers ---- */

static void test_http_plain__odd_answers(void **state)
{
    static const struct {
        const char *answer;
        int rc, status;
    } cases[] = {
        {"garbage\r\n\r\n", ERR_UNREACHABLE, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", ERR_IO, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", ERR_IO, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nq\r\nab", ERR_IO, 200},
        {"HTTP/1.1 200 OK\r\n\r\nno length", 0, 200},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 0, 201},
        {"HTTP/1.1 100 Continue\r\n\r\n", ERR_UNREACHABLE, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int slow = 0; slow < 2; slow++) {
            struct peer *peer = PEER({cases[i].answer, CLOSE, slow});
            struct told t;

            open_client(&t);
            run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 99});
            assert_int_equal(t.rc, cases[i].rc);
            assert_int_equal(t.status, cases[i].status);
            close_client(&t);
            peer_stop(peer);
        }
}

static void test_http_plain__a_flood_of_headers_ends(void **state)
{
    struct line script = {NULL, CLOSE, 0};
    struct buf text;
    struct peer *peer;
    struct told t;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_puts(&text, "HTTP/1.1 200 OK\r\n");
    while (text.len < (300u << 10))
        buf_puts(&text, "A-Header: of no use at all, and again and again and again and again\r\n");
    script.answer = buf_str(&text);
    peer = peer_start(&script, 1);
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 99});
    assert_int_equal(t.rc, ERR_LIMIT);
    assert_non_null(strstr(t.err.text, "head"));
    close_client(&t);
    peer_stop(peer);
    buf_done(&text);
}

/* ---- large bodies ---- */

#define HUGE_BYTES (32u << 20)

struct flood {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_size_t n_sent;
    bool reads; /* the request; else it never does, and answers nothing */
    atomic_bool stop;
};

static void *flood_run(void *arg)
{
    static char piece[1 << 16], request[4096];
    struct flood *f = arg;
    int fd = accept(f->fd, NULL, NULL);

    if (f->reads && peer_hear(fd, request, sizeof request)) {
        raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n");
        for (; f->n_sent < HUGE_BYTES; f->n_sent += sizeof piece) {
            memset(piece, (int)(f->n_sent / sizeof piece) & 0xff, sizeof piece);
            raw_send(fd, piece, sizeof piece);
        }
    }
    while (!f->reads && !f->stop)
        clock_sleep_ms(1);
    close(fd);
    return NULL;
}

static void flood_start(struct flood *f, bool reads)
{
    memset(f, 0, sizeof *f);
    f->reads = reads;
    f->fd = raw_listen(&f->port);
    assert_int_equal(pthread_create(&f->thread, NULL, flood_run, f), 0);
}

static void flood_stop(struct flood *f)
{
    f->stop = true;
    pthread_join(f->thread, NULL);
    close(f->fd);
}

struct slow_reader {
    struct told t; /* first */
    struct flood flood;
    uint64_t n_taken;
    bool paused_long;
};

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct slow_reader *r = arg;

    (void)fd, (void)what;
    if (!r->paused_long) /* what was sent lies in the sockets and one read of ours, not in memory */
        assert_true(r->flood.n_sent < HUGE_BYTES);
    r->paused_long = true;
    http_call_resume(r->t.call);
}

static bool on_huge_body(void *arg, int status, const char *bytes, size_t n)
{
    struct slow_reader *r = arg;
    struct timeval soon = {.tv_usec = r->paused_long ? 0 : 100000};

    (void)status;
    if (r->t.n_body++ % 2 == 0) {
        event_base_once(r->t.base, -1, EV_TIMEOUT, on_soon, r, &soon);
        return false;
    }
    for (size_t i = 0; i < n; i += 1000)
        assert_int_equal((unsigned char)bytes[i], (r->n_taken + i) >> 16 & 0xff);
    r->n_taken += n;
    return true;
}

static void test_http_plain__a_slow_reader_holds_up_the_sender(void **state)
{
    struct slow_reader r = {.n_taken = 0};
    char url[64];

    (void)state;
    flood_start(&r.flood, true);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", r.flood.port);
    open_client(&r.t);
    run_call(&r.t, (struct http_call_params){.url = url, .on_body = on_huge_body});
    assert_int_equal(r.t.rc, 0);
    assert_int_equal(r.n_taken, HUGE_BYTES);
    assert_int_equal(r.t.body_bytes, HUGE_BYTES);
    close_client(&r.t);
    flood_stop(&r.flood);
}

/* A server that does not take the request's body is as silent as one that does not answer. */
static void test_http_plain__a_server_that_does_not_read_stalls(void **state)
{
    char *big = calloc(1, HUGE_BYTES), url[64];
    struct flood f;
    struct told t;

    (void)state;
    assert_non_null(big);
    flood_start(&f, false);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", f.port);
    open_client(&t);
    run_call(
        &t,
        (struct http_call_params){
            .method = "POST", .url = url, .body = big, .body_bytes = HUGE_BYTES, .stall_ms = 150});
    assert_int_equal(t.rc, ERR_TIMEOUT);
    assert_non_null(strstr(t.err.text, "nothing for 150 ms"));
    close_client(&t);
    flood_stop(&f);
    free(big);
}

/* What TCP_USER_TIMEOUT was last, by descriptor; -1 = never set. */
#define N_FDS 256
static int lost_ms[N_FDS];
static int lost_fds[2];
static size_t n_lost_fds; /* in the order of the first time */

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t n);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t n);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t n)
{
    if (level == IPPROTO_TCP && name == TCP_USER_TIMEOUT && fd < N_FDS) {
        if (lost_ms[fd] < 0 && n_lost_fds < 2)
            lost_fds[n_lost_fds++] = fd;
        memcpy(&lost_ms[fd], value, sizeof(int));
    }
    return __real_setsockopt(fd, level, name, value, n);
}

static void start_post(struct told *t, uint16_t port, const char *body, size_t n)
{
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    assert_int_equal(
        http_call_start(t->client,
                        &(struct http_call_params){.method = "POST",
                                                   .url = url,
                                                   .body = body,
                                                   .body_bytes = n,
                                                   .timeout_ms = PLAIN_TAKEN_LOOK_S * 1000 + 200,
                                                   .arg = t,
                                                   .on_done = on_done},
                        &t->call, &t->err),
        0);
}

/*
 * The cable was pulled while a request was on its way: nobody asks for a silent server then, and
 * the kernel tried for a quarter of an hour. A server that has taken all is asked for as ever.
 */
static void test_http_plain__what_is_not_taken_has_its_limit(void **state)
{
    char *big = calloc(1, HUGE_BYTES);
    struct flood f;
    uint16_t port;
    int listener = raw_listen(&port); /* the kernel takes what is small */
    struct told t, other;

    (void)state;
    assert_non_null(big);
    memset(lost_ms, -1, sizeof lost_ms);
    n_lost_fds = 0;
    flood_start(&f, false);
    open_client(&t);
    memset(&other, 0, sizeof other);
    other.base = t.base;
    other.client = t.client;
    start_post(&t, port, "small", 5);
    while (n_lost_fds < 1)
        assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
    start_post(&other, f.port, big, HUGE_BYTES);
    while (n_lost_fds < 2)
        assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
    assert_int_equal(lost_ms[lost_fds[0]], PLAIN_LOST_MS);
    while (!t.n_done || !other.n_done)
        assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
    assert_int_equal(lost_ms[lost_fds[0]], 0);
    assert_int_equal(lost_ms[lost_fds[1]], PLAIN_LOST_MS);
    close_client(&t);
    flood_stop(&f);
    close(listener);
    free(big);
}

/* A kept connection is good for the next request, and so is the limit. */
static void test_http_plain__a_kept_connection_has_the_limit_again(void **state)
{
    struct peer *peer = PEER({KEPT, KEEP, 0}, {KEPT, KEEP, 0});
    struct told t;

    (void)state;
    memset(lost_ms, -1, sizeof lost_ms);
    n_lost_fds = 0;
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 9});
    assert_int_equal(n_lost_fds, 1);
    assert_int_equal(lost_ms[lost_fds[0]], PLAIN_LOST_MS);
    lost_ms[lost_fds[0]] = 0; /* as if it had been idle for a while */
    t.n_done = 0;
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 9});
    assert_int_equal(n_lost_fds, 1);
    assert_int_equal(lost_ms[lost_fds[0]], PLAIN_LOST_MS);
    close_client(&t);
    peer_stop(peer);
}

/* ---- cancelling ---- */

static bool on_body_resting(void *arg, int status, const char *bytes, size_t n)
{
    (void)status, (void)bytes, (void)n;
    ((struct told *)arg)->n_body++;
    return false;
}

/* While connecting, before the head, within the head, within the body, paused. */
enum { N_PHASES = 5 };
static const char *const phases[N_PHASES] = {
    "", "", "HTTP/1.1 200 OK\r\nA: ", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"};

static void turn_loop(struct told *t, int ms)
{
    struct timeval while_ms = {.tv_usec = ms * 1000};

    event_base_loopexit(t->base, &while_ms);
    event_base_dispatch(t->base);
}

static bool is_in_phase(const struct told *t, const struct peer *peer, int phase)
{
    switch (phase) {
    case 1:
        return peer->n_seen == 1;
    case 2:
        return t->call->status == 200;
    case 3:
        return t->call->body_bytes == 3;
    case 4:
        return t->n_body == 1;
    default:
        return true;
    }
}

/* A call that has come so far. */
static void start_in_phase(struct told *t, struct peer *peer, int phase)
{
    struct http_call_params params = {.url = url_of(peer, "/a"), .on_done = on_done, .arg = t};
    int64_t until_ms = clock_ms() + RAW_PATIENCE_MS;

    open_client(t);
    params.on_body = phase == 4 ? on_body_resting : NULL;
    assert_int_equal(http_call_start(t->client, &params, &t->call, &t->err), 0);
    turn_loop(t, 0);
    while (!is_in_phase(t, peer, phase) && clock_ms() < until_ms)
        turn_loop(t, 1);
    assert_true(is_in_phase(t, peer, phase));
    assert_int_equal(t->n_done, 0);
}

static void test_http_plain__cancels_in_each_phase(void **state)
{
    (void)state;
    for (int i = 0; i < N_PHASES; i++) {
        struct peer *peer = PEER({phases[i], HOLD, 0});
        struct told t;

        start_in_phase(&t, peer, i);
        http_call_cancel(t.call);
        turn_loop(&t, i == 0 ? 0 : 30);
        assert_int_equal(t.n_done, 0);
        close_client(&t);
        peer_stop(peer);
    }
}

static bool on_body_breaking(void *arg, int status, const char *bytes, size_t n)
{
    struct told *t = arg;

    (void)status, (void)bytes, (void)n;
    t->n_body++;
    event_base_loopbreak(t->base);
    return true;
}

static void on_time_to_cancel(evutil_socket_t fd, short what, void *arg)
{
    struct told *t = arg;

    (void)fd, (void)what;
    http_call_cancel(t->call);
}

/*
 * A client of the hive's left in the turn of the loop in which more of its worker's answer had
 * come: the answer's reader was gone and got it nevertheless, and the hive crashed. Here the call
 * is cancelled by an event that runs before the one that reads.
 */
static void test_http_plain__a_cancelled_call_is_given_nothing_that_waits(void **state)
{
    char url[64];
    uint16_t port;
    int listener = raw_listen(&port), fd;
    struct http_call_params params = {
        .url = url, .on_body = on_body_breaking, .on_done = on_done, .timeout_ms = RAW_PATIENCE_MS};
    struct pollfd comes = {.fd = listener, .events = POLLIN};
    struct told t;

    (void)state;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    open_client(&t);
    params.arg = &t;
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    turn_loop(&t, 0);
    assert_int_equal(poll(&comes, 1, RAW_PATIENCE_MS), 1);
    fd = accept(listener, NULL, NULL);
    raw_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    event_base_dispatch(t.base);
    assert_int_equal(t.n_body, 1);
    raw_say(fd, "defghi"); /* more comes meanwhile */
    await_bytes(((struct plain_call *)t.call)->conn);
    event_base_once(t.base, -1, EV_TIMEOUT, on_time_to_cancel, &t, NULL);
    turn_loop(&t, 20);
    assert_int_equal(t.n_body, 1);
    assert_int_equal(t.n_done, 0);
    close_client(&t);
    close(fd);
    close(listener);
}

/*
 * A process that SIGKILL does not end (its file system does not answer) keeps its connections open:
 * the hive's calls to it waited for ever, and so did its clients. Its port stays its own, and a
 * call to a longer number is another's.
 */
static void test_http_plain__calls_of_a_lost_server_end(void **state)
{
    (void)state;
    for (int i = 0; i < N_PHASES; i++) {
        struct peer *peer = PEER({phases[i], HOLD, 0});
        char origin[64], shorter[64];
        struct told t;

        start_in_phase(&t, peer, i);
        str_copy(origin, sizeof origin, url_of(peer, ""));
        str_copy(shorter, sizeof shorter, origin);
        shorter[strlen(shorter) - 1] = '\0';
        http_client_lose(t.client, shorter, "another one is lost");
        event_base_loop(t.base, EVLOOP_NONBLOCK);
        assert_int_equal(t.n_done, 0);
        http_client_lose(t.client, origin, "it is lost");
        assert_int_equal(t.n_done, 0); /* not from within */
        event_base_loop(t.base, EVLOOP_NONBLOCK);
        assert_int_equal(t.n_done, 1);
        assert_int_equal(t.rc, t.status ? ERR_IO : ERR_UNREACHABLE);
        assert_true(i < 3 || t.status == 200);
        assert_non_null(strstr(t.err.text, "it is lost"));
        close_client(&t);
        peer_stop(peer);
    }
}

/* It was told as a server that does not answer; the hive said of its worker that it was gone. */
static void test_http_plain__no_descriptor_is_nobody_elses_fault(void **state)
{
    const struct http_call_params call = {.url = "http://127.0.0.1:1/", .body_max = 9};
    struct rlimit before, none;
    struct told t;

    (void)state;
    open_client(&t);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    run_call(&t, call);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(t.rc, ERR_BUSY);
    assert_non_null(strstr(t.err.text, "Too many open files"));
    close_client(&t);
    open_client(&t);
    run_call(&t, call);
    assert_int_equal(t.rc, ERR_UNREACHABLE);
    close_client(&t);
}

static int use_plain(void **state)
{
    (void)state;
    peer_transport = PLAIN;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_plain__reads_urls),
        cmocka_unit_test(test_http_plain__shows_urls_without_their_secrets),
        cmocka_unit_test(test_http_plain__localhost_and_addresses_ask_nobody),
        cmocka_unit_test(test_http_plain__tries_all_addresses),
        cmocka_unit_test(test_http_plain__an_address_without_a_way_hides_no_refusal),
        cmocka_unit_test(test_http_plain__an_address_of_a_link_is_asked_by_that_link),
        cmocka_unit_test(test_http_plain__an_address_of_a_link_without_its_link),
        cmocka_unit_test(test_http_plain__a_dead_first_address_costs_a_second),
        cmocka_unit_test(test_http_plain__a_late_first_address_is_come_back_to),
        cmocka_unit_test(test_http_plain__a_slow_name_server_makes_no_other_call_late),
        cmocka_unit_test(test_http_plain__asks_again_who_lost_patience_meanwhile),
        cmocka_unit_test(test_http_plain__asks_no_proxy),
        cmocka_unit_test(test_http_plain__says_what_it_does_not_do),
        cmocka_unit_test(test_http_plain__asks_again_when_a_kept_connection_was_closed),
        cmocka_unit_test(test_http_plain__asks_again_with_care),
        cmocka_unit_test(test_http_plain__drops_kept_connections_that_speak),
        cmocka_unit_test(test_http_plain__a_pause_does_not_outlive_its_call),
        cmocka_unit_test(test_http_plain__odd_answers),
        cmocka_unit_test(test_http_plain__a_flood_of_headers_ends),
        cmocka_unit_test(test_http_plain__a_slow_reader_holds_up_the_sender),
        cmocka_unit_test(test_http_plain__a_server_that_does_not_read_stalls),
        cmocka_unit_test(test_http_plain__what_is_not_taken_has_its_limit),
        cmocka_unit_test(test_http_plain__a_kept_connection_has_the_limit_again),
        cmocka_unit_test(test_http_plain__cancels_in_each_phase),
        cmocka_unit_test(test_http_plain__calls_of_a_lost_server_end),
        cmocka_unit_test(test_http_plain__time_is_given_once),
        cmocka_unit_test(test_http_plain__no_limit_counts_while_the_program_stands_still),
        cmocka_unit_test(test_http_plain__a_stop_is_not_given_twice),
        cmocka_unit_test(test_http_plain__a_cancelled_call_is_given_nothing_that_waits),
        cmocka_unit_test(test_http_plain__no_descriptor_is_nobody_elses_fault),
    };

    return cmocka_run_group_tests(tests, use_plain, NULL);
}
