/*
 * The HTTP client against a small raw server, over each of its transports; redirects are in
 * test_http_redirect.c, what only the plain transport has to prove in test_http_plain.c.
 */
#include "http_peer.h"

#include "net/http_proxy.h"

static void test_http_client__gets_status_headers_and_body(void **state)
{
    struct peer *peer = PEER({"HTTP/1.1 404 Not Found\r\nX-One:  a b \r\nConnection: close\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                              CLOSE, 1});
    struct told t;

    (void)state;
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/a?b"), .body_max = 100});
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.status, 404);
    assert_string_equal(t.body, "abcde");
    assert_int_equal(t.body_bytes, 5);
    assert_non_null(strstr(t.headers, "404 x-one=a b\n"));
    assert_true(str_starts(peer->seen[0], "GET /a?b HTTP/1.1\r\n"));
    assert_null(strcasestr(peer->seen[0], "\r\nauthorization"));
    assert_null(strcasestr(peer->seen[0], "\r\naccept-encoding"));
    close_client(&t);
    peer_stop(peer);
}

static void test_http_client__sends_a_body_headers_and_key(void **state)
{
    const char *headers[] = {"Content-Type: application/json", "X-Two: 2", NULL};
    struct peer *peer = PEER({OK("x"), CLOSE, 0});
    char *big = malloc(2000);
    struct told t;

    (void)state;
    assert_non_null(big);
    memset(big, 'j', 1999);
    big[1999] = '\0';
    open_client(&t);
    run_call(&t, (struct http_call_params){.method = "POST",
                                           .url = url_of(peer, "/"),
                                           .headers = headers,
                                           .bearer = "secret",
                                           .body = big,
                                           .body_bytes = 1999,
                                           .body_max = 100});
    assert_int_equal(t.rc, 0);
    assert_true(str_starts(peer->seen[0], "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(peer->seen[0], "\r\nAuthorization: Bearer secret\r\n"));
    assert_non_null(strstr(peer->seen[0], "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(peer->seen[0], "\r\nX-Two: 2\r\n"));
    assert_null(strcasestr(peer->seen[0], "\r\nexpect"));
    assert_string_equal(strstr(peer->seen[0], "\r\n\r\n") + 4, big);
    free(big);
    close_client(&t);
    peer_stop(peer);
}

static void test_http_client__uses_other_methods(void **state)
{
    struct peer *peer =
        PEER({OK(""), CLOSE, 0}, {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", CLOSE, 0},
             {OK(""), CLOSE, 0});
    const char *const methods[] = {"DELETE", "HEAD", "POST"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct told t;

        open_client(&t);
        run_call(&t, (struct http_call_params){.method = methods[i], .url = url_of(peer, "/")});
        assert_int_equal(t.rc, 0);
        assert_int_equal(t.status, 200);
        assert_true(str_starts(peer->seen[i], methods[i]));
        close_client(&t);
    }
    assert_non_null(strstr(peer->seen[2], "\r\nContent-Length: 0\r\n"));
    peer_stop(peer);
}

static void test_http_client__refused_is_unreachable(void **state)
{
    uint16_t port;
    char url[64];
    struct told t;

    (void)state;
    close(raw_listen(&port)); /* nobody is there any more */
    snprintf(url, sizeof url, "http://127.0.0.1:%u/?secret", port);
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url});
    assert_int_equal(t.rc, ERR_UNREACHABLE);
    assert_int_equal(t.status, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    assert_non_null(strstr(t.err.text, url));
    assert_null(strstr(t.err.text, "secret"));
    close_client(&t);
}

static void test_http_client__closed_before_an_answer_is_unreachable(void **state)
{
    struct peer *peer = PEER({"", CLOSE, 0}, {"", RESET, 0});

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct told t;

        open_client(&t);
        run_call(&t, (struct http_call_params){.url = url_of(peer, "/")});
        assert_int_equal(t.rc, ERR_UNREACHABLE);
        close_client(&t);
    }
    peer_stop(peer);
}

static void test_http_client__broken_off_midway_is_io(void **state)
{
    struct peer *peer =
        PEER({"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", CLOSE, 0},
             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CLOSE, 0});

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct told t;

        open_client(&t);
        run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 10});
        assert_int_equal(t.rc, ERR_IO);
        assert_int_equal(t.status, 200);
        assert_int_equal(t.body_bytes, 3);
        close_client(&t);
    }
    peer_stop(peer);
}

