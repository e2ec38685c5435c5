/*
 * The HTTP server's limits: bytes, headers, connections, time, descriptors, slow readers; and what
 * its filter can stop before a body is read.
 */
#include "http_rig.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

#include "base/str.h"
#include "net/http_internal.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static struct http_server_params with_limits(void)
{
    return (struct http_server_params){.limits = http_limits_default()};
}

/* Hears the one last answer: its status, and that the connection is closed behind it. */
static void check_last(int fd, const char *status)
{
    const char *all = raw_hear_all(fd);

    if (!str_starts(all, status) || !strstr(all, "\r\nConnection: close\r\n"))
        fail_msg("not %s, but: %s", status, all);
    close(fd);
}

static void send_head(int fd, size_t n_bytes)
{
    static const char begin[] = "GET /hello HTTP/1.1\r\nHost: x\r\nA: ";
    size_t n_fill = n_bytes - (sizeof begin - 1) - 4;
    char *fill = malloc(n_fill);

    assert_non_null(fill);
    memset(fill, 'f', n_fill);
    raw_say(fd, begin);
    raw_send(fd, fill, n_fill);
    raw_say(fd, "\r\n\r\n");
    free(fill);
}

static void test_http_limits__heads_up_to_the_limit(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);

    (void)state;
    send_head(fd, HTTP_HEAD_MAX);
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    send_head(fd, HTTP_HEAD_MAX + 1);
    check_last(fd, "HTTP/1.1 431 ");
    assert_int_equal(rig->n_handled, 1);
    rig_stop(rig);
}

static void send_headers(int fd, unsigned n)
{
    raw_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n");
    for (unsigned i = 1; i < n; i++)
        raw_say(fd, "A: b\r\n");
    raw_say(fd, "\r\n");
}

static void test_http_limits__headers_up_to_the_limit(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);

    (void)state;
    send_headers(fd, HTTP_HEADERS_MAX);
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    send_headers(fd, HTTP_HEADERS_MAX + 1);
    check_last(fd, "HTTP/1.1 431 ");
    assert_int_equal(rig->n_handled, 1);
    rig_stop(rig);
}

#define BODY_MAX 300000

static void send_body(int fd, size_t n, bool chunked)
{
    char head[120], *body = malloc(n);

    assert_non_null(body);
    memset(body, 'b', n);
    snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: x\r\n%s%zu\r\n\r\n",
             chunked ? "Transfer-Encoding: chunked\r\nX: " : "Content-Length: ", n);
    raw_say(fd, head);
    for (size_t at = 0; chunked && at < n; at += 1000) {
        size_t piece = n - at < 1000 ? n - at : 1000;

        snprintf(head, sizeof head, "%zX\r\n", piece);
        raw_say(fd, head);
        raw_send(fd, body, piece);
        raw_say(fd, "\r\n");
    }
    if (chunked)
        raw_say(fd, "0\r\n\r\n");
    else
        raw_send(fd, body, n);
    free(body);
}

static void check_echo(int fd, size_t n)
{
    char piece[8192], length[48];
    const char *head = raw_hear_until(fd, "\r\n\r\n");

    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", n);
    assert_true(str_starts(head, "HTTP/1.1 200 "));
    assert_non_null(strstr(head, length));
    while (n) {
        size_t room = sizeof piece - 1;
        ssize_t got = raw_read(fd, piece, n < room ? n : room, RAW_PATIENCE_MS);

        assert_true(got > 0);
        piece[got] = '\0';
        assert_int_equal(strspn(piece, "b"), got);
        n -= (size_t)got;
    }
}

/* The 413 must be heard though the client sends its whole body before it listens. */
static void test_http_limits__bodies_up_to_the_limit(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int fd;

    (void)state;
    params.limits.body_max = BODY_MAX;
    rig = rig_start(params);
    for (int chunked = 0; chunked < 2; chunked++) {
        fd = raw_connect(rig->port);
        send_body(fd, BODY_MAX, chunked);
        check_echo(fd, BODY_MAX);
        send_body(fd, BODY_MAX + 1, chunked);
        check_last(fd, "HTTP/1.1 413 ");
    }
    assert_int_equal(rig->n_handled, 2);
    rig_stop(rig);
}

/* So many bytes of a longer body, which then does not go on; or of one that is whole. */
static int begin_body(const struct rig *rig, const char *path, size_t n, size_t n_announced)
{
    int fd = raw_connect(rig->port);
    char head[120], *body = malloc(n);

    assert_non_null(body);
    memset(body, 'b', n);
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path,
             n_announced);
    raw_say(fd, head);
    raw_send(fd, body, n);
    free(body);
    return fd;
}

static void check_no_room(int fd)
{
    const char *all = raw_hear_all(fd);

    if (!str_starts(all, "HTTP/1.1 503 ") || !strstr(all, "\r\nRetry-After: 1\r\n") ||
        !strstr(all, "bytes of requests' bodies, and 300000 are allowed"))
        fail_msg("not refused for want of room, but: %s", all);
    close(fd);
}

static struct rig *start_with_room(void)
{
    struct http_server_params params = with_limits();

    params.limits.bodies_max = 300000;
    return rig_start(params);
}

static atomic_size_t n_counted;

static void rig_do_count(struct rig *rig)
{
    n_counted = rig->server->n_body_bytes;
}

static void wait_for_bodies(struct rig *rig, size_t n)
{
    do
        rig_do(rig, rig_do_count);
    while (n_counted != n);
}

