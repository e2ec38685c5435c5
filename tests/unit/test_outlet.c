/*
 * A streamed answer's way out (hive/gateway/outlet.h), over a server that is played here.
 *
 * The last events of /v1/responses repeat all its text. They once went to the server at once, which
 * cut off the client for reading too slowly (more than 1 MiB waited for it) before it had a chance
 * to read at all; and an event past the buffer's limit left with its end missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <event2/event.h>

#include "hive/gateway/outlet.h"
#include "net/http_server.h"

static int64_t now_ms; /* GNU ld --wrap: the reserved name is its own */
int64_t __wrap_clock_ms(void);
int64_t __wrap_clock_ms(void)
{
    return now_ms;
}

/* ---- a server whose client reads when it is told to ---- */

struct http_exchange {
    struct buf got;
    size_t pending, most_pending;
    bool gone, ended;
    void (*drained)(struct http_exchange *x, void *arg);
    void *drained_arg;
};

void http_add_header(struct http_exchange *x, const char *name, const char *value)
{
    (void)x, (void)name, (void)value;
}

void http_stream_begin(struct http_exchange *x, int status, const char *content_type)
{
    (void)content_type;
    assert_int_equal(status, 200);
    buf_init(&x->got, 8u << 20);
}

int http_stream_put(struct http_exchange *x, const void *bytes, size_t n)
{
    assert_int_equal(buf_put(&x->got, bytes, n), 0);
    x->pending += n;
    if (x->pending > x->most_pending)
        x->most_pending = x->pending;
    return x->gone ? -1 : 0;
}

size_t http_stream_pending(const struct http_exchange *x)
{
    return x->pending;
}

void http_on_drained(struct http_exchange *x, void (*drained)(struct http_exchange *x, void *arg),
                     void *arg)
{
    x->drained = drained;
    x->drained_arg = arg;
}

void http_stream_end(struct http_exchange *x)
{
    x->ended = true;
}

/* The client takes all that the server has for it. */
static void client_reads(struct http_exchange *x)
{
    void (*drained)(struct http_exchange * x, void *arg) = x->drained;

    x->pending = 0;
    x->drained = NULL;
    if (drained)
        drained(x, x->drained_arg);
}

/* ---- what is tested ---- */

struct rig {
    struct event_base *base;
    struct http_exchange x;
    struct outlet out;
    unsigned n_room;
};

static void on_room(void *arg)
{
    struct rig *rig = arg;

    rig->n_room++;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    assert_non_null(rig);
    rig->base = event_base_new();
    assert_non_null(rig->base);
    now_ms = 0;
    outlet_init(&rig->out, rig->base, &rig->x, OUTLET_SSE);
    rig->out.on_room = on_room;
    rig->out.arg = rig;
    outlet_open(&rig->out);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    outlet_done(&rig->out);
    event_base_free(rig->base);
    buf_done(&rig->x.got);
    free(rig);
    return 0;
}

static void put_large(struct outlet *o, size_t n)
{
    outlet_begin(o, NULL);
    for (size_t i = 0; i < n; i++)
        buf_putc(&o->buf, (char)('a' + i % 23));
    outlet_end(o);
}

static void test_outlet__leaves_at_once_what_is_small(void **state)
{
    struct rig *rig = *state;

    outlet_put(&rig->out, "{}");
    assert_int_equal(rig->x.got.len, 0);
    assert_int_equal(outlet_flush(&rig->out), 0);
    assert_string_equal(buf_str(&rig->x.got), "data: {}\n\n");
    assert_false(outlet_is_full(&rig->out));
    client_reads(&rig->x);
    assert_int_equal(rig->n_room, 0); /* it was never full */
}

static void test_outlet__a_large_event_follows_its_reader(void **state)
{
    const size_t n = 3000000;
    struct rig *rig = *state;

    put_large(&rig->out, n);
    outlet_flush(&rig->out);
    for (unsigned i = 0; outlet_is_full(&rig->out); i++) {
        assert_int_equal(rig->n_room, 0);
        assert_true(i < n / OUTLET_FULL + 1); /* it gets on */
        client_reads(&rig->x);
    }
    assert_int_equal(rig->n_room, 1);
    assert_true(rig->x.most_pending <= OUTLET_FULL + OUTLET_PIECE);
    assert_int_equal(rig->x.got.len, n + strlen("data: \n\n"));
    for (size_t i = 0; i < n; i++)
        if (rig->x.got.data[6 + i] != (char)('a' + i % 23))
            fail_msg("byte %zu is another", i);
    assert_int_equal(rig->out.buf.cap, 0); /* and its memory is given back */
}

