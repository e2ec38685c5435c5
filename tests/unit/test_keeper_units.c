/* test_keeper_units.c - the keeper's pure parts: names, versions, waits, lines, choosing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/str.h"
#include "base/utf8.h"
#include "keeper/ask/generate.h"
#include "keeper/ask/pool.h"
#include "keeper/ask/workers.h"
#include "keeper/models/piece_size.h"
#include "keeper/node/advice.h"
#include "keeper/node/client.h"
#include "keeper/node/node.h"
#include "keeper/node/preflight.h"
#include "keeper/node/retry.h"
#include "keeper/shell/progress.h"
#include "keeper/shell/table.h"

/* ---- nodes ---- */
struct home {
    char dir[64];
    struct config *config;
};

static int make_home(void **state)
{
    static const char nodes[] = "[nodes]\nbee2 = 192.168.1.20\nhere = [::1]:9000\n";
    struct home *h = calloc(1, sizeof *h);
    struct err err = {0};
    char *file;

    assert_non_null(h);
    snprintf(h->dir, sizeof h->dir, "/tmp/rbee-keeper-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    file = path_join(h->dir, "config.ini");
    assert_int_equal(path_write_file(file, nodes, strlen(nodes), 0600, &err), 0);
    free(file);
    assert_int_equal(config_open(h->dir, &h->config, &err), 0);
    *state = h;
    return 0;
}

static int remove_home(void **state)
{
    struct home *h = *state;
    char *file = path_join(h->dir, "config.ini");

    config_close(h->config);
    unlink(file);
    rmdir(h->dir);
    free(file);
    free(h);
    return 0;
}

/* A resolver that knows one host; counts nothing, asks nobody. */
static bool knows(void *arg, const char *host)
{
    return str_eq(arg, host);
}

static void expect_url(const struct home *h, const char *typed, const char *known, const char *url)
{
    struct node node;
    struct err err = {0};

    if (node_resolve(h->config, typed, knows, (void *)(uintptr_t)known, &node, &err))
        fail_msg("%s: %s", typed, err.text);
    assert_string_equal(node.url, url);
}

static void test_node__finds_names_in_order(void **state)
{
    const struct home *h = *state;

    expect_url(h, "bee2", "bee2", "http://192.168.1.20:8080"); /* the list comes before the host */
    expect_url(h, "here", NULL, "http://[::1]:9000");
    expect_url(h, "localhost", NULL, "http://localhost:8080");
    expect_url(h, "localhost:9", NULL, "http://localhost:9");
    expect_url(h, "127.0.0.1:81", NULL, "http://127.0.0.1:81");
    expect_url(h, "::1", NULL, "http://[::1]:8080");
    expect_url(h, "[fe80::2]:81", NULL, "http://[fe80::2]:81");
    expect_url(h, "bee3", "bee3", "http://bee3:8080");
    expect_url(h, "bee3:81", "bee3.home.arpa", "http://bee3.home.arpa:81");
    expect_url(h, "http://bee9:81", NULL, "http://bee9:81");
    expect_url(h, "https://bee9/", NULL, "https://bee9:8080");
}

static void test_node__says_where_it_looked(void **state)
{
    const struct home *h = *state;
    struct node node;
    struct err err = {0};

    assert_int_equal(node_resolve(h->config, "bee7", knows, NULL, &node, &err), ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, "'bee7'"));
    assert_non_null(strstr(err.text, "bee7.home.arpa"));
    assert_int_equal(node_resolve(h->config, "bee7.lan", knows, NULL, &node, &err),
                     ERR_UNREACHABLE);
    assert_null(strstr(err.text, "home.arpa"));
}

static void test_node__refuses_what_is_no_address(void **state)
{
    static const char *const bad[] = {"",           "a b",           "host:0",    "host:70000",
                                      "host:x",     "http://h/path", "http://",   "http://u@h",
                                      "http://h:0", "[::1",          "h\x1b[31mx"};
    const struct home *h = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct node node;
        struct err err = {0};

        if (node_resolve(h->config, bad[i], knows, (void *)(uintptr_t)bad[i], &node, &err) !=
            ERR_INVALID)
            fail_msg("'%s' was not refused: %s", bad[i], node.url);
        assert_true(err.text[0]);
    }
}

