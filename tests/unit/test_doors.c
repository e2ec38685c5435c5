/* test_doors.c - who failed and how long they wait, one-time codes, the chained log. Time is told.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/failed_keys.h"
#include "api/security_chain.h"
#include "base/dir_lock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/doors/advertise.h"
#include "hive/doors/pairing.h"
#include "hive/doors/security_log.h"

/* ---- wrong keys ---- */

static bool note(struct failed_keys *f, const char *peer, int64_t now_ms)
{
    uint64_t n;

    return failed_keys_note(f, FAILED_KEY, peer, now_ms, &n);
}

static void test_failed_keys__wait_after_a_burst_and_come_back(void **state)
{
    struct failed_keys *f = failed_keys_create();
    int64_t now = 1000000;

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < FAILED_KEYS_BURST; i++) {
        assert_int_equal(failed_keys_wait_s(f, "10.0.0.1:1", now), 0);
        note(f, "10.0.0.1:2", now);
    }
    assert_int_equal(failed_keys_wait_s(f, "10.0.0.1:3", now), FAILED_KEYS_REFILL_MS / 1000);
    /* Nobody else is touched, this machine's own users least of all. */
    assert_int_equal(failed_keys_wait_s(f, "10.0.0.2:1", now), 0);
    assert_int_equal(failed_keys_wait_s(f, "127.0.0.1:1", now), 0);
    assert_int_equal(failed_keys_wait_s(f, "[::1]:1", now), 0);
    now += FAILED_KEYS_REFILL_MS;
    assert_int_equal(failed_keys_wait_s(f, "10.0.0.1:4", now), 0);
    note(f, "10.0.0.1:4", now);
    assert_true(failed_keys_wait_s(f, "10.0.0.1:4", now) > 0);
    now += FAILED_KEYS_BURST * (int64_t)FAILED_KEYS_REFILL_MS;
    for (int i = 0; i < FAILED_KEYS_BURST; i++) {
        assert_int_equal(failed_keys_wait_s(f, "10.0.0.1:1", now), 0);
        note(f, "10.0.0.1:2", now);
    }
    assert_true(failed_keys_wait_s(f, "10.0.0.1:4", now) > 0);
    failed_keys_free(f);
}

static void test_failed_keys__an_ipv6_net_is_one_address(void **state)
{
    struct failed_keys *f = failed_keys_create();
    char who[FAILED_KEYS_WHO_BYTES], peer[64];

    (void)state;
    for (int i = 0; i < FAILED_KEYS_BURST; i++) {
        snprintf(peer, sizeof peer, "[2001:db8:1:2::%x]:%d", i + 1, i);
        note(f, peer, 5);
    }
    assert_true(failed_keys_wait_s(f, "[2001:db8:1:2:ffff::9]:1", 5) > 0);
    assert_int_equal(failed_keys_wait_s(f, "[2001:db8:1:3::1]:1", 5), 0);
    assert_string_equal(failed_keys_who("[2001:db8:1:2::9]:80", who), "2001:db8:1:2::/64");
    assert_string_equal(failed_keys_who("[fe80::1%eth0]:80", who), "fe80::/64");
    assert_string_equal(failed_keys_who("1.2.3.4:80", who), "1.2.3.4");
    assert_string_equal(failed_keys_who("[::ffff:1.2.3.4]:80", who), "1.2.3.4");
    failed_keys_free(f);
}

/* A flood from more addresses than there is room for: bounded, and the newest are kept. */
static void test_failed_keys__the_table_is_bounded(void **state)
{
    struct failed_keys *f = failed_keys_create();
    char peer[64];

    (void)state;
    for (int i = 0; i < 3 * FAILED_KEYS_MAX; i++) {
        snprintf(peer, sizeof peer, "10.%d.%d.1:1", i / 256, i % 256);
        for (int k = 0; k < FAILED_KEYS_BURST; k++)
            note(f, peer, 1000 + i);
    }
    assert_true(failed_keys_wait_s(f, peer, 1000) > 0);
    assert_int_equal(failed_keys_wait_s(f, "10.0.0.1:1", 1000), 0);
    for (int i = 2 * FAILED_KEYS_MAX; i < 3 * FAILED_KEYS_MAX; i++) {
        snprintf(peer, sizeof peer, "10.%d.%d.1:1", i / 256, i % 256);
        assert_true(failed_keys_wait_s(f, peer, 1000) > 0);
    }
    failed_keys_free(f);
}

