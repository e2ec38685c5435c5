/*
 * WordPiece, over a small vocabulary made here: what is expected was worked out by hand from BERT's
 * tokenization.py. The same texts and many more were compared with Hugging Face's tokenizers by
 * tests/golden/wordpiece-compare.mjs; tests/e2e/wordpiece.test.js has their answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/gguf/writer.h"
#include "engine/tok/tok.h"
#include "engine/tok/wpm_chars.h"

#define KEY(name)  "tokenizer.ggml." name
#define B          "\xE2\x96\x81"
#define MAX_TOKENS 32
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

enum { PAD, UNK, CLS, SEP, UN, AFF, ABLE, COMMA, CAFE, N_ONE, IDEOGRAPH, B_A, A, E, SS, G, LAST };

static const char *const texts[] = {
    "[PAD]",  "[UNK]", "[CLS]",          "[SEP]", B "un", "aff", "able",       B ",",
    B "cafe", B "1",   B "\xE4\xB8\xAD", B "a",   "a",    B "e", B "\xC3\x9F", B "g"};

struct settings {
    const char *extra;             /* one more token, or NULL */
    int lowercase, strip, add_sep; /* negative: no key */
    bool no_kinds;
    int64_t cls;
};
static const struct settings plain = {NULL, -1, -1, -1, false, -1};

struct loaded {
    uint8_t *bytes;
    struct gguf *g;
    struct tok *tok;
};

static void put_flag(struct gguf_writer *w, const char *key, int value)
{
    if (value >= 0)
        gguf_writer_bool(w, key, value);
}

static int load(const struct settings *s, struct loaded *l, struct err *err)
{
    struct gguf_str tokens[MAX_TOKENS];
    int32_t kinds[MAX_TOKENS];
    struct gguf_writer *w;
    size_t n = COUNT(texts), n_bytes;

    _Static_assert(COUNT(texts) == LAST, "a name for each token");
    for (size_t i = 0; i < n; i++)
        tokens[i] = (struct gguf_str){texts[i], strlen(texts[i])};
    if (s->extra)
        tokens[n++] = (struct gguf_str){s->extra, strlen(s->extra)};
    for (size_t i = 0; i < n; i++)
        kinds[i] = i < UN ? TOK_CONTROL : TOK_NORMAL;
    assert_int_equal(gguf_writer_create(&w, NULL), 0);
    gguf_writer_str(w, KEY("model"), "bert");
    gguf_writer_strs(w, KEY("tokens"), tokens, n);
    if (!s->no_kinds)
        gguf_writer_i32s(w, KEY("token_type"), kinds, n);
    if (s->cls >= 0)
        gguf_writer_u32(w, KEY("cls_token_id"), (uint32_t)s->cls);
    put_flag(w, KEY("add_sep_token"), s->add_sep);
    put_flag(w, KEY("normalizer.lowercase"), s->lowercase);
    put_flag(w, KEY("normalizer.strip_accents"), s->strip);
    assert_int_equal(gguf_writer_bytes(w, &l->bytes, &n_bytes, NULL), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open_memory(l->bytes, n_bytes, "made.gguf", &l->g, err), 0);
    l->tok = NULL;
    return tok_create(l->g, &l->tok, err);
}

static void unload(struct loaded *l)
{
    tok_free(l->tok);
    gguf_close(l->g);
    free(l->bytes);
}

/* Expects these ids, which end with -1. */
static void expect_n(const struct tok *t, const char *text, size_t n, unsigned flags,
                     const int32_t *want)
{
    int32_t *ids;
    size_t n_ids, i;

    assert_int_equal(tok_encode(t, text, n, flags, &ids, &n_ids, NULL), 0);
    for (i = 0; i < n_ids; i++)
        if (ids[i] != want[i])
            fail_msg("'%s': id %zu is %d, not %d", text, i, ids[i], want[i]);
    assert_int_equal(want[i], -1);
    free(ids);
}

#define EXPECT(t, text, flags, ...)                                                                \
    expect_n(t, text, strlen(text), flags, (const int32_t[]){__VA_ARGS__, -1})
#define EXPECT_NONE(t, text) expect_n(t, text, strlen(text), 0, (const int32_t[]){-1})

static void open_as(struct loaded *l, const struct settings *s)
{
    struct err err = {0};

    if (load(s, l, &err))
        fail_msg("%s", err.text);
}

static void test_wpm__words_are_cut_into_the_longest_pieces(void **state)
{
    struct loaded l;

    (void)state;
    open_as(&l, &plain);
    assert_string_equal(tok_model_name(l.tok), "wpm");
    EXPECT(l.tok, "unaffable", 0, UN, AFF, ABLE);
    EXPECT(l.tok, "un  a\tun", 0, UN, B_A, UN);
    EXPECT(l.tok, "aa", 0, B_A, A);
    EXPECT(l.tok, "unx a", 0, UNK, B_A); /* a word that cannot be cut to its end is unknown */
    EXPECT(l.tok, "affable", 0, UNK);    /* and pieces that go on begin none */
    EXPECT(l.tok, "un,able,a", 0, UN, COMMA, UNK, COMMA, B_A);
    EXPECT(l.tok, "unaffable", TOK_ADD_SPECIAL, CLS, UN, AFF, ABLE, SEP);
    EXPECT(l.tok, "", TOK_ADD_SPECIAL, CLS, SEP);
    EXPECT_NONE(l.tok, "");
    EXPECT_NONE(l.tok, " \n ");
    unload(&l);
}

