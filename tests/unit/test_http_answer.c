/* The client's parser of answers, without sockets: what it takes, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_answer.h"

#define HEAD_MAX 1000

struct heard {
    struct http_answer a;
    int status, n_pauses;
    char headers[4096], body[4096];
};

static void on_status(void *arg, int status)
{
    struct heard *h = arg;

    assert_int_equal(h->status, 0);
    h->status = status;
}

static enum http_answer_wish on_header(void *arg, const char *name, const char *value)
{
    struct heard *h = arg;
    size_t len = strlen(h->headers);

    assert_int_not_equal(h->status, 0);
    snprintf(h->headers + len, sizeof h->headers - len, "%s=%s\n", name, value);
    return strcmp(name, "x-stop") == 0 ? ANSWER_STOP : ANSWER_GO_ON;
}

static enum http_answer_wish on_body(void *arg, const char *bytes, size_t n)
{
    struct heard *h = arg;

    if (h->n_pauses > 0) {
        h->n_pauses--;
        return ANSWER_PAUSE;
    }
    assert_true(strlen(h->body) + n < sizeof h->body);
    memcpy(h->body + strlen(h->body), bytes, n);
    return ANSWER_GO_ON;
}

static const struct http_answer_owner owner = {on_status, on_header, on_body};

/* Gives the text in pieces of `piece` bytes, then the end if it is still wanted. */
static enum http_answer_step hear(struct heard *h, const char *text, size_t piece, bool is_head)
{
    enum http_answer_step step = ANSWER_MORE;
    size_t left = strlen(text);
    int n_pauses = h->n_pauses;

    memset(h, 0, sizeof *h);
    h->n_pauses = n_pauses;
    http_answer_init(&h->a, is_head, HEAD_MAX, &owner, h);
    while (left && step == ANSWER_MORE) {
        size_t used, n = piece < left ? piece : left;

        step = http_answer_put(&h->a, text, n, &used);
        text += used;
        left -= used;
        while (step == ANSWER_PAUSED)
            step = http_answer_go_on(&h->a);
    }
    return step == ANSWER_MORE ? http_answer_end(&h->a) : step;
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"

static void test_http_answer__takes_bodies_of_every_kind(void **state)
{
    static const struct {
        const char *text, *body;
        int status;
        bool is_head, keep_alive;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", 200, false, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", "abc", 200, false,
         false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", 200, false, false},
        {"HTTP/1.1 200\r\n\r\nto the end", "to the end", 200, false, false},
        {CHUNKED "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde", 200, false, true},
        {CHUNKED "1\r\na\r\n0\r\nTrailer: is dropped\r\n\r\n", "a", 200, false, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "", 200, true, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, false, true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", "", 304, false, true},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
         "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
         "x", 404, false, true},
    };
    struct heard h = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece <= 1000; piece *= 10) { /* also a byte at a time */
            for (h.n_pauses = 0; h.n_pauses < 3; h.n_pauses++) {
                int n_pauses = h.n_pauses;

                assert_int_equal(hear(&h, cases[i].text, piece, cases[i].is_head), ANSWER_WHOLE);
                assert_int_equal(h.status, cases[i].status);
                assert_string_equal(h.body, cases[i].body);
                assert_int_equal(h.a.keep_alive, cases[i].keep_alive);
                assert_null(strstr(h.headers, "link"));
                assert_null(strstr(h.headers, "trailer"));
                http_answer_done(&h.a);
                h.n_pauses = n_pauses;
            }
        }
}

static void test_http_answer__tells_headers_trimmed_and_in_lower_case(void **state)
{
    struct heard h = {0};

    (void)state;
    assert_int_equal(hear(&h,
                          "HTTP/1.1 200 OK\r\nX-One: \t a b \t\r\nEMPTY:\r\nx-one: c\r\n"
                          "Content-Length: 0\r\n\r\n",
                          3, false),
                     ANSWER_WHOLE);
    assert_string_equal(h.headers, "x-one=a b\nempty=\nx-one=c\ncontent-length=0\n");
    http_answer_done(&h.a);
}