/* Three hundred clients that sent nearly 16 MiB each, and then nothing, took 5 GB until their time
 * was over. Those who send little are not kept out by them. */
static void test_http_limits__of_all_bodies_the_largest_that_still_comes_goes(void **state)
{
    struct rig *rig = start_with_room();
    int hog = begin_body(rig, "/echo", 200000, 250000), small, next;

    (void)state;
    small = begin_body(rig, "/echo", 50000, 60000);
    wait_for_bodies(rig, 250000);
    next = begin_body(rig, "/echo", 120000, 120000);
    check_no_room(hog);
    check_echo(next, 120000);
    raw_send(small, "bbbbbbbbbb", 10); /* it is still served */
    close(next);
    close(small);
    next = begin_body(rig, "/echo", 299000, 299000); /* and nothing is left behind */
    check_echo(next, 299000);
    close(next);
    rig_stop(rig);
}

/* Closes it so that the other side can say nothing more. */
static void reset(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}

/*
 * The largest goes, and its client has reset the connection already: the refusal could not be sent,
 * and the next body that was too much looked at a request that was no more. A hive crashed by it
 * when 40 of 600 clients left.
 */
static void test_http_limits__the_largest_may_have_left(void **state)
{
    struct rig *rig = start_with_room();
    int largest = begin_body(rig, "/echo", 70000, 70001), others[5];
    struct rig_hold hold;
    char more[60000];

    (void)state;
    memset(more, 'b', sizeof more);
    for (int i = 0; i < 5; i++)
        others[i] = begin_body(rig, "/echo", 42000, 120000);
    wait_for_bodies(rig, 280000);
    rig_hold(rig, &hold);
    raw_send(others[0], more, 25000); /* all this the loop finds in one turn, in this order: */
    raw_send(others[1], more, 60000); /* too much, without the largest 295,000, */
    raw_send(others[2], more, 10000); /* and too much again */
    reset(largest);
    rig_let_go(&hold);
    check_no_room(others[1]);
    raw_send(others[0], more, 53000);
    check_echo(others[0], 120000);
    for (int i = 0; i < 5; i++)
        if (i != 1)
            close(others[i]);
    rig_stop(rig);
}

/* Behind a request that waits 64 KiB of the next ones were kept, for each of thousands, and counted
 * in nothing. */
static void test_http_limits__what_is_read_ahead_counts(void **state)
{
    static char ask[60000] = "GET /park HTTP/1.1\r\nHost: x\r\n\r\n", more[60000];
    struct rig *rig = start_with_room();
    int fd = raw_connect(rig->port), late = raw_connect(rig->port);
    size_t n_head = strlen(ask);
    struct rig_hold hold;

    (void)state;
    memset(ask + n_head, '\r', sizeof ask - n_head); /* begins what nobody looks at yet */
    rig_hold(rig, &hold);
    raw_send(fd, ask, sizeof ask);
    rig_let_go(&hold);
    wait_for_bodies(rig, sizeof ask - n_head);
    check_no_room(begin_body(rig, "/echo", 250000, 250000));
    close(fd);
    wait_for_bodies(rig, 0);

    ask[n_head] = '\0';
    raw_say(late, ask);
    RAW_WAIT(rig->n_handled == 2);
    raw_send(late, more,
             sizeof more); /* while it waits no more is read than tells that it is there */
    wait_for_bodies(rig, HTTP_READ_BUSY_MAX);
    close(late);
    wait_for_bodies(rig, 0);
    rig_stop(rig);
}

static void test_http_limits__bodies_being_worked_on_stay(void **state)
{
    struct rig *rig = start_with_room();
    int parked = begin_body(rig, "/park", 200000, 200000), next;
    const char *body;

    (void)state;
    RAW_WAIT(rig->n_handled == 1);
    check_no_room(begin_body(rig, "/echo", 150000, 150000));
    rig_do(rig, rig_do_answer);
    assert_int_equal(raw_hear_reply(parked, &body), 200);
    assert_string_equal(body, "parked");
    next = begin_body(rig, "/echo", 150000, 150000);
    check_echo(next, 150000);
    close(parked);
    close(next);
    rig_stop(rig);
}

/* Keeps ?q= bytes of a body that it has dropped, and waits; answers when they are too many, and
 * /try in any case. */
static void keep_and_wait(struct http_exchange *x, void *arg)
{
    struct rig *rig = arg;
    size_t n = strtoul(http_query(x, "q"), NULL, 10);

    rig->n_handled++;
    http_drop_body(x);
    if (!http_hold(x, n)) {
        http_reply(x, 200, "text/plain", "no room", 7);
    } else if (str_eq(http_path(x), "/try")) {
        http_reply(x, 200, "text/plain", "held", 4);
    } else {
        rig->waiting = x;
        http_on_gone(x, rig_gone, rig);
    }
}

static void check_body(int fd, const char *want)
{
    const char *body;

    assert_int_equal(raw_hear_reply(fd, &body), 200);
    assert_string_equal(body, want);
    close(fd);
}

static void rig_do_let_go(struct rig *rig)
{
    assert_non_null(rig->waiting);
    assert_true(http_hold(rig->waiting, 0));
}

