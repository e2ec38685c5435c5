/* Tests of src/config: precedence, what is refused and where it says so, and the node list. */
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

#include "base/buf.h"
#include "base/path.h"
#include "base/str.h"
#include "config/config.h"

static char home[256];

static int setup(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "%s/rbee-config-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    unsetenv("RBEE_HIVE_ADDR");
    unsetenv("RBEE_HIVE_HF_ENDPOINT");
    unsetenv("HF_ENDPOINT");
    return mkdtemp(home) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[300];

    (void)state;
    snprintf(path, sizeof path, "%s/config.ini", home);
    unlink(path);
    return rmdir(home);
}

static void write_file(const char *text)
{
    char *path = path_join(home, "config.ini");

    assert_int_equal(path_write_file(path, text, strlen(text), 0640, NULL), 0);
    free(path);
}

static void assert_file(const char *expected)
{
    char *path = path_join(home, "config.ini"), *text = NULL;
    size_t n;

    assert_int_equal(path_read_file(path, CONFIG_FILE_MAX, &text, &n, NULL), 0);
    assert_string_equal(text, expected);
    free(text);
    free(path);
}

static struct config *open_ok(void)
{
    struct config *c = NULL;
    struct err err = {0};

    if (config_open(home, &c, &err))
        fail_msg("%s", err.text);
    return c;
}

/* Opening must fail with a text that holds each of the two words. */
static void assert_refused(const char *text, const char *word1, const char *word2)
{
    struct config *c = NULL;
    struct err err = {0};

    write_file(text);
    assert_true(config_open(home, &c, &err) < 0);
    assert_null(c);
    if (!strstr(err.text, word1) || !strstr(err.text, word2))
        fail_msg("'%s' names neither '%s' nor '%s'", err.text, word1, word2);
}

static void test_config__defaults_without_a_file(void **state)
{
    static const struct {
        const char *option;
        int64_t ms;
    } times[] = {{"load_timeout", 300000},  {"health_interval", 30000}, {"stall_after", 60000},
                 {"download_stall", 60000}, {"keep_alive", 300000},     {"queue_timeout", 60000},
                 {"load_wait", 60000},      {"head_timeout", 10000},    {"body_timeout", 30000},
                 {"write_timeout", 60000}}; /* docs/contract.md, docs/configuration.md */
    struct config *c = open_ok();
    char text[64];

    (void)state;
    assert_string_equal(config_text(c, "hive", "addr"), "127.0.0.1:8080");
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        assert_int_equal(config_duration_ms(c, "hive", times[i].option), times[i].ms);
    assert_int_equal(config_int(c, "hive", "worker_port_first"), 8081);
    assert_string_equal(config_text(c, "keeper", "node"), "localhost");
    assert_string_equal(config_source_text(c, "hive", "addr", text, sizeof text), "default");
    config_close(c);
}

/*
 * `[hive] slots = 2` was taken, and slots stayed what they were; of a file with the line ends of
 * old Macs nothing was read at all. Neither was told.
 */
static void test_config__nothing_is_passed_over_in_silence(void **state)
{
    static const char *const good[] = {"[hive] ; a\nslots = 2", "[hive]# a\r\nslots = 2\r\n",
                                       " [hive] \t\r\nslots = 2\n", "; a ] b\n[hive]\nslots = 2"};

    (void)state;
    assert_refused("[hive] slots = 2\n", "config.ini: line 1", "line of its own");
    assert_refused("[hive]\nslots = 2\n\n [keeper]x\r\n", "config.ini: line 4", "comment");
    assert_refused("# a\n[hive\nslots = 2\n", "config.ini: line 2", "']'");
    assert_refused("# a\r[hive]\rslots = 2\r", "config.ini: line 1", "carriage return");
    assert_refused("[hive]\r\nslots = 2\r\r\n", "config.ini: line 2", "carriage return");
    assert_refused("[hive]\nslots = 2\n\r", "config.ini: line 3", "carriage return");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct config *c;

        write_file(good[i]);
        c = open_ok();
        assert_int_equal(config_int(c, "hive", "slots"), 2);
        config_close(c);
    }
}

static void test_config__every_default_is_a_good_value(void **state)
{
    struct config *c = open_ok();
    const struct config_option *o;
    struct err err;
    size_t n;

    (void)state;
    o = config_options(&n);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(config_set_flag(c, o[i].section, o[i].key, o[i].fallback, &err), 0);
        assert_true(o[i].help[0] != '\0');
    }
    config_close(c);
}

