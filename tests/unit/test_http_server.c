/*
 * The HTTP server at work: a real one in a thread, raw sockets as its clients. What it refuses is
 * in test_http_strict.c, its limits in test_http_limits.c.
 */
#include "http_rig.h"

#include "base/str.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_http_server__keeps_the_connection(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *body;

    (void)state;
    for (int i = 0; i < 3; i++) {
        raw_say(fd, GET("/hello"));
        assert_int_equal(raw_hear_reply(fd, &body), 200);
        assert_string_equal(body, "hello");
    }
    assert_int_equal(rig->n_handled, 3);
    assert_true(str_starts(rig_seen(rig)->peer, "127.0.0.1:"));
    close(fd);
    rig_stop(rig);
}

static void test_http_server__says_who_and_when(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *head;

    (void)state;
    raw_say(fd, GET("/hello"));
    head = raw_hear_until(fd, "\r\n\r\n");
    assert_non_null(strstr(head, "\r\nServer: rig/1\r\n"));
    assert_non_null(strstr(head, " GMT\r\n"));
    assert_non_null(strstr(head, "\r\nX-Request-Id: "));
    assert_null(strstr(head, "Connection: close"));
    close(fd);
    rig_stop(rig);
}

static void test_http_server__closes_when_asked(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *all;

    (void)state;
    raw_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    all = raw_hear_all(fd);
    assert_non_null(strstr(all, "\r\nConnection: close\r\n"));
    assert_true(str_ends(all, "hello"));
    close(fd);
    rig_stop(rig);
}