/* A hive kept a request's text three times for as long as its answer took, and counted none. */
static void test_http_limits__what_handlers_keep_counts_too(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int holder, next;

    (void)state;
    params.limits.bodies_max = 300000;
    params.handle = keep_and_wait;
    rig = rig_start(params);
    holder = begin_body(rig, "/x?q=220000", 10, 10);
    RAW_WAIT(rig->n_handled == 1);
    check_body(begin_body(rig, "/try?q=90000", 10, 10), "no room");
    check_body(begin_body(rig, "/try?q=18446744073709551615", 10, 10), "no room");
    check_no_room(begin_body(rig, "/try?q=0", 90000, 90000)); /* nor is there for a body */
    rig_do(rig, rig_do_let_go);
    rig_do(rig, rig_do_answer);
    check_body(holder, "parked");
    holder = begin_body(rig, "/x?q=225000", 10, 10); /* all of it is free again */
    RAW_WAIT(rig->n_handled == 4);
    close(holder); /* and also behind a client that leaves */
    RAW_WAIT(rig->n_gone == 1);
    next = begin_body(rig, "/x?q=225000", 10, 10);
    RAW_WAIT(rig->n_handled == 5);
    rig_do(rig, rig_do_answer);
    check_body(next, "parked");
    rig_stop(rig);
}

/* Requests that waited for a model could have all the room: each body that came was then the
 * largest that comes, and refused for as long as they waited, were it of ten bytes. */
static void test_http_limits__handlers_leave_room_for_those_who_send_little(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int holder;

    (void)state;
    params.limits.bodies_max = 300000;
    params.handle = keep_and_wait;
    rig = rig_start(params);
    check_body(begin_body(rig, "/try?q=225001", 10, 10), "no room");
    holder = begin_body(rig, "/x?q=225000", 10, 10);
    RAW_WAIT(rig->n_handled == 2);
    check_body(begin_body(rig, "/try?q=65537", 10, 10), "no room");
    check_body(begin_body(rig, "/try?q=65536", 10, 10), "held"); /* so little is not kept out */
    check_body(begin_body(rig, "/try?q=0", 70000, 70000), "held");
    rig_do(rig, rig_do_answer);
    check_body(holder, "parked");
    rig_stop(rig);
}

static void rig_do_grow(struct rig *rig)
{
    assert_non_null(rig->waiting);
    assert_false(http_hold(rig->waiting, 101000));
    http_hold_granted(rig->waiting, 100000);
    assert_true(http_hold(rig->waiting, 101000));
    assert_true(http_hold(rig->waiting, 165536));
    assert_false(http_hold(rig->waiting, 165537));
}

static struct http_exchange *set_aside; /* the loop's */

static void rig_do_swap(struct rig *rig)
{
    struct http_exchange *x = rig->waiting;

    rig->waiting = set_aside;
    set_aside = x;
}

/* A stream of a few words, of which much had been let in when it began, was ended in its middle for
 * the room that others had taken since. */
static void test_http_limits__what_was_granted_leaves_a_stream_its_little(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int holder, other;

    (void)state;
    params.limits.bodies_max = 300000;
    params.handle = keep_and_wait;
    rig = rig_start(params);
    holder = begin_body(rig, "/x?q=100000", 10, 10);
    RAW_WAIT(rig->n_handled == 1);
    rig_do(rig, rig_do_swap);
    other = begin_body(rig, "/x?q=125000", 10, 10);
    RAW_WAIT(rig->n_handled == 2);
    rig_do(rig, rig_do_swap);
    rig_do(rig, rig_do_grow);
    close(holder);
    RAW_WAIT(rig->n_gone == 1);
    rig_do(rig, rig_do_swap);
    close(other);
    RAW_WAIT(rig->n_gone == 2);
    rig_stop(rig);
}

/* A chunk's size alone is enough to refuse it. */
static void test_http_limits__refuses_a_huge_chunk_by_its_size(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);

    (void)state;
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n");
    check_last(fd, "HTTP/1.1 413 ");
    rig_stop(rig);
}

/* Extensions and leading zeros cost the sender little and us memory or time: they end somewhere. */
static void test_http_limits__refuses_chunks_that_are_all_framing(void **state)
{
    static const char *const framing[] = {"00000000", ";e=xxxxx"};
    struct http_server_params params = with_limits();
    struct rig *rig;

    (void)state;
    params.limits.body_max = 100;
    rig = rig_start(params);
    for (int k = 0; k < 2; k++) {
        int fd = raw_connect(rig->port);

        raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1");
        if (k == 0)
            raw_say(fd, "\r\nb\r\n");
        for (int i = 0; i < 40000; i++)
            raw_say(fd, framing[k]);
        check_last(fd, k ? "HTTP/1.1 400 " : "HTTP/1.1 413 ");
    }
    assert_int_equal(rig->n_handled, 0);
    rig_stop(rig);
}