static void test_config__flag_beats_environment_beats_file(void **state)
{
    struct config *c;
    char text[300], *path = path_join(home, "config.ini");

    (void)state;
    write_file("; mine\n[hive]\naddr = 10.0.0.1:1\n  slots = 3 ; indented\nctx=64\n");
    setenv("RBEE_HIVE_ADDR", "10.0.0.2:2", 1);
    c = open_ok();
    assert_string_equal(config_text(c, "hive", "addr"), "10.0.0.2:2");
    assert_int_equal(config_source_of(c, "hive", "addr"), CONFIG_FROM_ENV);
    assert_string_equal(config_source_text(c, "hive", "addr", text, sizeof text),
                        "environment RBEE_HIVE_ADDR");
    assert_int_equal(config_int(c, "hive", "slots"), 3);
    assert_int_equal(config_int(c, "hive", "ctx"), 64);
    assert_string_equal(config_source_text(c, "hive", "slots", text, sizeof text), path);
    assert_int_equal(config_set_flag(c, "hive", "addr", "10.0.0.3:3", NULL), 0);
    assert_string_equal(config_text(c, "hive", "addr"), "10.0.0.3:3");
    assert_int_equal(config_set_flag(c, "hive", "worker_port_first", "9000", NULL), 0);
    assert_string_equal(config_source_text(c, "hive", "worker_port_first", text, sizeof text),
                        "flag --worker-port-first");
    config_close(c);
    free(path);
}

static void test_config__known_variable_of_the_world_counts_but_ours_wins(void **state)
{
    struct config *c;
    char text[64];

    (void)state;
    write_file("[hive]\nhf_endpoint = https://file.example\n");
    setenv("HF_ENDPOINT", "https://mirror.example", 1);
    c = open_ok();
    assert_string_equal(config_text(c, "hive", "hf_endpoint"), "https://mirror.example");
    assert_string_equal(config_source_text(c, "hive", "hf_endpoint", text, sizeof text),
                        "environment HF_ENDPOINT");
    config_close(c);
    setenv("RBEE_HIVE_HF_ENDPOINT", "https://ours.example", 1);
    c = open_ok();
    assert_string_equal(config_text(c, "hive", "hf_endpoint"), "https://ours.example");
    config_close(c);
}

/* huggingface_hub's own variable, with a user's name in it as that takes it: each command of a
 * keeper that has nothing to do with a hub was refused. A hive's start asks. */
static void test_config__what_others_are_told_keeps_nobody(void **state)
{
    struct err err = {0};
    struct config *c;

    (void)state;
    setenv("HF_ENDPOINT", "https://me:secret@mirror.example/hf", 1);
    c = open_ok();
    assert_string_equal(config_text(c, "hive", "hf_endpoint"), "https://huggingface.co");
    assert_int_equal(config_check_foreign(c, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "the environment's HF_ENDPOINT: hf_endpoint takes http://"));
    assert_null(strstr(err.text, "secret"));
    config_close(c);
    setenv("RBEE_HIVE_HF_ENDPOINT", "https://ours.example", 1); /* it is not asked for then */
    c = open_ok();
    assert_int_equal(config_check_foreign(c, &err), 0);
    config_close(c);
}

/* As an env file or a script leaves them: a hive did not start with a blank before its HF_ENDPOINT,
 * which a URL cannot begin with. In config.ini blanks there have never been part of a value. */
static void test_config__blanks_around_a_variable_are_none_of_it(void **state)
{
    struct config *c;
    char text[64];

    (void)state;
    setenv("HF_ENDPOINT", " https://mirror.example\r\n", 1);
    c = open_ok();
    assert_string_equal(config_text(c, "hive", "hf_endpoint"), "https://mirror.example");
    config_close(c);
    setenv("RBEE_HIVE_HF_ENDPOINT", " \t", 1); /* not set */
    c = open_ok();
    assert_string_equal(config_text(c, "hive", "hf_endpoint"), "https://mirror.example");
    assert_string_equal(config_source_text(c, "hive", "hf_endpoint", text, sizeof text),
                        "environment HF_ENDPOINT");
    config_close(c);
}

