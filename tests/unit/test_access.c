/* test_access.c - who may ask: loopback names, Host and Origin, keys and their file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/access.h"
#include "api/keys.h"
#include "base/path.h"
#include "base/str.h"

static enum api_code verdict(const struct access *a, const char *path, const char *host,
                             const char *origin, const char *authorization)
{
    const struct access_ask ask = {path, host, origin, authorization};
    struct api_error e;
    enum api_code code;
    int entry;

    if (access_check(a, &ask, "hive", &entry, &e) == 0)
        return API_N_CODES;
    code = e.code;
    api_error_done(&e);
    return code;
}

static void test_access__loopback_names(void **state)
{
    static const char *const yes[] = {"127.0.0.1", "127.9.9.9", "::1",         "[::1]",
                                      "localhost", "LOCALHOST", "a.localhost", "::ffff:127.0.0.1"};
    static const char *const no[] = {"128.0.0.1",
                                     "localhost.evil.example",
                                     "evil.example",
                                     "127.0.0.1.evil",
                                     "0.0.0.0",
                                     "",
                                     "::2",
                                     "notlocalhost",
                                     ".localhost",
                                     "evil.example/.localhost",
                                     "evil.example#.localhost",
                                     "me@x.localhost",
                                     "\xff.localhost"};

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(access_is_loopback(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(access_is_loopback(no[i]));
}

/* `curl http://localhost.:8080` (the whole name, with the root's dot) was refused with 403. */
static void test_access__a_name_may_end_with_the_roots_dot(void **state)
{
    static const struct {
        const char *host;
        enum api_code code;
    } rows[] = {{"localhost.", API_N_CODES},           {"LOCALHOST.:8080", API_N_CODES},
                {"x.localhost.:8080", API_N_CODES},    {"localhost..", API_FORBIDDEN_HOST},
                {"evil.example.", API_FORBIDDEN_HOST}, {".", API_FORBIDDEN_HOST},
                {"[::1.]:8080", API_FORBIDDEN_HOST}};
    const struct access a = {.loopback_only = true};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (verdict(&a, "/v1/x", rows[i].host, NULL, NULL) != rows[i].code)
            fail_msg("wrong about '%s'", rows[i].host);
}

/* <img src="http://x.localhost:8080/v1/backends"> sends no Origin; 200 of them started 188
 * processes. */
static void test_access__what_other_sites_pages_ask_for(void **state)
{
    const struct access here = {.loopback_only = true, .origins = "https://chat.example"};
    const struct access there = {.loopback_only = false};
    struct access_ask ask = {"/v1/backends", "x.localhost:8080", NULL, NULL, "cross-site"};
    struct api_error e;

    (void)state;
    assert_int_equal(access_check_place(&here, &ask, "hive", &e), -1);
    assert_int_equal(e.code, API_FORBIDDEN_HOST);
    api_error_done(&e);
    assert_int_equal(access_check_place(&there, &ask, "hive", &e),
                     0);                 /* a key is asked for there */
    ask.origin = "https://chat.example"; /* a page that may */
    assert_int_equal(access_check_place(&here, &ask, "hive", &e), 0);
    ask.origin = NULL;
    ask.fetch_site = "same-site"; /* a page at another port of this machine */
    assert_int_equal(access_check_place(&here, &ask, "hive", &e), 0);
    ask.fetch_site = "none"; /* typed by a person */
    assert_int_equal(access_check_place(&here, &ask, "hive", &e), 0);
}