static void test_failed_keys__are_told_of_once_a_minute(void **state)
{
    struct failed_keys *f = failed_keys_create();
    uint64_t n = 0;

    (void)state;
    assert_true(failed_keys_note(f, FAILED_KEY, "10.0.0.1:1", 5, &n));
    assert_int_equal(n, 1);
    for (int i = 0; i < 7; i++)
        assert_false(failed_keys_note(f, FAILED_KEY, "10.0.0.1:1", 5 + i, &n));
    /* Another kind is told of by itself, and handshakes keep nobody waiting. */
    for (int i = 0; i < 3 * FAILED_KEYS_BURST; i++)
        assert_true(failed_keys_note(f, FAILED_TLS, "10.0.0.2:1", 5, &n) == (i == 0));
    assert_int_equal(failed_keys_wait_s(f, "10.0.0.2:1", 5), 0);
    assert_true(failed_keys_note(f, FAILED_KEY, "10.0.0.1:1", 5 + FAILED_KEYS_TELL_MS, &n));
    assert_int_equal(n, 8);
    failed_keys_free(f);
}

/* 2,000 wrong keys in a second, and then none: the log said "times":1 and nothing more, for what
 * followed was told with the next one only, and who was not listened to counted for nothing. */
static void test_failed_keys__a_burst_that_ends_is_told_whole(void **state)
{
    struct failed_keys *f = failed_keys_create();
    struct failed_rest r;
    uint64_t n = 0;

    (void)state;
    assert_false(failed_keys_has_rest(f));
    assert_true(failed_keys_note(f, FAILED_KEY, "10.0.0.1:1", 5, &n));
    assert_false(failed_keys_has_rest(f));
    for (int i = 1; i < FAILED_KEYS_BURST; i++)
        assert_false(failed_keys_note(f, FAILED_KEY, "10.0.0.1:1", 5, &n));
    for (int i = FAILED_KEYS_BURST; i < 2000; i++)
        assert_false(failed_keys_note_unheard(f, FAILED_KEY, "10.0.0.1:1", 5, &n));
    assert_int_equal(failed_keys_wait_s(f, "10.0.0.1:1", 5), FAILED_KEYS_REFILL_MS / 1000);
    assert_true(failed_keys_has_rest(f));
    assert_false(failed_keys_rest(f, 5 + FAILED_KEYS_TELL_MS - 1, false, &r));
    assert_true(failed_keys_rest(f, 5 + FAILED_KEYS_TELL_MS, false, &r));
    assert_int_equal(r.kind, FAILED_KEY);
    assert_string_equal(r.who, "10.0.0.1");
    assert_int_equal(r.n, 1999);
    assert_int_equal(r.others, 0);
    assert_false(failed_keys_has_rest(f));
    assert_false(failed_keys_rest(f, 5 + FAILED_KEYS_TELL_MS, false, &r));
    /* the end does not wait a minute */
    for (int i = 0; i < 3; i++)
        failed_keys_note(f, FAILED_TLS, "[2001:db8::7]:1", 6 + FAILED_KEYS_TELL_MS, &n);
    failed_keys_note(f, FAILED_KEY, "10.0.0.1:1", 6 + FAILED_KEYS_TELL_MS, &n);
    assert_true(failed_keys_rest(f, 7 + FAILED_KEYS_TELL_MS, true, &r));
    assert_int_equal(r.kind, FAILED_TLS);
    assert_string_equal(r.who, "2001:db8::/64");
    assert_int_equal(r.n, 2);
    assert_int_equal(r.others, 0); /* "others":1 stood for the next one, though there was room */
    assert_true(failed_keys_rest(f, 7 + FAILED_KEYS_TELL_MS, true, &r));
    assert_int_equal(r.kind, FAILED_KEY);
    assert_string_equal(r.who, "10.0.0.1");
    assert_int_equal(r.n, 1);
    assert_int_equal(r.others, 0);
    assert_false(failed_keys_rest(f, 7 + FAILED_KEYS_TELL_MS, true, &r));
    failed_keys_free(f);
}

/* So many times, all in one moment (1000), from so many addresses in turn. How many are told of. */
static uint64_t flood(struct failed_keys *f, int n_times, int n_addresses)
{
    uint64_t n, told = 0;
    char peer[64];

    for (int i = 0; i < n_times; i++) {
        snprintf(peer, sizeof peer, "[2001:db8:0:%x::1]:1", i % n_addresses);
        if (failed_keys_note(f, FAILED_PLACE, peer, 1000, &n))
            told += n + failed_keys_unsaid(f);
    }
    return told;
}

/* ...nor does the end tell of each of a flood, which would wash out what stands before. */
static void test_failed_keys__the_end_tells_of_a_flood_in_one_sum(void **state)
{
    struct failed_keys *f = failed_keys_create();
    struct failed_rest r;
    uint64_t told = flood(f, 1000, 500);
    int lines = 0;

    (void)state;
    for (; failed_keys_rest(f, 1000, true, &r); lines++)
        told += r.n + r.others;
    assert_int_equal(told, 1000);
    assert_int_equal(lines, 1);
    failed_keys_free(f);
}

/* What is left of a flood does not take the lines of those who come after it, one by one for days:
 * it is told in one sum. And no time is lost or told twice. */