static void test_config__bad_flag_is_named_and_changes_nothing(void **state)
{
    struct config *c = open_ok();
    struct err err;

    (void)state;
    assert_int_equal(config_set_flag(c, "hive", "slots", "65", &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "--slots"));
    assert_non_null(strstr(err.text, "'65'"));
    assert_int_equal(config_int(c, "hive", "slots"), 0);
    assert_int_equal(config_set_flag(c, "hive", "keep_alive", "-1", &err), 0);
    assert_int_equal(config_duration_ms(c, "hive", "keep_alive"), -1);
    config_close(c);
}

static void test_config__bad_environment_is_named(void **state)
{
    struct config *c = NULL;
    struct err err;

    (void)state;
    setenv("RBEE_HIVE_ADDR", "localhost:99999", 1);
    assert_int_equal(config_open(home, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "RBEE_HIVE_ADDR"));
}

static void test_config__refuses_with_the_line(void **state)
{
    char longer[400];

    (void)state;
    assert_refused("[hive]\naddr = 1.2.3.4:5\nadr = x\n", "line 3", "adr");
    assert_refused("[hivee]\naddr = 1.2.3.4:5\n", "line 2", "[hivee]");
    assert_refused("[hive]\nslots = many\n", "line 2", "'many'");
    assert_refused("[hive]\nslots = 1\nslots = 2\n", "line 3", "twice");
    assert_refused("[hive]\nlog_level = loud\n", "line 2", "loud");
    assert_refused("addr = 1.2.3.4:5\n", "line 1", "section");
    assert_refused("[hive]\nthis is no line\n", "line 2", "KEY = VALUE");
    assert_refused("[hive\naddr = x\n", "line 1", "config.ini");
    assert_refused("[nodes]\na = b\nA = c\n", "line 3", "twice");
    assert_refused("[nodes]\na = b:0\n", "line 2", "port 0");
    assert_refused("[nodes]\n../x = b\n", "line 2", "../x");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_refused(longer, "line 1", "environment");
}

/* These were texts of any kind: the hive refused them at its start, without the line or the
 * variable, and `rbee-keeper config` showed them as good; what no page is of, or a hub with a
 * query, was found out when it was needed. */
static void test_config__values_of_a_kind_are_refused_where_they_stand(void **state)
{
    static const char *const wrong[][2] = {
        {"models_dir = ~/m", "full path, not '~/m': '~' means nothing here"},
        {"models_dir = m", "full path"},
        {"chat_template = x.jinja", "full path"},
        {"download_limit_rate = 0.5m", "a k is 1024"},
        {"download_limit_rate = foo", "download_limit_rate takes bytes"},
        {"hf_endpoint =", "hf_endpoint takes http://HOST"},
        {"queue_timeout = 0", "queue_timeout takes a duration such as 30s, 5m or -1, at most"},
        {"load_timeout = 0ms", "load_timeout takes a duration such as 30s, 5m or -1, at most"},
        {"stall_after = 0s", "stall_after takes a duration such as 30s, 5m or -1, at most"},
        {"stall_after = 1000001h", "at most 1000000h, not '1000001h'"},
        {"hf_endpoint = huggingface.co", "hf_endpoint takes http://HOST"},
        {"hf_endpoint = http://h:99999", "hf_endpoint takes http://HOST"},
        {"hf_endpoint = http://h/x?y=1", "hf_endpoint takes http://HOST"},
        {"hf_endpoint = http://h/x#y", "hf_endpoint takes http://HOST"},
        {"hf_endpoint = https:///x", "hf_endpoint takes http://HOST"},
        {"hf_endpoint = ftp://h", "hf_endpoint takes http://HOST"},
    };
    static const char *const good[] = {"hf_endpoint = http://[fe80::2%25eth0]:8080/hub/",
                                       "hf_endpoint = HTTPS://h",
                                       "models_dir =",
                                       "download_limit_rate = 64GiB",
                                       "download_limit_rate =",
                                       "chat_template = /x y.jinja",
                                       "queue_timeout = -1",
                                       "keep_alive = 0",
                                       "download_stall = 0",
                                       "load_timeout = 1000000h"};
    struct config *c;
    char text[200];
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, "[hive]\n%s\n", wrong[i][0]);
        assert_refused(text, "line 2: ", "config.ini");
        assert_refused(text, wrong[i][1], wrong[i][1]);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "[hive]\n%s\n", good[i]);
        write_file(text);
        config_close(open_ok());
    }
    write_file("[hive]\nhf_endpoint = http://ann:secret@h\n"); /* a password is not told again */
    assert_int_equal(config_open(home, &c, &err), ERR_INVALID);
    assert_null(strstr(err.text, "secret"));
    write_file("");
    setenv("RBEE_HIVE_MODELS_DIR", "m", 1);
    assert_int_equal(config_open(home, &c, &err), ERR_INVALID);
    unsetenv("RBEE_HIVE_MODELS_DIR");
    assert_non_null(strstr(err.text, "RBEE_HIVE_MODELS_DIR: models_dir takes a full path"));
}