static void test_wpm__case_and_accents_go(void **state)
{
    struct loaded l;

    (void)state;
    open_as(&l, &plain);
    EXPECT(l.tok, "UNaffABLE", 0, UN, AFF, ABLE);
    EXPECT(l.tok, "Caf\xC3\xA9", 0, CAFE);
    EXPECT(l.tok, "cafe\xCC\x81", 0, CAFE); /* e, U+0301 */
    EXPECT(l.tok, "\xE1\xBA\x9E", 0, SS);   /* the capital sharp s */
    EXPECT(l.tok, "g\xCC\x86 \xC4\x9E", 0, G, G);
    unload(&l);
}

static void test_wpm__characters_that_are_dropped_or_alone(void **state)
{
    struct loaded l;

    (void)state;
    open_as(&l, &plain);
    EXPECT(l.tok,
           "u\xE2\x80\x8Bn\xC2\xAD"
           "aff\xEF\xBF\xBD"
           "able",
           0, UN, AFF, ABLE);
    expect_n(l.tok, "u\0n", 3, 0, (const int32_t[]){UN, -1});
    EXPECT(l.tok, "u\xFFn a\xE4\xB8", 0, UN, B_A); /* no UTF-8 */
    EXPECT(l.tok,
           "un\xE4\xB8\xAD"
           "1",
           0, UN, IDEOGRAPH, N_ONE);
    EXPECT(l.tok,
           "un\xC2\xA0"
           "a\xE3\x80\x80"
           "a\xE2\x80\xA9"
           "a",
           0, UN, B_A, B_A, B_A);
    EXPECT(l.tok, "a" B "a", 0, UNK); /* not the piece that begins words */
    unload(&l);
}

/* 100 characters are a word, one more is unknown; whatever they are in bytes. */
static void test_wpm__long_words_are_unknown(void **state)
{
    struct loaded l;
    char text[2 * 101 + 1];
    int32_t want[102];

    (void)state;
    open_as(&l, &plain);
    for (size_t i = 0; i < 101; i++)
        memcpy(text + 2 * i, "\xC3\x81", 2); /* A with an accent */
    for (size_t i = 0; i < 100; i++)
        want[i] = i ? A : B_A;
    want[100] = -1;
    expect_n(l.tok, text, 200, 0, want);
    expect_n(l.tok, text, 202, 0, (const int32_t[]){UNK, -1});
    unload(&l);
}

/*
 * A text of 10 MB was cut to its end, though nobody wants more tokens than a context holds: for 2.5
 * s no other was taken in.
 */
static void test_wpm__a_long_text_is_not_cut_to_its_end(void **state)
{
    struct loaded l;
    char text[3000];

    (void)state;
    open_as(&l, &plain);
    for (size_t i = 0; i < sizeof text; i += 3)
        memcpy(text + i, "aa ", 3); /* two tokens each */
    for (size_t most = 0; most <= 2000; most += 250) {
        int32_t *ids;
        size_t n;

        assert_int_equal(tok_encode_most(l.tok, text, sizeof text, 0, most, NULL, &ids, &n, NULL),
                         0);
        assert_in_range(n, most == 2000 ? 2000 : most + 1, most + 2);
        free(ids);
    }
    unload(&l);
}

static bool ask_thrice(void *arg)
{
    return ++*(int *)arg == 3;
}

static void test_wpm__ends_early_when_asked_to(void **state)
{
    enum { SIZE = 1 << 16 };
    int n_asked = 0;
    const struct tok_stop stop = {ask_thrice, &n_asked};
    char *text = malloc(SIZE);
    int32_t *ids = NULL;
    struct loaded l;
    struct err err;
    size_t n;

    (void)state;
    memset(text, ' ', SIZE); /* no token at all */
    open_as(&l, &plain);
    assert_int_equal(tok_encode_most(l.tok, text, SIZE, 0, SIZE_MAX, &stop, &ids, &n, &err),
                     ERR_CANCELLED);
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_equal(n_asked, 3);
    assert_null(ids);
    unload(&l);
    free(text);
}

