/* Stop strings in a stream of text: found wherever the pieces were cut, nothing else held for good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "worker/jobs/stopper.h"

#define MAX_STOPS 16

struct outcome {
    char text[256];
    int matched; /* -1: none */
};

/* The specification by brute force: the first place where a stop string ends, the longest there. */
static struct outcome expect(const char *const *stops, size_t n_stops, const char *text)
{
    struct outcome o = {.matched = -1};
    size_t n = strlen(text);

    for (size_t end = 1; end <= n && o.matched < 0; end++) {
        size_t longest = 0;

        for (size_t i = 0; i < n_stops; i++) {
            size_t m = strlen(stops[i]);

            if (m <= end && m > longest && memcmp(text + end - m, stops[i], m) == 0) {
                longest = m;
                o.matched = (int)i;
            }
        }
        if (longest)
            n = end - longest;
    }
    memcpy(o.text, text, n);
    return o;
}

/* Feeds `text` in pieces: a piece ends behind byte i when bit i of `cuts` is set. */
static struct outcome feed(char *const *stops, size_t n_stops, const char *text, uint64_t cuts)
{
    struct outcome o = {.matched = -1};
    struct stopper *s;
    struct buf out;
    size_t n = strlen(text), from = 0;
    int rc = 0;

    assert_int_equal(stopper_create(stops, n_stops, &s, NULL), 0);
    buf_init(&out, 1000);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (i + 1 < n && !(cuts >> i & 1))
            continue;
        rc = stopper_put(s, text + from, i + 1 - from, &out);
        from = i + 1;
    }
    assert_true(rc >= 0);
    if (rc == 1)
        o.matched = (int)stopper_matched(s);
    else
        assert_int_equal(stopper_end(s, &out), 0);
    assert_true(str_copy(o.text, sizeof o.text, buf_str(&out)));
    buf_done(&out);
    stopper_free(s);
    return o;
}

static void check_all_cuts(const char *const *stops, size_t n_stops, const char *text)
{
    char *copies[MAX_STOPS];
    struct outcome want = expect(stops, n_stops, text), got;
    size_t n = strlen(text);

    for (size_t i = 0; i < n_stops; i++)
        copies[i] = str_dup(stops[i]);
    for (uint64_t cuts = 0; cuts < (uint64_t)1 << (n - 1); cuts++) {
        got = feed(copies, n_stops, text, cuts);
        assert_string_equal(got.text, want.text);
        assert_int_equal(got.matched, want.matched);
    }
    for (size_t i = 0; i < n_stops; i++)
        free(copies[i]);
}

#define CHECK(text, ...)                                                                           \
    do {                                                                                           \
        static const char *const stops_[] = {__VA_ARGS__};                                         \
        check_all_cuts(stops_, sizeof stops_ / sizeof stops_[0], text);                            \
    } while (0)

static void test_stopper__every_split_gives_the_same(void **state)
{
    (void)state;
    CHECK("one STOP two", "STOP");
    CHECK("STOPPED", "STOP");
    CHECK("no such text", "STOP");
    CHECK("at the end STO", "STOP");
    CHECK("abcd", "abcd", "bc");
    CHECK("xbcd", "abcd", "bcd", "cd");
    CHECK("\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac", "\xc3\xbc\xe2\x82\xac");
}

static void test_stopper__overlapping_beginnings_are_found(void **state)
{
    (void)state;
    CHECK("aaab", "aab");
    CHECK("ababababc", "ababc");
    CHECK("aaaaaaaaaab", "aaaab", "aaaaac");
    CHECK("\n\n\nUser", "\n\nUser", "\nUsers");
    CHECK("mississippi", "issip", "sissy");
}