static void test_failed_keys__what_is_left_of_a_flood_is_one_sum(void **state)
{
    struct failed_keys *f = failed_keys_create();
    struct failed_rest r;
    uint64_t told = flood(f, 5000, 2000);
    int lines = 0;

    (void)state;
    assert_false(failed_keys_rest(f, 1000 + FAILED_KEYS_TELL_MS, false, &r)); /* no room */
    assert_true(failed_keys_has_rest(f));
    for (int64_t t = 1000; failed_keys_has_rest(f); t += FAILED_KEYS_TELL_MS)
        for (; failed_keys_rest(f, t, false, &r); lines++)
            told += r.n + r.others;
    assert_int_equal(told, 5000);
    assert_int_equal(lines, 1);
    failed_keys_free(f);
}

/* 45,000 refused requests washed in three seconds out of a log what was written before. */
static void test_failed_keys__of_all_together_little_is_told(void **state)
{
    struct failed_keys *f = failed_keys_create();
    const int64_t now = 40000000000; /* more than a year after the machine's start */
    char peer[64];
    uint64_t n;
    int told = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(peer, sizeof peer, "[2001:db8:0:%x::1]:1", i);
        told += failed_keys_note(f, i % 2 ? FAILED_TLS : FAILED_PLACE, peer, now, &n);
    }
    assert_int_equal(told, FAILED_KEYS_TELL_BURST);
    assert_false(failed_keys_note(f, FAILED_KEY, "10.0.0.1:1", now, &n));
    assert_true(
        failed_keys_note(f, FAILED_KEY, "10.0.0.1:1", now + FAILED_KEYS_TELL_REFILL_MS, &n));
    assert_int_equal(n, 2);
    /* of those that are forgotten, and were not told, the number is kept */
    assert_true(failed_keys_unsaid(f) >= 3000 - FAILED_KEYS_TELL_BURST - FAILED_KEYS_MAX);
    assert_int_equal(failed_keys_unsaid(f), 0);
    failed_keys_free(f);
}

static uint64_t write_longest(struct security_chain *c, struct buf *line, const char *text)
{
    json_t *facts = json_pack("{s:s, s:I, s:I, s:o, s:o}", "from", "2001:db8:1111:2222::/64",
                              "times", (json_int_t)1 << 60, "others", (json_int_t)1 << 60, "host",
                              security_text(text), "origin", security_text(text));

    buf_clear(line);
    assert_int_equal(security_chain_write(c, 1793000000000, "forbidden_place", facts, line), 0);
    json_decref(facts);
    return line->len;
}

/*
 * Six lines a minute were 16 MiB within days: who was patient washed out all four files from a few
 * addresses, or one. The longest lines must not do so within three months.
 */
static void test_failed_keys__patience_does_not_wash_out_the_log(void **state)
{
    const uint64_t kept = (uint64_t)(SECURITY_FILES_KEPT - 1) * SECURITY_FILE_MAX;
    const int64_t end_ms = (int64_t)100 * 24 * 3600 * 1000;
    struct failed_keys *f = failed_keys_create();
    char peer[64], text[SECURITY_TEXT_MAX + 1];
    uint64_t n, bytes = 0, each;
    struct security_chain c;
    struct buf line;

    (void)state;
    memset(text, '"', SECURITY_TEXT_MAX); /* two bytes in JSON */
    text[SECURITY_TEXT_MAX] = '\0';
    security_chain_begin(&c);
    buf_init(&line, SECURITY_LINE_MAX);
    each = write_longest(&c, &line, text);
    for (int64_t t = 0; t < end_ms; t += FAILED_KEYS_TELL_REFILL_MS / 2)
        for (int i = 0; i < 4; i++) {
            snprintf(peer, sizeof peer, "10.0.0.%d:1", i);
            bytes += failed_keys_note(f, FAILED_PLACE, peer, t, &n) ? each : 0;
        }
    assert_in_range(bytes, 1 << 20, kept);
    buf_done(&line);
    failed_keys_free(f);
}

static enum api_code ask_with(const struct failed_keys *f, const struct access *a, const char *path,
                              const char *authorization, int *wait_s)
{
    const struct access_ask ask = {path, "h", NULL, authorization, NULL};
    struct api_error e;
    enum api_code code = API_N_CODES;
    int entry;

    if (failed_keys_check(f, a, &ask, "10.0.0.1:1", "hive", 5, &entry, &e, wait_s)) {
        code = e.code;
        api_error_done(&e);
    }
    return code;
}

/* A forgotten script with a revoked key kept all right keys of its address out for as long as it
 * ran. */