static void test_http_client__whole_time_and_stall(void **state)
{
    struct peer *peer = PEER({"", HOLD, 0}, {OK("abc"), HOLD, 0});
    struct told t;

    (void)state;
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .timeout_ms = 60});
    assert_int_equal(t.rc, ERR_TIMEOUT);
    assert_non_null(strstr(t.err.text, "60 ms in all"));
    assert_int_equal(t.status, 0);
    close_client(&t);
    open_client(&t);
    run_call(&t, (struct http_call_params){
                     .url = url_of(peer, "/"), .timeout_ms = 9000, .stall_ms = 1200});
    assert_int_equal(t.rc, ERR_TIMEOUT);
    assert_non_null(strstr(t.err.text, "nothing for 1200 ms"));
    assert_int_equal(t.status, 200);
    close_client(&t);
    peer_stop(peer);
}

/* Bytes that come slowly, but come, are no stall. */
static void test_http_client__slow_is_not_stalled(void **state)
{
    struct peer *peer = PEER({OK("0123456789"), CLOSE, 35}); /* longer than the stall, in all */
    struct told t;

    (void)state;
    open_client(&t);
    run_call(
        &t, (struct http_call_params){.url = url_of(peer, "/"), .stall_ms = 1500, .body_max = 100});
    assert_int_equal(t.rc, 0);
    assert_string_equal(t.body, "0123456789");
    close_client(&t);
    peer_stop(peer);
}

/* A listener whose backlog is full leaves a connect unanswered. */
static void test_http_client__connect_time_is_limited(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), fill[2];
    socklen_t n = sizeof at;
    char url[64];
    struct told t;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    for (int i = 0; i < 2; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fill[i], (struct sockaddr *)&at, sizeof at))
            assert_int_equal(errno, EINPROGRESS);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(at.sin_port));
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url, .connect_timeout_ms = 80});
    assert_int_equal(t.rc, ERR_TIMEOUT);
    assert_non_null(strstr(t.err.text, "connecting"));
    close_client(&t);
    close(fill[0]);
    close(fill[1]);
    close(fd);
}

static void test_http_client__body_max_is_exact(void **state)
{
    struct peer *peer = PEER({OK("12345"), CLOSE, 0}, {OK("123456"), CLOSE, 0});
    struct told t;

    (void)state;
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 5});
    assert_int_equal(t.rc, 0);
    assert_string_equal(t.body, "12345");
    close_client(&t);
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 5});
    assert_int_equal(t.rc, ERR_LIMIT);
    close_client(&t);
    peer_stop(peer);
}

/* Two calls over one connection, and one whose kept connection the server has closed meanwhile. */
static void test_http_client__reuses_connections(void **state)
{
#define KEPT "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    struct peer *peer = PEER({KEPT, KEEP, 0}, {KEPT, CLOSE, 0}, {KEPT, CLOSE, 0});
    struct told t;

    (void)state;
    open_client(&t);
    for (int i = 0; i < 3; i++) {
        t.n_done = 0;
        run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 5});
        assert_int_equal(t.rc, 0);
    }
    assert_int_equal(peer->n_seen, 3);
    close_client(&t);
    peer_stop(peer);
}

/* ---- pausing and cancelling ---- */

static void on_resume_time(evutil_socket_t fd, short what, void *arg)
{
    struct told *t = arg;

    (void)fd, (void)what;
    http_call_resume(t->call);
}

static bool on_body_pausing(void *arg, int status, const char *bytes, size_t n)
{
    struct told *t = arg;
    struct timeval soon = {.tv_sec = 1, .tv_usec = 300000};

    assert_int_equal(status, 200);
    if (t->n_body++ < t->pause_first) {
        if (t->pause_first == 1)
            event_base_once(t->base, -1, EV_TIMEOUT, on_resume_time, t, &soon);
        else
            http_call_resume(t->call); /* at once, from within */
        return false;
    }
    strncpy(t->body + strlen(t->body), bytes, n);
    return true;
}

