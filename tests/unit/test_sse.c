/*
 * Server-sent events: the reader against the rules of WHATWG HTML 9.2.6 (read by hand, 2024), cut
 * at every place; the writer on a real server, heard raw.
 */
#include "http_rig.h"

#include "base/str.h"
#include "net/sse.h"

/* ---- reading ---- */

struct heard {
    char text[512]; /* "[data]" for each event, "<comment>" for each comment */
    int n, stop_after;
    struct sse_reader *free_me;
};

static bool hear_data(void *arg, const char *data, size_t n)
{
    struct heard *h = arg;
    size_t len = strlen(h->text);

    assert_int_equal(strlen(data), n);
    snprintf(h->text + len, sizeof h->text - len, "[%s]", data);
    sse_reader_free(h->free_me);
    return ++h->n != h->stop_after;
}

static void hear_comment(void *arg, const char *text)
{
    struct heard *h = arg;
    size_t len = strlen(h->text);

    snprintf(h->text + len, sizeof h->text - len, "<%s>", text);
}

static const struct {
    const char *stream, *heard;
} streams[] = {
    {"data: a\n\n", "[a]"},
    {"data:a\n\n", "[a]"},
    {"data:  a \n\n", "[ a ]"},
    {"data: a\r\n\r\n", "[a]"},
    {"data: a\r\r", "[a]"},
    {"data: a\r\ndata: b\ndata: c\rdata\n\n", "[a\nb\nc\n]"},
    {"data\n\n", "[]"},
    {"data:\n\ndata: b\n\n", "[][b]"},
    {"\n\n\n", ""},
    {": hello\n\n:\n:x\r\n", "<hello><><x>"},
    {"event: x\nid: 7\nretry: 10\ndata: a\nnonsense\n\n", "[a]"},
    {"event: x\n\ndata: a\n\n", "[a]"},
    {"dat: x\nDATA: y\ndatax: z\n\n", ""},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "[a]"},
    {"data: a\n\n\xef\xbb\xbf"
     "data: b\n\n",
     "[a]"},
    {"data: a: b\n: c\ndata: {\"t\":\"\\n\"}\n\n", "<c>[a: b\n{\"t\":\"\\n\"}]"},
    {"data: 1\n\ndata: [DONE]\n\n", "[1][[DONE]]"},
    {"data: never ended\n", ""},
    {"data: a\r\n\ndata: b\n\r\n", "[a][b]"},
};

/* Each stream, cut into two pieces at each place, and into single bytes. */
static void test_sse__reads_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        const char *s = streams[i].stream;
        size_t n = strlen(s);

        for (size_t cut = 0; cut <= n + 1; cut++) {
            struct heard h = {.n = 0};
            struct sse_reader *r = sse_reader_create(hear_data, hear_comment, &h);

            if (cut <= n) {
                assert_int_equal(sse_reader_put(r, s, cut, NULL), 0);
                assert_int_equal(sse_reader_put(r, s + cut, n - cut, NULL), 0);
            } else {
                for (size_t k = 0; k < n; k++)
                    assert_int_equal(sse_reader_put(r, s + k, 1, NULL), 0);
            }
            if (strcmp(h.text, streams[i].heard) != 0)
                fail_msg("\"%s\" cut at %zu was heard as %s", s, cut, h.text);
            sse_reader_free(r);
        }
    }
}

static void test_sse__stops_when_told(void **state)
{
    static const char stream[] = "data: 1\n\ndata: 2\n\ndata: 3\n\n";
    struct heard h = {.stop_after = 2};
    struct sse_reader *r = sse_reader_create(hear_data, NULL, &h);

    (void)state;
    assert_int_equal(sse_reader_put(r, stream, sizeof stream - 1, NULL), 0);
    assert_int_equal(sse_reader_put(r, stream, sizeof stream - 1, NULL), 0);
    assert_string_equal(h.text, "[1][2]");
    sse_reader_free(r);
}

static void test_sse__may_be_freed_from_within(void **state)
{
    static const char stream[] = "data: 1\n\ndata: 2\n\n";
    struct heard h = {.n = 0};

    (void)state;
    h.free_me = sse_reader_create(hear_data, NULL, &h);
    assert_int_equal(sse_reader_put(h.free_me, stream, sizeof stream - 1, NULL), 0);
    assert_string_equal(h.text, "[1]");
}

static bool count_data(void *arg, const char *data, size_t n)
{
    (void)data;
    *(size_t *)arg = n;
    return true;
}