/* An address with a password, as curl takes it, stood whole in the error, on the screen of whoever
 * looked and in logs. */
static void test_node__repeats_no_password(void **state)
{
    static const char *const bad[] = {"http://ann:geheim@h", "https://ann:geheim@h:81/",
                                      "http://ann:ge/heim@h", "ann:geheim@h",
                                      "http://ann:ge?heim@h:0"};
    const struct home *h = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct node node;
        struct err errs[3] = {0};

        assert_int_equal(node_resolve(h->config, bad[i], knows, NULL, &node, &errs[0]),
                         ERR_INVALID);
        assert_int_equal(config_node_try(h->config, "bee", bad[i], &errs[1]), ERR_INVALID);
        assert_int_equal(config_node_try(h->config, bad[i], "bee", &errs[2]), ERR_INVALID);
        for (size_t k = 0; k < 3; k++) {
            assert_null(strstr(errs[k].text, "heim"));
            assert_non_null(strstr(errs[k].text, "HOST:PORT"));
        }
    }
}

static void test_node__tells_loopback_from_other_machines(void **state)
{
    (void)state;
    assert_true(node_host_is_local("localhost"));
    assert_true(node_host_is_local("127.3.2.1"));
    assert_true(node_host_is_local("::1"));
    assert_false(node_host_is_local("128.0.0.1"));
    assert_false(node_host_is_local("localhost.example.org"));
    assert_false(node_host_is_local("::2"));
}

/* ---- preflight ---- */
static void test_preflight__compares_major_and_minor(void **state)
{
    (void)state;
    assert_true(preflight_same_line("0.1.0", "0.1.9"));
    assert_true(preflight_same_line("1.2", "1.2.3"));
    assert_false(preflight_same_line("0.1.0", "0.2.0"));
    assert_false(preflight_same_line("0.1.0", "0.10.0"));
    assert_false(preflight_same_line("1.1.0", "0.1.0"));
    assert_false(preflight_same_line("", ""));
    assert_false(preflight_same_line("x.y", "x.y"));
    assert_false(preflight_same_line("1.2beta", "1.2beta"));
    assert_false(preflight_same_line("1", "1"));
}

static void test_preflight__backs_off_100_200_400_with_half_as_jitter(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        int64_t base = 100 << i, least = INT64_MAX, most = 0;

        for (uint64_t r = 0; r < 4000; r++) {
            int64_t ms = preflight_backoff_ms(i, r);

            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        assert_int_equal(least, base / 2);
        assert_int_equal(most, base * 3 / 2);
    }
    assert_in_range(preflight_backoff_ms(2, UINT64_MAX), 200, 600);
}

static void test_generate__waits_1_2_4_s_for_a_slot(void **state)
{
    (void)state;
    assert_int_equal(generate_busy_ms(0), 1000);
    assert_int_equal(generate_busy_ms(1), 2000);
    assert_int_equal(generate_busy_ms(2), 4000);
}

/* ---- progress ---- */
static size_t columns(const char *s)
{
    return utf8_columns(s, strlen(s));
}

static void test_progress__tells_bytes_speed_and_time(void **state)
{
    struct progress p = {.verb = "Downloading", .name = "a.gguf"};
    char line[PROGRESS_LINE_MAX];

    (void)state;
    p.done = 250000000;
    p.total = 1000000000;
    p.per_sec = 10e6;
    assert_string_equal(progress_line(&p, 120, true, line, sizeof line),
                        "Downloading a.gguf  #######.......................   25%"
                        "  250.0 MB of 1.0 GB  10.0 MB/s  1:15 left");
    p.total = 0;
    p.per_sec = 0;
    assert_string_equal(progress_line(&p, 120, true, line, sizeof line),
                        "Downloading a.gguf  250.0 MB");
}