static void test_http_client__pauses_and_gives_the_same_bytes_again(void **state)
{
    struct peer *peer = PEER({OK("first second"), CLOSE, 0}, {OK("first second"), CLOSE, 0});
    struct told t;

    (void)state;
    for (int n = 1; n <= 2; n++) {
        open_client(&t);
        t.pause_first = n;
        /* a pause of ours is no stall of theirs */
        run_call(&t, (struct http_call_params){
                         .url = url_of(peer, "/"), .on_body = on_body_pausing, .stall_ms = 1200});
        assert_int_equal(t.rc, 0);
        assert_true(t.n_body > n);
        assert_string_equal(t.body, "first second");
        assert_int_equal(t.body_bytes, 12);
        close_client(&t);
    }
    peer_stop(peer);
}

static bool on_body_cancelling(void *arg, int status, const char *bytes, size_t n)
{
    struct told *t = arg;

    (void)status, (void)bytes, (void)n;
    t->n_body++;
    http_call_cancel(t->call);
    http_call_cancel(t->other);
    event_base_loopbreak(t->base);
    return true;
}

static void on_header_cancelling(void *arg, int status, const char *name, const char *value)
{
    struct told *t = arg;

    (void)status, (void)name, (void)value;
    t->n_body++;
    http_call_cancel(t->call);
    http_call_cancel(t->other);
    event_base_loopbreak(t->base);
}

static void run_for(struct told *t, int ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

    event_base_loopexit(t->base, &tv);
    event_base_dispatch(t->base);
}

static void test_http_client__cancels_from_within_callbacks(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct peer *peer = PEER({OK("some"), HOLD, 0});
        struct http_call_params params = {.url = url_of(peer, "/"), .on_done = on_done};
        struct told t;

        open_client(&t);
        params.arg = &t;
        if (k)
            params.on_header = on_header_cancelling;
        else
            params.on_body = on_body_cancelling;
        assert_int_equal(http_call_start(t.client, &params, &t.other, &t.err), 0);
        assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
        run_for(&t, RAW_PATIENCE_MS);
        run_for(&t, 30);
        assert_int_equal(t.n_body, 1); /* neither call said anything more */
        assert_int_equal(t.n_done, 0);
        close_client(&t);
        peer_stop(peer);
    }
}

static void test_http_client__cancels_at_any_time(void **state)
{
    struct peer *peer = PEER({OK("some"), HOLD, 0}, {OK("some"), HOLD, 0});
    struct http_call_params params = {.url = url_of(peer, "/"), .on_done = on_done};
    struct told t;

    (void)state;
    open_client(&t);
    params.arg = &t;
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    http_call_cancel(t.call); /* before it began */
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    run_for(&t, 40);
    http_call_cancel(t.call); /* while it waits */
    run_for(&t, 10);
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    run_for(&t, 20);
    close_client(&t); /* with it under way */
    assert_int_equal(t.n_done, 0);
    peer_stop(peer);
}

static void on_done_starting(void *arg, int rc, const struct http_response *response,
                             const struct err *err)
{
    struct told *t = arg;
    struct http_call_params params = {.url = response->url, .arg = t, .on_done = on_done};

    (void)err;
    assert_int_equal(rc, 0);
    http_call_cancel(t->call); /* it has ended: nothing happens */
    assert_int_equal(http_call_start(t->client, &params, &t->call, &t->err), 0);
}

static void test_http_client__starts_calls_from_within_on_done(void **state)
{
    struct peer *peer = PEER({OK("one"), CLOSE, 0}, {OK("two"), CLOSE, 0});
    struct http_call_params params = {.url = url_of(peer, "/"), .on_done = on_done_starting};
    struct told t;

    (void)state;
    open_client(&t);
    params.arg = &t;
    assert_int_equal(http_call_start(t.client, &params, &t.call, &t.err), 0);
    run_for(&t, RAW_PATIENCE_MS);
    assert_int_equal(t.n_done, 1);
    assert_int_equal(peer->n_seen, 2);
    close_client(&t);
    peer_stop(peer);
}