static void test_http_server__answers_http_1_0(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *body;

    (void)state;
    raw_say(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(raw_hear_reply(fd, &body), 200);
    raw_say(fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    raw_hear_until(fd, "\r\n\r\n");
    rig_do(rig, rig_do_put);
    rig_do(rig, rig_do_end);
    assert_string_equal(raw_hear_all(fd), "piece"); /* no chunks, the close ends it */
    close(fd);
    rig_stop(rig);
}

static void test_http_server__answers_pipelined_requests_in_order(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *body;

    (void)state;
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none" GET(
                    "/park") "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "5\r\nthree\r\n0\r\n\r\n" GET("/hello"));
    assert_int_equal(raw_hear_reply(fd, &body), 200);
    assert_string_equal(body, "one");
    RAW_WAIT(rig->n_handled == 2);
    assert_int_equal(raw_read(fd, &(char){0}, 1, 20), -1); /* nobody overtakes */
    assert_int_equal(rig->n_handled, 2);
    rig_do(rig, rig_do_answer);
    raw_hear_reply(fd, &body);
    assert_string_equal(body, "parked");
    raw_hear_reply(fd, &body);
    assert_string_equal(body, "three");
    raw_hear_reply(fd, &body);
    assert_string_equal(body, "hello");
    close(fd);
    rig_stop(rig);
}

static atomic_uint n_before_other;

static void note_other(struct http_exchange *x, void *arg)
{
    struct rig *rig = arg;

    if (strcmp(http_path(x), "/other") == 0)
        n_before_other = rig->n_handled;
    rig_handle(x, arg);
}

#define PIPELINED 200

/* What one client had sent at once was answered to the end in one turn of the loop: 0.6 s of
 * everybody's time, where each answer takes 0.4 ms. */
static void test_http_server__who_pipelines_holds_up_nobody(void **state)
{
    struct rig *rig = rig_start(
        (struct http_server_params){.limits = http_limits_default(), .handle = note_other});
    int before = raw_connect(rig->port), many = raw_connect(rig->port),
        behind = raw_connect(rig->port);
    const size_t n_one = strlen(GET("/hello"));
    const int all[] = {before, many, behind};
    char ask[PIPELINED * 64];
    struct rig_hold hold;
    const char *body;

    (void)state;
    for (int i = 0; i < 3; i++) { /* the server has them */
        raw_say(all[i], GET("/hello"));
        raw_hear_reply(all[i], &body);
    }
    rig_hold(rig, &hold);
    raw_say(before, GET("/other"));
    for (int i = 0; i < PIPELINED; i++)
        memcpy(ask + (size_t)i * n_one, GET("/hello"), n_one);
    raw_send(many, ask, PIPELINED * n_one);
    raw_say(behind, GET("/other"));
    rig_let_go(&hold);
    raw_hear_reply(before, &body);
    raw_hear_reply(behind, &body);
    assert_in_range(n_before_other, 3, 10); /* the later of the two */
    for (int i = 0; i < PIPELINED; i++) {
        raw_hear_reply(many, &body);
        assert_string_equal(body, "hello");
    }
    for (int i = 0; i < 3; i++)
        close(all[i]);
    rig_stop(rig);
}

static void test_http_server__head_has_no_body(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *body;

    (void)state;
    raw_say(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(raw_hear_until(fd, "\r\n\r\n"), "\r\nContent-Length: 5\r\n"));
    raw_say(fd, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_hear_until(fd, "\r\n\r\n");
    rig_do(rig, rig_do_put);
    rig_do(rig, rig_do_end);
    raw_say(fd, GET("/hello"));
    assert_int_equal(raw_hear_reply(fd, &body), 200); /* the very next bytes */
    assert_string_equal(body, "hello");
    close(fd);
    rig_stop(rig);
}

static void test_http_server__takes_bytes_one_by_one(void **state)
{
    static const char request[] =
        "\r\nPOST /echo?q=%41+b&q=c HTTP/1.1\r\nHost: x:1\r\nX-Test: \t a  b \t\r\nUpgrade: h2c\r\n"
        "Connection: Upgrade\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "2;ext=1\r\nab\r\n0003\r\ncde\r\n0\r\n\r\n";
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *body;

    (void)state;
    for (size_t i = 0; i < sizeof request - 1; i++) {
        raw_send(fd, request + i, 1);
        if (i % 8 == 0)
            clock_sleep_ms(1);
    }
    assert_int_equal(raw_hear_reply(fd, &body), 200);
    assert_string_equal(body, "abcde");
    assert_string_equal(rig_seen(rig)->query, "A b");
    assert_string_equal(rig_seen(rig)->header, "a  b");
    close(fd);
    rig_stop(rig);
}

static void test_http_server__decodes_paths_and_own_absolute_targets(void **state)
{
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"/a%20b%2Fc", "/a b/c", "(none)"},
        {"/a+b?x=1&q=%C3%BC&q=2", "/a+b", "\xc3\xbc"},
        {"/?q", "/", ""},
        {"/?&&q=a=b", "/", "a=b"},
        {"http://x/y?q=1", "/y", "1"},
        {"HTTP://X", "/", "(none)"},
        {"http://x?q=2", "/", "2"},
        {"http://x:80/y", "/y", "(none)"}, /* the scheme's own port: the same place */
        {"https://x:443/y", "/y", "(none)"},
        {"//evil/path", "//evil/path", "(none)"},
    };
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[200];

        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].target);
        raw_say(fd, request);
        assert_int_equal(raw_hear_reply(fd, NULL), 200);
        assert_string_equal(rig_seen(rig)->path, cases[i].path);
        assert_string_equal(rig_seen(rig)->query, cases[i].query);
    }
    close(fd);
    rig_stop(rig);
}

static void test_http_server__streams_piece_by_piece(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *body;

    (void)state;
    raw_say(fd, GET("/stream"));
    assert_non_null(strstr(raw_hear_until(fd, "\r\n\r\n"), "\r\nTransfer-Encoding: chunked\r\n"));
    rig_do(rig, rig_do_put);
    assert_string_equal(raw_hear_until(fd, "piece\r\n"), "5\r\npiece\r\n"); /* at once */
    rig_do(rig, rig_do_put);
    rig_do(rig, rig_do_end);
    assert_string_equal(raw_hear_until(fd, "0\r\n\r\n"), "5\r\npiece\r\n0\r\n\r\n");
    raw_say(fd, GET("/hello"));
    raw_hear_reply(fd, &body);
    assert_string_equal(body, "hello");
    close(fd);
    rig_stop(rig);
}