static void test_access__splits_hosts(void **state)
{
    char host[32];
    int port = 1;

    (void)state;
    assert_int_equal(access_split_host("a:80", host, sizeof host, &port, NULL), 0);
    assert_string_equal(host, "a");
    assert_int_equal(port, 80);
    assert_int_equal(access_split_host("[::1]:8080", host, sizeof host, &port, NULL), 0);
    assert_string_equal(host, "::1");
    assert_int_equal(port, 8080);
    assert_int_equal(access_split_host("b", host, sizeof host, &port, NULL), 0);
    assert_int_equal(port, 8080);
    assert_int_equal(access_split_host("::1", host, sizeof host, &port, NULL), ERR_INVALID);
    assert_int_equal(access_split_host("a:", host, sizeof host, &port, NULL), ERR_INVALID);
    assert_int_equal(access_split_host("a:65535", host, sizeof host, &port, NULL), 0);
    assert_int_equal(port, 65535);
    assert_int_equal(access_split_host("a:65536", host, sizeof host, &port, NULL), ERR_INVALID);
    assert_int_equal(access_split_host(":80", host, sizeof host, &port, NULL), ERR_INVALID);
    assert_int_equal(access_split_host("[::1]x", host, sizeof host, &port, NULL), ERR_INVALID);
    assert_int_equal(access_split_host("[::1", host, sizeof host, &port, NULL), ERR_INVALID);
    /* Brackets are for IPv6 addresses (RFC 3986, 3.2.2): "[x.localhost]" once passed as a Host. */
    assert_int_equal(access_split_host("[x.localhost]:80", host, sizeof host, &port, NULL),
                     ERR_INVALID);
    assert_int_equal(access_split_host("[127.0.0.1]", host, sizeof host, &port, NULL), ERR_INVALID);
}

/* A page of evil.example whose name was made to resolve to 127.0.0.1 sends its own name as Host. */
static void test_access__rebinding_is_refused_on_loopback(void **state)
{
    const struct access a = {.loopback_only = true};

    (void)state;
    assert_int_equal(verdict(&a, "/v1/x", "127.0.0.1:8080", NULL, NULL), API_N_CODES);
    assert_int_equal(verdict(&a, "/v1/x", "localhost", "http://localhost:3000", NULL), API_N_CODES);
    assert_int_equal(verdict(&a, "/v1/x", "localhost", "https://localhost:3000", NULL),
                     API_N_CODES);
    assert_int_equal(verdict(&a, "/v1/x", "evil.example", NULL, NULL), API_FORBIDDEN_HOST);
    assert_int_equal(verdict(&a, "/v1/health", "evil.example:8080", NULL, NULL),
                     API_FORBIDDEN_HOST);
    assert_int_equal(verdict(&a, "/v1/x", "127.0.0.1", "https://evil.example", NULL),
                     API_FORBIDDEN_HOST);
    assert_int_equal(verdict(&a, "/v1/x", "127.0.0.1", "null", NULL), API_FORBIDDEN_HOST);
}

static void test_access__key_is_asked_for(void **state)
{
    struct access a = {.loopback_only = false, .key = "0123456789abcdef"};

    (void)state;
    assert_int_equal(verdict(&a, "/v1/x", "host", NULL, NULL), API_MISSING_API_KEY);
    assert_int_equal(verdict(&a, "/v1/x", "host", NULL, "Basic abc"), API_MISSING_API_KEY);
    assert_int_equal(verdict(&a, "/v1/x", "host", NULL, "Bearer "), API_INVALID_API_KEY);
    assert_int_equal(verdict(&a, "/v1/x", "host", NULL, "Bearer 0123456789abcde"),
                     API_INVALID_API_KEY);
    assert_int_equal(verdict(&a, "/v1/x", "host", NULL, "Bearer 0123456789abcdef0"),
                     API_INVALID_API_KEY);
    assert_int_equal(verdict(&a, "/v1/x", "host", NULL, "bearer 0123456789abcdef"), API_N_CODES);
    /* RFC 9110 has one or more blanks there; three were "not this server's" key */
    assert_int_equal(verdict(&a, "/v1/x", "host", NULL, "Bearer   0123456789abcdef"), API_N_CODES);
    assert_int_equal(verdict(&a, "/v1/x", "host", NULL, "Bearer0123456789abcdef"),
                     API_MISSING_API_KEY);
    assert_int_equal(verdict(&a, "/v1/health", "host", NULL, NULL), API_N_CODES);
    assert_int_equal(verdict(&a, "/v1/healthx", "host", NULL, NULL), API_MISSING_API_KEY);
}