static void test_failed_keys__who_is_right_beyond_doubt_is_heard(void **state)
{
    struct access made = {.key = ""}, typed = {.key = "correct horse battery"};
    struct failed_keys *f = failed_keys_create();
    char right[ACCESS_KEY_MAX + 16];
    int wait_s;

    (void)state;
    access_make_key(made.key);
    assert_true(access_is_made_key(made.key));
    assert_false(access_is_made_key("rbee-"));
    snprintf(right, sizeof right, "Bearer %s", made.key);
    for (int i = 0; i < 3 * FAILED_KEYS_BURST; i++)
        note(f, "10.0.0.1:2", 5);
    assert_int_equal(ask_with(f, &made, "/x", right, &wait_s), API_N_CODES);
    assert_int_equal(wait_s, 0);
    right[strlen(right) - 1] ^= 1; /* one that is wrong learns nothing */
    assert_int_equal(ask_with(f, &made, "/x", right, &wait_s), API_TOO_MANY_FAILURES);
    assert_true(wait_s > 0);
    /* a key that a person chose may be guessed: it waits, as a guess would */
    assert_int_equal(ask_with(f, &typed, "/x", "Bearer correct horse battery", &wait_s),
                     API_TOO_MANY_FAILURES);
    assert_int_equal(ask_with(f, &made, "/v1/health", right, &wait_s), API_N_CODES);
    assert_int_equal(ask_with(f, &made, "/x", "Basic", &wait_s), API_TOO_MANY_FAILURES);
    failed_keys_free(f);
}

/* ---- one-time codes ---- */

static void test_pairings__work_once_and_in_time(void **state)
{
    struct pairings p = {.n = 0};

    (void)state;
    pairings_add(&p, "one", 1000);
    pairings_add(&p, "two", 1000);
    assert_false(pairings_use(&p, "three", 1001));
    assert_false(pairings_use(&p, "", 1001));
    assert_true(pairings_use(&p, "one", 1001));
    assert_false(pairings_use(&p, "one", 1001));
    assert_false(pairings_use(&p, "two", 1000 + PAIRING_VALID_S));
    assert_int_equal(p.n, 0);
    for (int i = 0; i < PAIRINGS_MAX + 1; i++) {
        char code[32];

        snprintf(code, sizeof code, "code %d", i);
        assert_int_equal(pairings_add(&p, code, 2000 + i), i == PAIRINGS_MAX);
    }
    assert_int_equal(p.n, PAIRINGS_MAX);
    assert_false(pairings_use(&p, "code 0", 2010)); /* the oldest made room */
    assert_true(pairings_use(&p, "code 1", 2010));
    assert_false(pairings_add(&p, "room", 2010));
    assert_false(pairings_add(&p, "fresh", 2010 + PAIRING_VALID_S)); /* all are over: none closes */
    assert_int_equal(p.n, 1);
}

/* A code made while the clock was years ahead opened for as many years. */
static void test_pairings__of_a_clock_that_was_ahead_are_over(void **state)
{
    struct pairings p = {.n = 0};

    (void)state;
    pairings_add(&p, "ahead", 2000000000);
    assert_false(pairings_use(&p, "ahead", 1800000000));
    assert_int_equal(p.n, 0);
    pairings_add(&p, "a little", 1800000000);
    assert_true(pairings_use(&p, "a little", 1800000000 - PAIRING_BACK_S));
}

static void remove_lock(const char *in)
{
    char *file = path_join(in, DIR_LOCK_FILE);

    assert_int_equal(unlink(file), 0);
    free(file);
}

/* Who held the lock and did not go on held the hive's loop, with the next pairing of anybody. */
static void test_pairings__do_not_wait_for_ever(void **state)
{
    char dir[] = "/tmp/rbee-pair-XXXXXX", code[PAIRING_CODE_BYTES], *run, *file;
    struct err err = {0};
    struct dir_lock lock;

    (void)state;
    assert_non_null(mkdtemp(dir));
    run = path_join(dir, "run");
    file = path_join(run, "pairings");
    assert_int_equal(pairing_make(dir, code, 100, NULL, &err), 0);
    assert_int_equal(dir_lock_take(run, 0, NULL, &lock, &err), 0);
    assert_int_equal(pairing_redeem(dir, code, 101, &err), ERR_BUSY);
    dir_lock_release(&lock);
    assert_int_equal(pairing_redeem(dir, code, 101, &err), 0);
    unlink(file);
    remove_lock(run);
    rmdir(run);
    rmdir(dir);
    free(file);
    free(run);
}