static void test_http_limits__time_for_a_head_and_a_body(void **state)
{
    struct http_server_params params = with_limits();
    struct pollfd answer = {.events = POLLIN};
    int mute, half, trickle, body;
    struct rig *rig;
    int64_t until_ms;

    (void)state;
    params.limits.head_timeout_ms = params.limits.body_timeout_ms = 1300;
    rig = rig_start(params);
    mute = raw_connect(rig->port);
    half = raw_connect(rig->port);
    raw_say(half, "GET /hello HT");
    body = raw_connect(rig->port);
    raw_say(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc");
    trickle = raw_connect(rig->port);
    raw_say(trickle, "GET /");
    answer.fd = trickle;
    until_ms = clock_ms() + RAW_PATIENCE_MS;
    while (poll(&answer, 1, 25) == 0 && clock_ms() < until_ms)
        raw_say(trickle, "x"); /* bytes that trickle in buy no time */
    assert_true(clock_ms() < until_ms);
    check_last(trickle, "HTTP/1.1 408 ");
    check_last(half, "HTTP/1.1 408 ");
    check_last(body, "HTTP/1.1 408 ");
    assert_string_equal(raw_hear_all(mute), ""); /* it asked nothing: nothing is answered */
    close(mute);
    assert_int_equal(rig->n_handled, 0);
    rig_stop(rig);
}

static void test_http_limits__idle_connections_end_waiting_ones_do_not(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    const char *body;
    int idle, waits;

    (void)state;
    params.limits.idle_timeout_ms = params.limits.body_timeout_ms = 50;
    rig = rig_start(params);
    idle = raw_connect(rig->port);
    raw_say(idle, GET("/hello"));
    assert_int_equal(raw_hear_reply(idle, NULL), 200);
    waits = raw_connect(rig->port);
    raw_say(waits, GET("/park"));
    assert_string_equal(raw_hear_all(idle), "");
    clock_sleep_ms(100);
    rig_do(rig, rig_do_answer);
    assert_int_equal(raw_hear_reply(waits, &body), 200);
    assert_string_equal(body, "parked");
    close(idle);
    close(waits);
    rig_stop(rig);
}

/*
 * Some clients send an empty line behind a body. It began a request, so a connection that waited
 * for the next one was told 408 and closed after the time for a head, unasked.
 */
static void test_http_limits__an_empty_line_begins_no_request(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int fd;

    (void)state;
    params.limits.head_timeout_ms = 1200;
    params.limits.idle_timeout_ms = 1300;
    rig = rig_start(params);
    fd = raw_connect(rig->port);
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab\r\n" GET("/hello"));
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    raw_say(fd, "\r\n");
    assert_string_equal(raw_hear_all(fd), ""); /* it is idle, and that is over some time */
    close(fd);
    assert_int_equal(rig->n_handled, 2);
    rig_stop(rig);
}

/*
 * A long answer to a client that takes its time: the connection counted as idle from the moment the
 * handler had answered, and was cut in the midst of the answer.
 */
static void test_http_limits__a_slow_download_is_not_idle(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int fd;

    (void)state;
    params.limits.idle_timeout_ms = 50;
    rig = rig_start(params);
    fd = raw_connect(rig->port);
    send_body(fd, 12u << 20, false);
    RAW_WAIT(rig->n_handled == 1);
    clock_sleep_ms(150);
    check_echo(fd, 12u << 20);
    assert_string_equal(raw_hear_all(fd), ""); /* now it is */
    close(fd);
    rig_stop(rig);
}

static void test_http_limits__connections_past_the_limit_are_told_503(void **state)
{
    struct http_server_params params = with_limits();
    int one, two, three;
    struct rig *rig;

    (void)state;
    params.limits.connections_max = 2;
    rig = rig_start(params);
    one = raw_connect(rig->port);
    two = raw_connect(rig->port);
    raw_say(one, "GET /hello HTTP/1.1\r\nHost: ");
    raw_say(two, "GET /hello HTTP/1.1\r\nHost: ");
    three = raw_connect(rig->port);
    raw_say(three, GET("/hello"));
    check_last(three, "HTTP/1.1 503 ");
    close(one);
    for (int status = 0; status != 200;) { /* a place is free once the close was seen */
        three = raw_connect(rig->port);
        raw_say(three, GET("/hello"));
        status = raw_hear_reply(three, NULL);
        close(three);
    }
    close(two);
    rig_stop(rig);
}

/* A connection from an address of one's choice on the loopback net. */
static int connect_from(const char *address, uint16_t port)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(inet_pton(AF_INET, address, &from.sin_addr), 1);
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr), 1);
    to.sin_port = htons(port);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* One address holds nearly every place, by heads that do not end: another one gets in all the same.
 */
static void test_http_limits__one_address_cannot_keep_the_others_out(void **state)
{
    struct http_server_params params = with_limits();
    int greedy[4], works, other, more, quiet;
    struct rig *rig;

    (void)state;
    params.limits.connections_max = 5;
    rig = rig_start(params);
    quiet = connect_from("127.0.0.4", rig->port); /* the oldest of all, but it has one place only */
    raw_say(quiet, GET("/hello"));
    assert_int_equal(raw_hear_reply(quiet, NULL), 200);
    works = greedy[0] = connect_from("127.0.0.2", rig->port); /* the oldest, but it has work */
    raw_say(works, GET("/park"));
    RAW_WAIT(rig->n_handled == 2);
    for (int i = 1; i < 4; i++) {
        greedy[i] = connect_from("127.0.0.2", rig->port);
        raw_say(greedy[i], "GET /hello HTTP/1.1\r\nHost: ");
        clock_sleep_ms(5);
    }
    other = connect_from("127.0.0.3", rig->port);
    raw_say(other, GET("/hello"));
    assert_int_equal(raw_hear_reply(other, NULL), 200);
    assert_string_equal(raw_hear_all(greedy[1]), ""); /* the oldest without a request */
    more = connect_from("127.0.0.2", rig->port);      /* who has them all gets no more */
    raw_say(more, GET("/hello"));
    check_last(more, "HTTP/1.1 503 ");
    raw_say(greedy[2], "127.0.0.1\r\n\r\n");
    assert_int_equal(raw_hear_reply(greedy[2], NULL), 200);
    raw_say(quiet, GET("/hello"));
    assert_int_equal(raw_hear_reply(quiet, NULL), 200);
    rig_do(rig, rig_do_answer);
    assert_int_equal(raw_hear_reply(works, NULL), 200);
    for (int i = 0; i < 4; i++)
        close(greedy[i]);
    close(quiet);
    close(other);
    rig_stop(rig);
}