#define FOLLOWED 1024 /* pieces: more than kernels keep for a client */

/* Puts as much as its client reads, and ends the stream where it is told that all was read. */
static void follow(struct http_exchange *x, void *arg)
{
    static const char piece[RIG_PIECE];
    struct rig *rig = arg;

    while (rig->n_put < FOLLOWED && http_stream_pending(x) < RIG_PIECE) {
        http_stream_put(x, piece, sizeof piece);
        rig->n_put++;
    }
    if (http_stream_pending(x))
        http_on_drained(x, follow, rig);
    else
        http_stream_end(x);
}

static void handle_follow(struct http_exchange *x, void *arg)
{
    if (strcmp(http_path(x), "/follow") != 0) {
        rig_handle(x, arg);
        return;
    }
    http_stream_begin(x, 200, "text/plain");
    follow(x, arg);
}

static void test_http_server__a_stream_may_end_where_it_has_drained(void **state)
{
    struct rig *rig = rig_start(
        (struct http_server_params){.limits = http_limits_default(), .handle = handle_follow});
    int fd = raw_connect(rig->port);
    size_t left = FOLLOWED * (strlen("4000\r\n\r\n") + RIG_PIECE) + strlen("0\r\n\r\n");
    static char bytes[RIG_PIECE];
    const char *body;

    (void)state;
    raw_say(fd, GET("/follow"));
    raw_hear_until(fd, "\r\n\r\n");
    while (left) {
        ssize_t n = raw_read(fd, bytes, left < sizeof bytes ? left : sizeof bytes, RAW_PATIENCE_MS);

        assert_true(n > 0);
        left -= (size_t)n;
    }
    raw_say(fd, GET("/hello")); /* the connection lives on */
    assert_int_equal(raw_hear_reply(fd, &body), 200);
    assert_string_equal(body, "hello");
    close(fd);
    rig_stop(rig);
}

static void test_http_server__notices_a_client_that_leaves_while_waiting(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);

    (void)state;
    raw_say(fd, GET("/park"));
    RAW_WAIT(rig->n_handled == 1);
    assert_int_equal(rig->n_gone, 0);
    close(fd);
    RAW_WAIT(rig->n_gone == 1);
    rig_stop(rig);
    /* rig_gone asserts that it was this exchange */
}

static void test_http_server__notices_a_client_that_leaves_a_stream(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);

    (void)state;
    raw_say(fd, GET("/stream"));
    raw_hear_until(fd, "\r\n\r\n");
    shutdown(fd, SHUT_WR);
    RAW_WAIT(rig->n_gone == 1);
    rig_do(rig, rig_do_put); /* nobody is there: nothing happens */
    close(fd);
    rig_stop(rig);
}

/*
 * A client that pipelines more than the server reads ahead stops the reading; its leaving must be
 * seen all the same.
 */
static void test_http_server__notices_a_leaver_behind_a_full_read_ahead(void **state)
{
    static char junk[100000]; /* more than the read-ahead, less than the kernel holds besides */
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);

    (void)state;
    memset(junk, 'x', sizeof junk);
    raw_say(fd, GET("/park"));
    raw_send(fd, junk, sizeof junk);
    RAW_WAIT(rig->n_handled == 1);
    clock_sleep_ms(20);
    assert_int_equal(rig->n_gone, 0);
    close(fd);
    RAW_WAIT(rig->n_gone == 1);
    rig_stop(rig);
}

/*
 * The last answer of a connection whose read-ahead was full: room for no byte was taken for the
 * client's end, the socket was closed with bytes unread, and the reset could eat the answer.
 */