static void test_access__pages_may_be_allowed(void **state)
{
    struct access a = {.loopback_only = true,
                       .origins = "https://chat.example http://b.example:3000"};

    (void)state;
    assert_int_equal(verdict(&a, "/", "127.0.0.1", "https://chat.example", NULL), API_N_CODES);
    assert_int_equal(verdict(&a, "/", "127.0.0.1", "http://B.example:3000", NULL), API_N_CODES);
    assert_int_equal(verdict(&a, "/", "127.0.0.1", "http://b.example", NULL), API_FORBIDDEN_HOST);
    assert_int_equal(verdict(&a, "/", "127.0.0.1", "https://chat.example.evil", NULL),
                     API_FORBIDDEN_HOST);
    assert_int_equal(verdict(&a, "/", "chat.example", NULL, NULL), API_FORBIDDEN_HOST);
    a.origins = "*";
    assert_int_equal(verdict(&a, "/", "127.0.0.1", "https://any.example", NULL), API_N_CODES);
    /* '*' is a word of its own: it begins no pattern, and a word of one letter is none */
    a.origins = "https://*.example *.example x";
    assert_int_equal(verdict(&a, "/", "127.0.0.1", "https://a.example", NULL), API_FORBIDDEN_HOST);
}

/* A proxy that keeps the Host (Caddy does) was told of origins, which let no Host in. */
static void test_access__a_hosts_refusal_does_not_speak_of_origins(void **state)
{
    const struct access a = {.loopback_only = true};
    const struct access_ask ask = {.path = "/v1/health", .host = "bee.example"};
    struct api_error e;
    char room[API_HINT_MAX];
    const char *hint;

    (void)state;
    assert_int_equal(access_check_place(&a, &ask, "hive", &e), -1);
    hint = api_error_hint(&e, room);
    assert_non_null(strstr(hint, "can send `Host: localhost`"));
    assert_null(strstr(hint, "origins"));
    api_error_done(&e);
}

/* Apps that are made of pages were told to use the address that the hive listens on, which is what
 * they had done. */
static void test_access__apps_are_told_how_to_be_let_in(void **state)
{
    struct access a = {.loopback_only = true};

    (void)state;
    assert_int_equal(verdict(&a, "/v1/models", NULL, "app://obsidian.md", NULL),
                     API_FORBIDDEN_HOST);
    assert_non_null(strstr(api_error_info(API_FORBIDDEN_HOST)->hint, "[hive] origins"));
    a.origins = "app://obsidian.md";
    assert_int_equal(verdict(&a, "/v1/models", NULL, "app://obsidian.md", NULL), API_N_CODES);
}

/* The hive's own key for its workers opens one route of the hive, and all of a worker. */
static void test_access__link_key_opens_its_route_only(void **state)
{
    struct keys list = {.n = 0};
    struct access hive = {.keys = &list, .link_key = "link-0123456789", .link_path = "/ready"};
    const struct access worker = {.key = "0123456789abcdef", .link_key = "link-0123456789"};
    const struct access_ask ask = {"/x", "h", NULL, "Bearer one-of-the-list"};
    struct api_error e;
    int entry;

    (void)state;
    assert_int_equal(keys_add(&list, "zero", "z", 0, NULL), 0);
    assert_int_equal(keys_add(&list, "one-of-the-list", "a", 0, NULL), 0);
    assert_int_equal(access_check(&hive, &ask, "hive", &entry, &e), 0);
    assert_int_equal(entry, 1);
    assert_int_equal(verdict(&hive, "/ready", "h", NULL, "Bearer link-0123456789"), API_N_CODES);
    assert_int_equal(verdict(&hive, "/x", "h", NULL, "Bearer link-0123456789"),
                     API_INVALID_API_KEY);
    assert_int_equal(verdict(&worker, "/x", "h", NULL, "Bearer link-0123456789"), API_N_CODES);
    list.n = 0;
    assert_int_equal(verdict(&hive, "/x", "h", NULL, "Bearer one-of-the-list"),
                     API_INVALID_API_KEY);
    hive.open_path = "/v1/pair";
    assert_int_equal(verdict(&hive, "/v1/pair", "h", NULL, NULL), API_N_CODES);
    assert_int_equal(verdict(&hive, "/v1/pairs", "h", NULL, NULL), API_MISSING_API_KEY);
}