static void test_pairings__file_holds_no_code_and_survives_damage(void **state)
{
    char dir[] = "/tmp/rbee-pair-XXXXXX", code[PAIRING_CODE_BYTES], other[PAIRING_CODE_BYTES];
    char *file, *text, *run;
    struct err err = {0};
    struct stat st;
    size_t n;

    (void)state;
    assert_non_null(mkdtemp(dir));
    run = path_join(dir, "run");
    file = path_join(run, "pairings");
    assert_int_equal(pairing_make(dir, code, 100, NULL, &err), 0);
    assert_int_equal(pairing_make(dir, other, 100, NULL, &err), 0);
    assert_int_equal(strlen(code), 20);
    assert_string_not_equal(code, other);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(path_read_file(file, 4096, &text, &n, &err), 0);
    assert_null(strstr(text, code));
    free(text);
    assert_int_equal(pairing_redeem(dir, "aaaaaaaaaaaaaaaaaaaa", 101, &err), ERR_DENIED);
    assert_int_equal(pairing_look(dir, "aaaaaaaaaaaaaaaaaaaa", 101, &err), ERR_DENIED);
    assert_int_equal(pairing_look(dir, code, 101, &err), 0);
    assert_int_equal(pairing_redeem(dir, code, 101, &err), 0);
    assert_int_equal(pairing_look(dir, code, 101, &err), ERR_DENIED);
    assert_int_equal(pairing_redeem(dir, code, 101, &err), ERR_DENIED);
    assert_int_equal(path_write_file(file, "rubbish\n\n \0x", 12, 0600, &err), 0);
    assert_int_equal(pairing_redeem(dir, other, 101, &err), ERR_DENIED);
    assert_int_equal(pairing_make(dir, code, 102, NULL, &err), 0);
    assert_int_equal(pairing_redeem(dir, code, 103, &err), 0);
    assert_int_equal(truncate(file, 1 << 20), 0);
    assert_int_equal(pairing_look(dir, code, 103, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, file));
    assert_int_equal(pairing_redeem(dir, code, 103, &err), ERR_LIMIT);
    unlink(file);
    remove_lock(run);
    rmdir(run);
    rmdir(dir);
    free(file);
    free(run);
}

/* ---- the chain ---- */

static void test_security_chain__a_changed_line_is_found(void **state)
{
    struct security_chain c, check;
    json_t *facts = json_pack("{s:s, s:s}", "key", "abcdef", "prev", "mine");
    struct err err = {0};
    size_t ends[4] = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 16);
    security_chain_begin(&c);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(security_chain_write(&c, 1000 * i, "event", facts, &b), 0);
        ends[i + 1] = b.len;
    }
    assert_int_equal(strncmp(b.data, "{\"prev\":\"0000000000000000", 25), 0);
    assert_null(strstr(b.data, "mine")); /* facts do not replace what the chain stands on */
    for (int broken = -1; broken < 3; broken++) {
        char *copy = str_ndup(b.data, b.len);
        int first_bad = -1;

        if (broken >= 0)
            *strstr(copy + ends[broken], "abcdef") = 'X';
        security_chain_begin(&check);
        for (int i = 0; i < 3 && first_bad < 0; i++)
            if (security_chain_check(&check, copy + ends[i], ends[i + 1] - ends[i] - 1, &err))
                first_bad = i;
        /* A change shows in the line after it; that of the last one in the last hash. */
        assert_int_equal(first_bad, broken < 0 || broken == 2 ? -1 : broken + 1);
        assert_int_equal(str_eq(check.last, c.last), broken < 0);
        free(copy);
    }
    security_chain_begin(&check);
    assert_int_equal(security_chain_check(&check, b.data + ends[1], ends[2] - ends[1] - 1, &err),
                     ERR_INVALID);
    assert_int_equal(security_chain_check(&check, "{}", 2, &err), ERR_INVALID);
    json_decref(facts);
    buf_done(&b);
}

/* A line is n bytes and no string: a search for a NUL once ran on into what lay behind it. */
static void test_security_chain__a_line_ends_where_it_ends(void **state)
{
    static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char text[128];

    (void)state;
    for (size_t n = 1; n <= sizeof hex + 10; n++) {
        int whole = snprintf(text, sizeof text, "{\"prev\":\"%s\"}", hex);
        struct security_chain c = {.open = true};
        char *line = malloc(n);

        assert_non_null(line);
        memcpy(line, text, n);
        line[n - 1] = '}';
        assert_int_equal(security_chain_check(&c, line, n, NULL),
                         n == (size_t)whole ? 0 : ERR_INVALID);
        free(line);
    }
}

/* Reads the files, the oldest first, as one chain; returns the number of lines. */
static unsigned check_files(const char *dir)
{
    struct security_chain c = {.open = true};
    unsigned lines = 0;

    for (int i = SECURITY_FILES_KEPT; i >= 0; i--) {
        char path[128], *text;
        struct err err = {0};
        size_t n;

        snprintf(path, sizeof path, i ? "%s/" SECURITY_FILE ".%d" : "%s/" SECURITY_FILE, dir, i);
        if (path_read_file(path, 2 * SECURITY_FILE_MAX, &text, &n, NULL) != 0)
            continue;
        for (char *p = text, *end; p < text + n; p = end + 1, lines++) {
            end = memchr(p, '\n', (size_t)(text + n - p));
            assert_non_null(end);
            if (security_chain_check(&c, p, (size_t)(end - p), &err))
                fail_msg("%s: %s", path, err.text);
        }
        free(text);
    }
    return lines;
}