static void test_http_server__last_answer_is_heard_behind_a_full_read_ahead(void **state)
{
    static char junk[100000];
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    int error = -1;
    socklen_t n = sizeof error;
    const char *body;

    (void)state;
    memset(junk, 'x', sizeof junk);
    raw_say(fd, "GET /park HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    raw_send(fd, junk, sizeof junk);
    RAW_WAIT(rig->n_handled == 1);
    clock_sleep_ms(20);
    rig_do(rig, rig_do_answer);
    clock_sleep_ms(20);
    assert_int_equal(raw_hear_reply(fd, &body), 200);
    assert_string_equal(body, "parked");
    assert_int_equal(recv(fd, junk, sizeof junk, 0), 0);
    clock_sleep_ms(20);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n), 0);
    assert_int_equal(error, 0); /* an end, no reset behind it */
    close(fd);
    rig_stop(rig);
}

static void test_http_server__free_tells_those_who_wait(void **state)
{
    struct rig *rig = rig_start_default();
    int waits = raw_connect(rig->port), halves = raw_connect(rig->port);

    (void)state;
    raw_say(halves, "GET /hel");
    raw_say(waits, GET("/park"));
    RAW_WAIT(rig->n_handled == 1);
    rig_do(rig, rig_do_free);
    assert_int_equal(rig->n_gone, 1);
    assert_string_equal(raw_hear_all(waits), "");
    assert_string_equal(raw_hear_all(halves), "");
    close(waits);
    close(halves);
    rig_stop(rig);
}

static void do_drain(struct rig *rig)
{
    http_server_drain(rig->server);
    assert_int_equal(http_server_n_active(rig->server), 1);
    assert_int_equal(http_server_n_handled(rig->server), 1);
}

static void do_check_quiet(struct rig *rig)
{
    assert_int_equal(http_server_n_active(rig->server), 0);
    assert_int_equal(http_server_n_handled(rig->server), 0);
}

static void test_http_server__drain_answers_what_is_under_way(void **state)
{
    struct rig *rig = rig_start_default();
    int idle = raw_connect(rig->port), waits = raw_connect(rig->port), late;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(rig->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    raw_say(idle, GET("/hello"));
    assert_int_equal(raw_hear_reply(idle, NULL), 200);
    raw_say(waits, GET("/park"));
    RAW_WAIT(rig->n_handled == 2);
    rig_do(rig, do_drain);
    assert_string_equal(raw_hear_all(idle), "");
    late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, ECONNREFUSED);
    rig_do(rig, rig_do_answer);
    assert_true(str_ends(raw_hear_all(waits), "parked"));
    rig_do(rig, do_check_quiet);
    close(late);
    close(idle);
    close(waits);
    rig_stop(rig);
}

struct unsent {
    size_t here;  /* in this process */
    uint64_t all; /* and in the kernel */
};

static struct unsent unsent; /* the loop's, between two rig_do the test's */

static void do_see_unsent(struct rig *rig)
{
    unsent.here = rig->waiting ? http_stream_pending(rig->waiting) : 0;
    unsent.all = http_server_n_unsent(rig->server);
}

static struct unsent unsent_of(struct rig *rig)
{
    rig_do(rig, do_see_unsent);
    return unsent;
}

/* Who reads slowly moves what the kernel holds long before the loop hears of it: it took a third of
 * the socket's buffer, seconds, and a worker that ended would have thought that nobody reads. */
static void test_http_server__unsent_bytes_are_counted_to_the_client(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    static char bytes[1 << 16];
    struct unsent before;

    (void)state;
    assert_int_equal(unsent_of(rig).all, 0);
    raw_say(fd, GET("/flood"));
    RAW_WAIT(unsent_of(rig).here > RIG_FLOOD_MAX);
    before = unsent_of(rig);
    assert_true(before.all > before.here);
    RAW_WAIT(recv(fd, bytes, sizeof bytes, 0) > 0 && unsent_of(rig).all < before.all);
    close(fd);
    RAW_WAIT(unsent_of(rig).all == 0);
    rig_stop(rig);
}