static void test_progress__fits_any_width(void **state)
{
    struct progress p = {.verb = "Downloading",
                         .name = "t\xc3\xb6rt\xc3\xb6rt\xc3\xb6rt\xc3\xb6rt\xc3\xb6rt.Q4_K_M.gguf",
                         .done = 123456789,
                         .total = 668788096,
                         .per_sec = 34.2e6};
    char line[PROGRESS_LINE_MAX];

    (void)state;
    for (unsigned width = 1; width < 140; width++) {
        for (int ascii = 0; ascii < 2; ascii++) {
            progress_line(&p, width, ascii, line, sizeof line);
            assert_true(columns(line) <= width);
            assert_true(str_is_utf8(line, strlen(line)));
        }
    }
    /* 20 columns, of which the last stays empty, showed "123." of 123.5 MB */
    assert_string_equal(progress_line(&p, 19, true, line, sizeof line), "Downloading   18%");
    assert_string_equal(progress_line(&p, 15, true, line, sizeof line), "Downloading");
    p.total = 0;
    assert_string_equal(progress_line(&p, 21, true, line, sizeof line), "Downloading  123.5 MB");
    p.total = 668788096;
    progress_line(&p, 79, true, line, sizeof line);
    assert_non_null(strstr(line, "  18%"));
    assert_non_null(strstr(line, "0:16 left"));
}

/* In 80 columns a name of Chinese characters took two rows, and each redraw left one behind: they
 * were counted as if they took one column each. */
static void test_progress__a_name_of_wide_characters_fits(void **state)
{
    struct progress p = {.verb = "Hashing",
                         .name = "模型模型模型模型模型模型模型模型模型模型模型模型模型.gguf",
                         .done = 123456789,
                         .total = 668788096};
    char line[PROGRESS_LINE_MAX];

    (void)state;
    assert_string_equal(progress_line(&p, 50, true, line, sizeof line),
                        "Hashing 模型模型模型模   18%  123.5 MB of 668.8 MB");
    for (unsigned width = 1; width < 140; width++)
        assert_true(columns(progress_line(&p, width, true, line, sizeof line)) <= width);
}

static void test_progress__survives_nonsense_numbers(void **state)
{
    struct progress p = {.verb = "Loading", .name = "", .done = UINT64_MAX, .total = 1};
    char line[PROGRESS_LINE_MAX];

    (void)state;
    p.per_sec = 1e300;
    assert_non_null(strstr(progress_line(&p, 100, true, line, sizeof line), "100%"));
    p = (struct progress){.verb = "Loading", .name = "x", .total = UINT64_MAX, .per_sec = 1.5};
    assert_null(strstr(progress_line(&p, 100, true, line, sizeof line), "left"));
}

static void test_progress__time_is_read_like_a_clock(void **state)
{
    char text[16];

    (void)state;
    assert_string_equal(progress_time(7, text, sizeof text), "0:07");
    assert_string_equal(progress_time(754, text, sizeof text), "12:34");
    assert_string_equal(progress_time(3723, text, sizeof text), "1:02:03");
}

static void test_progress__rate_settles_on_the_true_speed(void **state)
{
    struct progress_rate r = {0};
    double rate = -1;

    (void)state;
    assert_true(progress_rate_add(&r, 1000, 5000) == 0); /* one sample tells no speed */
    for (int i = 1; i <= 100; i++)
        rate = progress_rate_add(&r, 1000 + i * 500, 5000 + (uint64_t)i * 1000);
    assert_true(rate > 1999 && rate < 2001);
    assert_true(progress_rate_add(&r, 99000, 10) == 0); /* begun anew */
}

/* ---- choosing a worker ---- */
static json_t *list_of(const char *workers)
{
    char *text = str_printf("{\"workers\":[%s]}", workers);
    json_t *list = json_loads(text, 0, NULL);

    free(text);
    assert_non_null(list);
    return list;
}

static void expect_choice(const char *workers, const struct pool_want *want, const char *id)
{
    json_t *list = list_of(workers);
    const json_t *w = pool_choose(list, want);

    if (id)
        assert_string_equal(json_string_value(json_object_get(w, "worker_id")), id);
    else
        assert_null(w);
    json_decref(list);
}

