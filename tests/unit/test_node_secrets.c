/* test_node_secrets.c - what the keeper keeps of its nodes, and the line that pairs. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "base/str.h"
#include "keeper/node/node_secrets.h"
#include "keeper/node/pair.h"

#define PIN  "6fd7ee201a5f1f88f019143cb321dbdee186acaa8b21390bef5e14d62bff5b06"
#define CODE "tkskohzkwj3j3jtaevhk"

static void test_pair__reads_the_line_whole_or_not_at_all(void **state)
{
    static const char *const bad[] = {
        "rbee://",
        "rbee://h:1",
        "rbee://h:1/",
        "rbee://h:1/" PIN,
        "rbee://127.0.0.1:1/" PIN "/",
        "rbee://127.0.0.1:1/" PIN "0",
        "rbee://127.0.0.1:1",
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
    assert_int_equal(pair_parse("rbee://[::1]:81/" PIN, &line, &err), 0);
    assert_string_equal(line.addr.host, "::1");
    assert_string_equal(line.pin, PIN);
    assert_string_equal(line.code, "");
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

struct own {
    char dir[32];
    char *run, *file, *lock, *key;
    int lock_fd;
};

static void own_begin(struct own *o)
{
    struct err err = {0};

    *o = (struct own){.dir = "/tmp/rbee-secrets-XXXXXX", .lock_fd = -1};
    assert_non_null(mkdtemp(o->dir));
    o->run = path_join(o->dir, "run");
    o->file = path_join(o->run, "hive.json");
    o->lock = path_join(o->run, "hive.lock");
    o->key = path_join(o->dir, "api-key");
    assert_int_equal(path_make_dirs(o->run, 0700, &err), 0);
    assert_int_equal(path_write_file(o->key, "0123456789abcdef", 16, 0600, &err), 0);
}

/* As the hive does while it runs. */
static void own_run(struct own *o)
{
    o->lock_fd = open(o->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(o->lock_fd, LOCK_EX | LOCK_NB), 0);
}

/* By any means: what it wrote stays. */
static void own_die(struct own *o)
{
    close(o->lock_fd);
    o->lock_fd = -1;
}

static void own_end(struct own *o)
{
    unlink(o->key);
    unlink(o->lock);
    unlink(o->file);
    rmdir(o->run);
    rmdir(o->dir);
    free(o->key);
    free(o->lock);
    free(o->file);
    free(o->run);
}

/* What the hive of this home is said to be. */
static void own_tell(const struct own *o, const char *host, int port, bool tls)
{
    struct err err = {0};
    char text[256];
    int n = snprintf(text, sizeof text, "{\"host\":\"%s\",\"port\":%d,\"tls\":%s,\"pin\":\"%s\"}",
                     host, port, tls ? "true" : "false", tls ? PIN : "");

    assert_int_equal(path_write_file(o->file, text, (size_t)n, 0600, &err), 0);
}

/* A keeper that asks for another place gets nothing of it, the key least of all. */
static void test_node_secrets__own_hive_is_known_by_its_place(void **state)
{
    static const struct {
        const char *host;
        int port;
        const char *told;
        bool is_it;
    } rows[] = {
        {"127.0.0.1", 8080, "0.0.0.0", true},
        {"localhost", 8080, "127.0.0.1", true},
        {"::1", 8080, "::", true},
        {"192.168.1.20", 8080, "192.168.1.20", true},
        {"127.0.0.1", 9090, "0.0.0.0", false},
        {"192.168.1.20", 8080, "0.0.0.0", false},
        {"192.168.1.21", 8080, "192.168.1.20", false},
        {"127.0.0.1", 8080, "192.168.1.20", false},
    };
    struct node_secret back;
    struct err err = {0};
    struct own o;

    (void)state;
    own_begin(&o);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config_addr addr = {.port = (uint16_t)rows[i].port};

        str_copy(addr.host, sizeof addr.host, rows[i].host);
        own_tell(&o, rows[i].told, 8080, true);
        assert_int_equal(node_secrets_own_hive(o.dir, false, &addr, &back, &err),
                         rows[i].is_it ? 0 : ERR_NOT_FOUND);
        assert_string_equal(back.pin, rows[i].is_it ? PIN : "");
        assert_string_equal(back.key, rows[i].is_it ? "0123456789abcdef" : "");
        assert_string_equal(addr.host, rows[i].host); /* it was shown in place of 127.0.0.2 */
    }
    own_end(&o);
}

/* After `chmod -R go+r` on the home (a backup, a shared group) no command went to the local hive,
 * of whose address nothing is secret. What others can write may lead anywhere. */