static void test_http_client__refuses_what_cannot_be_sent(void **state)
{
    const char *headers[] = {"X: a\r\nY: b", NULL};
    const struct http_call_params bad[] = {
        {.url = "ftp://127.0.0.1/"},
        {.url = "127.0.0.1:8080"},
        {.url = ""},
        {.url = "http://127.0.0.1/", .headers = headers},
        {.url = "http://127.0.0.1/", .bearer = "a\nb"},
    };
    struct told t;

    (void)state;
    open_client(&t);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(http_call_start(t.client, &bad[i], NULL, &t.err), ERR_INVALID);
    close_client(&t);
}

/* ---- http_fetch ---- */

static void test_http_client__fetch_waits_for_the_end(void **state)
{
    struct peer *peer = PEER({OK("fetched"), CLOSE, 0}, {OK("too long"), CLOSE, 0}, {"", CLOSE, 0});
    struct http_call_params params = {.url = url_of(peer, "/")};
    struct buf body;
    struct told t;
    int status = 0;

    (void)state;
    open_client(&t);
    buf_init(&body, 7);
    assert_int_equal(http_fetch(t.client, &params, NULL, &status, &body, &t.err), 0);
    assert_int_equal(status, 200);
    assert_string_equal(buf_str(&body), "fetched");
    buf_clear(&body);
    assert_int_equal(http_fetch(t.client, &params, NULL, &status, &body, &t.err), ERR_LIMIT);
    assert_int_equal(http_fetch(t.client, &params, NULL, &status, &body, &t.err), ERR_UNREACHABLE);
    buf_done(&body);
    close_client(&t);
    peer_stop(peer);
}

static void on_stop_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    *(volatile bool *)arg = true;
}

static void test_http_client__fetch_can_be_stopped(void **state)
{
    struct peer *peer = PEER({"", HOLD, 0});
    struct http_call_params params = {.url = url_of(peer, "/")};
    struct timeval soon = {.tv_usec = 20000};
    volatile bool stop = false;
    struct told t;
    int status = -1;

    (void)state;
    open_client(&t);
    event_base_once(t.base, -1, EV_TIMEOUT, on_stop_time, (void *)(uintptr_t)&stop, &soon);
    assert_int_equal(http_fetch(t.client, &params, &stop, &status, NULL, &t.err), ERR_CANCELLED);
    assert_int_equal(status, 0);
    close_client(&t);
    peer_stop(peer);
}

/*
 * no_proxy=* means that no proxy is asked for anything. Where it was one of several to libcurl it
 * was nothing, and all went to the proxy, with the password that http_proxy had for it.
 */
static void test_http_client__no_proxy_of_a_star_means_all_hosts(void **state)
{
    static const struct {
        const char *no_proxy;
        bool by_proxy; /* of the transport that knows proxies */
    } rows[] = {{"*", false}, {" *\t", false}, {"", true}, {"bee2.test", true}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct peer *proxy = PEER({OK("proxy"), CLOSE, 0});
        struct peer *hub = PEER({OK("hub"), CLOSE, 0});
        char url[64], place[64];
        struct told t;

        snprintf(place, sizeof place, "http://ann:secret@127.0.0.1:%u", proxy->port);
        snprintf(url, sizeof url, "http://0.0.0.0:%u/", hub->port); /* none of our own */
        setenv("http_proxy", place, 1);
        setenv("no_proxy", rows[i].no_proxy, 1);
        open_client(&t);
        run_call(&t, (struct http_call_params){.url = url, .body_max = 9});
        unsetenv("http_proxy");
        unsetenv("no_proxy");
        assert_int_equal(t.rc, 0);
        assert_string_equal(t.body,
                            rows[i].by_proxy && peer_transport == BY_CURL ? "proxy" : "hub");
        close_client(&t);
        peer_stop(proxy);
        peer_stop(hub);
    }
}

/*
 * A '/' in a proxy's password that was not written as %2F: libcurl's error quotes the address, and
 * every client that asked for a model, and the log, were told the password.
 */
