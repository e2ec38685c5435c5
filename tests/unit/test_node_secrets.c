/* test_node_secrets.c - what the keeper keeps of its nodes, and the line that pairs. */
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

#include "base/path.h"
#include "base/str.h"
#include "keeper/node_secrets.h"
#include "keeper/pair.h"

#define PIN  "6fd7ee201a5f1f88f019143cb321dbdee186acaa8b21390bef5e14d62bff5b06"
#define CODE "tkskohzkwj3j3jtaevhk"

static void test_pair__reads_the_line_whole_or_not_at_all(void **state)
{
    static const char *const bad[] = {
        "rbee://",
        "rbee://h:1",
        "rbee://h:1/",
        "rbee://h:1/" PIN,
        "rbee://h:1/" PIN "/",
        "rbee://h:1/" PIN "/" CODE "!",
        "rbee://h:1/" PIN "/" CODE "/" CODE,
        "rbee://h:1/" PIN "0/" CODE,
        "rbee://h:1/6FD7ee201a5f1f88f019143cb321dbdee186acaa8b21390bef5e14d62bff5b06/" CODE,
        "rbee:///" PIN "/" CODE,
        "rbee://h:99999/" PIN "/" CODE,
        "rbee://h@x:1/" PIN "/" CODE,
        "",
        "rbee:",
        "http://h:1/" PIN "/" CODE,
    };
    struct pair_line line;
    struct err err = {0};
    char text[2048];

    (void)state;
    assert_int_equal(pair_parse("rbee://192.168.1.20:8080/" PIN "/" CODE, &line, &err), 0);
    assert_string_equal(line.addr.host, "192.168.1.20");
    assert_int_equal(line.addr.port, 8080);
    assert_string_equal(line.pin, PIN);
    assert_string_equal(line.code, CODE);
    assert_int_equal(pair_parse("rbee://[2001:db8::1]:81/" PIN "/" CODE, &line, &err), 0);
    assert_string_equal(line.addr.host, "2001:db8::1");
    assert_int_equal(pair_parse("rbee://bee2/" PIN "/" CODE, &line, &err), 0);
    assert_int_equal(line.addr.port, 8080);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (pair_parse(bad[i], &line, &err) != ERR_INVALID)
            fail_msg("taken: %s", bad[i]);
    memset(text, 'h', sizeof text);
    memcpy(text, "rbee://", 7);
    text[sizeof text - 1] = '\0';
    assert_int_equal(pair_parse(text, &line, &err), ERR_INVALID);
}