/* Has the server take in a head, and wait for the body. */
static void begin_slowly(int fd)
{
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                "Expect: 100-continue\r\n\r\n");
    assert_string_equal(raw_hear_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
}

/*
 * A program on the hive's own machine kept many connections to a worker, all answered and idle. The
 * hive's checks come from the same address: they were refused, three times, and the worker was
 * killed as one that hangs, in the middle of others' answers.
 */
static void test_http_limits__a_pool_does_not_keep_its_owner_out(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int pool[3], newcomers[2];

    (void)state;
    params.limits.connections_max = 3;
    rig = rig_start(params);
    for (int i = 0; i < 3; i++) {
        pool[i] = raw_connect(rig->port);
        raw_say(pool[i], GET("/hello"));
        assert_int_equal(raw_hear_reply(pool[i], NULL), 200);
    }
    raw_say(pool[0], GET("/park"));
    RAW_WAIT(rig->n_handled == 4);
    for (int i = 0; i < 2; i++) {
        newcomers[i] = raw_connect(rig->port);
        raw_say(newcomers[i], GET("/hello"));
        assert_int_equal(raw_hear_reply(newcomers[i], NULL), 200);
        assert_string_equal(raw_hear_all(pool[i + 1]), ""); /* the oldest that asks nothing */
        begin_slowly(newcomers[i]);
    }
    check_last(raw_connect(rig->port), "HTTP/1.1 503 "); /* who asks something stays */
    rig_do(rig, rig_do_answer);
    assert_int_equal(raw_hear_reply(pool[0], NULL), 200);
    for (int i = 0; i < 3; i++)
        close(pool[i]);
    close(newcomers[0]);
    close(newcomers[1]);
    rig_stop(rig);
}

/* A key is not needed here, but who shows one is known. */
static bool filter_known(struct http_exchange *x, void *arg)
{
    (void)arg;
    http_set_pass(x, http_header(x, "authorization") ? 1 : 0);
    return true;
}

static int ask_from(const struct rig *rig, const char *address, const char *key)
{
    int fd = connect_from(address, rig->port);

    raw_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n");
    raw_say(fd, key);
    raw_say(fd, "\r\n");
    return fd;
}

/*
 * Who has many nets of IPv6 held every place with one connection from each. No address had more
 * than another, so nobody made room: the hive's owner was told 503, with the right key in the hand.
 */
static void test_http_limits__strangers_make_room_for_others(void **state)
{
    static const char key[] = "Authorization: Bearer k\r\n";
    struct http_server_params params = with_limits();
    int known, strangers[3], other, second, more;
    char address[] = "127.0.0.3";
    struct rig *rig;

    (void)state;
    params.limits.connections_max = 4;
    params.filter = filter_known;
    rig = rig_start(params);
    known = ask_from(rig, "127.0.0.2", key);
    assert_int_equal(raw_hear_reply(known, NULL), 200);
    for (int i = 0; i < 3; i++) {
        strangers[i] = ask_from(rig, address, "");
        assert_int_equal(raw_hear_reply(strangers[i], NULL), 200);
        address[sizeof address - 2]++;
    }
    other = ask_from(rig, "127.0.0.6", key);
    assert_int_equal(raw_hear_reply(other, NULL), 200);
    assert_string_equal(raw_hear_all(strangers[0]), ""); /* the oldest that is not known */
    second = ask_from(rig, "127.0.0.2", key);            /* who is known may have more */
    assert_int_equal(raw_hear_reply(second, NULL), 200);
    assert_string_equal(raw_hear_all(strangers[1]), "");
    begin_slowly(strangers[2]);
    more = ask_from(rig, "127.0.0.5", ""); /* strangers may not */
    check_last(more, "HTTP/1.1 503 ");
    for (int i = 0; i < 2; i++) { /* and those who are known are all there still */
        raw_say(i ? other : known, GET("/hello"));
        assert_int_equal(raw_hear_reply(i ? other : known, NULL), 200);
    }
    for (int i = 0; i < 3; i++)
        close(strangers[i]);
    close(known);
    close(other);
    close(second);
    rig_stop(rig);
}

/* Whether the kernel itself knows the limit: under valgrind it does not. */
static bool kernel_limits_files_to(int n)
{
    FILE *f = fopen("/proc/self/limits", "r");
    char line[200];
    long limit = -1;

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (str_starts(line, "Max open files"))
            limit = strtol(line + 14, NULL, 10);
    fclose(f);
    return limit == n;
}

/*
 * Where a process may have 4,096 descriptors or fewer, one address took all of them before there
 * were 4,096 connections: no place was made for others, who waited for as long as it wished.
 */