static void test_node_secrets__own_hive_may_be_read_by_others_and_not_written(void **state)
{
    struct config_addr addr = {.host = "127.0.0.1", .port = 8080};
    struct node_secret back;
    struct err err = {0};
    struct own o;

    (void)state;
    own_begin(&o);
    own_tell(&o, "127.0.0.1", 8080, false);
    assert_int_equal(chmod(o.file, 0644), 0);
    assert_int_equal(node_secrets_own_hive(o.dir, false, &addr, &back, &err), 0);
    assert_int_equal(chmod(o.file, 0622), 0);
    assert_int_equal(node_secrets_own_hive(o.dir, false, &addr, &back, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "can be written by others (mode 622)"));
    own_end(&o);
}

/* Bound to 192.168.1.20:9000 by the configuration that both read, it was looked for at
 * localhost:8080, where nobody was. */
static void test_node_secrets__own_hive_is_where_it_says(void **state)
{
    struct config_addr addr = {.host = "localhost", .port = 8080};
    struct node_secret back;
    struct err err = {0};
    struct own o;

    (void)state;
    own_begin(&o);
    own_run(&o);
    assert_int_equal(node_secrets_own_hive(o.dir, true, &addr, &back, &err), ERR_NOT_FOUND);
    own_tell(&o, "192.168.1.20", 9000, true);
    assert_int_equal(node_secrets_own_hive(o.dir, true, &addr, &back, &err), 0);
    assert_string_equal(addr.host, "192.168.1.20");
    assert_int_equal(addr.port, 9000);
    assert_string_equal(back.pin, PIN);
    assert_string_equal(back.key, "0123456789abcdef");
    own_tell(&o, "0.0.0.0", 9001, false);
    assert_int_equal(node_secrets_own_hive(o.dir, true, &addr, &back, &err), 0);
    assert_string_equal(addr.host, "localhost");
    assert_int_equal(addr.port, 9001);
    assert_false(back.tls);
    assert_string_equal(back.key, ""); /* whoever listens there would get it */
    own_tell(&o, "evil.example/x?", 9000, true);
    assert_int_equal(node_secrets_own_hive(o.dir, true, &addr, &back, &err), ERR_INVALID);
    assert_false(back.tls);
    assert_int_equal(addr.port, 9001);
    own_die(&o);
    own_end(&o);
}

/*
 * A hive that was killed at 192.168.1.20:9000 left its file: prompts for `localhost` went there for
 * ever, in the clear, to whoever had the address by then, and not to a hive at localhost:8080. Who
 * is at the very place of the dead one is still taken for it only with its certificate.
 */
static void test_node_secrets__a_dead_hive_is_not_followed(void **state)
{
    struct config_addr addr = {.host = "localhost", .port = 8080};
    struct node_secret back;
    struct err err = {0};
    struct own o;

    (void)state;
    own_begin(&o);
    own_run(&o);
    own_tell(&o, "192.168.1.20", 9000, false);
    own_die(&o);
    assert_int_equal(node_secrets_own_hive(o.dir, true, &addr, &back, &err), ERR_NOT_FOUND);
    assert_string_equal(addr.host, "localhost");
    assert_int_equal(addr.port, 8080);
    unlink(o.lock);
    assert_int_equal(node_secrets_own_hive(o.dir, true, &addr, &back, &err), ERR_NOT_FOUND);
    own_tell(&o, "0.0.0.0", 8080, true);
    assert_int_equal(node_secrets_own_hive(o.dir, true, &addr, &back, &err), 0);
    assert_string_equal(addr.host, "localhost");
    assert_string_equal(back.pin, PIN);
    own_tell(&o, "192.168.1.20", 9000, true);
    assert_int_equal(node_secrets_own_hive(o.dir, false, &addr, &back, &err), ERR_NOT_FOUND);
    assert_int_equal(node_secrets_own_hive(o.dir, true, &addr, &back, &err), 0);
    assert_string_equal(addr.host, "192.168.1.20"); /* and not in the clear at the usual port */
    assert_string_equal(back.pin, PIN);
    own_end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair__reads_the_line_whole_or_not_at_all),
        cmocka_unit_test(test_node_secrets__are_kept_private),
        cmocka_unit_test(test_node_secrets__leave_no_copy_behind),
        cmocka_unit_test(test_node_secrets__damage_makes_nothing_weaker),
        cmocka_unit_test(test_node_secrets__own_hive_is_known_by_its_place),
        cmocka_unit_test(test_node_secrets__own_hive_may_be_read_by_others_and_not_written),
        cmocka_unit_test(test_node_secrets__own_hive_is_where_it_says),
        cmocka_unit_test(test_node_secrets__a_dead_hive_is_not_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