/* What the brute force says must be what a person expects, too. */
static void test_stopper__known_answers(void **state)
{
    char abcd[] = "abcd", bc[] = "bc", d[] = "d", bcd[] = "bcd";
    char *both[] = {abcd, bc}, *same_end[] = {d, bcd};
    struct outcome o;

    (void)state;
    o = feed(both, 2, "xxabcd", 0);
    assert_string_equal(o.text, "xxa"); /* "bc" is complete first */
    assert_int_equal(o.matched, 1);
    o = feed(same_end, 2, "abcd", 0);
    assert_string_equal(o.text, "a"); /* both complete at once: the longest */
    assert_int_equal(o.matched, 1);
}

static void test_stopper__holds_back_only_what_may_become_a_stop_string(void **state)
{
    char end[] = "<|end|>", *stops[] = {end};
    struct stopper *s;
    struct buf out;

    (void)state;
    assert_int_equal(stopper_create(stops, 1, &s, NULL), 0);
    buf_init(&out, 100);
    assert_int_equal(stopper_put(s, "a <|e", 5, &out), 0);
    assert_string_equal(buf_str(&out), "a ");
    assert_int_equal(stopper_put(s, "x", 1, &out), 0);
    assert_string_equal(buf_str(&out), "a <|ex");
    assert_int_equal(stopper_put(s, "<|end|", 6, &out), 0);
    assert_string_equal(buf_str(&out), "a <|ex");
    assert_int_equal(stopper_put(s, ">later", 6, &out), 1);
    assert_string_equal(buf_str(&out), "a <|ex");
    buf_done(&out);
    stopper_free(s);
}

static void test_stopper__without_stops_all_passes_at_once(void **state)
{
    struct stopper *s;
    struct buf out;

    (void)state;
    assert_int_equal(stopper_create(NULL, 0, &s, NULL), 0);
    buf_init(&out, 100);
    assert_int_equal(stopper_put(s, "any text", 8, &out), 0);
    assert_string_equal(buf_str(&out), "any text");
    assert_int_equal(stopper_put(s, NULL, 0, &out), 0);
    assert_int_equal(stopper_end(s, &out), 0);
    assert_int_equal(out.len, 8);
    buf_done(&out);
    stopper_free(s);
}

static void test_stopper__random_texts_agree_with_brute_force(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[24] = "", words[3][6] = {""};
        const char *stops[3];
        char *copies[3];
        size_t n_stops = 1 + (size_t)round % 3;
        struct outcome want, got;

        for (size_t i = 0; i < sizeof text - 1; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[i] = "ab"[seed >> 33 & 1];
        }
        for (size_t k = 0; k < n_stops; k++) {
            for (size_t i = 0; i < 2 + (seed >> (40 + k) & 3); i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                words[k][i] = "abc"[(seed >> 33) % 3];
            }
            stops[k] = copies[k] = words[k];
        }
        want = expect(stops, n_stops, text);
        got = feed(copies, n_stops, text, seed >> 20);
        assert_string_equal(got.text, want.text);
        /* Equal stop strings may both be named. */
        assert_int_equal(got.matched < 0, want.matched < 0);
        if (want.matched >= 0)
            assert_string_equal(stops[got.matched], stops[want.matched]);
    }
}

static void test_stopper__full_buffer_is_an_error(void **state)
{
    char zz[] = "zz", *stops[] = {zz};
    struct stopper *s;
    struct buf out;

    (void)state;
    assert_int_equal(stopper_create(stops, 1, &s, NULL), 0);
    buf_init(&out, 4);
    assert_int_equal(stopper_put(s, "abc", 3, &out), 0);
    assert_int_equal(stopper_put(s, "def", 3, &out), -1);
    buf_done(&out);
    stopper_free(s);
    stopper_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopper__every_split_gives_the_same),
        cmocka_unit_test(test_stopper__overlapping_beginnings_are_found),
        cmocka_unit_test(test_stopper__known_answers),
        cmocka_unit_test(test_stopper__holds_back_only_what_may_become_a_stop_string),
        cmocka_unit_test(test_stopper__without_stops_all_passes_at_once),
        cmocka_unit_test(test_stopper__random_texts_agree_with_brute_force),
        cmocka_unit_test(test_stopper__full_buffer_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