static void test_http_limits__connections_leave_descriptors_for_others(void **state)
{
    static const struct {
        rlim_t files;
        uint32_t connections;
    } cases[] = {{512, 256}, {1024, 512}, {4096, 2048}, {8191, 4095}, {8192, 4096}, {65536, 4096}};
    struct rlimit old, now;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].files > old.rlim_max)
            continue;
        now = (struct rlimit){.rlim_cur = cases[i].files, .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
        assert_int_equal(http_limits_default().connections_max, cases[i].connections);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* Few descriptors: the server rests and goes on once there are some, and nobody is turned away. */
static void test_http_limits__survives_a_shortage_of_descriptors(void **state)
{
    struct rig *rig = rig_start_default();
    struct rlimit old, none;
    int fd = raw_connect(rig->port), late, top;
    bool limited;

    (void)state;
    raw_say(fd, GET("/hello"));
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    late = socket(AF_INET, SOCK_STREAM, 0);
    top = dup(late);
    close(top); /* the one that is left, for reading the limit */
    none = (struct rlimit){.rlim_cur = (rlim_t)top + 1, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    limited = kernel_limits_files_to(top + 1);
    top = dup(late);
    if (!limited) {
        close(top);
        setrlimit(RLIMIT_NOFILE, &old);
        close(fd);
        close(late);
        rig_stop(rig);
        print_message("the limit of open files is not the kernel's here\n");
        skip();
    }
    assert_int_equal(dup(late), -1);
    assert_int_equal(
        connect(late,
                (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET,
                                                         .sin_port = htons(rig->port),
                                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                sizeof(struct sockaddr_in)),
        0);
    raw_say(late, GET("/hello"));
    assert_int_equal(raw_read(late, &(char){0}, 1, 50), -1); /* waits in the backlog */
    raw_say(fd, GET("/hello"));
    assert_int_equal(raw_hear_reply(fd, NULL), 200); /* others are served meanwhile */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(raw_hear_reply(late, NULL), 200);
    close(fd);
    close(top);
    close(late);
    rig_stop(rig);
}

/* The linker puts these in the places of accept4 and event_add: memory runs short once for the one,
 * and then once for the listening socket's event. */
static atomic_bool accept_fails, add_fails;
static atomic_int listening_fd;
int __real_accept4(int fd, struct sockaddr *from, socklen_t *n, int flags);
int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *n, int flags);
int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *n, int flags)
{
    if (!atomic_exchange(&accept_fails, false))
        return __real_accept4(fd, from, n, flags);
    listening_fd = fd;
    add_fails = true;
    errno = ENOMEM;
    return -1;
}

int __real_event_add(struct event *ev, const struct timeval *in);
int __wrap_event_add(struct event *ev, const struct timeval *in);
int __wrap_event_add(struct event *ev, const struct timeval *in)
{
    if (event_get_fd(ev) == listening_fd && atomic_exchange(&add_fails, false))
        return -1;
    return __real_event_add(ev, in);
}

/*
 * epoll gives a watched socket back when accepting rests, and may have no memory to take it again.
 * Nobody looked: connections were taken into the backlog, and no request was answered ever after.
 */
static void test_http_limits__goes_on_when_the_kernel_is_short_twice(void **state)
{
    struct rig *rig = rig_start_default();
    int fd;

    (void)state;
    accept_fails = true;
    fd = raw_connect(rig->port);
    raw_say(fd, GET("/hello"));
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    assert_false(accept_fails);
    assert_false(add_fails);
    close(fd);
    rig_stop(rig);
}

#define PENDING_MAX 200000

static void test_http_limits__cuts_a_slow_reader(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int fd;

    (void)state;
    params.limits.stream_pending_max = PENDING_MAX;
    rig = rig_start(params);
    fd = raw_connect(rig->port);
    raw_say(fd, GET("/flood")); /* and reads nothing */
    RAW_WAIT(rig->cut);
    RAW_WAIT(rig->n_gone == 1);
    assert_true(rig->pending > PENDING_MAX);
    assert_true(rig->pending < PENDING_MAX + RIG_PIECE + 64);
    close(fd);
    rig_stop(rig);
}

#define LARGE (32u << 20) /* far more than kernels keep */

static void put_large(struct http_exchange *x, void *arg)
{
    char *piece = malloc(LARGE);

    (void)arg;
    assert_non_null(piece);
    memset(piece, '~', LARGE);
    http_stream_begin(x, 200, "text/plain");
    if (http_stream_put(x, piece, LARGE) == 0)
        http_stream_end(x);
    free(piece);
}

/* One piece over the limit made a client slow before it could have read a byte of it: an answer
 * with large vectors was cut, however fast it was read. */
static void test_http_limits__a_large_piece_makes_nobody_slow(void **state)
{
    struct http_server_params params = with_limits();
    static char some[1 << 18];
    struct rig *rig;
    size_t got = 0;
    ssize_t n;
    int fd;

    (void)state;
    params.handle = put_large;
    rig = rig_start(params);
    fd = raw_connect(rig->port);
    raw_say(fd, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    while ((n = raw_read(fd, some, sizeof some, RAW_PATIENCE_MS)) > 0)
        for (ssize_t i = 0; i < n; i++)
            got += some[i] == '~';
    assert_int_equal(got, LARGE);
    close(fd);
    rig_stop(rig);
}

static void test_http_limits__cuts_a_reader_that_takes_nothing_in_time(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int fd;

    (void)state;
    params.limits.stream_pending_max = 1u << 30;
    params.limits.write_timeout_ms = 100;
    rig = rig_start(params);
    fd = raw_connect(rig->port);
    raw_say(fd, GET("/flood"));
    RAW_WAIT(rig->n_gone == 1);
    assert_false(rig->cut); /* by time, not by the bytes */
    close(fd);
    rig_stop(rig);
}

/*
 * The kernel gave a client that read nothing 30 s, whatever was configured, and without a word in
 * the log: it is told to come behind the loop, and not at all where there is no limit.
 */
static void test_http_limits__the_kernel_is_as_patient_as_the_loop(void **state)
{
    static const struct {
        int64_t write_timeout_ms;
        int kernel_ms;
    } cases[] = {{60000, 65000}, {100, 30000}, {300000, 305000}, {0, 0}, {-1, 0}, {INT64_MAX, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_server_params params = with_limits();
        int ms = -1;
        socklen_t n = sizeof ms;
        struct rig *rig;

        params.limits.write_timeout_ms = cases[i].write_timeout_ms;
        rig = rig_start(params);
        assert_int_equal(getsockopt(rig->server->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &n), 0);
        assert_int_equal(ms, cases[i].kernel_ms);
        rig_stop(rig);
    }
}

static atomic_size_t n_unsent;
static atomic_bool rests;

static void rig_do_look(struct rig *rig)
{
    const struct http_conn *c = rig->server->conns;

    n_unsent = c ? http_conn_unsent(c) : 0;
    rests = c && !c->reading;
}

/* Room of some hundred kilobytes for both sides, whatever the kernel would give. */
static void keep_little(int fd)
{
    int n = 128 << 10;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof n), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof n), 0);
}