static void remove_logs(const char *dir)
{
    for (int i = 0; i <= SECURITY_FILES_KEPT; i++) {
        char path[128];

        snprintf(path, sizeof path, i ? "%s/" SECURITY_FILE ".%d" : "%s/" SECURITY_FILE, dir, i);
        unlink(path);
    }
    rmdir(dir);
}

static void test_security_log__goes_on_behind_the_last_line(void **state)
{
    char dir[] = "/tmp/rbee-log-XXXXXX", path[64];
    struct security_log *l;
    struct err err = {0};
    struct stat st;
    char *text;
    size_t n;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/" SECURITY_FILE, dir);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(security_log_open(dir, &l, &err), 0);
        security_log_event(l, "start", NULL);
        security_log_event(l, "x", json_pack("{s:o}", "host", security_text("evil\n\x01\xff.org")));
        security_log_close(l);
    }
    assert_int_equal(check_files(dir), 6);
    assert_int_equal(path_read_file(path, 1 << 16, &text, &n, NULL), 0);
    assert_non_null(strstr(text, "\"host\":\"evil???.org\"")); /* nothing that acts on a terminal */
    free(text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(security_log_open(dir, &l, &err), ERR_DENIED);
    remove_logs(dir);
}

/*
 * What could not be moved was written over: an older piece that an administrator had made immutable
 * (here a folder of its name) cost the newest four megabytes of events.
 */
static void test_security_log__what_cannot_be_moved_costs_nothing(void **state)
{
    char dir[] = "/tmp/rbee-log-XXXXXX", in_the_way[64], inside[80];
    struct security_log *l;
    struct err err = {0};
    size_t n;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(in_the_way, sizeof in_the_way, "%s/" SECURITY_FILE ".1", dir);
    snprintf(inside, sizeof inside, "%s/x", in_the_way);
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    for (int i = 2; i < SECURITY_FILES_KEPT; i++) {
        char full[64];

        snprintf(full, sizeof full, "%s/" SECURITY_FILE ".%d", dir, i);
        assert_int_equal(mkdir(full, 0700), 0); /* no name is free */
        snprintf(full, sizeof full, "%s/" SECURITY_FILE ".%d/x", dir, i);
        assert_int_equal(mkdir(full, 0700), 0);
    }
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    for (n = 0; n * 1000 < SECURITY_FILE_MAX + (1 << 20); n++) {
        char text[1001];

        memset(text, 'x', 1000);
        text[1000] = '\0';
        security_log_event(l, "x", json_pack("{s:s}", "host", text));
    }
    security_log_close(l);
    for (int i = 1; i < SECURITY_FILES_KEPT; i++) {
        char full[64];

        snprintf(full, sizeof full, "%s/" SECURITY_FILE ".%d/x", dir, i);
        assert_int_equal(rmdir(full), 0);
        snprintf(full, sizeof full, "%s/" SECURITY_FILE ".%d", dir, i);
        assert_int_equal(rmdir(full), 0);
    }
    assert_int_equal(check_files(dir), n);
    remove_logs(dir);
}

/* A disk that was full, or the power, left a part of a line. */
static void test_security_log__a_cut_line_is_the_only_one_that_does_not_fit(void **state)
{
    char dir[] = "/tmp/rbee-log-XXXXXX", path[64], *text, *p;
    struct security_chain c;
    struct security_log *l;
    struct err err = {0};
    unsigned n_bad = 0;
    size_t n;
    FILE *f;

    (void)state;
    security_chain_begin(&c);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/" SECURITY_FILE, dir);
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    security_log_event(l, "one", NULL);
    security_log_event(l, "two", NULL);
    security_log_close(l);
    f = fopen(path, "a");
    assert_non_null(f);
    fputs("{\"at\":\"2026-", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    security_log_event(l, "three", NULL);
    security_log_close(l);
    assert_int_equal(path_read_file(path, 1 << 16, &text, &n, NULL), 0);
    p = text;
    for (int i = 0; i < 4; i++) {
        size_t len = strcspn(p, "\n");

        n_bad += security_chain_check(&c, p, len, NULL) != 0;
        assert_int_equal(n_bad, i >= 2);
        p += len + 1;
    }
    assert_string_equal(p, "");
    free(text);
    remove_logs(dir);
}

/* What there is no room for is left out, whole; what comes later follows what was before. */
static void test_security_log__without_room_no_half_a_line_stays(void **state)
{
    char dir[] = "/tmp/rbee-log-XXXXXX", path[64];
    struct rlimit before, less;
    struct security_log *l;
    struct stat full, st;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/" SECURITY_FILE, dir);
    assert_int_equal(security_log_open(dir, &l, NULL), 0);
    security_log_event(l, "one", NULL);
    assert_int_equal(stat(path, &full), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    less = before;
    less.rlim_cur = (rlim_t)full.st_size + 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
    security_log_event(l, "two", NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, full.st_size);
    security_log_event(l, "three", NULL);
    security_log_close(l);
    assert_int_equal(check_files(dir), 2);
    remove_logs(dir);
}

static void test_security_log__stays_a_chain_when_it_is_full(void **state)
{
    char dir[] = "/tmp/rbee-log-XXXXXX", path[64], text[SECURITY_TEXT_MAX + 1];
    struct security_log *l;
    struct err err = {0};
    unsigned n = 0;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/" SECURITY_FILE ".1", dir);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    while (!path_is_file(path)) {
        security_log_event(l, "long",
                           json_pack("{s:s, s:s, s:s}", "a", text, "b", text, "c", text));
        n++;
        assert_true(n < 20000);
    }
    security_log_close(l);
    assert_int_equal(check_files(dir), n);
    remove_logs(dir);
}

static void fill(struct security_log *l, const char *until_there)
{
    char text[SECURITY_TEXT_MAX + 1];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int n = 0; !path_is_file(until_there); n++) {
        security_log_event(l, "long",
                           json_pack("{s:s, s:s, s:s}", "a", text, "b", text, "c", text));
        assert_true(n < 20000);
    }
}