/* What can never match was taken without a word, and the page went on being refused. */
static void test_config__origins_that_no_page_has_are_told(void **state)
{
    static const char *const wrong[] = {"https://a/",    "http://a/x",  "chat.example",
                                        "localhost:80",  "ftp://x",     "https://",
                                        "http://a u@b",  "https://u@b", "http://\xc3\xa4.example",
                                        "https://a?b=c", "://x"};
    struct config *c = open_ok();

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char list[100];
        struct err err = {0};

        snprintf(list, sizeof list, "https://good.example, %s", wrong[i]);
        assert_int_equal(config_set_flag(c, "hive", "origins", list, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "no page is of '"));
    }
    assert_int_equal(config_set_flag(c, "hive", "origins", "", NULL), 0);
    assert_int_equal(config_set_flag(c, "hive", "origins", "*", NULL), 0);
    assert_int_equal(config_set_flag(c, "hive", "origins",
                                     " https://chat.example,http://[::1]:3000  "
                                     "tauri://localhost chrome-extension://abc null",
                                     NULL),
                     0);
    config_close(c);
}

static void test_config__folder_in_place_of_the_file(void **state)
{
    char *path = path_join(home, "config.ini");
    struct config *c = NULL;
    struct err err;

    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(config_open(home, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(rmdir(path), 0);
    free(path);
}

static void test_config__addresses(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"localhost", "localhost", 8080},      {"a.b-c_d:1", "a.b-c_d", 1},
                {"[::1]:65535", "::1", 65535},         {"::1", "::1", 8080},
                {"127.0.0.1:0", "127.0.0.1", 0},       {"[fe80::1%eth0]", "fe80::1%eth0", 8080},
                {"1.2.3.4", "1.2.3.4", 8080},          {"8080.example", "8080.example", 8080},
                {"fe80::1%en-5", "fe80::1%en-5", 8080}};
    static const char *const bad[] = {"",
                                      ":",
                                      ":80",
                                      "a:",
                                      "a:65536",
                                      "a:-1",
                                      "a:80x",
                                      "a b:80",
                                      "a/b:80",
                                      "[::1",
                                      "[a]:80",
                                      "[::1]80",
                                      "a@b:80",
                                      "a:+80",
                                      "http://a",
                                      "[::1]:80:",
                                      "a#:80",
                                      "a%b:80",
                                      "1.2.3.4%eth0",
                                      "[fe80::1%]",
                                      "[fe80::1%a%b]",
                                      "fe80::1%eth0:80"};
    static const char *const ports[] = {"8080", "0", "8080:1", "2130706433"};
    char text[CONFIG_HOST_MAX + 9];
    struct config_addr a;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(config_addr_parse(good[i].text, 8080, &a, NULL), 0);
        assert_string_equal(a.host, good[i].host);
        assert_int_equal(a.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (config_addr_parse(bad[i], 8080, &a, NULL) != ERR_INVALID)
            fail_msg("'%s' was taken for an address", bad[i]);
    /* `--addr 8080` was 0.0.31.144 to the system, and 0 was all addresses of the machine. */
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        assert_int_equal(config_addr_parse(ports[i], 8080, &a, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "is a port; write HOST:PORT, such as 127.0.0.1:"));
    }
    assert_int_equal(config_addr_parse("::1", 7, &a, NULL), 0);
    assert_string_equal(config_addr_text(&a, text, sizeof text), "[::1]:7");
}