/* One line, and many lines: an event of SSE_EVENT_MAX bytes passes, one byte more does not. */
static void test_sse__events_end_at_the_limit(void **state)
{
    char *line = malloc(SSE_EVENT_MAX + 16);

    (void)state;
    assert_non_null(line);
    memset(line, 'x', SSE_EVENT_MAX + 16);
    for (size_t extra = 0; extra < 2; extra++) {
        for (size_t n_lines = 1; n_lines <= 2; n_lines++) {
            size_t n_event = 0, n = (SSE_EVENT_MAX + extra - (n_lines - 1)) / n_lines;
            struct sse_reader *r = sse_reader_create(count_data, NULL, &n_event);
            struct err err = {0};
            int rc = 0;

            for (size_t i = 0; i < n_lines && rc == 0; i++) {
                size_t n_line = i ? SSE_EVENT_MAX + extra - 1 - n : n;

                assert_int_equal(sse_reader_put(r, "data: ", 6, &err), 0);
                rc = sse_reader_put(r, line, n_line, &err);
                if (rc == 0)
                    rc = sse_reader_put(r, "\n", 1, &err);
            }
            if (rc == 0)
                rc = sse_reader_put(r, "\n", 1, &err);
            assert_int_equal(rc, extra ? ERR_LIMIT : 0);
            assert_int_equal(n_event, extra ? 0 : SSE_EVENT_MAX);
            sse_reader_free(r);
        }
    }
    free(line);
}

/* A line that never ends must not grow without end either, whatever its name. */
static void test_sse__endless_lines_are_refused(void **state)
{
    static const char piece[4096] = {'x'};
    struct sse_reader *r = sse_reader_create(count_data, NULL, NULL);
    struct err err = {0};
    int rc = 0;

    (void)state;
    for (size_t n = 0; n < 2 * SSE_EVENT_MAX && rc == 0; n += sizeof piece)
        rc = sse_reader_put(r, piece, sizeof piece, &err);
    assert_int_equal(rc, ERR_LIMIT);
    sse_reader_free(r);
}

/* ---- writing ---- */

static struct sse_stream *stream; /* the loop's */
static atomic_uint n_streams_gone;

static void stream_gone(void *arg)
{
    assert_ptr_equal(arg, &stream);
    n_streams_gone++;
    stream = NULL;
}

static void handle_stream(struct http_exchange *x, void *arg)
{
    struct rig *rig = arg;

    stream = sse_begin(rig->base, x, stream_gone, &stream);
    assert_non_null(stream);
    if (strcmp(http_path(x), "/quiet") == 0)
        sse_set_keepalive(stream, 30);
    rig->n_handled++;
}

static void do_send(struct rig *rig)
{
    (void)rig;
    if (stream)
        sse_send(stream, "{\"t\":1}", 7);
}

static void do_end(struct rig *rig)
{
    (void)rig;
    if (stream)
        sse_end(stream);
    stream = NULL;
}

static struct rig *rig_start_sse(void)
{
    n_streams_gone = 0;
    return rig_start(
        (struct http_server_params){.limits = http_limits_default(), .handle = handle_stream});
}

static void test_sse__writes_events_and_done(void **state)
{
    struct rig *rig = rig_start_sse();
    int fd = raw_connect(rig->port);
    const char *head;

    (void)state;
    raw_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    head = raw_hear_until(fd, "\r\n\r\n");
    assert_true(str_starts(head, "HTTP/1.1 200 "));
    assert_non_null(strstr(head, "\r\nContent-Type: text/event-stream\r\n"));
    assert_non_null(strstr(head, "\r\nCache-Control: no-cache"));
    rig_do(rig, do_send);
    assert_string_equal(raw_hear_until(fd, "\n\n\r\n"), "f\r\ndata: {\"t\":1}\n\n\r\n");
    rig_do(rig, do_end);
    assert_string_equal(raw_hear_until(fd, "0\r\n\r\n"), "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    close(fd);
    rig_stop(rig);
    assert_int_equal(n_streams_gone, 0);
}

static void test_sse__breaks_silence_with_comments(void **state)
{
    struct rig *rig = rig_start_sse();
    int fd = raw_connect(rig->port);
    int64_t before;
    const char *comment;

    (void)state;
    before = clock_ms();
    raw_say(fd, "GET /quiet HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_hear_until(fd, "\r\n\r\n");
    for (int i = 0; i < 2; i++) {
        comment = raw_hear_until(fd, "\n\n\r\n");
        assert_int_equal(strchr(comment, '\n')[1], ':'); /* behind the chunk's size */
    }
    assert_true(clock_ms() - before >= 55);
    rig_do(rig, do_end);
    close(fd);
    rig_stop(rig);
}

static void test_sse__tells_once_when_the_client_leaves(void **state)
{
    struct rig *rig = rig_start_sse();
    int fd = raw_connect(rig->port);

    (void)state;
    raw_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_hear_until(fd, "\r\n\r\n");
    close(fd);
    RAW_WAIT(n_streams_gone == 1);
    rig_do(rig, do_send);
    fd = raw_connect(rig->port);
    raw_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_hear_until(fd, "\r\n\r\n");
    rig_stop(rig); /* the server's end is told too */
    assert_int_equal(n_streams_gone, 2);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sse__reads_the_same_however_it_is_cut),
        cmocka_unit_test(test_sse__stops_when_told),
        cmocka_unit_test(test_sse__may_be_freed_from_within),
        cmocka_unit_test(test_sse__events_end_at_the_limit),
        cmocka_unit_test(test_sse__endless_lines_are_refused),
        cmocka_unit_test(test_sse__writes_events_and_done),
        cmocka_unit_test(test_sse__breaks_silence_with_comments),
        cmocka_unit_test(test_sse__tells_once_when_the_client_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
