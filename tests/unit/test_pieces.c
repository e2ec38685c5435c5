/* test_pieces.c - which bytes are missing and whose they are; and the ledger that remembers. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/disk/digest.h"
#include "hive/disk/ledger.h"
#include "hive/disk/pieces.h"
#include "hive/fetch/fetch_arrival.h"
#include "hive/fetch/fetch_pace.h"
#include "hive/fetch/rate.h"
#include "hive/fetch/speed.h"

#define KIB 1024u
#define P   (64 * KIB) /* a piece */

/* As long as a SHA-256; from their 32nd letter on as an XXH3. */
static const char A[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char B[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static struct pieces *make(uint64_t size)
{
    struct pieces *p = NULL;

    assert_int_equal(pieces_create(size, P, &p, NULL), 0);
    return p;
}

static void test_size__grows_with_the_file(void **state)
{
    (void)state;
    assert_int_equal(pieces_size_for(1), P);
    assert_int_equal(pieces_size_for(4 << 20), P);
    assert_int_equal(pieces_size_for((4 << 20) + 64), 2 * P);
    assert_int_equal(pieces_size_for(1ull << 40), 16u << 20);
}

static void test_take__covers_the_file_once(void **state)
{
    struct pieces *p = make(10 * P + 5);
    uint64_t at = 0;
    struct hole *h;

    (void)state;
    assert_int_equal(pieces_count(p), 11);
    while ((h = pieces_take(p, 3 * P))) {
        assert_int_equal(h->from, at);
        assert_true(h->to - h->from <= 3 * P);
        at = h->to;
    }
    assert_int_equal(at, 10 * P + 5);
    assert_int_equal(pieces_missing(p), 10 * P + 5); /* taken is not there */
    pieces_free(p);
}

static void test_drop__gives_the_rest_to_the_next(void **state)
{
    struct pieces *p = make(4 * P);
    struct hole *h = pieces_take(p, UINT64_MAX);

    (void)state;
    pieces_fill(p, h, P + 1);
    pieces_drop(p, h);
    assert_int_equal(pieces_missing(p), 3 * P - 1);
    h = pieces_take(p, UINT64_MAX);
    assert_int_equal(h->from, P + 1);
    assert_int_equal(h->to, 4 * P);
    assert_int_equal(pieces_next_whole(p), 0);
    assert_int_equal(pieces_next_whole(p), PIECES_NONE);
    pieces_give_back(p, 0); /* no helper could be had for it */
    assert_int_equal(pieces_next_whole(p), 0);
    assert_int_equal(pieces_next_whole(p), PIECES_NONE);
    pieces_free(p);
}

static void test_split__leaves_the_front_with_who_has_it(void **state)
{
    struct pieces *p = make(16 * P);
    struct hole *h = pieces_take(p, UINT64_MAX), *back = pieces_split(p, h);

    (void)state;
    assert_non_null(back);
    assert_int_equal(h->to, back->from);
    assert_int_equal(back->from, 8 * P);
    assert_int_equal(back->to, 16 * P);
    assert_null(pieces_take(p, UINT64_MAX));
    pieces_fill(p, h, 8 * P - 10);
    assert_null(pieces_split(p, h)); /* too little is left */
    pieces_free(p);
}

static void test_open__makes_bytes_missing_again_but_once(void **state)
{
    struct pieces *p = make(4 * P);

    (void)state;
    assert_int_equal(pieces_close(p, 0, 4 * P), 0);
    assert_int_equal(pieces_missing(p), 0);
    for (size_t i = 0; i < 4; i++)
        assert_false(pieces_safe(p, pieces_next_whole(p), A + 32));
    assert_true(pieces_all_safe(p));
    assert_int_equal(pieces_open(p, P, 2 * P), 0);
    assert_int_equal(pieces_open(p, P, 2 * P), 0);
    assert_int_equal(pieces_missing(p), P);
    assert_false(pieces_all_safe(p));
    assert_false(pieces_is_safe(p, 1));
    assert_true(pieces_is_safe(p, 2));
    assert_int_equal(pieces_close(p, 0, 4 * P), 0);
    assert_int_equal(pieces_next_whole(p), 1);
    pieces_free(p);
}

static void test_suspect__the_unsure_then_the_differing_then_all(void **state)
{
    struct pieces *p = make(4 * P);

    (void)state;
    pieces_mark_unsure(p, 0, P);
    assert_int_equal(pieces_close(p, 0, 4 * P), 0);
    for (size_t i = 0; i < 4; i++)
        pieces_safe(p, pieces_next_whole(p), A + 32);
    assert_int_equal(pieces_suspect(p, false), 1);
    assert_int_equal(pieces_close(p, 0, P), 0);
    assert_false(pieces_safe(p, pieces_next_whole(p), B + 32)); /* nothing to compare with */
    assert_int_equal(pieces_suspect(p, false), 0);
    assert_int_equal(pieces_suspect(p, true), 4);
    assert_int_equal(pieces_missing(p), 4 * P);
    assert_int_equal(pieces_close(p, 0, 4 * P), 0);
    assert_false(pieces_safe(p, pieces_next_whole(p), B + 32));
    assert_true(pieces_safe(p, pieces_next_whole(p), B + 32)); /* was A before */
    pieces_safe(p, pieces_next_whole(p), A + 32);
    pieces_safe(p, pieces_next_whole(p), A + 32);
    assert_int_equal(pieces_suspect(p, false), 1);
    pieces_free(p);
}

static void test_doubt__a_piece_is_not_whole_while_a_claim_is_open(void **state)
{
    struct pieces *p = make(2 * P);
    uint64_t cursor = 0, from, to;

    (void)state;
    assert_int_equal(pieces_close(p, 0, P + 100), 0);
    pieces_doubt(p, 0, 1);
    assert_int_equal(pieces_next_whole(p), PIECES_NONE);
    assert_true(pieces_next_partial(p, &cursor, &from, &to));
    assert_int_equal(from, P);
    assert_int_equal(to, P + 100);
    assert_false(pieces_next_partial(p, &cursor, &from, &to));
    pieces_doubt(p, 0, -1);
    assert_int_equal(pieces_next_whole(p), 0);
    pieces_free(p);
}

/* The digest of the whole file goes on to the first byte that is missing, and past none that a
 * ledger only tells of. */
static void test_there__to_the_first_that_is_missing_or_doubted(void **state)
{
    struct pieces *p = make(4 * P + 7);
    struct hole *h;

    (void)state;
    assert_int_equal(pieces_there_until(p, 0), 0);
    assert_int_equal(pieces_close(p, 2 * P, 4 * P), 0);
    assert_int_equal(pieces_there_until(p, 0), 0);
    assert_int_equal(pieces_there_until(p, 2 * P + 1), 4 * P);
    h = pieces_take(p, UINT64_MAX);
    pieces_fill(p, h, P + 3);
    assert_int_equal(pieces_there_until(p, 0), P + 3);
    assert_int_equal(pieces_there_until(p, P + 3), P + 3);
    pieces_fill(p, h, P - 3); /* an empty hole that is still somebody's is none */
    assert_int_equal(pieces_there_until(p, 5), 4 * P);
    pieces_doubt(p, 3 * P, 1);
    assert_int_equal(pieces_there_until(p, 5), 3 * P);
    assert_int_equal(pieces_there_until(p, 3 * P), 3 * P);
    pieces_doubt(p, 3 * P, -1);
    assert_int_equal(pieces_close(p, 4 * P, 4 * P + 7), 0);
    assert_int_equal(pieces_there_until(p, 5), 4 * P + 7);
    assert_int_equal(pieces_there_until(p, 4 * P + 7), 4 * P + 7);
    assert_int_equal(pieces_open(p, P, 2 * P), 0);
    assert_int_equal(pieces_there_until(p, 0), P);
    pieces_drop_all(p);
    pieces_free(p);
}

/* ---- the ledger ---- */

static char folder[] = "/tmp/rbee-ledger-XXXXXX";
static char file[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof file, "%s/x.part.ledger", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder);
}

static void begin(uint64_t size)
{
    const struct ledger_claim one = {.from = 0, .to = P, .digest = "placeholder"};
    struct ledger_claim c = one;
    struct ledger_found found;
    struct ledger *l = NULL;

    unlink(file);
    assert_int_equal(ledger_open(file, size, P, &found, &l, NULL), 0);
    assert_false(found.known);
    memcpy(c.digest, A, sizeof A);
    assert_int_equal(ledger_add(l, &c, NULL), 0);
    c.from = P;
    c.to = P + 7;
    assert_int_equal(ledger_add(l, &c, NULL), 0);
    c.to = 2 * P;
    memcpy(c.digest, B, sizeof B);
    assert_int_equal(ledger_add(l, &c, NULL), 0);
    assert_int_equal(ledger_add_tag(l, "\"v1\"", NULL), 0);
    ledger_close(l);
    ledger_found_done(&found);
}

static void test_ledger__comes_back_and_the_newest_word_counts(void **state)
{
    struct ledger_found found;
    struct ledger *l = NULL;

    (void)state;
    begin(8 * P);
    assert_int_equal(ledger_open(file, 8 * P, 4 * P, &found, &l, NULL), 0);
    assert_true(found.known);
    assert_int_equal(found.piece_bytes, P); /* its own, not the one that a new version would take */
    assert_int_equal(found.n_claims, 2);
    assert_int_equal(found.claims[1].to, 2 * P);
    assert_string_equal(found.claims[1].digest, B);
    assert_string_equal(found.tag, "\"v1\"");
    ledger_found_done(&found);
    ledger_close(l);
}

/* As the first version wrote it: SHA-256, and what is added now behind it is an XXH3. */
static void test_ledger__of_the_first_version_is_gone_on_with(void **state)
{
    static const char text[] =
        "481de59e rbee-ledger 1 524288 65536\n"
        "4369c46a bytes 0 65536 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    struct ledger_claim c = {.from = P, .to = 2 * P};
    struct ledger_found found;
    struct ledger *l = NULL;

    (void)state;
    assert_int_equal(path_write_file(file, text, sizeof text - 1, 0644, NULL), 0);
    assert_int_equal(ledger_open(file, 8 * P, P, &found, &l, NULL), 0);
    assert_true(found.known);
    assert_int_equal(found.n_claims, 1);
    assert_true(ledger_is_sha256(found.claims[0].digest));
    str_copy(c.digest, sizeof c.digest, B + 32);
    assert_int_equal(ledger_add(l, &c, NULL), 0);
    ledger_close(l);
    ledger_found_done(&found);
    assert_int_equal(ledger_open(file, 8 * P, P, &found, &l, NULL), 0);
    assert_int_equal(found.n_claims, 2);
    assert_string_equal(found.claims[0].digest, A);
    assert_string_equal(found.claims[1].digest, B + 32);
    assert_false(ledger_is_sha256(found.claims[1].digest));
    ledger_found_done(&found);
    ledger_close(l);
}

/* The digests that the algorithms' authors publish for "" and "abc". */
static void test_digest__of_both_kinds(void **state)
{
    static const struct {
        struct digest *(*create)(void);
        const char *text, *hex;
    } cases[] = {
        {digest_create, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {digest_create_xxh3, "", "99aa06d3014798d86001c324468d497f"},
        {digest_create_xxh3, "abc", "06b05ab6733a618578af5f94892f3950"},
    };
    char hex[DIGEST_SHA256_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct digest *d = cases[i].create();

        digest_put(d, cases[i].text, strlen(cases[i].text));
        digest_end(d, hex);
        assert_string_equal(hex, cases[i].hex);
        digest_free(d);
    }
}

static bool has(uint64_t from, uint64_t to, const char *sha256)
{
    struct ledger_claim c = {.from = from, .to = to};

    memcpy(c.digest, sha256, sizeof c.digest);
    return ledger_has(file, &c);
}

/* As reading it does, without reading it all: a claim that a later one touches is none any more. */
static void test_ledger__has_what_the_last_word_about_these_bytes_says(void **state)
{
    (void)state;
    begin(8 * P);
    assert_true(has(0, P, A));
    assert_true(has(P, 2 * P, B));
    assert_false(has(P, P + 7, A)); /* it stands there, and what took its place behind it */
    assert_false(has(0, P, B));
    assert_false(has(0, P - 1, A));
    assert_false(has(2 * P, 3 * P, A));
    assert_int_equal(truncate(file, 40), 0); /* within the second line */
    assert_false(has(0, P, A));
    unlink(file);
    assert_false(has(0, P, A));
}

static void test_ledger__of_another_size_is_not_believed(void **state)
{
    struct ledger_found found;
    struct ledger *l = NULL;

    (void)state;
    begin(8 * P);
    assert_int_equal(ledger_open(file, 9 * P, P, &found, &l, NULL), 0);
    assert_false(found.known);
    assert_int_equal(found.n_claims, 0);
    ledger_close(l);
}

/* Cut off at every length, and with every byte changed: never more than was true, and what is added
 * afterwards is read again. */
static void test_ledger__torn_or_damaged_anywhere(void **state)
{
    char *text;
    size_t n;

    (void)state;
    begin(8 * P);
    assert_int_equal(path_read_file(file, 4096, &text, &n, NULL), 0);
    for (size_t i = 0; i < 2 * n; i++) {
        struct ledger_claim c = {.from = 4 * P, .to = 5 * P};
        struct ledger_found found;
        struct ledger *l = NULL;
        size_t n_before;
        FILE *f = fopen(file, "w");

        if (i >= n)
            text[i - n] ^= 1;
        fwrite(text, 1, i < n ? i : n, f);
        fclose(f);
        if (i >= n)
            text[i - n] ^= 1;
        memcpy(c.digest, A, sizeof A);
        assert_int_equal(ledger_open(file, 8 * P, P, &found, &l, NULL), 0);
        n_before = found.n_claims;
        assert_true(n_before <= 2);
        assert_int_equal(ledger_add(l, &c, NULL), 0);
        ledger_close(l);
        ledger_found_done(&found);
        assert_int_equal(ledger_open(file, 8 * P, P, &found, &l, NULL), 0);
        assert_true(found.known);
        assert_int_equal(found.n_claims, n_before + 1);
        ledger_close(l);
        ledger_found_done(&found);
    }
    free(text);
}

/* ---- the rate ---- */

static void test_rate__gives_what_it_says_over_time(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* as of all disks' threads */
    struct rate all = {.per_sec = 1000, .lock = &lock}, one = {.above = &all};
    uint64_t got = 0;
    int64_t now = 1000, end = now + 10000;

    (void)state;
    while (now < end) {
        int64_t ms = rate_take(&one, now, 100);

        got += ms == 0 ? 100 : 0;
        now += ms;
    }
    assert_in_range(got, 9900, 10500);
}

/* ---- digests as bytes arrive ---- */

#define ARRIVALS_BYTES (5 * P + 1000)

static unsigned char arriving[ARRIVALS_BYTES];

/* xxHash's own answer for all of a piece at once. */
static void reference_of(uint64_t from, uint64_t to, char hex[DIGEST_XXH3_BYTES])
{
    XXH128_canonical_t all;

    XXH128_canonicalFromHash(&all, XXH3_128bits(arriving + from, (size_t)(to - from)));
    for (unsigned i = 0; i < sizeof all.digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", all.digest[i]);
}

/* [from, to) comes in chunks of up to 100,000 bytes. */
static void arrive(struct fetch_arrival *a, struct pieces *p, uint64_t from, uint64_t to)
{
    while (from < to) {
        size_t n = (size_t)rand() % 100000 + 1;

        if (n > to - from)
            n = (size_t)(to - from);
        fetch_arrival_put(a, p, from, arriving + from, n);
        from += n;
    }
}

/* Which pieces have a digest: a text of 1 and 0. Those there are must be right. */
static const char *arrived(const struct pieces *p, char text[8])
{
    for (size_t i = 0; i < pieces_count(p); i++) {
        char hex[DIGEST_XXH3_BYTES];
        uint64_t from, to;

        pieces_bounds(p, i, &from, &to);
        reference_of(from, to, hex);
        text[i] = pieces_arrived_as(p, i)[0] ? '1' : '0';
        if (text[i] == '1')
            assert_string_equal(pieces_arrived_as(p, i), hex);
    }
    text[pieces_count(p)] = '\0';
    return text;
}

static void test_arrival__whole_pieces_in_order_and_no_others(void **state)
{
    struct fetch_arrival one = {0}, two = {0};
    char text[8];

    (void)state;
    for (size_t i = 0; i < sizeof arriving; i++)
        arriving[i] = (unsigned char)rand();
    for (int round = 0; round < 50; round++) {
        struct pieces *p = make(ARRIVALS_BYTES);

        arrive(&one, p, P / 2, 3 * P); /* it begins within the first */
        assert_string_equal(arrived(p, text), "011000");
        arrive(&two, p, 3 * P, 4 * P - 1);     /* it stops before the end of the fourth ... */
        arrive(&one, p, 4 * P - 1, 5 * P + 9); /* ... which another brings */
        assert_string_equal(arrived(p, text), "011010");
        arrive(&one, p, 0, P); /* the first once more: from its beginning */
        arrive(&two, p, 5 * P, ARRIVALS_BYTES);
        assert_string_equal(arrived(p, text), "111011");
        assert_int_equal(pieces_open(p, P + 5, P + 6),
                         0); /* a byte of the second is missing again */
        assert_string_equal(arrived(p, text), "101011");
        pieces_free(p);
    }
    fetch_arrival_forget(&one);
    fetch_arrival_forget(&two);
}

/* A stream that is halted and asked anew goes on in the middle of a piece: no bytes are skipped. */
static void test_arrival__what_was_forgotten_is_not_gone_on_with(void **state)
{
    struct fetch_arrival a = {0};
    struct pieces *p = make(ARRIVALS_BYTES);
    char text[8];

    (void)state;
    arrive(&a, p, 0, P / 2);
    fetch_arrival_forget(&a);
    arrive(&a, p, P / 2, 2 * P);
    assert_string_equal(arrived(p, text), "010000");
    fetch_arrival_forget(&a);
    pieces_free(p);
}

/* ---- one connection, or several ---- */

#define MIB (1u << 20)

static void test_pace__a_stream_that_fills_the_line_stays_alone(void **state)
{
    struct fetch_pace p = {0};

    (void)state;
    assert_int_equal(fetch_pace_look(&p, 1000), PACE_UNKNOWN);
    fetch_pace_count(&p, FETCH_SHOW_BYTES - 1);
    assert_int_equal(fetch_pace_look(&p, 1010), PACE_UNKNOWN); /* fast, but of what? */
    fetch_pace_count(&p, 1);
    assert_int_equal(fetch_pace_look(&p, 1010), PACE_FAST);
    fetch_pace_count(&p, 50 * MIB);
    assert_int_equal(fetch_pace_look(&p, 1010 + FETCH_ALONE_MS), PACE_FAST); /* just so */
    fetch_pace_count(&p, 50 * MIB - 1);
    assert_int_equal(fetch_pace_look(&p, 1010 + 2 * FETCH_ALONE_MS), PACE_SLOW);
    fetch_pace_count(&p, 900 * MIB);
    assert_int_equal(fetch_pace_look(&p, 1010 + 3 * FETCH_ALONE_MS), PACE_SLOW); /* for good */
}

static void test_pace__a_server_that_keeps_silent_gets_others(void **state)
{
    struct fetch_pace p = {0};

    (void)state;
    assert_int_equal(fetch_pace_look(&p, 1), PACE_UNKNOWN);
    assert_int_equal(fetch_pace_look(&p, FETCH_ALONE_MS), PACE_UNKNOWN);
    assert_int_equal(fetch_pace_look(&p, 1 + FETCH_ALONE_MS), PACE_SLOW);
}

/* What came before the first look is nobody's pace: 16 MiB at once in no time. */
static void test_pace__counts_from_the_first_look(void **state)
{
    struct fetch_pace p = {0};

    (void)state;
    fetch_pace_count(&p, FETCH_SHOW_BYTES);
    assert_int_equal(fetch_pace_look(&p, 77), PACE_UNKNOWN);
    assert_int_equal(fetch_pace_look(&p, 77), PACE_UNKNOWN);
    assert_int_equal(fetch_pace_look(&p, 77 + FETCH_ALONE_MS), PACE_SLOW);
}

#ifdef __SANITIZE_ADDRESS__ /* which reads what is behind a string's end anew for each line */
#define MANY 4000
#else
#define MANY 80000
#endif

/* Each line of a ledger was compared with all before it: one of 80,000 pieces, as a slow line
 * leaves them, took 16 s to be read, and a push that was to go on stood at 0 % for as long. Later
 * only one whose pieces came in the order of the file was quick. What makes it slow again is seen
 * by how long this program takes. */
static void read_many(bool backwards)
{
    enum { BYTES = 512 };
    struct ledger_claim c = {.digest = "0123456789abcdef0123456789abcdef"};
    struct ledger_found found;
    struct ledger *l = NULL;

    unlink(file);
    assert_int_equal(ledger_open(file, (uint64_t)MANY * BYTES, P, &found, &l, NULL), 0);
    ledger_found_done(&found);
    for (uint64_t i = 0; i < MANY; i++) {
        c.from = (backwards ? MANY - 1 - i : i) * BYTES;
        c.to = c.from + BYTES;
        assert_int_equal(ledger_add(l, &c, NULL), 0);
    }
    ledger_close(l);
    assert_int_equal(ledger_open(file, (uint64_t)MANY * BYTES, P, &found, &l, NULL), 0);
    assert_int_equal(found.n_claims, MANY);
    assert_int_equal(found.claims[MANY - 1].from, c.from);
    ledger_found_done(&found);
    ledger_close(l);
}

static void test_ledger__of_many_pieces_is_read(void **state)
{
    (void)state;
    read_many(false);
    read_many(true);
}

/* A claim stays when no later one says anything of its bytes: each pair looked at. */
static size_t newest(const struct ledger_claim *all, size_t n, struct ledger_claim *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        bool stays = true;

        for (size_t k = i + 1; k < n; k++)
            stays = stays && (all[k].to <= all[i].from || all[k].from >= all[i].to);
        if (stays)
            out[kept++] = all[i];
    }
    return kept;
}

static void test_ledger__of_any_order_keeps_the_newest_words(void **state)
{
    enum { ROUNDS = 60, N = 40, SPAN = 300 };
    struct ledger_claim all[N], kept[N];
    struct ledger_found found;
    struct ledger *l = NULL;
    unsigned seed = 20261126;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 0, n_kept;

        unlink(file);
        assert_int_equal(ledger_open(file, P, P, &found, &l, NULL), 0);
        ledger_found_done(&found);
        for (; n < N; n++) {
            uint64_t longest = round % 2 ? 20 : 150;

            all[n] = (struct ledger_claim){.from = (uint64_t)rand_r(&seed) % SPAN};
            all[n].to = all[n].from + 1 + (uint64_t)rand_r(&seed) % longest;
            snprintf(all[n].digest, sizeof all[n].digest, "%032zx", n);
            assert_int_equal(ledger_add(l, &all[n], NULL), 0);
        }
        ledger_close(l);
        n_kept = newest(all, N, kept);
        assert_int_equal(ledger_open(file, P, P, &found, &l, NULL), 0);
        assert_int_equal(found.n_claims, n_kept);
        for (size_t i = 0; i < n_kept; i++)
            assert_string_equal(found.claims[i].digest, kept[i].digest);
        ledger_found_done(&found);
        ledger_close(l);
    }
}

/* ---- the speed that is told ---- */

/* A download whose line fell silent showed the speed it last had, for ever; where a look at it came
 * by in between, the speed went to nothing in ever smaller steps, and eta_seconds to
 * -9223372036854775808. */
static void test_speed__of_what_stands_still_is_none_and_has_no_end(void **state)
{
    struct speed s = {0}, often;
    int64_t now = 1000;

    (void)state;
    for (uint64_t n = 0; n <= 10000000; n += 1000000, now += 1000)
        speed_count(&s, n, now);
    now -= 1000;
    assert_true(s.bytes_per_sec > 999000 && s.bytes_per_sec < 1001000);
    assert_int_equal(speed_eta_s(&s, 5000000, now), 5);
    assert_int_equal(speed_eta_s(&s, 0, now), -1);
    assert_int_equal(speed_eta_s(&s, UINT64_MAX, now), -1);
    often = s;
    for (int64_t ms = 500; ms <= 60000; ms += 500)
        speed_count(&often, 10000000, now + ms);
    speed_count(&s, 10000000, now + 60000); /* one look is worth as much as many */
    assert_true(s.bytes_per_sec < SPEED_LEAST && often.bytes_per_sec < SPEED_LEAST);
    assert_int_equal(speed_eta_s(&s, 5000000, now + 60000), -1);
    assert_int_equal(speed_eta_s(&often, UINT64_MAX, now + 60000), -1);
    speed_count(&s, 20000000, now + 70000);
    assert_true(s.bytes_per_sec > 900000); /* it goes on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size__grows_with_the_file),
        cmocka_unit_test(test_take__covers_the_file_once),
        cmocka_unit_test(test_drop__gives_the_rest_to_the_next),
        cmocka_unit_test(test_split__leaves_the_front_with_who_has_it),
        cmocka_unit_test(test_open__makes_bytes_missing_again_but_once),
        cmocka_unit_test(test_suspect__the_unsure_then_the_differing_then_all),
        cmocka_unit_test(test_doubt__a_piece_is_not_whole_while_a_claim_is_open),
        cmocka_unit_test(test_there__to_the_first_that_is_missing_or_doubted),
        cmocka_unit_test(test_ledger__comes_back_and_the_newest_word_counts),
        cmocka_unit_test(test_ledger__of_the_first_version_is_gone_on_with),
        cmocka_unit_test(test_digest__of_both_kinds),
        cmocka_unit_test(test_ledger__has_what_the_last_word_about_these_bytes_says),
        cmocka_unit_test(test_ledger__of_another_size_is_not_believed),
        cmocka_unit_test(test_ledger__torn_or_damaged_anywhere),
        cmocka_unit_test(test_arrival__whole_pieces_in_order_and_no_others),
        cmocka_unit_test(test_arrival__what_was_forgotten_is_not_gone_on_with),
        cmocka_unit_test(test_pace__a_stream_that_fills_the_line_stays_alone),
        cmocka_unit_test(test_pace__a_server_that_keeps_silent_gets_others),
        cmocka_unit_test(test_pace__counts_from_the_first_look),
        cmocka_unit_test(test_rate__gives_what_it_says_over_time),
        cmocka_unit_test(test_ledger__of_many_pieces_is_read),
        cmocka_unit_test(test_ledger__of_any_order_keeps_the_newest_words),
        cmocka_unit_test(test_speed__of_what_stands_still_is_none_and_has_no_end),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