static void test_wpm__a_vocabulary_with_capitals_keeps_case(void **state)
{
    struct settings s = plain;
    struct loaded l;

    (void)state;
    s.extra = B "Un";
    open_as(&l, &s);
    EXPECT(l.tok, "Un un UN Caf\xC3\xA9", 0, LAST, UN, UNK, UNK);
    unload(&l);
    s.lowercase = 1; /* unless the file says something else */
    open_as(&l, &s);
    EXPECT(l.tok, "Un Caf\xC3\xA9", 0, UN, CAFE);
    unload(&l);
    s.strip = 0;
    s.extra = B "caf\xC3\xA9";
    open_as(&l, &s);
    EXPECT(l.tok, "Caf\xC3\xA9 CAFE", 0, LAST, CAFE);
    unload(&l);
}

static void test_wpm__special_tokens_by_key_else_by_their_text(void **state)
{
    struct settings s = plain;
    struct loaded l;
    struct err err = {0};

    (void)state;
    s.no_kinds = true;
    s.cls = PAD;
    s.add_sep = 0;
    open_as(&l, &s);
    EXPECT(l.tok, "un [CLS]", TOK_ADD_SPECIAL, PAD, UN, UNK, UNK, UNK);
    EXPECT(l.tok, "un[SEP]un [UNK]", TOK_PARSE_SPECIAL, UN, SEP, UN, UNK);
    assert_int_equal(tok_eos(l.tok), SEP);
    unload(&l);
    s.cls = LAST;
    assert_int_equal(load(&s, &l, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "cls_token_id"));
    unload(&l);
}

static void test_wpm__decodes_with_blanks_between_words(void **state)
{
    static const int32_t ids[] = {CLS, UN, AFF, ABLE, COMMA, CAFE, SEP};
    struct tok_stream s;
    struct loaded l;
    struct buf out;

    (void)state;
    open_as(&l, &plain);
    buf_init(&out, 1 << 10);
    tok_stream_init(&s, l.tok, false, true);
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(tok_stream_put(&s, ids[i], &out), 0);
    assert_int_equal(tok_stream_end(&s, &out), 0);
    assert_string_equal(buf_str(&out), "unaffable , cafe");
    buf_done(&out);
    unload(&l);
}

/* Spot checks of the tables, by the character database: UnicodeData.txt, version 14. */
static void test_wpm__knows_characters(void **state)
{
    static const struct wpm_rules both = {true, true};
    static const struct {
        uint32_t code, part[WPM_PARTS];
        enum wpm_class kind;
    } known[] = {
        {'a', {'a'}, WPM_LETTER},
        {'Z', {'z'}, WPM_LETTER},
        {'_', {'_'}, WPM_ALONE},
        {'$', {'$'}, WPM_ALONE},
        {0x7F, {0x7F}, WPM_DROPPED},
        {0x0A, {0x0A}, WPM_BLANK},
        {0xA7, {0xA7}, WPM_ALONE},
        {0xA9, {0xA9}, WPM_LETTER},
        {0xC5, {'a'}, WPM_LETTER},
        {0x130, {'i'}, WPM_LETTER},
        {0x1E9B, {0x17F}, WPM_LETTER},
        {0x212B, {'a'}, WPM_LETTER},
        {0x10400, {0x10428}, WPM_LETTER},
        {0xF900, {0x8C48}, WPM_ALONE},
        {0x2F800, {0x4E3D}, WPM_ALONE},
        {0xE000, {0xE000}, WPM_DROPPED},
        {0xBCA, {0xBC6, 0xBBE}, WPM_LETTER},
        {0x378, {0x378}, WPM_LETTER},
        {0xAC00, {0x1100, 0x1161}, WPM_LETTER},
        {0xD7A3, {0x1112, 0x1175, 0x11C2}, WPM_LETTER},
        {0x10FFFF, {0x10FFFF}, WPM_LETTER},
    };
    uint32_t parts[WPM_PARTS];

    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        int n = wpm_change(&both, known[i].code, parts), want = 0;

        while (want < WPM_PARTS && known[i].part[want])
            want++;
        if (n != want || memcmp(parts, known[i].part, sizeof *parts * (size_t)n) != 0 ||
            wpm_class_of(known[i].code) != known[i].kind)
            fail_msg("U+%04X: %d parts, the first U+%04X, kind %d", known[i].code, n, parts[0],
                     (int)wpm_class_of(known[i].code));
    }
    assert_int_equal(wpm_change(&both, 0x301, parts), 0);
    assert_int_equal(wpm_class_of(0x301), WPM_MARK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wpm__words_are_cut_into_the_longest_pieces),
        cmocka_unit_test(test_wpm__case_and_accents_go),
        cmocka_unit_test(test_wpm__characters_that_are_dropped_or_alone),
        cmocka_unit_test(test_wpm__long_words_are_unknown),
        cmocka_unit_test(test_wpm__a_long_text_is_not_cut_to_its_end),
        cmocka_unit_test(test_wpm__ends_early_when_asked_to),
        cmocka_unit_test(test_wpm__a_vocabulary_with_capitals_keeps_case),
        cmocka_unit_test(test_wpm__special_tokens_by_key_else_by_their_text),
        cmocka_unit_test(test_wpm__decodes_with_blanks_between_words),
        cmocka_unit_test(test_wpm__knows_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
