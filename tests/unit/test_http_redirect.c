/* Redirects of the HTTP client: where it follows, where it does not, and what stays behind. */
#include "http_peer.h"

static void test_http_redirect__follows_when_asked(void **state)
{
    struct peer *peer = PEER({REDIRECT("302", "/there?x=1"), CLOSE, 0}, {OK("here"), CLOSE, 0},
                             {REDIRECT("302", "/there"), CLOSE, 0});
    struct told t;

    (void)state;
    open_client(&t);
    run_call(&t, (struct http_call_params){
                     .url = url_of(peer, "/"), .follow = true, .bearer = "k", .body_max = 100});
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.status, 200);
    assert_string_equal(t.body, "here"); /* not the redirect's */
    assert_string_equal(t.url, url_of(peer, "/there?x=1"));
    assert_non_null(strstr(t.headers, "302 location=/there?x=1\n"));
    assert_non_null(strstr(t.headers, "200 connection=close\n"));
    assert_non_null(strstr(peer->seen[1], "\r\nAuthorization: Bearer k\r\n")); /* same origin */
    close_client(&t);
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .body_max = 100});
    assert_int_equal(t.status, 302);
    assert_string_equal(t.body, "body");
    close_client(&t);
    peer_stop(peer);
}

static void test_http_redirect__redirects_end_somewhere(void **state)
{
    const struct line again = {REDIRECT("307", "/again"), CLOSE, 0};
    struct peer *peer = PEER(again, again, again, again, again, again, again, again);
    struct told t;

    (void)state;
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .follow = true});
    assert_int_equal(t.rc, ERR_DENIED);
    assert_int_equal(peer->n_seen, HTTP_REDIRECTS_MAX + 1);
    close_client(&t);
    peer_stop(peer);
}

static void test_http_redirect__refuses_other_schemes(void **state)
{
    static const char *const bad[] = {
        REDIRECT("302", "file:///etc/passwd"), REDIRECT("302", "ftp://127.0.0.1/"),
        REDIRECT("302", "gopher://127.0.0.1:1/"), REDIRECT("302", "http://:x/")};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct peer *peer = PEER({bad[i], CLOSE, 0});
        struct told t;

        open_client(&t);
        run_call(&t, (struct http_call_params){.url = url_of(peer, "/"), .follow = true});
        assert_int_equal(t.rc, ERR_DENIED);
        close_client(&t);
        peer_stop(peer);
    }
}

/*
 * A token that is sent on to where a redirect leads was a real hole in this field: here another
 * port of the same host is another origin already, and coming back does not bring the key back.
 */
static void test_http_redirect__keys_do_not_leave_their_origin(void **state)
{
    static const struct line first[] = {{REDIRECT("302", "http://127.0.0.1:$P/b"), CLOSE, 0},
                                        {OK("back"), CLOSE, 0}};
    static const struct line second[] = {{REDIRECT("302", "http://127.0.0.1:$P/c"), CLOSE, 0}};
    const char *headers[] = {"Cookie: c=1", "X-Keep: yes", "authorization: Basic abc", NULL};
    struct peer *a = peer_make(first, 2), *b = peer_make(second, 1);
    struct told t;

    (void)state;
    a->other = b->port;
    b->other = a->port;
    peer_go(a);
    peer_go(b);
    open_client(&t);
    run_call(&t, (struct http_call_params){.url = url_of(a, "/a"),
                                           .follow = true,
                                           .bearer = "secret",
                                           .headers = headers,
                                           .body_max = 100});
    assert_int_equal(t.rc, 0);
    assert_string_equal(t.body, "back");
    assert_non_null(strstr(a->seen[0], "secret"));
    assert_non_null(strstr(a->seen[0], "c=1"));
    assert_null(strcasestr(b->seen[0], "authorization"));
    assert_null(strcasestr(b->seen[0], "cookie"));
    assert_non_null(strstr(b->seen[0], "X-Keep: yes"));
    assert_null(strcasestr(a->seen[1], "authorization"));
    close_client(&t);
    peer_stop(a);
    peer_stop(b);
}

static void test_http_redirect__bodies_do_not_leave_their_origin(void **state)
{
    static const struct line first[] = {{REDIRECT("307", "/b"), CLOSE, 0},
                                        {REDIRECT("308", "http://localhost:$P/c"), CLOSE, 0}};
    struct peer *a = peer_make(first, 2);
    struct told t;

    (void)state;
    a->other = a->port;
    peer_go(a);
    open_client(&t);
    run_call(&t, (struct http_call_params){.method = "POST",
                                           .url = url_of(a, "/a"),
                                           .body = "data",
                                           .body_bytes = 4,
                                           .follow = true});
    assert_int_equal(t.rc, ERR_DENIED);
    assert_true(str_starts(a->seen[1], "POST /b "));
    assert_true(str_ends(a->seen[1], "\r\n\r\ndata"));
    close_client(&t);
    peer_stop(a);
}

static void test_http_redirect__see_other_becomes_get(void **state)
{
    struct peer *peer = PEER({REDIRECT("303", "/r"), CLOSE, 0}, {OK(""), CLOSE, 0});
    struct told t;

    (void)state;
    open_client(&t);
    run_call(&t, (struct http_call_params){.method = "POST",
                                           .url = url_of(peer, "/"),
                                           .body = "data",
                                           .body_bytes = 4,
                                           .follow = true});
    assert_int_equal(t.rc, 0);
    assert_true(str_starts(peer->seen[1], "GET /r HTTP/1.1\r\n"));
    assert_true(str_ends(peer->seen[1], "\r\n\r\n"));
    close_client(&t);
    peer_stop(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_redirect__follows_when_asked),
        cmocka_unit_test(test_http_redirect__redirects_end_somewhere),
        cmocka_unit_test(test_http_redirect__refuses_other_schemes),
        cmocka_unit_test(test_http_redirect__keys_do_not_leave_their_origin),
        cmocka_unit_test(test_http_redirect__bodies_do_not_leave_their_origin),
        cmocka_unit_test(test_http_redirect__see_other_becomes_get),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
