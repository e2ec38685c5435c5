/*
 * Requests that the server ends from outside, by the pass that let them in: those who wait for an
 * answer, those in a stream, those whose body is on its way, and nobody else.
 */
#include "http_rig.h"

#include "base/str.h"

#define PASS       7 /* the one that ends */
#define PASS_TEXT  "X-Pass: 7\r\n"
#define OTHER_TEXT "X-Pass: 8\r\n"

static bool let_in(struct http_exchange *x, void *arg)
{
    const char *pass = http_header(x, "x-pass");
    uint64_t number = 0;

    (void)arg;
    if (pass && str_to_u64(pass, &number) == 0)
        http_set_pass(x, number);
    return true;
}

static bool is_over(void *arg, uint64_t pass)
{
    (void)arg;
    assert_int_not_equal(pass, 0); /* who has no pass is not asked for */
    return pass == PASS;
}

static void farewell(struct http_exchange *x, void *arg)
{
    (void)arg;
    assert_true(http_is_cut(x));
    if (!http_stream_begun(x)) {
        http_reply(x, 401, "text/plain", "over", 4);
        return;
    }
    http_stream_put(x, "bye", 3);
    http_stream_end(x);
}

/* rig->pending becomes the number of those that were ended. */
static void do_cut(struct rig *rig)
{
    const struct http_cut cut = {is_over, farewell, NULL};

    rig->pending = http_server_cut(rig->server, &cut);
}

static struct rig *start(void (*handle)(struct http_exchange *x, void *arg))
{
    return rig_start((struct http_server_params){
        .limits = http_limits_default(), .filter = let_in, .handle = handle});
}

static void wait_for(const atomic_uint *count, unsigned n)
{
    for (int i = 0; *count < n && i < RAW_PATIENCE_MS; i++)
        clock_sleep_ms(1);
    assert_int_equal(*count, n);
}

static int ask(const struct rig *rig, const char *path, const char *headers)
{
    int fd = raw_connect(rig->port);

    raw_say(fd, "GET ");
    raw_say(fd, path);
    raw_say(fd, " HTTP/1.1\r\nHost: x\r\n");
    raw_say(fd, headers);
    raw_say(fd, "\r\n");
    return fd;
}

static void test_http_cut__who_waits_is_told_and_the_connection_lives_on(void **state)
{
    struct rig *rig = start(NULL);
    int fd = ask(rig, "/park", PASS_TEXT);
    const char *body;

    (void)state;
    wait_for(&rig->n_handled, 1);
    rig_do(rig, do_cut);
    assert_int_equal(rig->pending, 1);
    assert_int_equal(rig->n_gone, 1); /* the handler knows that it has nobody to answer */
    assert_int_equal(raw_hear_reply(fd, &body), 401);
    assert_string_equal(body, "over");
    raw_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(raw_hear_reply(fd, NULL), 200);
    rig_do(rig, do_cut);
    assert_int_equal(rig->pending, 0); /* what is answered is over */
    close(fd);
    rig_stop(rig);
}

static void test_http_cut__a_stream_has_its_last_word(void **state)
{
    struct rig *rig = start(NULL);
    int fd = ask(rig, "/stream", PASS_TEXT);

    (void)state;
    raw_hear_until(fd, "\r\n\r\n");
    rig_do(rig, rig_do_put);
    rig_do(rig, do_cut);
    assert_int_equal(rig->n_gone, 1);
    assert_string_equal(raw_hear_until(fd, "0\r\n\r\n"), "5\r\npiece\r\n3\r\nbye\r\n0\r\n\r\n");
    close(fd);
    rig_stop(rig);
}

static void test_http_cut__others_are_not_touched(void **state)
{
    static const char *const others[] = {OTHER_TEXT, ""};
    struct rig *rig = start(NULL);

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        int fd = ask(rig, "/park", others[i]);

        wait_for(&rig->n_handled, i + 1);
        rig_do(rig, do_cut);
        assert_int_equal(rig->pending, 0);
        rig_do(rig, rig_do_answer);
        assert_int_equal(raw_hear_reply(fd, NULL), 200);
        close(fd);
    }
    assert_int_equal(rig->n_gone, 0);
    rig_stop(rig);
}

/* The rest of a body is not waited for, and not taken for a request. */
static void test_http_cut__a_body_on_its_way_is_refused(void **state)
{
    struct rig *rig = start(NULL);
    int fd = raw_connect(rig->port);
    const char *all;

    (void)state;
    raw_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\n" PASS_TEXT
                "Expect: 100-continue\r\nContent-Length: 60\r\n\r\n");
    raw_hear_until(fd, "\r\n\r\n"); /* the 100: the filter has let it in */
    raw_say(fd, "abc");
    rig_do(rig, do_cut);
    assert_int_equal(rig->pending, 1);
    raw_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    all = raw_hear_all(fd);
    assert_true(str_starts(all, "HTTP/1.1 401 "));
    assert_non_null(strstr(all, "\r\nConnection: close\r\n"));
    assert_true(str_ends(all, "\r\n\r\nover"));
    assert_int_equal(rig->n_handled, 0);
    close(fd);
    rig_stop(rig);
}

static void say_it_myself(struct http_exchange *x, void *arg)
{
    (void)arg;
    if (http_is_cut(x))
        http_reply(x, 403, "text/plain", "mine", 4);
}

static void handle_myself(struct http_exchange *x, void *arg)
{
    struct rig *rig = arg;

    http_on_gone(x, say_it_myself, rig);
    rig->n_handled++;
}

static void test_http_cut__a_handler_may_answer_itself(void **state)
{
    struct rig *rig = start(handle_myself);
    int fd = ask(rig, "/any", PASS_TEXT);
    const char *body;

    (void)state;
    wait_for(&rig->n_handled, 1);
    rig_do(rig, do_cut);
    assert_int_equal(raw_hear_reply(fd, &body), 403);
    assert_string_equal(body, "mine");
    close(fd);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_cut__who_waits_is_told_and_the_connection_lives_on),
        cmocka_unit_test(test_http_cut__a_stream_has_its_last_word),
        cmocka_unit_test(test_http_cut__others_are_not_touched),
        cmocka_unit_test(test_http_cut__a_body_on_its_way_is_refused),
        cmocka_unit_test(test_http_cut__a_handler_may_answer_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