#define WORKER(id, model, state, busy, total)                                                      \
    "{\"worker_id\":\"" id "\",\"url\":\"http://h:1\",\"model_ref\":\"" model                      \
    "\",\"backend\":\"cpu\",\"device\":0,\"state\":\"" state "\",\"slots_busy\":" #busy            \
    ",\"slots_total\":" #total ",\"n_ctx\":2048}"

/* What a table puts on the standard output; free it. */
static char *printed(const struct table *t)
{
    FILE *file = tmpfile();
    int before = dup(STDOUT_FILENO);
    char *text = calloc(1, 1 << 16);
    struct out out;

    assert_non_null(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    out_init(&out);
    table_print(t, "none", &out);
    dup2(before, STDOUT_FILENO);
    close(before);
    rewind(file);
    assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
    fclose(file);
    return text;
}

/* Behind a name of Chinese characters the columns stood as far right as it had characters. */
static void test_table__wide_characters_take_two_columns(void **state)
{
    static const char *const heads[] = {"NAME", "SIZE"}, *const tiny[] = {"tiny", "3.0 MB"},
                             *const wide[] = {"模型模型", "1.9 GB"};
    struct table *t = table_create(heads, 2);
    char *text;

    (void)state;
    assert_int_equal(table_add(t, tiny), 0);
    assert_int_equal(table_add(t, wide), 0);
    text = printed(t);
    assert_string_equal(text, "NAME      SIZE\n"
                              "tiny      3.0 MB\n"
                              "模型模型  1.9 GB\n");
    free(text);
    table_free(t);
}

/* A model whose name had 5,000 letters left the rest of its row empty. */
static void test_table__a_cell_too_long_is_cut_and_the_row_goes_on(void **state)
{
    static const char *const heads[] = {"NAME", "SIZE"};
    struct table *t = table_create(heads, 2);
    char name[5001], *text, *row;
    const char *cells[] = {name, "1.9 GB"};

    (void)state;
    memset(name, 'x', 5000);
    memcpy(name + 4092, "\xc3\xa9", 2); /* over the place where it is cut */
    name[5000] = '\0';
    assert_int_equal(table_add(t, cells), 0);
    text = printed(t);
    row = strchr(text, '\n') + 1;
    assert_int_equal(strspn(row, "x"), 4092);
    assert_string_equal(row + 4092, "…  1.9 GB\n");
    free(text);
    table_free(t);
}

static void test_pool__chooses_an_idle_or_not_full_worker_of_the_same_model(void **state)
{
    struct pool_want want = {.model_ref = "tiny", .backend = "auto", .device = -1};

    (void)state;
    expect_choice(WORKER("a", "other", "idle", 0, 4), &want, NULL);
    expect_choice(WORKER("a", "tiny", "loading", 0, 4), &want, NULL);
    expect_choice(WORKER("a", "tiny", "draining", 0, 4), &want, NULL);
    expect_choice(WORKER("a", "tiny", "busy", 4, 4), &want, NULL);
    expect_choice(WORKER("a", "tiny", "busy", 3, 4), &want, "a");
    expect_choice(WORKER("a", "tiny", "busy", 3, 4) "," WORKER("b", "tiny", "idle", 0, 4), &want,
                  "b");
    want.avoid = "b";
    expect_choice(WORKER("b", "tiny", "idle", 0, 4), &want, NULL);
}

static void test_pool__heeds_backend_device_context_and_slots(void **state)
{
    static const char one[] = WORKER("a", "tiny", "idle", 0, 4);
    struct pool_want want = {.model_ref = "tiny", .backend = "cuda", .device = -1};

    (void)state;
    expect_choice(one, &want, NULL);
    want.backend = "cpu";
    expect_choice(one, &want, "a");
    want.device = 1;
    expect_choice(one, &want, NULL);
    want.device = 0;
    want.ctx = 4096;
    expect_choice(one, &want, NULL);
    want.ctx = 2048;
    want.slots = 5;
    expect_choice(one, &want, NULL);
    want.slots = 2;
    expect_choice(one, &want, "a");
}

/*
 * After a model's file was replaced the keeper went on with the worker that had loaded the old one,
 * and kept it alive: that another one has to be started only its hive knew.
 */
static void test_pool__passes_by_whom_its_hive_gives_to_nobody(void **state)
{
    static const struct {
        const char *word, *value, *chosen;
    } cases[] = {{"replaced", "true", NULL},
                 {"outgrown", "true", NULL},
                 {"replaced", "false", "a"},
                 {"unheard_of", "true", "a"}};
    struct pool_want want = {.model_ref = "tiny", .backend = "auto", .device = -1};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *one = str_printf("{\"worker_id\":\"a\",\"url\":\"http://h:1\",\"model_ref\":\"tiny\","
                               "\"state\":\"idle\",\"%s\":%s}",
                               cases[i].word, cases[i].value);

        expect_choice(one, &want, cases[i].chosen);
        free(one);
    }
}