static void test_config__node_add_keeps_the_rest_of_the_file(void **state)
{
    struct config *c;
    const struct config_node *node;

    (void)state;
    write_file("# my machines\n[nodes]\nbig = 10.0.0.9 ; the tall one\n\n[hive]\nslots = 2");
    c = open_ok();
    assert_int_equal(config_node_add(c, "small", "10.0.0.8:9000", NULL), 0);
    assert_file("# my machines\n[nodes]\nbig = 10.0.0.9 ; the tall one\nsmall = 10.0.0.8:9000\n\n"
                "[hive]\nslots = 2");
    assert_int_equal(config_node_add(c, "big", "example.org", NULL), 0);
    assert_file("# my machines\n[nodes]\nbig = example.org:8080 ; the tall one\n"
                "small = 10.0.0.8:9000\n\n[hive]\nslots = 2");
    assert_int_equal(config_n_nodes(c), 2);
    node = config_node_find(c, "BIG");
    assert_non_null(node);
    assert_string_equal(node->addr.host, "example.org");
    assert_int_equal(config_node_remove(c, "small", NULL), 0);
    assert_int_equal(config_node_remove(c, "big", NULL), 0);
    assert_file("# my machines\n[nodes]\n\n[hive]\nslots = 2");
    assert_int_equal(config_node_remove(c, "big", NULL), ERR_NOT_FOUND);
    assert_int_equal(config_n_nodes(c), 0);
    config_close(c);
}

/* A machine that moved lost what was said of it; and a comment may be too long for a longer
 * address. */
static void test_config__node_add_keeps_the_comment_of_its_line(void **state)
{
    static const char comment[] =
        "; a comment of so many words that beside a longer address it would "
        "be over what a line of this file may have, and yet it is worth "
        "as much as any other comment that is in here";
    char *text = str_printf("[nodes]\n a: h \t%s\nb = h2\r\n", comment),
         *above = str_printf("[nodes]\n \t%s\na = longer.example.org:8080\nb = h2\r\n", comment);
    struct config *c;

    (void)state;
    write_file("[nodes]\na=h\t;one; two\nb = h2 ;; b");
    c = open_ok();
    assert_int_equal(config_node_add(c, "A", "i", NULL), 0);
    assert_int_equal(config_node_add(c, "b", "j", NULL), 0);
    assert_file("[nodes]\nA = i:8080\t;one; two\nb = j:8080 ;; b\n");
    config_close(c);
    write_file(text);
    c = open_ok();
    assert_int_equal(config_node_add(c, "a", "longer.example.org", NULL), 0);
    assert_file(above);
    config_close(c);
    free(text);
    free(above);
}

static void test_config__node_add_makes_file_and_section(void **state)
{
    struct config *c = open_ok();

    (void)state;
    assert_int_equal(config_node_add(c, "a", "[::1]:5", NULL), 0);
    assert_file("[nodes]\na = [::1]:5\n");
    config_close(c);
    write_file("[hive]\nslots = 2");
    c = open_ok();
    assert_int_equal(config_node_add(c, "a", "h", NULL), 0);
    assert_file("[hive]\nslots = 2\n\n[nodes]\na = h:8080\n");
    config_close(c);
}

/*
 * Found by the fuzzer: a line that began with a vertical tab (a carriage return, at that time) was
 * a section of its own until a node was added above it; then it was read as more of that node's
 * address, and the file was refused.
 */
static void test_config__line_behind_an_odd_blank_stays_a_line(void **state)
{
    struct config *c;

    (void)state;
    write_file("[nodes]\n\f\v[hive]\nslots = 2\n");
    c = open_ok();
    assert_int_equal(config_node_add(c, "a", "h", NULL), 0);
    config_close(c);
    c = open_ok();
    assert_non_null(config_node_find(c, "a"));
    assert_int_equal(config_int(c, "hive", "slots"), 2);
    config_close(c);
}

/*
 * Found by the fuzzer: the longest line was allowed one byte more where no line feed ended it, and
 * a node added behind it then made a file that was refused.
 */
static void test_config__longest_line_may_be_the_last(void **state)
{
    char text[300] = "[nodes]\na = h\n#";
    size_t begin = strlen(text) - 1;
    struct config *c = NULL;
    struct err err = {0};

    (void)state;
    memset(text + begin + 1, 'x', 193);
    write_file(text);
    c = open_ok();
    assert_int_equal(config_node_add(c, "b", "h", NULL), 0);
    config_close(c);
    c = open_ok();
    assert_int_equal(config_n_nodes(c), 2);
    config_close(c);
    text[begin + 194] = 'x';
    write_file(text);
    assert_int_equal(config_open(home, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "line 3 has 195 bytes, the limit is 194"));
}