static void test_outlet__what_waits_keeps_its_order(void **state)
{
    struct rig *rig = *state;
    size_t n = 0;

    put_large(&rig->out, 400000);
    outlet_flush(&rig->out);
    outlet_put(&rig->out, "{\"second\":2}");
    outlet_flush(&rig->out);
    assert_true(outlet_n_left(&rig->out) > 0);
    while (outlet_is_full(&rig->out) && n++ < 10)
        client_reads(&rig->x);
    assert_non_null(strstr(buf_str(&rig->x.got), "\n\ndata: {\"second\":2}\n\n"));
    assert_int_equal(rig->x.got.len, 400000 + strlen("data: \n\ndata: {\"second\":2}\n\n"));
}

static void test_outlet__an_event_that_does_not_fit_is_left_out_whole(void **state)
{
    struct rig *rig = *state;

    rig->out.buf.max = 40;
    outlet_put(&rig->out, "{\"first\":1}");
    put_large(&rig->out, 100);
    outlet_put(&rig->out, "{\"behind\":1}");
    assert_int_equal(outlet_flush(&rig->out), -1);
    assert_string_equal(buf_str(&rig->x.got), "data: {\"first\":1}\n\n");
    outlet_put(&rig->out, "{\"error\":1}"); /* what went wrong can be told */
    assert_int_equal(outlet_flush(&rig->out), 0);
    assert_string_equal(buf_str(&rig->x.got), "data: {\"first\":1}\n\ndata: {\"error\":1}\n\n");
}

static void test_outlet__close_leaves_nothing_behind(void **state)
{
    struct rig *rig = *state;

    put_large(&rig->out, 500000);
    outlet_flush(&rig->out);
    outlet_close(&rig->out);
    assert_true(rig->x.ended);
    assert_int_equal(rig->x.got.len, 500000 + strlen("data: \n\n"));
}

static void test_outlet__nothing_is_kept_for_who_has_left(void **state)
{
    struct rig *rig = *state;

    rig->x.gone = true;
    put_large(&rig->out, 500000);
    outlet_flush(&rig->out);
    assert_int_equal(outlet_n_left(&rig->out), 0);
    assert_int_equal(rig->x.got.len, OUTLET_PIECE); /* it was tried once */
}

/* The timer goes off at that time. What the client has got of the outlet in all. */
static const char *at(struct rig *rig, int64_t ms)
{
    now_ms = ms;
    event_active(rig->out.silence, EV_TIMEOUT, 1);
    assert_in_range(event_base_loop(rig->base, EVLOOP_NONBLOCK), 0, 1);
    return buf_str(&rig->x.got);
}

/*
 * A stream that the comments of a load had opened fell silent once the model was loaded, for as
 * long as its request stood in the worker's queue: the worker says nothing before there is a slot.
 */
static void test_outlet__breaks_a_silence_whoever_is_waited_for(void **state)
{
#define COMMENT ": keep-alive\n\n"
    struct rig *rig = *state;

    assert_non_null(rig->out.silence);
    assert_string_equal(at(rig, 9999), "");
    assert_string_equal(at(rig, 10000), COMMENT);
    now_ms = 15000;
    outlet_put(&rig->out, "{}");
    outlet_flush(&rig->out);
    assert_string_equal(at(rig, 20000), COMMENT "data: {}\n\n");
    assert_string_equal(at(rig, 25000), COMMENT "data: {}\n\n" COMMENT);
    rig->x.pending = OUTLET_FULL + 1; /* it does not read */
    assert_string_equal(at(rig, 60000), COMMENT "data: {}\n\n" COMMENT);
    rig->x.pending = 0;
    assert_string_equal(at(rig, 70000), COMMENT "data: {}\n\n" COMMENT COMMENT);
    assert_true(evtimer_pending(rig->out.silence, NULL));
    outlet_close(&rig->out);
    assert_null(rig->out.silence);
}

/* JSON lines have no comments. */
static void test_outlet__lines_have_nothing_to_break_silence_with(void **state)
{
    struct rig *rig = *state;
    struct http_exchange x = {.pending = 0};
    struct outlet lines;

    outlet_init(&lines, rig->base, &x, OUTLET_LINES);
    outlet_open(&lines);
    assert_null(lines.silence);
    outlet_done(&lines);
    buf_done(&x.got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outlet__leaves_at_once_what_is_small, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_outlet__a_large_event_follows_its_reader, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_outlet__what_waits_keeps_its_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outlet__an_event_that_does_not_fit_is_left_out_whole,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outlet__close_leaves_nothing_behind, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_outlet__nothing_is_kept_for_who_has_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_outlet__breaks_a_silence_whoever_is_waited_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_outlet__lines_have_nothing_to_break_silence_with,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests_name("outlet", tests, NULL, NULL);
}