static void test_pool__takes_no_harm_from_a_strange_list(void **state)
{
    struct pool_want want = {.model_ref = "tiny", .backend = "auto", .device = -1};

    (void)state;
    expect_choice("1,null,\"x\",{},[{}]", &want, NULL);
    expect_choice("{\"model_ref\":\"tiny\",\"state\":\"idle\",\"url\":7,\"worker_id\":\"a\"}",
                  &want, NULL);
    assert_null(pool_choose(NULL, &want));
    /* Slots whose difference no number holds are none that are free. */
    expect_choice(WORKER("a", "tiny", "idle", -1, 9223372036854775807), &want, NULL);
    expect_choice(WORKER("a", "tiny", "idle", 9223372036854775807, -2), &want, NULL);
}

/* ---- calls made again ---- */
static bool passes(int rc, int status)
{
    const struct client_last last = {rc, status, -1};

    return retry_may_pass(&last);
}

/* Takes a worker with that url from the hive at `node`: its code, or API_N_CODES with *out. */
static enum api_code take(const char *node, const char *url, struct pool_worker *out)
{
    json_t *w = json_pack("{s:s, s:s}", "worker_id", "worker-1", "url", url);
    struct api_error e = {0};
    int rc = pool_take(node, w, out, &e);

    assert_true(rc == 0 || (e.message[0] && rc == -1));
    json_decref(w);
    api_error_done(&e);
    return rc == 0 ? API_N_CODES : e.code;
}

/*
 * A hive's answer named the worker's URL, and whatever began with http:// or https:// was followed:
 * key and prompt went out in the clear though the hive itself was spoken to by https, and its
 * certificate was the agreed one.
 */
static void test_pool__follows_a_hive_of_https_to_workers_of_https_only(void **state)
{
    struct pool_worker w;

    (void)state;
    assert_int_equal(take("https://bee2:8080", "http://bee2:8081", &w), API_CERTIFICATE_MISMATCH);
    assert_int_equal(take("https://bee2:8080", "HTTP://bee2:8081/", &w), API_CERTIFICATE_MISMATCH);
    assert_int_equal(take("https://bee2:8080", "https://bee2:8081", &w), API_N_CODES);
    assert_string_equal(w.url, "https://bee2:8081");
    assert_int_equal(take("https://bee2:8080", "https://[fd00::2]:8081/", &w), API_N_CODES);
    assert_string_equal(w.url, "https://[fd00::2]:8081");
    assert_int_equal(take("http://bee2:8080", "http://192.168.1.20:8081/", &w), API_N_CODES);
    assert_string_equal(w.url, "http://192.168.1.20:8081");
    assert_int_equal(take("http://bee2:8080", "https://bee2:8081", &w), API_N_CODES);
}

/*
 * A loopback hive behind a proxy that rewrites Host names its workers as it knows them: at
 * 127.0.0.1. The keeper of another machine sent key and prompt to its own port 8081, to whatever
 * program listened there. So it did where that machine's hive spelled the address as only the
 * system reads it.
 */