/* A hive that was killed when the old file had moved and the new one was empty began its chain
 * anew: "somebody has changed the log", said who verified it. */
static void test_security_log__an_empty_file_goes_on_from_the_older_one(void **state)
{
    char dir[] = "/tmp/rbee-log-XXXXXX", path[64], older[64];
    struct security_log *l;
    struct err err = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/" SECURITY_FILE, dir);
    snprintf(older, sizeof older, "%s/" SECURITY_FILE ".1", dir);
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    fill(l, older);
    security_log_close(l);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    security_log_event(l, "start", NULL);
    security_log_close(l);
    assert_true(check_files(dir) > 1);
    remove_logs(dir);
}

/* Without a descriptor each event moved the files once more, until the older ones were gone. */
static void test_security_log__does_not_move_without_a_new_file(void **state)
{
    char dir[] = "/tmp/rbee-log-XXXXXX", older[64];
    struct rlimit limit, none;
    struct security_log *l;
    struct err err = {0};
    unsigned lines;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(older, sizeof older, "%s/" SECURITY_FILE ".1", dir);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    none = (struct rlimit){0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 12000; i++) /* over 4 MiB */
        security_log_event(l, "long",
                           json_pack("{s:s}", "a",
                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_false(path_is_file(older));
    security_log_event(l, "last", NULL); /* and now it moves */
    assert_true(path_is_file(older));
    security_log_close(l);
    lines = check_files(dir);
    assert_int_equal(lines, 12001);
    remove_logs(dir);
}

static void put_in_the_way(const char *path)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fclose(f);
}

/* Does the first line of the log follow? */
static int check_first(struct security_chain *c, const char *path)
{
    char *text;
    size_t n;
    int rc;

    assert_int_equal(path_read_file(path, SECURITY_FILE_MAX, &text, &n, NULL), 0);
    rc = security_chain_check(c, text, strcspn(text, "\n"), NULL);
    free(text);
    return rc;
}

/*
 * Somebody deleted logs/, and the hive wrote on into a file without a name, for months: what had
 * happened to keys and doors was gone when it ended, and nothing had told of it.
 */
static void test_security_log__is_begun_anew_when_it_was_tidied_away(void **state)
{
    char folder[] = "/tmp/rbee-log-XXXXXX", dir[48], path[64], moved[72];
    struct security_log *l;
    struct security_chain c;
    struct err err = {0};

    (void)state;
    security_chain_begin(&c);
    assert_non_null(mkdtemp(folder));
    snprintf(dir, sizeof dir, "%s/logs", folder);
    snprintf(path, sizeof path, "%s/" SECURITY_FILE, dir);
    snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    security_log_event(l, "start", NULL);
    assert_int_equal(rename(path, moved), 0); /* another program's turn of the logs */
    security_log_event(l, "one", NULL);
    assert_int_equal(check_files(dir), 2);
    assert_int_equal(check_first(&c, moved), 0);
    assert_int_equal(check_first(&c, path), 0);
    remove_logs(dir);
    assert_false(path_is_dir(dir));
    put_in_the_way(dir);
    security_log_event(l, "two", NULL); /* it cannot be, and is told */
    assert_int_equal(unlink(dir), 0);
    security_log_event(l, "three", NULL);
    security_log_event(l, "four", NULL);
    assert_int_equal(check_files(dir), 2);
    assert_int_equal(check_first(&c, path), ERR_INVALID); /* "two" is missed */
    security_log_close(l);
    remove_logs(dir);
    assert_int_equal(rmdir(folder), 0);
}

/*
 * While a home was moved away its log was nowhere, and what happened was dropped, though the file
 * was open and came back: of two wrong keys nothing was told, and all was said to be whole.
 */
static void test_security_log__goes_on_in_a_home_that_was_moved_away(void **state)
{
    char folder[] = "/tmp/rbee-log-XXXXXX", home[32], away[32], dir[48];
    struct security_log *l;
    struct err err = {0};

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(home, sizeof home, "%s/home", folder);
    snprintf(away, sizeof away, "%s/away", folder);
    snprintf(dir, sizeof dir, "%s/logs", home);
    assert_int_equal(mkdir(home, 0700), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(security_log_open(dir, &l, &err), 0);
    security_log_event(l, "start", NULL);
    assert_int_equal(rename(home, away), 0);
    security_log_event(l, "one", NULL);
    security_log_event(l, "two", NULL);
    assert_false(path_is_dir(home));
    assert_int_equal(rename(away, home), 0);
    security_log_event(l, "three", NULL);
    security_log_close(l);
    assert_int_equal(check_files(dir), 4);
    remove_logs(dir);
    assert_int_equal(rmdir(home), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- where the hive is ---- */

/* Only an address that people may write gets from the file into a line or onto a terminal. */
static void test_advertise__takes_addresses_only(void **state)
{
    static const char *const bad[] = {
        "{\"host\":\"\",\"port\":1,\"tls\":false,\"pin\":\"\"}",
        "{\"host\":\"a\\u001b[2J\",\"port\":1,\"tls\":false,\"pin\":\"\"}",
        "{\"host\":\"a/b\",\"port\":1,\"tls\":false,\"pin\":\"\"}",
        "{\"host\":\"a\",\"port\":0,\"tls\":false,\"pin\":\"\"}",
        "{\"host\":\"a\",\"port\":65536,\"tls\":false,\"pin\":\"\"}",
        "{\"host\":\"a\",\"port\":4294975377,\"tls\":false,\"pin\":\"\"}", /* no 8081 */
        "{\"host\":\"a\",\"port\":1,\"tls\":true,\"pin\":\"12\"}",
        "[]",
        "",
    };
    static const char good[] = "{\"host\":\"::1\",\"port\":81,\"tls\":false,\"pin\":\"\"}";
    struct advertise a;
    struct err err;

    (void)state;
    assert_int_equal(advertise_parse("hive.json", good, strlen(good), &a, &err), 0);
    assert_string_equal(a.addr.host, "::1");
    assert_int_equal(a.addr.port, 81);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (advertise_parse("hive.json", bad[i], strlen(bad[i]), &a, &err) != ERR_INVALID)
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_keys__wait_after_a_burst_and_come_back),
        cmocka_unit_test(test_failed_keys__an_ipv6_net_is_one_address),
        cmocka_unit_test(test_failed_keys__the_table_is_bounded),
        cmocka_unit_test(test_failed_keys__are_told_of_once_a_minute),
        cmocka_unit_test(test_pairings__work_once_and_in_time),
        cmocka_unit_test(test_pairings__of_a_clock_that_was_ahead_are_over),
        cmocka_unit_test(test_pairings__do_not_wait_for_ever),
        cmocka_unit_test(test_advertise__takes_addresses_only),
        cmocka_unit_test(test_pairings__file_holds_no_code_and_survives_damage),
        cmocka_unit_test(test_failed_keys__a_burst_that_ends_is_told_whole),
        cmocka_unit_test(test_failed_keys__the_end_tells_of_a_flood_in_one_sum),
        cmocka_unit_test(test_failed_keys__what_is_left_of_a_flood_is_one_sum),
        cmocka_unit_test(test_failed_keys__of_all_together_little_is_told),
        cmocka_unit_test(test_failed_keys__patience_does_not_wash_out_the_log),
        cmocka_unit_test(test_failed_keys__who_is_right_beyond_doubt_is_heard),
        cmocka_unit_test(test_security_log__an_empty_file_goes_on_from_the_older_one),
        cmocka_unit_test(test_security_log__does_not_move_without_a_new_file),
        cmocka_unit_test(test_security_log__is_begun_anew_when_it_was_tidied_away),
        cmocka_unit_test(test_security_log__goes_on_in_a_home_that_was_moved_away),
        cmocka_unit_test(test_security_chain__a_changed_line_is_found),
        cmocka_unit_test(test_security_chain__a_line_ends_where_it_ends),
        cmocka_unit_test(test_security_log__goes_on_behind_the_last_line),
        cmocka_unit_test(test_security_log__what_cannot_be_moved_costs_nothing),
        cmocka_unit_test(test_security_log__a_cut_line_is_the_only_one_that_does_not_fit),
        cmocka_unit_test(test_security_log__without_room_no_half_a_line_stays),
        cmocka_unit_test(test_security_log__stays_a_chain_when_it_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