static void test_node_secrets__are_kept_private(void **state)
{
    const struct node_secret secret = {.tls = true, .pin = PIN, .key = "rbee-key-of-a-node"};
    char dir[] = "/tmp/rbee-secrets-XXXXXX", *file;
    struct node_secret back;
    struct err err = {0};
    struct stat st;
    bool found;

    (void)state;
    assert_non_null(mkdtemp(dir));
    file = path_join(dir, "nodes.json");
    assert_int_equal(node_secrets_find(dir, "bee2", &found, &back, &err), 0);
    assert_false(found);
    assert_int_equal(node_secrets_put(dir, "bee2", NULL, &err), 0);
    assert_false(path_is_file(file));
    assert_int_equal(node_secrets_put(dir, "Bee2", &secret, &err), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(node_secrets_find(dir, "bee2", &found, &back, &err), 0);
    assert_true(found);
    assert_true(back.tls);
    assert_string_equal(back.pin, PIN);
    assert_string_equal(back.key, "rbee-key-of-a-node");
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(node_secrets_find(dir, "bee2", &found, &back, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(node_secrets_put(dir, "bee2", NULL, &err), 0);
    assert_int_equal(node_secrets_find(dir, "bee2", &found, &back, &err), 0);
    assert_false(found);
    assert_int_equal(path_write_file(file, "[1", 2, 0600, &err), 0);
    assert_int_equal(node_secrets_find(dir, "bee2", &found, &back, &err), ERR_INVALID);
    assert_int_equal(path_write_file(file, "{\"bee2\":{\"pin\":\"12\"}}", 21, 0600, &err), 0);
    assert_int_equal(node_secrets_find(dir, "bee2", &found, &back, &err), ERR_INVALID);
    unlink(file);
    rmdir(dir);
    free(file);
}

/* A keeper that was killed while it wrote left a copy, and a node's key in it outlived `node rm`.
 */
static void test_node_secrets__leave_no_copy_behind(void **state)
{
    char dir[] = "/tmp/rbee-secrets-XXXXXX", *copy;

    (void)state;
    assert_non_null(mkdtemp(dir));
    copy = path_join(dir, "nodes.json.tmp-4711");
    assert_int_equal(path_write_file(copy, "{\"bee2\":{\"key\":\"rbee-", 21, 0600, NULL), 0);
    assert_int_equal(node_secrets_put(dir, "bee2", NULL, NULL), 0);
    free(copy);
    assert_int_equal(rmdir(dir), 0);
}

/* An entry that lost its pin was taken as one that trusts any authority, one that lost "tls" as a
 * node that is asked, with its key, in the clear. */
static void test_node_secrets__damage_makes_nothing_weaker(void **state)
{
    static const char *const bad[] = {
        "{\"bee2\":5}",
        "{\"bee2\":{}}",
        "{\"bee2\":{\"tls\":true,\"key\":\"rbee-key-of-a-node\"}}",
        "{\"bee2\":{\"tls\":true,\"pin\":null,\"key\":\"rbee-key-of-a-node\"}}",
        "{\"bee2\":{\"pin\":\"" PIN "\",\"key\":\"rbee-key-of-a-node\"}}",
        "{\"bee2\":{\"tls\":\"true\",\"pin\":\"\",\"key\":\"rbee-key-of-a-node\"}}",
        "{\"bee2\":{\"tls\":true,\"pin\":\"\",\"key\":1}}",
    };
    struct node_secret back;
    bool found;
    json_t *all;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(node_secrets_parse("nodes.json", bad[i], strlen(bad[i]), &all, NULL), 0);
        if (node_secrets_get(all, "bee2", &found, &back, NULL) != ERR_INVALID)
            fail_msg("taken: %s", bad[i]);
        assert_true(found);
        json_decref(all);
    }
}

/* The hive of the same home tells its port; a keeper for another port gets nothing of it. */
static void test_node_secrets__own_hive_is_known_by_its_port(void **state)
{
    static const char told[] =
        "{\"host\":\"0.0.0.0\",\"port\":8080,\"tls\":true,\"pin\":\"" PIN "\"}";
    char dir[] = "/tmp/rbee-secrets-XXXXXX", *run, *file, *key;
    struct node_secret back;
    struct err err = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    run = path_join(dir, "run");
    file = path_join(run, "hive.json");
    key = path_join(dir, "api-key");
    assert_int_equal(node_secrets_own_hive(dir, 8080, &back, &err), ERR_NOT_FOUND);
    assert_int_equal(path_make_dirs(run, 0700, &err), 0);
    assert_int_equal(path_write_file(file, told, strlen(told), 0600, &err), 0);
    assert_int_equal(node_secrets_own_hive(dir, 8080, &back, &err), 0);
    assert_string_equal(back.pin, PIN);
    assert_string_equal(back.key, "");
    assert_int_equal(path_write_file(key, "0123456789abcdef", 16, 0600, &err), 0);
    assert_int_equal(node_secrets_own_hive(dir, 8080, &back, &err), 0);
    assert_string_equal(back.key, "0123456789abcdef");
    assert_int_equal(node_secrets_own_hive(dir, 9090, &back, &err), ERR_NOT_FOUND);
    unlink(key);
    unlink(file);
    rmdir(run);
    rmdir(dir);
    free(key);
    free(file);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair__reads_the_line_whole_or_not_at_all),
        cmocka_unit_test(test_node_secrets__are_kept_private),
        cmocka_unit_test(test_node_secrets__leave_no_copy_behind),
        cmocka_unit_test(test_node_secrets__damage_makes_nothing_weaker),
        cmocka_unit_test(test_node_secrets__own_hive_is_known_by_its_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