static void test_pool__a_worker_of_another_machine_is_not_on_this_one(void **state)
{
    static const char *const here[] = {"http://127.0.0.1:8081",
                                       "https://127.9.9.9:8081/",
                                       "http://localhost:8081",
                                       "http://[::1]:8081",
                                       "http://w.localhost.:8081",
                                       "http://127.1:8081",
                                       "http://0.0.0.0:8081",
                                       "http://0:8081",
                                       "http://2130706433:8081",
                                       "http://0x7f.1:8081",
                                       "http://[::]:8081",
                                       "http://[::ffff:0:0]:8081",
                                       "http://[::ffff:127.0.0.1]:8081"};
    static const char *const local[] = {"http://127.0.0.1:8080",   "http://localhost:8080",
                                        "http://localhost.:8080",  "http://[::1]:8080",
                                        "http://a.localhost:8080", "http://127.1:8080",
                                        "http://0.0.0.0:8080"};
    struct pool_worker w;

    (void)state;
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
        assert_int_equal(take("http://10.9.0.1:80", here[i], &w), API_CONNECTION_REFUSED);
        assert_int_equal(take("http://localhost.bee2:80", here[i], &w), API_CONNECTION_REFUSED);
    }
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
        assert_int_equal(take(local[i], "http://127.0.0.1:8081", &w), API_N_CODES);
        assert_int_equal(take(local[i], "http://bee2:8081", &w), API_N_CODES);
    }
    assert_int_equal(take("https://bee2:443", "https://127.0.0.1:8081", &w),
                     API_CONNECTION_REFUSED);
}

/* Its hive writes the address as it was asked; without the zone nothing is at it. */
static void test_pool__a_worker_is_reached_by_the_link_of_its_hive(void **state)
{
    struct pool_worker w;

    (void)state;
    assert_int_equal(take("http://[fe80::2%eth0]:8080", "http://[fe80::2]:8081", &w), API_N_CODES);
    assert_string_equal(w.url, "http://[fe80::2%eth0]:8081");
    assert_int_equal(take("https://[fe80::2%eth0]:8080", "https://[FE80::2%en5]:8081/", &w),
                     API_N_CODES);
    assert_string_equal(w.url, "https://[fe80::2%eth0]:8081");
    assert_int_equal(take("http://[fe80::2%eth0]:8080", "http://[fe80::22]:8081", &w), API_N_CODES);
    assert_string_equal(w.url, "http://[fe80::22]:8081");
}

static void test_pool__takes_no_url_with_more_than_a_place(void **state)
{
    static const char *const urls[] = {
        "",
        "bee2:8081",
        "ftp://bee2:8081",
        "https://me@bee2:8081",
        "https://bee2:8081/v1",
        "https://bee2:8081?x",
        "https://bee2:8081/#x",
        "https://bee2:8081//",
        "https://bee2:0",
        "https://bee2:8081/ HTTP/1.1",
    };
    struct pool_worker w;

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        assert_int_equal(take("https://bee2:8080", urls[i], &w), API_INTERNAL);
}

static void test_retry__what_may_pass_and_what_does_not(void **state)
{
    static const int may[] = {408, 429, 500, 502, 503, 504, 520};
    static const int never[] = {200, 400, 401, 403, 404, 405, 409, 413, 422, 501, 505, 507};

    (void)state;
    for (size_t i = 0; i < sizeof may / sizeof may[0]; i++)
        assert_true(passes(0, may[i]));
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        assert_false(passes(0, never[i]));
    assert_true(passes(ERR_UNREACHABLE, 0));
    assert_true(passes(ERR_TIMEOUT, 0));
    assert_true(passes(ERR_IO, 200)); /* broken off within an answer that began well */
    assert_false(passes(ERR_DENIED, 0));
    assert_false(passes(ERR_CONFLICT, 0));
    assert_false(passes(ERR_CANCELLED, 0));
}