#define ASK_BODY 100000

/*
 * A client that asks on and on, and never reads, must not fill the server's memory with answers:
 * the server stops reading, with little unsent, and goes on when the client reads. It is asked
 * until it stands, however long that takes; one that would answer all is asked in vain.
 */
static void test_http_limits__answers_nobody_reads_do_not_pile_up(void **state)
{
    static char ask[ASK_BODY + 100], some[1 << 16];
    struct rig *rig = rig_start_default();
    size_t asked = 0, done = 0, n_ask;
    int64_t moved = clock_ms();
    int fd;

    (void)state;
    keep_little(rig->server->fd); /* the connection's will be the same */
    fd = raw_connect(rig->port);
    keep_little(fd);
    n_ask = (size_t)snprintf(
        ask, 100, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", ASK_BODY);
    memset(ask + n_ask, 'b', ASK_BODY);
    n_ask += ASK_BODY;
    for (bool stands = false; !stands;) {
        ssize_t n = send(fd, ask + done, n_ask - done, MSG_NOSIGNAL | MSG_DONTWAIT);

        rig_do(rig, rig_do_look);
        assert_true(n_unsent <= HTTP_UNSENT_BUSY + ASK_BODY + 1000);
        if (n > 0) {
            moved = clock_ms();
            done += (size_t)n;
            asked += done / n_ask;
            done %= n_ask;
            assert_true(asked < 300); /* of what the kernel keeps it is some ten */
            continue;
        }
        assert_true(n < 0 && errno == EAGAIN);
        assert_true(clock_ms() - moved < RAW_PATIENCE_MS);
        stands = rests && n_unsent > 0 && clock_ms() - moved > 200;
        clock_sleep_ms(1);
    }
    while (rig->n_handled < asked) /* all that was asked is answered to who reads */
        assert_true(raw_read(fd, some, sizeof some, RAW_PATIENCE_MS) > 0);
    close(fd);
    rig_stop(rig);
}

static void reply_large(struct http_exchange *x, void *arg)
{
    char *body = malloc(LARGE);
    size_t n = strcmp(http_path(x), "/large") == 0    ? LARGE
               : strcmp(http_path(x), "/middle") == 0 ? HTTP_ANSWER_LARGE + 1
                                                      : 5;

    (void)arg;
    assert_non_null(body);
    memset(body, '~', LARGE);
    http_reply(x, 200, "text/plain", body, n);
    free(body);
}

/* Each client that asked for a large answer and did not read it had it kept for itself: a few
 * hundred of them took all memory there was. Then those of up to 1 MiB did, for some thousands. */
static void test_http_limits__answers_nobody_reads_have_a_limit_together(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    int unread, fd;
    bool is_full;
    int64_t until = clock_ms() + RAW_PATIENCE_MS;

    (void)state;
    params.handle = reply_large;
    params.limits.bodies_max = LARGE / 2;
    rig = rig_start(params);
    unread = raw_connect(rig->port);
    raw_say(unread, GET("/large"));
    assert_true(str_starts(raw_hear_until(unread, "\r\n\r\n"), "HTTP/1.1 200 "));

    for (int i = 0; i < 2; i++) {
        fd = raw_connect(rig->port);
        raw_say(fd, i ? GET("/middle") : GET("/large"));
        assert_non_null(strstr(raw_hear_until(fd, "\r\n\r\n"), "\r\nRetry-After: 1\r\n"));
        close(fd);
    }
    fd = raw_connect(rig->port);
    raw_say(fd, GET("/little")); /* who asks for little is answered */
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    close(fd);

    close(unread);
    do { /* the server is told of it a little later */
        fd = raw_connect(rig->port);
        raw_say(fd, GET("/large"));
        is_full = str_starts(raw_hear_until(fd, "\r\n\r\n"), "HTTP/1.1 503 ");
        close(fd);
    } while (is_full && clock_ms() < until);
    assert_false(is_full);
    rig_stop(rig);
}

/* ---- the filter ---- */

static bool filter_key(struct http_exchange *x, void *arg)
{
    (void)arg;
    if (http_header(x, "authorization"))
        return true;
    http_add_header(x, "WWW-Authenticate", "Bearer");
    http_reply(x, 401, "text/plain", "no", 2);
    return false;
}

static void test_http_limits__filter_answers_before_the_body(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    const char *body;
    int fd;

    (void)state;
    params.filter = filter_key;
    rig = rig_start(params);
    fd = raw_connect(rig->port);
    raw_say(fd, GET("/hello"));
    assert_int_equal(raw_hear_reply(fd, &body), 401); /* whole request: the connection is kept */
    assert_string_equal(body, "no");
    raw_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n");
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                "Expect: 100-continue\r\n\r\n");
    check_last(fd, "HTTP/1.1 401 "); /* and no 100 before it */
    assert_int_equal(rig->n_handled, 1);
    rig_stop(rig);
}