static void test_http_answer__refuses(void **state)
{
    static const char *const bad[] = {
        "SSH-2.0-OpenSSH_9.2\r\n", /* not HTTP at all */
        "<html>hello</html>", "HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
        /* lengths that do not agree, or are none */
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\n",
        /* codings that nobody asked for */
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        /* broken off */
        "", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", CHUNKED "3\r\nab",
        CHUNKED "3\r\nabc\r\n", CHUNKED "3\r\nabc\r\n0\r\n", CHUNKED "3\r\nabcd\r\n0\r\n\r\n",
        CHUNKED "x\r\nabc\r\n", CHUNKED "FFFFFFFFFFFFFFFFF\r\nabc\r\n"};
    struct heard h = {0};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t piece = 1; piece <= 1000; piece *= 1000) {
            if (hear(&h, bad[i], piece, false) != ANSWER_BAD)
                fail_msg("taken: %s", bad[i]);
            assert_non_null(h.a.fault);
            http_answer_done(&h.a);
        }
}

/* Found by the fuzzer: llhttp 8 reports a header whose name is empty. */
static void test_http_answer__refuses_a_header_without_a_name(void **state)
{
    struct heard h = {0};

    (void)state;
    assert_int_equal(hear(&h, "HTTP/1.1 200 OK\r\nX: 1\r\n: chunked\r\n\r\n", 1000, false),
                     ANSWER_BAD);
    http_answer_done(&h.a);
}

/* `first`, then `again` until there are n_bytes. */
static enum http_answer_step hear_again(struct heard *h, const char *first, const char *again,
                                        size_t n_bytes)
{
    struct buf text;
    enum http_answer_step step;

    buf_init(&text, n_bytes + 100);
    buf_puts(&text, first);
    while (text.len < n_bytes)
        assert_int_equal(buf_puts(&text, again), 0);
    step = hear(h, buf_str(&text), 100, false);
    http_answer_done(&h->a);
    buf_done(&text);
    return step;
}

static void test_http_answer__heads_and_framing_are_limited(void **state)
{
    struct heard h = {0};

    (void)state;
    assert_int_equal(hear_again(&h, "HTTP/1.1 200 OK\r\n", "A: b\r\n", 2 * HEAD_MAX),
                     ANSWER_HEAD_OVER);
    /* blanks before a value cost as well, and so do interim answers without end */
    assert_int_equal(hear_again(&h, "HTTP/1.1 200 OK\r\nA:", " ", 2 * HEAD_MAX), ANSWER_HEAD_OVER);
    assert_int_equal(hear_again(&h, "", "HTTP/1.1 100 Continue\r\n\r\n", 2 * HEAD_MAX),
                     ANSWER_HEAD_OVER);
    assert_int_equal(hear_again(&h, CHUNKED "1;", "x", 2 * HTTP_ANSWER_FRAMES_MAX), ANSWER_BAD);
    assert_int_equal(hear_again(&h, CHUNKED "0\r\n", "A: b\r\n", 8 * HTTP_ANSWER_FRAMES_MAX),
                     ANSWER_BAD);
}

static void test_http_answer__stops_when_its_owner_says_so(void **state)
{
    struct heard h = {0};

    (void)state;
    assert_int_equal(
        hear(&h, "HTTP/1.1 200 OK\r\nX-Stop: 1\r\nContent-Length: 1\r\n\r\nx", 1000, false),
        ANSWER_STOPPED);
    assert_string_equal(h.body, "");
    http_answer_done(&h.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_answer__takes_bodies_of_every_kind),
        cmocka_unit_test(test_http_answer__tells_headers_trimmed_and_in_lower_case),
        cmocka_unit_test(test_http_answer__refuses),
        cmocka_unit_test(test_http_answer__refuses_a_header_without_a_name),
        cmocka_unit_test(test_http_answer__heads_and_framing_are_limited),
        cmocka_unit_test(test_http_answer__stops_when_its_owner_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