static void test_retry__pauses_grow_and_retry_after_is_heeded_within_reason(void **state)
{
    int64_t sum_ms = 0;

    (void)state;
    for (unsigned i = 1; i < RETRY_TRIES; i++)
        sum_ms += retry_pause_ms(i, -1);
    assert_int_equal(sum_ms, 200 + 400 + 800 + 1600 + 3200 + 6400);
    assert_int_equal(retry_pause_ms(1, 0), 200);
    assert_int_equal(retry_pause_ms(1, 5000), 5000);
    assert_int_equal(retry_pause_ms(6, 5000), 6400);
    assert_int_equal(retry_pause_ms(1, 3600000), 30000);
}

/* ---- small things ---- */
static void test_workers__ids_are_fit_for_a_path(void **state)
{
    char text[WORKERS_SHORT_BYTES];

    (void)state;
    assert_true(workers_is_id("worker-0a1b"));
    assert_false(workers_is_id(""));
    assert_false(workers_is_id("../x"));
    assert_false(workers_is_id("a/b"));
    assert_false(workers_is_id("a?b"));
    assert_false(workers_is_id("0123456789012345678901234567890123456789012345678901234567890123"));
    assert_string_equal(workers_short_id("worker-12345678-9abc", text), "worker-12345678");
}

static void test_client__names_the_place_of_a_url(void **state)
{
    char text[64];

    (void)state;
    assert_string_equal(client_url_host("http://a:80/v1/x", text, sizeof text), "a:80");
    assert_string_equal(client_url_host("http://[::1]:80", text, sizeof text), "[::1]:80");
    assert_string_equal(client_url_host("bare", text, sizeof text), "bare");
}

/* ---- pieces of a push ---- */

#define MIB ((size_t)1 << 20)

/* The time that so many bytes take at a steady pace, the way there and back included. */
static int64_t time_of(size_t n, unsigned bytes_per_sec)
{
    return 40 + (int64_t)n * 1000 / bytes_per_sec;
}

static void test_pieces__are_as_large_as_the_line_is_fast(void **state)
{
    static const unsigned paces[] = {1000, 5000, 35000, 200000, 1000000000};

    (void)state;
    for (size_t i = 0; i < sizeof paces / sizeof paces[0]; i++) {
        struct piece_size s = {.next = PIECE_BYTES_FIRST};
        uint64_t at = 0, end = 40 * MIB;
        unsigned n_failed = 0;

        for (unsigned k = 0; k < 60 && at < end; k++) {
            size_t n = piece_size_at(&s, at, end, MIB);

            assert_true(n > 0 && at / MIB == (at + n - 1) / MIB);
            if (time_of(n, paces[i]) > 30000) { /* the hive waits no longer */
                piece_size_failed(&s);
                n_failed++;
                continue;
            }
            piece_size_sent(&s, n, time_of(n, paces[i]));
            at += n;
        }
        assert_true(n_failed <= 1 && at > 0);
        assert_true(time_of(piece_size_at(&s, 0, end, MIB), paces[i]) < 10000);
        if (paces[i] >= 1000000)
            assert_int_equal(at, end); /* soon a MiB each: 40 of them take no 60 pieces */
    }
}

static void test_pieces__are_smaller_after_a_failure_to_a_least_one(void **state)
{
    struct piece_size s = {.next = PIECE_BYTES_FIRST};

    (void)state;
    piece_size_failed(&s);
    assert_true(s.next < PIECE_BYTES_FIRST);
    for (unsigned i = 0; i < 40; i++)
        piece_size_failed(&s);
    assert_int_equal(s.next, PIECE_BYTES_MIN);
    piece_size_sent(&s, PIECE_BYTES_MIN, 0);
    assert_true(s.next > PIECE_BYTES_MIN);
    for (unsigned i = 0; i < 100; i++)
        piece_size_sent(&s, s.next, 0);
    assert_int_equal(piece_size_at(&s, 5, UINT64_MAX, MIB), MIB - 5);
    s.next = MIB;
    piece_size_sent(&s, 10, 1000); /* an end of a file: it says nothing of the line */
    assert_int_equal(s.next, MIB);
    assert_int_equal(piece_size_at(&s, 7, 10, MIB), 3);
}