static void test_http_client__a_proxys_password_is_in_no_error(void **state)
{
    static const char *const bad[] = {"http://ann:geheim/7x@proxy.test:3128",
                                      "http://ann:7/geheim@proxy.test",
                                      "http://ann:geheim#@proxy.test:3128",
                                      "http://ann:geheim?@proxy.test:3128",
                                      "http://ann:gehe im@proxy.test:3128",
                                      "http://ann:geheim@x@proxy.test:3128",
                                      "http://ann:geheim@proxy.test:port",
                                      "gopher://ann:geheim@proxy.test:3128",
                                      "http://ann:geheim@"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct peer *hub = PEER({OK("hub"), CLOSE, 0});
        char url[64];
        struct told t;

        snprintf(url, sizeof url, "http://0.0.0.0:%u/", hub->port); /* none of our own */
        setenv("http_proxy", bad[i], 1);
        open_client(&t);
        run_call(&t, (struct http_call_params){.url = url, .body_max = 9});
        unsetenv("http_proxy");
        if (peer_transport == BY_CURL) {
            assert_int_not_equal(t.rc, 0);
            assert_null(strstr(t.err.text, "geheim"));
            assert_null(strstr(t.err.text, "ann"));
            assert_non_null(strstr(t.err.text, "http_proxy is no address of a proxy"));
        }
        close_client(&t);
        peer_stop(hub);
    }
}

static void test_http_proxy__knows_what_is_one(void **state)
{
    static const char *const good[] = {"",          "http://proxy.test:3128/",
                                       "proxy",     "http://ann:ge%2Fhe:im@proxy.test:3128",
                                       "proxy:1",   "SOCKS5h://[::1]:1080",
                                       "ann@proxy", "https://10.0.0.1",
                                       "proxy:1/x", "http://proxy/proxy.pac?a#b"};
    static const char *const bad[] = {"http://", "proxy:0", "proxy:65536", "[::1", "::1",
                                      "p:1/w@y", " proxy",  "http:/proxy", "@"};
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        setenv("all_proxy", good[i], 1);
        assert_null(http_proxy_bad(false));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("all_proxy", bad[i], 1);
        assert_string_equal(http_proxy_bad(false), "all_proxy");
    }
    setenv("HTTPS_PROXY", "proxy", 1); /* comes before */
    assert_null(http_proxy_bad(true));
    assert_non_null(http_proxy_bad(false));
    setenv("https_proxy", "no proxy", 1);
    assert_string_equal(http_proxy_bad(true), "https_proxy");
    unsetenv("https_proxy");
    unsetenv("HTTPS_PROXY");
    unsetenv("all_proxy");
    assert_null(http_proxy_bad(true));
}

static int use_curl(void **state)
{
    (void)state;
    peer_transport = BY_CURL;
    return 0;
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
        cmocka_unit_test(test_http_client__gets_status_headers_and_body),
        cmocka_unit_test(test_http_client__sends_a_body_headers_and_key),
        cmocka_unit_test(test_http_client__uses_other_methods),
        cmocka_unit_test(test_http_client__refused_is_unreachable),
        cmocka_unit_test(test_http_client__closed_before_an_answer_is_unreachable),
        cmocka_unit_test(test_http_client__broken_off_midway_is_io),
        cmocka_unit_test(test_http_client__whole_time_and_stall),
        cmocka_unit_test(test_http_client__slow_is_not_stalled),
        cmocka_unit_test(test_http_client__connect_time_is_limited),
        cmocka_unit_test(test_http_client__body_max_is_exact),
        cmocka_unit_test(test_http_client__reuses_connections),
        cmocka_unit_test(test_http_client__pauses_and_gives_the_same_bytes_again),
        cmocka_unit_test(test_http_client__cancels_from_within_callbacks),
        cmocka_unit_test(test_http_client__cancels_at_any_time),
        cmocka_unit_test(test_http_client__starts_calls_from_within_on_done),
        cmocka_unit_test(test_http_client__refuses_what_cannot_be_sent),
        cmocka_unit_test(test_http_client__fetch_waits_for_the_end),
        cmocka_unit_test(test_http_client__fetch_can_be_stopped),
        cmocka_unit_test(test_http_client__no_proxy_of_a_star_means_all_hosts),
        cmocka_unit_test(test_http_client__a_proxys_password_is_in_no_error),
        cmocka_unit_test(test_http_proxy__knows_what_is_one),
    };

    int n_failed = cmocka_run_group_tests_name("libcurl", tests, use_curl, NULL);

    return n_failed + cmocka_run_group_tests_name("plain", tests, use_plain, NULL);
}