static void test_config__node_add_refuses_and_leaves_the_file(void **state)
{
    struct config *c;

    (void)state;
    write_file("[nodes]\na = b\n");
    c = open_ok();
    assert_int_equal(config_node_add(c, "x y", "h", NULL), ERR_INVALID);
    assert_int_equal(config_node_add(c, "-x", "h", NULL), ERR_INVALID);
    assert_int_equal(config_node_add(c, "x", "h:0", NULL), ERR_INVALID);
    assert_int_equal(config_node_add(c, "x", "h\n[hive]", NULL), ERR_INVALID);
    assert_int_equal(config_node_add(c, "", "h", NULL), ERR_INVALID);
    assert_file("[nodes]\na = b\n");
    assert_int_equal(config_n_nodes(c), 1);
    config_close(c);
}

/* The file was written at any length, and then no program that has it started any more; and the
 * 257th node was refused with a line that is not in the file. */
static void test_config__node_add_measures_what_it_would_write(void **state)
{
    static const char host[] = "a-host-whose-name-has-more-bytes-than-are-left.example.org";
    struct config *c;
    struct buf text;
    struct err err;

    (void)state;
    buf_init(&text, CONFIG_FILE_MAX);
    while (text.len + 64 <= CONFIG_FILE_MAX - 64)
        buf_printf(&text, "# %061d\n", 0);
    write_file(buf_str(&text));
    c = open_ok();
    assert_int_equal(config_node_try(c, "a", host, &err), ERR_LIMIT);
    assert_int_equal(config_node_add(c, "a", host, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "more than 262144 are not read"));
    assert_file(buf_str(&text));
    config_close(c);
    buf_clear(&text);
    buf_puts(&text, "[nodes]\n");
    for (int i = 0; i < CONFIG_NODES_MAX; i++)
        buf_printf(&text, "n%d = h\n", i);
    write_file(buf_str(&text));
    c = open_ok();
    assert_int_equal(config_node_add(c, "more", "h", &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "lists 256 nodes, which is the most; `rbee-keeper node rm`"));
    assert_null(strstr(err.text, "line"));
    assert_file(buf_str(&text));
    assert_int_equal(config_node_add(c, "N7", "other", NULL), 0);
    assert_int_equal(config_node_remove(c, "n8", NULL), 0);
    assert_int_equal(config_node_add(c, "more", "h", NULL), 0);
    config_close(c);
    buf_done(&text);
}

static void test_config__node_add_sees_what_others_wrote(void **state)
{
    struct config *c, *other;

    (void)state;
    c = open_ok();
    other = open_ok();
    assert_int_equal(config_node_add(other, "one", "h1", NULL), 0);
    assert_int_equal(config_node_add(c, "two", "h2", NULL), 0);
    assert_file("[nodes]\none = h1:8080\ntwo = h2:8080\n");
    assert_int_equal(config_n_nodes(c), 2);
    config_close(other);
    config_close(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_config__defaults_without_a_file),
        TEST(test_config__nothing_is_passed_over_in_silence),
        TEST(test_config__every_default_is_a_good_value),
        TEST(test_config__flag_beats_environment_beats_file),
        TEST(test_config__known_variable_of_the_world_counts_but_ours_wins),
        TEST(test_config__what_others_are_told_keeps_nobody),
        TEST(test_config__blanks_around_a_variable_are_none_of_it),
        TEST(test_config__bad_flag_is_named_and_changes_nothing),
        TEST(test_config__bad_environment_is_named),
        TEST(test_config__refuses_with_the_line),
        TEST(test_config__values_of_a_kind_are_refused_where_they_stand),
        TEST(test_config__origins_that_no_page_has_are_told),
        TEST(test_config__folder_in_place_of_the_file),
        TEST(test_config__addresses),
        TEST(test_config__node_add_keeps_the_rest_of_the_file),
        TEST(test_config__node_add_keeps_the_comment_of_its_line),
        TEST(test_config__node_add_makes_file_and_section),
        TEST(test_config__line_behind_an_odd_blank_stays_a_line),
        TEST(test_config__longest_line_may_be_the_last),
        TEST(test_config__node_add_refuses_and_leaves_the_file),
        TEST(test_config__node_add_measures_what_it_would_write),
        TEST(test_config__node_add_sees_what_others_wrote),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