/* A hint about --node gpu1 was typed as it stood, and deleted a model of this machine's. */
static void test_advice__is_for_the_node_that_was_asked(void **state)
{
    static const struct {
        const char *text, *want;
    } all[] = {
        {"Free some space, for example with `rbee-keeper models rm MODEL`, and ask again.",
         "Free some space, for example with `rbee-keeper models rm MODEL --node gpu1`, and ask "
         "again."},
        {"`rbee-keeper workers list` the workers, `rbee-keeper models downloads` the others",
         "`rbee-keeper workers list --node gpu1` the workers, `rbee-keeper models downloads --node "
         "gpu1` the others"},
        {"`rbee-keeper logs`", "`rbee-keeper logs --node gpu1`"},
        {"`rbee-keeper node list`, `rbee-keeper keys create`, `rbee-keeper config`",
         "`rbee-keeper node list`, `rbee-keeper keys create`, `rbee-keeper config`"},
        {"`rbee-keeper modelsx`", "`rbee-keeper modelsx`"},
        {"no end: `rbee-keeper models rm x", "no end: `rbee-keeper models rm x"},
        {"nothing", "nothing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *here = advice_at(all[i].text, NULL), *there = advice_at(all[i].text, "gpu1");

        assert_string_equal(here, all[i].text);
        assert_string_equal(there, all[i].want);
        free(here);
        free(there);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_node__finds_names_in_order, make_home, remove_home),
        cmocka_unit_test_setup_teardown(test_node__says_where_it_looked, make_home, remove_home),
        cmocka_unit_test_setup_teardown(test_node__refuses_what_is_no_address, make_home,
                                        remove_home),
        cmocka_unit_test(test_advice__is_for_the_node_that_was_asked),
        cmocka_unit_test(test_node__tells_loopback_from_other_machines),
        cmocka_unit_test_setup_teardown(test_node__repeats_no_password, make_home, remove_home),
        cmocka_unit_test(test_preflight__compares_major_and_minor),
        cmocka_unit_test(test_preflight__backs_off_100_200_400_with_half_as_jitter),
        cmocka_unit_test(test_generate__waits_1_2_4_s_for_a_slot),
        cmocka_unit_test(test_progress__tells_bytes_speed_and_time),
        cmocka_unit_test(test_progress__fits_any_width),
        cmocka_unit_test(test_progress__a_name_of_wide_characters_fits),
        cmocka_unit_test(test_progress__survives_nonsense_numbers),
        cmocka_unit_test(test_progress__time_is_read_like_a_clock),
        cmocka_unit_test(test_progress__rate_settles_on_the_true_speed),
        cmocka_unit_test(test_table__wide_characters_take_two_columns),
        cmocka_unit_test(test_table__a_cell_too_long_is_cut_and_the_row_goes_on),
        cmocka_unit_test(test_pool__chooses_an_idle_or_not_full_worker_of_the_same_model),
        cmocka_unit_test(test_pool__heeds_backend_device_context_and_slots),
        cmocka_unit_test(test_pool__passes_by_whom_its_hive_gives_to_nobody),
        cmocka_unit_test(test_pool__takes_no_harm_from_a_strange_list),
        cmocka_unit_test(test_pool__follows_a_hive_of_https_to_workers_of_https_only),
        cmocka_unit_test(test_pool__a_worker_of_another_machine_is_not_on_this_one),
        cmocka_unit_test(test_pool__a_worker_is_reached_by_the_link_of_its_hive),
        cmocka_unit_test(test_pool__takes_no_url_with_more_than_a_place),
        cmocka_unit_test(test_retry__what_may_pass_and_what_does_not),
        cmocka_unit_test(test_retry__pauses_grow_and_retry_after_is_heeded_within_reason),
        cmocka_unit_test(test_workers__ids_are_fit_for_a_path),
        cmocka_unit_test(test_client__names_the_place_of_a_url),
        cmocka_unit_test(test_pieces__are_as_large_as_the_line_is_fast),
        cmocka_unit_test(test_pieces__are_smaller_after_a_failure_to_a_least_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
