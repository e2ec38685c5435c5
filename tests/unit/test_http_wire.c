/*
 * test_http_wire.c - what the HTTP server does while TLS has to write before it can read on. A
 * stand-in for TLS behind tls.h's table tells when: the bytes pass as they are, but for marks among
 * them. The first mark is the hello; each further one wants an answer of ANSWER_BYTES, as changes
 * of keys without end do, more than kernels keep.
 */
#include "http_rig.h"

#include "net/tls.h"

#define MARK         "\x16"
#define ANSWER_BYTES (32u << 20)
#define TURNS        200
#define GET(path)    "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

struct tls_session {
    int fd;
    bool up, wants_write;
    size_t n_owed; /* of answers to marks */
};

static atomic_uint n_recv, n_stuck; /* calls, and those that had to wait for room */

static struct tls_session *accept_it(struct tls_server *s, int fd)
{
    struct tls_session *t = calloc(1, sizeof *t);

    (void)s;
    if (t)
        t->fd = fd;
    return t;
}

static bool pay(struct tls_session *t)
{
    static const char zeros[65536];

    while (t->n_owed) {
        size_t n = t->n_owed < sizeof zeros ? t->n_owed : sizeof zeros;
        ssize_t sent = send(t->fd, zeros, n, MSG_NOSIGNAL);

        if (sent < 0)
            return false;
        t->n_owed -= (size_t)sent;
    }
    return true;
}

static ssize_t recv_it(struct tls_session *t, void *dst, size_t n)
{
    ssize_t got;
    char *mark;

    n_recv++;
    t->wants_write = !pay(t);
    if (t->wants_write) {
        n_stuck++;
        return -1;
    }
    got = recv(t->fd, dst, n, MSG_PEEK);
    mark = got > 0 ? memchr(dst, *MARK, (size_t)got) : NULL;
    if (got <= 0 || mark != dst)
        return recv(t->fd, dst, mark ? (size_t)(mark - (char *)dst) : n, 0);
    recv(t->fd, dst, 1, 0);
    t->n_owed = t->up ? ANSWER_BYTES : 0;
    t->up = true;
    return recv_it(t, dst, n);
}

static ssize_t send_it(struct tls_session *t, const void *bytes, size_t n)
{
    return pay(t) ? send(t->fd, bytes, n, MSG_NOSIGNAL) : -1;
}

static bool wants_write(const struct tls_session *t)
{
    return t->wants_write;
}

static bool has_pending(const struct tls_session *t)
{
    (void)t;
    return false;
}

static bool is_up(const struct tls_session *t)
{
    return t->up;
}

static const char *fault(const struct tls_session *t)
{
    (void)t;
    return "none";
}

static void shut(struct tls_session *t)
{
    (void)t;
}

static void session_free(struct tls_session *t)
{
    free(t);
}

static const struct tls stand_in = {
    .accept = accept_it,
    .recv = recv_it,
    .send = send_it,
    .wants_write = wants_write,
    .has_pending = has_pending,
    .is_up = is_up,
    .fault = fault,
    .shut = shut,
    .session_free = session_free,
};

static struct rig *wire_rig(int64_t write_timeout_ms)
{
    struct http_server_params params = {.limits = http_limits_default(), .tls = &stand_in};

    if (write_timeout_ms)
        params.limits.write_timeout_ms = write_timeout_ms;
    n_recv = n_stuck = 0;
    return rig_start(params);
}

static void nothing(struct rig *rig)
{
    (void)rig;
}

/*
 * A client without a key wanted new keys without end, read none of the answers, and had something
 * more to say: its bytes woke the loop of a hive at once and without end, though nothing could be
 * read before something was written.
 */
static void test_http_wire__bytes_behind_what_is_to_be_written_wake_nobody(void **state)
{
    struct rig *rig = wire_rig(0);
    int fd = raw_connect(rig->port);
    char bytes[65536];
    unsigned before;

    (void)state;
    raw_say(fd, MARK MARK GET("/hello"));
    RAW_WAIT(n_stuck > 0);
    before = n_recv;
    for (int i = 0; i < TURNS; i++)
        rig_do(rig, nothing);
    assert_in_range(n_recv - before, 0, TURNS / 10); /* the kernel may find a little room */
    assert_int_equal(rig->n_handled, 0);
    for (size_t left = ANSWER_BYTES; left;) { /* and when it reads it is served */
        ssize_t n = raw_read(fd, bytes, left < sizeof bytes ? left : sizeof bytes, RAW_PATIENCE_MS);

        assert_true(n > 0);
        left -= (size_t)n;
    }
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    close(fd);
    rig_stop(rig);
}

/* Nor did any time limit count while a request of it was being answered. */
static void test_http_wire__who_takes_no_answer_is_cut_off_in_time(void **state)
{
    struct rig *rig = wire_rig(150);
    int fd = raw_connect(rig->port);
    struct pollfd end = {.fd = fd, .events = POLLRDHUP};

    (void)state;
    raw_say(fd, MARK GET("/park"));
    RAW_WAIT(rig->n_handled == 1);
    raw_say(fd, MARK GET("/hello"));
    assert_int_equal(poll(&end, 1, RAW_PATIENCE_MS), 1);
    RAW_WAIT(rig->n_gone == 1);
    close(fd);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_wire__bytes_behind_what_is_to_be_written_wake_nobody),
        cmocka_unit_test(test_http_wire__who_takes_no_answer_is_cut_off_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