static void test_access__key_file_is_made_private_and_kept(void **state)
{
    char dir[] = "/tmp/rbee-test-XXXXXX", key[ACCESS_KEY_MAX + 1], again[ACCESS_KEY_MAX + 1];
    struct err err = {0};
    struct stat st;
    char *file;
    bool made;

    (void)state;
    assert_non_null(mkdtemp(dir));
    file = path_join(dir, "api-key");
    assert_int_equal(access_load_key(file, false, key, &made, &err), ERR_NOT_FOUND);
    assert_int_equal(access_load_key(file, true, key, &made, &err), 0);
    assert_true(made);
    assert_int_equal(strlen(key), ACCESS_KEY_BYTES);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access_load_key(file, true, again, &made, &err), 0);
    assert_false(made);
    assert_string_equal(key, again);
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(access_load_key(file, true, again, &made, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(path_write_file(file, "short\n", 6, 0600, &err), 0);
    assert_int_equal(access_load_key(file, true, again, &made, &err), ERR_INVALID);
    assert_int_equal(path_write_file(file, "  0123456789abcdef\n\n", 20, 0600, &err), 0);
    assert_int_equal(access_load_key(file, true, again, &made, &err), 0);
    assert_string_equal(again, "0123456789abcdef");
    assert_int_equal(path_write_file(file, "0123456789abcdef two", 20, 0600, &err), 0);
    assert_int_equal(access_load_key(file, true, again, &made, &err), ERR_INVALID);
    assert_int_equal(path_write_file(file,
                                     "0123456789\x7f"
                                     "abcdef",
                                     17, 0600, &err),
                     0);
    assert_int_equal(access_load_key(file, true, again, &made, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "not printable"));
    assert_int_equal(truncate(file, 1 << 20), 0);
    assert_int_equal(access_load_key(file, true, again, &made, &err), ERR_LIMIT);
    unlink(file);
    rmdir(dir);
    free(file);
}

/* What is not there is made; what cannot be looked at is not. */
static void test_access__key_file_that_cannot_be_looked_at_is_an_error(void **state)
{
    char file[] = "/tmp/rbee-test-XXXXXX", key[ACCESS_KEY_MAX + 1];
    struct err err = {0};
    int fd = mkstemp(file);
    char *below = path_join(file, "api-key");
    bool made;

    (void)state;
    assert_int_not_equal(fd, -1);
    assert_int_equal(access_load_key(below, true, key, &made, &err), ERR_IO);
    assert_false(made);
    assert_non_null(strstr(err.text, "Not a directory"));
    close(fd);
    unlink(file);
    free(below);
}

static void test_access__made_keys_are_each_another(void **state)
{
    char a[ACCESS_KEY_MAX + 1], b[ACCESS_KEY_MAX + 1];
    size_t same = 0;

    (void)state;
    access_make_key(a);
    access_make_key(b);
    assert_true(access_is_made_key(a));
    assert_true(access_is_made_key(b));
    /* 32 letters: of n random places about n / 32 are alike, half of them never */
    for (size_t i = strlen("rbee-"); i < ACCESS_KEY_BYTES; i++)
        same += a[i] == b[i];
    assert_true(same < (ACCESS_KEY_BYTES - strlen("rbee-")) / 2);
    a[7] = '0'; /* not among the letters */
    assert_false(access_is_made_key(a));
    b[ACCESS_KEY_BYTES - 1] = '\0';
    assert_false(access_is_made_key(b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access__loopback_names),
        cmocka_unit_test(test_access__a_name_may_end_with_the_roots_dot),
        cmocka_unit_test(test_access__what_other_sites_pages_ask_for),
        cmocka_unit_test(test_access__splits_hosts),
        cmocka_unit_test(test_access__rebinding_is_refused_on_loopback),
        cmocka_unit_test(test_access__key_is_asked_for),
        cmocka_unit_test(test_access__pages_may_be_allowed),
        cmocka_unit_test(test_access__a_hosts_refusal_does_not_speak_of_origins),
        cmocka_unit_test(test_access__apps_are_told_how_to_be_let_in),
        cmocka_unit_test(test_access__link_key_opens_its_route_only),
        cmocka_unit_test(test_access__key_file_is_made_private_and_kept),
        cmocka_unit_test(test_access__key_file_that_cannot_be_looked_at_is_an_error),
        cmocka_unit_test(test_access__made_keys_are_each_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