static void test_http_server__takes_over_a_listening_socket(void **state)
{
    struct http_server_params params = {.limits = http_limits_default()};
    struct rig *rig;
    uint16_t port;
    const char *body;
    int fd;

    (void)state;
    params.listen_fd = raw_listen(&port);
    fd = raw_connect(port); /* waits in the backlog */
    raw_say(fd, GET("/hello"));
    rig = rig_start(params);
    assert_int_equal(rig->port, port);
    raw_hear_reply(fd, &body);
    assert_string_equal(body, "hello");
    close(fd);
    rig_stop(rig);
    errno = 0;
    assert_int_equal(fcntl(params.listen_fd, F_GETFD), -1); /* closed with the server */
}

static void test_http_server__listens_on_ipv6(void **state)
{
    struct http_server_params params = {.address = "::1", .limits = http_limits_default()};
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct rig *rig;

    (void)state;
    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to)) {
        print_message("no IPv6 loopback on this machine\n");
        if (fd >= 0)
            close(fd);
        skip();
    }
    rig = rig_start(params);
    to.sin6_port = htons(rig->port);
    close(fd);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    raw_say(fd, "GET /hello HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    assert_true(str_starts(rig_seen(rig)->peer, "[::1]:"));
    close(fd);
    rig_stop(rig);
}

static void test_http_server__says_why_it_cannot_listen(void **state)
{
    struct event_base *base = event_base_new();
    struct http_server_params params = {.base = base,
                                        .address = "127.0.0.1",
                                        .limits = http_limits_default(),
                                        .handle = rig_handle};
    struct http_server *server = NULL;
    struct err err = {0};
    char port[16];
    int fd = raw_listen(&params.port);

    (void)state;
    assert_int_equal(http_server_create(&params, &server, &err), ERR_BUSY);
    snprintf(port, sizeof port, "%u", params.port);
    assert_non_null(strstr(err.text, port));
    assert_non_null(strstr(err.text, "127.0.0.1"));
    params.address = "localhost:80";
    assert_int_equal(http_server_create(&params, &server, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "localhost:80"));
    params.listen_fd = 9999;
    assert_int_equal(http_server_create(&params, &server, &err), ERR_INVALID);
    assert_null(server);
    close(fd);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_server__keeps_the_connection),
        cmocka_unit_test(test_http_server__says_who_and_when),
        cmocka_unit_test(test_http_server__closes_when_asked),
        cmocka_unit_test(test_http_server__answers_http_1_0),
        cmocka_unit_test(test_http_server__answers_pipelined_requests_in_order),
        cmocka_unit_test(test_http_server__who_pipelines_holds_up_nobody),
        cmocka_unit_test(test_http_server__head_has_no_body),
        cmocka_unit_test(test_http_server__takes_bytes_one_by_one),
        cmocka_unit_test(test_http_server__decodes_paths_and_own_absolute_targets),
        cmocka_unit_test(test_http_server__streams_piece_by_piece),
        cmocka_unit_test(test_http_server__a_stream_may_end_where_it_has_drained),
        cmocka_unit_test(test_http_server__notices_a_client_that_leaves_while_waiting),
        cmocka_unit_test(test_http_server__notices_a_client_that_leaves_a_stream),
        cmocka_unit_test(test_http_server__notices_a_leaver_behind_a_full_read_ahead),
        cmocka_unit_test(test_http_server__last_answer_is_heard_behind_a_full_read_ahead),
        cmocka_unit_test(test_http_server__free_tells_those_who_wait),
        cmocka_unit_test(test_http_server__drain_answers_what_is_under_way),
        cmocka_unit_test(test_http_server__unsent_bytes_are_counted_to_the_client),
        cmocka_unit_test(test_http_server__takes_over_a_listening_socket),
        cmocka_unit_test(test_http_server__listens_on_ipv6),
        cmocka_unit_test(test_http_server__says_why_it_cannot_listen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