static void test_http_limits__asks_for_an_expected_body(void **state)
{
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);
    const char *body;

    (void)state;
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                "Expect: 100-Continue\r\n\r\n");
    assert_string_equal(raw_hear_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    raw_say(fd, "hello");
    assert_int_equal(raw_hear_reply(fd, &body), 200);
    assert_string_equal(body, "hello");
    close(fd);
    rig_stop(rig);
}

static const char *render(int status, const char *target, const char *text, const char *request_id,
                          char *dst, size_t dst_size)
{
    snprintf(dst, dst_size, "{%d|%s|%zu|%zu}", status, target ? target : "-",
             strlen(text) ? (size_t)1 : (size_t)0, strlen(request_id));
    return "application/json";
}

static void test_http_limits__errors_are_rendered_by_the_program(void **state)
{
    struct http_server_params params = with_limits();
    struct rig *rig;
    const char *all;
    int fd;

    (void)state;
    params.render_error = render;
    rig = rig_start(params);
    fd = raw_connect(rig->port);
    raw_say(fd, "nonsense\r\n\r\n");
    all = raw_hear_all(fd);
    assert_non_null(strstr(all, "\r\nContent-Type: application/json\r\n"));
    assert_true(str_ends(all, "{400|-|1|36}"));
    close(fd);
    rig_stop(rig);
}

/* Lets 3 bytes pass; what says by itself that it has more is refused here. */
static bool filter_small(struct http_exchange *x, void *arg)
{
    (void)arg;
    if (http_limit_body(x, 3) == 0)
        return true;
    http_reply(x, 413, "text/plain", "small", 5);
    return false;
}

static void test_http_limits__a_filter_lowers_the_limit_of_one_body(void **state)
{
    struct http_server_params params = with_limits();
    const char *body;
    struct rig *rig;
    int fd;

    (void)state;
    params.filter = filter_small;
    params.render_error = render;
    rig = rig_start(params);
    fd = raw_connect(rig->port);
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(raw_hear_reply(fd, &body), 200);
    assert_string_equal(body, "abc");
    raw_say(fd, "POST /echo?q HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n");
    assert_true(str_ends(raw_hear_all(fd), "{413|/echo?q|1|36}"));
    close(fd);
    fd = raw_connect(rig->port);
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    assert_int_equal(raw_hear_reply(fd, &body), 413);
    assert_string_equal(body, "small");
    close(fd);
    assert_int_equal(rig->n_handled, 1);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_limits__heads_up_to_the_limit),
        cmocka_unit_test(test_http_limits__headers_up_to_the_limit),
        cmocka_unit_test(test_http_limits__bodies_up_to_the_limit),
        cmocka_unit_test(test_http_limits__of_all_bodies_the_largest_that_still_comes_goes),
        cmocka_unit_test(test_http_limits__the_largest_may_have_left),
        cmocka_unit_test(test_http_limits__what_is_read_ahead_counts),
        cmocka_unit_test(test_http_limits__bodies_being_worked_on_stay),
        cmocka_unit_test(test_http_limits__what_handlers_keep_counts_too),
        cmocka_unit_test(test_http_limits__handlers_leave_room_for_those_who_send_little),
        cmocka_unit_test(test_http_limits__what_was_granted_leaves_a_stream_its_little),
        cmocka_unit_test(test_http_limits__refuses_a_huge_chunk_by_its_size),
        cmocka_unit_test(test_http_limits__refuses_chunks_that_are_all_framing),
        cmocka_unit_test(test_http_limits__time_for_a_head_and_a_body),
        cmocka_unit_test(test_http_limits__idle_connections_end_waiting_ones_do_not),
        cmocka_unit_test(test_http_limits__an_empty_line_begins_no_request),
        cmocka_unit_test(test_http_limits__a_slow_download_is_not_idle),
        cmocka_unit_test(test_http_limits__connections_past_the_limit_are_told_503),
        cmocka_unit_test(test_http_limits__one_address_cannot_keep_the_others_out),
        cmocka_unit_test(test_http_limits__a_pool_does_not_keep_its_owner_out),
        cmocka_unit_test(test_http_limits__strangers_make_room_for_others),
        cmocka_unit_test(test_http_limits__connections_leave_descriptors_for_others),
        cmocka_unit_test(test_http_limits__survives_a_shortage_of_descriptors),
        cmocka_unit_test(test_http_limits__goes_on_when_the_kernel_is_short_twice),
        cmocka_unit_test(test_http_limits__cuts_a_slow_reader),
        cmocka_unit_test(test_http_limits__a_large_piece_makes_nobody_slow),
        cmocka_unit_test(test_http_limits__cuts_a_reader_that_takes_nothing_in_time),
        cmocka_unit_test(test_http_limits__the_kernel_is_as_patient_as_the_loop),
        cmocka_unit_test(test_http_limits__answers_nobody_reads_do_not_pile_up),
        cmocka_unit_test(test_http_limits__answers_nobody_reads_have_a_limit_together),
        cmocka_unit_test(test_http_limits__filter_answers_before_the_body),
        cmocka_unit_test(test_http_limits__asks_for_an_expected_body),
        cmocka_unit_test(test_http_limits__errors_are_rendered_by_the_program),
        cmocka_unit_test(test_http_limits__a_filter_lowers_the_limit_of_one_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
