/*
 * What the HTTP server refuses: requests that two readers could understand differently are answered
 * with 400 and a close, and never reach the handler. The raw bytes come from RFC 9112
 * (sections 2.2, 3, 5, 6 and 11.2) and from published smuggling cases.
 */
#include "http_rig.h"

#include "base/str.h"

#define HOST "Host: x\r\n"
#define POST "POST /hello HTTP/1.1\r\n" HOST
/* What would be a second request, were the first one's end misread. */
#define NEXT "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"

struct refusal {
    const char *what;
    const char *bytes;
    size_t n;
};
#define REFUSED(what, bytes)                                                                       \
    {                                                                                              \
        what, bytes, sizeof(bytes) - 1                                                             \
    }

static const struct refusal heads[] = {
    REFUSED("no Host", "GET / HTTP/1.1\r\n\r\n" NEXT),
    REFUSED("two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n" NEXT),
    REFUSED("two Hosts, other case", "GET / HTTP/1.1\r\nHost: x\r\nhOST: y\r\n\r\n" NEXT),
    REFUSED("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n" NEXT),
    REFUSED("a Host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n" NEXT),
    REFUSED("a Host with a user", "GET / HTTP/1.1\r\nHost: a@x\r\n\r\n" NEXT),
    REFUSED("a Host list", "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n" NEXT),
    REFUSED("obs-fold", "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n" NEXT),
    REFUSED("obs-fold by tab", "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n" NEXT),
    REFUSED("a fold before the first header", "GET / HTTP/1.1\r\n A: b\r\n" HOST "\r\n" NEXT),
    REFUSED("a space before a colon", "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n" NEXT),
    REFUSED("a tab before a colon", "GET / HTTP/1.1\r\n" HOST "A\t: b\r\n\r\n" NEXT),
    REFUSED("a header without a name", "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n" NEXT),
    REFUSED("a header without a colon", "GET / HTTP/1.1\r\n" HOST "Abc\r\n\r\n" NEXT),
    REFUSED("a name with a slash", "GET / HTTP/1.1\r\n" HOST "A/b: c\r\n\r\n" NEXT),
    REFUSED("a name beyond ASCII", "GET / HTTP/1.1\r\n" HOST "\xc3\xa4: c\r\n\r\n" NEXT),
    REFUSED("NUL in a name", "GET / HTTP/1.1\r\n" HOST "A\0b: c\r\n\r\n" NEXT),
    REFUSED("NUL in a value", "GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n" NEXT),
    REFUSED("NUL in the target", "GET /\0 HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("NUL in the method", "GE\0T / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a control byte in a value", "GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n" NEXT),
    REFUSED("DEL in a value", "GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n" NEXT),
    REFUSED("a bare LF behind the request line", "GET / HTTP/1.1\n" HOST "\r\n" NEXT),
    REFUSED("a bare LF behind a header", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n" NEXT),
    REFUSED("bare LFs all over", "GET / HTTP/1.1\nHost: x\n\n" NEXT),
    REFUSED("a bare LF at the head's end", "GET / HTTP/1.1\r\n" HOST "\n" NEXT),
    REFUSED("a bare CR in a value", "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n" NEXT),
    REFUSED("a bare CR behind the request line", "GET / HTTP/1.1\rHost: x\r\n\r\n" NEXT),
    REFUSED("a bare CR at the head's end", "GET / HTTP/1.1\r\n" HOST "\rX\n" NEXT),
    REFUSED("a bare LF first", "\nGET / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a repeated Authorization",
            "GET / HTTP/1.1\r\n" HOST "Authorization: a\r\nAuthorization: b\r\n\r\n" NEXT),
    REFUSED("a repeated Origin", "GET / HTTP/1.1\r\n" HOST "Origin: a\r\nOrigin: b\r\n\r\n" NEXT),
    REFUSED("a repeated Content-Encoding", POST "Content-Encoding: identity\r\n"
                                                "Content-Encoding: gzip\r\n"
                                                "Content-Length: 3\r\n\r\nabc" NEXT),
    REFUSED("an Expect of something else", POST "Expect: 200-ok\r\n\r\n" NEXT),
};

static const struct refusal lines[] = {
    REFUSED("two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a tab for a space", "GET\t/ HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a space behind the version", "GET / HTTP/1.1 \r\n" HOST "\r\n" NEXT),
    REFUSED("a space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a space first", " GET / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a CR first", "\rGET / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a LF first", "\nGET / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a CR behind an empty line", "\r\n\rGET / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("no target", "GET HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("no version", "GET /\r\n" HOST "\r\n" NEXT),
    REFUSED("HTTP/0.9", "GET /\r\n\r\n" NEXT),
    REFUSED("HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n" NEXT),
    REFUSED("HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n" NEXT),
    REFUSED("HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n" NEXT),
    REFUSED("http/1.1", "GET / http/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("RTSP", "GET / RTSP/1.0\r\n" HOST "\r\n" NEXT),
    REFUSED("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    REFUSED("a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    REFUSED("an unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a lower-case method", "get / HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("no method", "/ HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a target of elsewhere", "GET http://y/ HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a target of another port", "GET http://x:81/ HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a target of the other scheme's port",
            "GET http://x:443/ HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a target with a user", "GET http://x@y/ HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a target of another scheme", "GET ftp://x/ HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("an asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("CONNECT", "CONNECT x:80 HTTP/1.1\r\n" HOST "\r\n" NEXT),
    /* ended the process: llhttp takes it, and says nothing of a target */
    REFUSED("CONNECT to nowhere", "CONNECT  HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("an empty target", "OPTIONS  HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a relative target", "GET a HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a target beyond ASCII", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("an escaped NUL", "GET /a%00b HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("an escaped line end", "GET /a%0ab HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("half an escape", "GET /a%2 HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a wrong escape", "GET /a%zz HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("an escaped NUL in a query", "GET /?a=%00 HTTP/1.1\r\n" HOST "\r\n" NEXT),
    REFUSED("a wrong escape in a query", "GET /?%g1=a HTTP/1.1\r\n" HOST "\r\n" NEXT),
};

static const struct refusal bodies[] = {
    REFUSED("different lengths", POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\na" NEXT),
    REFUSED("equal lengths", POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na" NEXT),
    REFUSED("a list of lengths", POST "Content-Length: 1, 1\r\n\r\na" NEXT),
    REFUSED("a negative length", POST "Content-Length: -1\r\n\r\n" NEXT),
    REFUSED("a signed length", POST "Content-Length: +1\r\n\r\na" NEXT),
    REFUSED("a hexadecimal length", POST "Content-Length: 0x1\r\n\r\na" NEXT),
    REFUSED("a fraction", POST "Content-Length: 1.0\r\n\r\na" NEXT),
    REFUSED("two numbers", POST "Content-Length: 1 1\r\n\r\na" NEXT),
    REFUSED("an empty length", POST "Content-Length:\r\n\r\n" NEXT),
    REFUSED("a length over 64 bits", POST "Content-Length: 18446744073709551617\r\n\r\na" NEXT),
    REFUSED("length and chunks", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                                      "0\r\n\r\n" NEXT),
    REFUSED("chunks and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
                                      "0\r\n\r\n" NEXT),
    REFUSED("gzip", POST "Transfer-Encoding: gzip\r\n\r\n" NEXT),
    REFUSED("gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT),
    REFUSED("chunked, gzip", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" NEXT),
    REFUSED("chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" NEXT),
    REFUSED("chunked twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "0\r\n\r\n" NEXT),
    REFUSED("chunked with a tail", POST "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n" NEXT),
    REFUSED("quoted chunked", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" NEXT),
    REFUSED("an empty coding", POST "Transfer-Encoding:\r\n\r\n" NEXT),
    REFUSED("chunks in HTTP/1.0",
            "POST /hello HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
};

#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
static const struct refusal chunks[] = {
    REFUSED("no size", CHUNKED "\r\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a size that is none", CHUNKED "xyz\r\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a negative size", CHUNKED "-3\r\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a size with 0x", CHUNKED "0x3\r\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a blank before the size", CHUNKED " 3\r\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a blank behind the size", CHUNKED "3 \r\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a size over 64 bits", CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a size of 2^64 - 1", CHUNKED "ffffffffffffffff\r\nabc" NEXT),
    REFUSED("a bare LF behind the size", CHUNKED "3\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a bare CR behind the size", CHUNKED "3\rabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a bare LF behind an extension", CHUNKED "3;a\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a bare LF behind the bytes", CHUNKED "3\r\nabc\n0\r\n\r\n" NEXT),
    REFUSED("more bytes than the size", CHUNKED "3\r\nabcd\r\n0\r\n\r\n" NEXT),
    REFUSED("fewer bytes than the size", CHUNKED "5\r\nabc\r\n0\r\n\r\n" NEXT),
    REFUSED("a bare LF behind the last size", CHUNKED "3\r\nabc\r\n0\n\r\n" NEXT),
    REFUSED("a bare LF at the end", CHUNKED "3\r\nabc\r\n0\r\n\n" NEXT),
    REFUSED("a bare CR at the end", CHUNKED "3\r\nabc\r\n0\r\n\r" NEXT),
    REFUSED("trailers", CHUNKED "3\r\nabc\r\n0\r\nHost: y\r\n\r\n" NEXT),
};

/* Sends it, whole or in single bytes, and sees it answered by 4xx or nothing, then a close. */
static void check_refused(struct rig *rig, const struct refusal *r, bool by_byte)
{
    int fd = raw_connect(rig->port);
    const char *answer;

    for (size_t i = 0; by_byte && i < r->n; i++)
        raw_send(fd, r->bytes + i, 1);
    if (!by_byte)
        raw_send(fd, r->bytes, r->n);
    answer = raw_hear_all(fd);
    if (answer[0] && (!str_starts(answer, "HTTP/1.1 4") || !strstr(answer, "Connection: close")))
        fail_msg("%s was answered: %s", r->what, answer);
    if (answer[0] && strstr(answer + 1, "HTTP/1.1 "))
        fail_msg("%s was answered twice: %s", r->what, answer);
    if (rig->n_handled)
        fail_msg("%s reached the handler", r->what);
    close(fd);
}

static void check_all(const struct refusal *list, size_t n)
{
    struct rig *rig = rig_start_default();
    const char *body;
    int fd;

    for (size_t i = 0; i < n; i++) {
        check_refused(rig, &list[i], false);
        check_refused(rig, &list[i], true);
    }
    fd = raw_connect(rig->port);
    raw_say(fd, NEXT); /* the server is as well as before */
    assert_int_equal(raw_hear_reply(fd, &body), 200);
    assert_int_equal(rig->n_handled, 1);
    close(fd);
    rig_stop(rig);
}

static void test_http_strict__refuses_malformed_heads(void **state)
{
    (void)state;
    check_all(heads, sizeof heads / sizeof *heads);
}

static void test_http_strict__refuses_malformed_request_lines(void **state)
{
    (void)state;
    check_all(lines, sizeof lines / sizeof *lines);
}

static void test_http_strict__refuses_unclear_body_lengths(void **state)
{
    (void)state;
    check_all(bodies, sizeof bodies / sizeof *bodies);
}

static void test_http_strict__refuses_malformed_chunks(void **state)
{
    (void)state;
    check_all(chunks, sizeof chunks / sizeof *chunks);
}

/* A client that packed its body was told that it was not valid JSON. */
static void test_http_strict__a_packed_body_is_refused_by_its_header(void **state)
{
    static const char *const packed[] = {"gzip", "br", "gzip, identity"};
    struct rig *rig = rig_start_default();

    (void)state;
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        int fd = raw_connect(rig->port);
        char *bytes =
            str_printf(POST "Content-Encoding: %s\r\nContent-Length: 3\r\n\r\nabc" NEXT, packed[i]);
        const char *answer;

        raw_say(fd, bytes);
        answer = raw_hear_all(fd);
        if (!str_starts(answer, "HTTP/1.1 415 ") || !strstr(answer, "Content-Encoding"))
            fail_msg("%s was answered: %s", packed[i], answer);
        assert_int_equal(rig->n_handled, 0);
        free(bytes);
        close(fd);
    }
    rig_stop(rig);
}

/* The opposite: what looks odd and is right must pass. */
static void test_http_strict__takes_odd_but_right_requests(void **state)
{
    static const char *const right[] = {
        "\r\n" NEXT,
        "GET /hello HTTP/1.1\r\nhost:x\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHOST: \t x.example:8080 \t \r\n\r\n",
        "GET /hello HTTP/1.1\r\n" HOST "A:\r\nB: \xff\xfe\r\nC: d:e\r\n\r\n",
        "GET /hello HTTP/1.1\r\n" HOST "TE: trailers\r\n\r\n",
        "GET /hello HTTP/1.1\r\n" HOST
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        POST "Content-Length: 003\r\n\r\nabc",
        POST "Content-Length: 0\r\n\r\n",
        POST "Content-Length: 0\r\nContent-Encoding: gzip\r\n\r\n",
        POST "Content-Length: 3\r\nContent-Encoding: Identity\r\n\r\nabc",
        POST "transfer-encoding: CHUNKED\r\n\r\n3;x=\"y\"\r\nabc\r\n000\r\n\r\n",
        "DELETE /hello HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    };
    struct rig *rig = rig_start_default();
    int fd = raw_connect(rig->port);

    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        raw_say(fd, right[i]);
        if (raw_hear_reply(fd, NULL) != 200)
            fail_msg("refused: %s", right[i]);
        assert_int_equal(rig->n_handled, i + 1);
    }
    close(fd);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_strict__refuses_malformed_heads),
        cmocka_unit_test(test_http_strict__refuses_malformed_request_lines),
        cmocka_unit_test(test_http_strict__refuses_unclear_body_lengths),
        cmocka_unit_test(test_http_strict__refuses_malformed_chunks),
        cmocka_unit_test(test_http_strict__a_packed_body_is_refused_by_its_header),
        cmocka_unit_test(test_http_strict__takes_odd_but_right_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
