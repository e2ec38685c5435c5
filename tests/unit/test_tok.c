/*
 * The tokenizer, over small vocabularies made here: what is expected was worked out by hand from
 * the definitions of SentencePiece's BPE and of byte-level BPE. Real vocabularies and reference ids
 * are in test_tok_golden.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/gguf/writer.h"
#include "engine/tok/merge.h"
#include "engine/tok/pre.h"
#include "engine/tok/tok.h"
#include "base/utf8.h"

#define KEY(name)  "tokenizer.ggml." name
#define BLANK      "\xE2\x96\x81"
#define MAX_TOKENS 400
#define MAX_MERGES 200

/* ---- vocabularies made by hand ------------------------------------------- */

struct vocabulary {
    struct gguf_str texts[MAX_TOKENS];
    float scores[MAX_TOKENS];
    int32_t kinds[MAX_TOKENS];
    char spelled[256][8]; /* of the byte tokens */
    uint64_t n, n_scores, n_kinds;
    struct gguf_str merges[MAX_MERGES];
    uint64_t n_merges;
    const char *model, *pre;
    int64_t bos, eos, unk;              /* negative: no key */
    int adds_bos, adds_eos, adds_blank; /* negative: no key */
    const char *end_key;                /* one more key, with an id; NULL: none */
    int64_t end_id;
    int32_t eos_ids[4];
    uint64_t n_eos_ids;
};

struct loaded {
    uint8_t *bytes;
    struct gguf *g;
    struct tok *tok;
    struct err err;
};

static int32_t add(struct vocabulary *v, const char *text, float score, enum tok_kind kind)
{
    assert_true(v->n < MAX_TOKENS);
    v->texts[v->n] = (struct gguf_str){text, strlen(text)};
    v->scores[v->n] = score;
    v->kinds[v->n] = (int32_t)kind;
    v->n_scores = v->n_kinds = v->n + 1;
    return (int32_t)v->n++;
}

static void add_merge(struct vocabulary *v, const char *text)
{
    assert_true(v->n_merges < MAX_MERGES);
    v->merges[v->n_merges++] = (struct gguf_str){text, strlen(text)};
}

static void begin(struct vocabulary *v, const char *model)
{
    memset(v, 0, sizeof(*v));
    v->model = model;
    v->bos = v->eos = v->unk = -1;
    v->adds_bos = v->adds_eos = v->adds_blank = -1;
}

/* <unk> 0, <s> 1, </s> 2, the 256 bytes at 3, then a few pieces. */
enum { SPM_BYTES = 3, SPM_BLANK_ID = 259, SPM_A, SPM_B, SPM_C, SPM_AB, SPM_BC, SPM_BLANK_AB };

static void begin_spm(struct vocabulary *v)
{
    begin(v, "llama");
    v->unk = add(v, "<unk>", 0, TOK_UNKNOWN);
    v->bos = add(v, "<s>", 0, TOK_CONTROL);
    v->eos = add(v, "</s>", 0, TOK_CONTROL);
    for (int i = 0; i < 256; i++) {
        snprintf(v->spelled[i], sizeof(v->spelled[i]), "<0x%02X>", (unsigned)i);
        add(v, v->spelled[i], 0, TOK_BYTE);
    }
    add(v, BLANK, -1, TOK_NORMAL);
    add(v, "a", -2, TOK_NORMAL);
    add(v, "b", -3, TOK_NORMAL);
    add(v, "c", -4, TOK_NORMAL);
    add(v, "ab", -10, TOK_NORMAL);
    add(v, "bc", -9, TOK_NORMAL);
    add(v, BLANK "ab", -8, TOK_NORMAL);
}

/* The 256 bytes in the printable alphabet, ids 0..255 in the order of the bytes; then pieces. */
enum { BPE_HE = 256, BPE_LL, BPE_HELL, BPE_BLANK_HE, BPE_EOT };

static void begin_bpe(struct vocabulary *v)
{
    uint32_t shifted = 256;

    begin(v, "gpt2");
    v->pre = "gpt-2";
    for (uint32_t b = 0; b < 256; b++) {
        bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;

        v->spelled[b][utf8_put(printable ? b : shifted++, v->spelled[b])] = '\0';
        add(v, v->spelled[b], 0, TOK_NORMAL);
    }
    add(v, "he", 0, TOK_NORMAL);
    add(v, "ll", 0, TOK_NORMAL);
    add(v, "hell", 0, TOK_NORMAL);
    add(v, "\xC4\xA0he", 0, TOK_NORMAL); /* a blank is U+0120 in the printable alphabet */
    v->eos = add(v, "<|im_end|>", 0, TOK_CONTROL);
    add_merge(v, "l l");
    add_merge(v, "h e");
    add_merge(v, "he ll");
    add_merge(v, "\xC4\xA0 he");
}

static void write_vocabulary(struct gguf_writer *w, const struct vocabulary *v)
{
    gguf_writer_str(w, KEY("model"), v->model);
    if (v->pre)
        gguf_writer_str(w, KEY("pre"), v->pre);
    gguf_writer_strs(w, KEY("tokens"), v->texts, v->n);
    if (strcmp(v->model, "llama") == 0)
        gguf_writer_f32s(w, KEY("scores"), v->scores, v->n_scores);
    if (v->n_kinds > 0)
        gguf_writer_i32s(w, KEY("token_type"), v->kinds, v->n_kinds);
    if (strcmp(v->model, "gpt2") == 0)
        gguf_writer_strs(w, KEY("merges"), v->merges, v->n_merges);
    if (v->bos >= 0)
        gguf_writer_u32(w, KEY("bos_token_id"), (uint32_t)v->bos);
    if (v->eos >= 0)
        gguf_writer_u32(w, KEY("eos_token_id"), (uint32_t)v->eos);
    if (v->unk >= 0)
        gguf_writer_u32(w, KEY("unknown_token_id"), (uint32_t)v->unk);
    if (v->adds_bos >= 0)
        gguf_writer_bool(w, KEY("add_bos_token"), v->adds_bos);
    if (v->adds_eos >= 0)
        gguf_writer_bool(w, KEY("add_eos_token"), v->adds_eos);
    if (v->adds_blank >= 0)
        gguf_writer_bool(w, KEY("add_space_prefix"), v->adds_blank);
    if (v->end_key)
        gguf_writer_u32(w, v->end_key, (uint32_t)v->end_id);
    if (v->n_eos_ids)
        gguf_writer_i32s(w, KEY("eos_token_ids"), v->eos_ids, v->n_eos_ids);
}

static int try_load(const struct vocabulary *v, struct loaded *l)
{
    struct gguf_writer *w;
    size_t n;

    memset(l, 0, sizeof(*l));
    assert_int_equal(gguf_writer_create(&w, NULL), 0);
    write_vocabulary(w, v);
    assert_int_equal(gguf_writer_bytes(w, &l->bytes, &n, NULL), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open_memory(l->bytes, n, "made.gguf", &l->g, &l->err), 0);
    return tok_create(l->g, &l->tok, &l->err);
}

static void load(const struct vocabulary *v, struct loaded *l)
{
    if (try_load(v, l) != 0)
        fail_msg("%s", l->err.text);
}

static void unload(struct loaded *l)
{
    tok_free(l->tok);
    gguf_close(l->g);
    free(l->bytes);
}

static void refused(const struct vocabulary *v, int code, const char *word1, const char *word2)
{
    struct loaded l;
    int rc = try_load(v, &l);

    unload(&l);
    assert_int_equal(rc, code);
    assert_int_equal(l.err.code, code);
    if (!strstr(l.err.text, word1) || !strstr(l.err.text, word2) ||
        !strstr(l.err.text, "made.gguf"))
        fail_msg("'%s' lacks '%s' or '%s'", l.err.text, word1, word2);
}

/* The ids of a text, as "1 2 3". */
static const char *encode_n(const struct loaded *l, const char *text, size_t n, unsigned flags)
{
    static char shown[2048];
    int32_t *ids = NULL;
    size_t n_ids = 0, len = 0;
    struct err err = {0};

    if (tok_encode(l->tok, text, n, flags, &ids, &n_ids, &err) != 0)
        fail_msg("%s", err.text);
    assert_non_null(ids);
    shown[0] = '\0';
    for (size_t i = 0; i < n_ids; i++)
        len += (size_t)snprintf(shown + len, sizeof(shown) - len, i ? " %d" : "%d", ids[i]);
    free(ids);
    return shown;
}

static const char *encode(const struct loaded *l, const char *text, unsigned flags)
{
    return encode_n(l, text, strlen(text), flags);
}

/* Ids as text for comparing with encode()'s. */
static const char *list(int n, ...)
{
    static char shown[512];
    size_t len = 0;
    va_list args;

    va_start(args, n);
    for (int i = 0; i < n; i++)
        len +=
            (size_t)snprintf(shown + len, sizeof(shown) - len, i ? " %d" : "%d", va_arg(args, int));
    va_end(args);
    return shown;
}

/* ---- SPM ----------------------------------------------------------------- */

static void test_tok__spm_joins_the_best_score_first(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_spm(&v);
    load(&v, &l);
    assert_string_equal(tok_model_name(l.tok), "spm");
    assert_string_equal(tok_pre_name(l.tok), "");
    /* "bc" (-9) is better than "ab" (-10), although "ab" stands further left */
    assert_string_equal(encode(&l, "abc", 0), list(3, SPM_BLANK_ID, SPM_A, SPM_BC));
    /* "_ab" is reached by way of "ab" only */
    assert_string_equal(encode(&l, "ab", 0), list(1, SPM_BLANK_AB));
    assert_string_equal(encode(&l, "ab ab", 0), list(2, SPM_BLANK_AB, SPM_BLANK_AB));
    /* of equals the leftmost: the middle "b" goes to the first "a" */
    assert_string_equal(encode(&l, "cabab", 0), list(4, SPM_BLANK_ID, SPM_C, SPM_AB, SPM_AB));
    unload(&l);
}

static void test_tok__spm_falls_back_to_bytes(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_spm(&v);
    v.adds_blank = 0;
    load(&v, &l);
    assert_string_equal(encode(&l, "a\xC3\xA9", 0),
                        list(3, SPM_A, SPM_BYTES + 0xC3, SPM_BYTES + 0xA9));
    assert_string_equal(encode(&l, "\n", 0), list(1, SPM_BYTES + 10));
    /* what spells a byte token is text like any other */
    assert_string_equal(encode(&l, "<0x0A>", 0),
                        list(6, SPM_BYTES + '<', SPM_BYTES + '0', SPM_BYTES + 'x', SPM_BYTES + '0',
                             SPM_BYTES + 'A', SPM_BYTES + '>'));
    unload(&l);
}

static void test_tok__spm_without_byte_tokens_gives_the_unknown_token(void **state)
{
    struct vocabulary v;
    struct loaded l;
    int32_t a;

    (void)state;
    begin(&v, "llama");
    v.unk = add(&v, "<unk>", 0, TOK_UNKNOWN);
    a = add(&v, "a", -1, TOK_NORMAL);
    v.adds_blank = 0;
    load(&v, &l);
    assert_string_equal(encode(&l,
                               "a\xC3\xA9"
                               "a",
                               0),
                        list(3, a, 0, a));
    unload(&l);
}

/* Text must not become a control token by the back door of merging, whatever the vocabulary. */
static void test_tok__merging_never_spells_a_control_token(void **state)
{
    struct vocabulary v;
    struct loaded l;
    int32_t lt, s;

    (void)state;
    begin_spm(&v);
    lt = add(&v, "<", -1, TOK_NORMAL);
    s = add(&v, "s>", -1, TOK_NORMAL);
    add(&v, "s", -1, TOK_NORMAL);
    add(&v, ">", -1, TOK_NORMAL);
    v.adds_blank = 0;
    load(&v, &l);
    assert_string_equal(encode(&l, "<s>", 0), list(2, lt, s));
    assert_string_equal(encode(&l, "<s>", TOK_PARSE_SPECIAL), list(1, (int)v.bos));
    unload(&l);

    begin_bpe(&v);
    v.kinds[BPE_HELL] = TOK_CONTROL;
    load(&v, &l);
    assert_string_equal(encode(&l, "hell", 0), list(2, BPE_HE, BPE_LL));
    unload(&l);

    /* found by the fuzzer: a vocabulary in which a single byte is a control token */
    begin_bpe(&v);
    v.kinds['q'] = TOK_CONTROL;
    load(&v, &l);
    assert_string_equal(encode(&l, "oqo", 0), list(2, 'o', 'o'));
    assert_string_equal(encode(&l, "oqo", TOK_PARSE_SPECIAL), list(3, 'o', 'q', 'o'));
    unload(&l);
}

static void test_tok__spm_puts_a_blank_before_text_and_after_special_tokens(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_spm(&v);
    load(&v, &l);
    assert_string_equal(encode(&l, "a</s>a", TOK_PARSE_SPECIAL),
                        list(5, SPM_BLANK_ID, SPM_A, 2, SPM_BLANK_ID, SPM_A));
    unload(&l);
    v.adds_blank = 0;
    load(&v, &l);
    assert_string_equal(encode(&l, "a</s>a", TOK_PARSE_SPECIAL), list(3, SPM_A, 2, SPM_A));
    unload(&l);
}

static void test_tok__spm_without_kinds_knows_bytes_by_their_spelling(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_spm(&v);
    v.n_kinds = 0;
    load(&v, &l);
    assert_int_equal(tok_kind(l.tok, SPM_BYTES + 7), TOK_BYTE);
    assert_int_equal(tok_kind(l.tok, 1), TOK_CONTROL);
    assert_int_equal(tok_kind(l.tok, 0), TOK_UNKNOWN);
    assert_string_equal(encode(&l, "\n", 0), list(2, SPM_BLANK_ID, SPM_BYTES + 10));
    unload(&l);
}

/* ---- BPE ----------------------------------------------------------------- */

static void test_tok__bpe_merges_by_rank_inside_words(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_bpe(&v);
    load(&v, &l);
    assert_string_equal(tok_model_name(l.tok), "bpe");
    assert_string_equal(tok_pre_name(l.tok), "gpt-2");
    assert_false(tok_lacks_pre(l.tok));
    assert_string_equal(encode(&l, "hello", 0), list(2, BPE_HELL, 'o'));
    assert_string_equal(encode(&l, "he he", 0), list(2, BPE_HE, BPE_BLANK_HE));
    /* "ll" and "he" stand before "he ll" in the list; across words nothing is merged */
    assert_string_equal(encode(&l, "he ll", 0), list(3, BPE_HE, ' ', BPE_LL));
    assert_string_equal(encode(&l, "\xC3\xA9\n", 0), list(3, 0xC3, 0xA9, 10));
    unload(&l);
}

/* "o" + "oo" is in the vocabulary, but no merge leads there: only whole_words finds it. */
/* Who wants at most so many tokens gets all, or a few more than that, and no further ones. */
static void test_tok__bpe_stops_when_there_are_enough(void **state)
{
    static const char *const texts[] = {"o o o o o o o o o o o o o o o o",
                                        "o<|im_end|>o<|im_end|>o<|im_end|>o<|im_end|>o<|im_end|>o"};
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_bpe(&v);
    load(&v, &l);
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(texts[i]), all = i ? 11 : 31;

        for (size_t most = 0; most <= all; most++) {
            int32_t *ids;
            size_t n;

            assert_int_equal(tok_encode_most(l.tok, texts[i], len, TOK_PARSE_SPECIAL, most, NULL,
                                             &ids, &n, NULL),
                             0);
            assert_in_range(n, most < all ? most + 1 : all, most + 2);
            free(ids);
        }
    }
    unload(&l);
}

static void test_tok__llama_bpe_takes_whole_words_first(void **state)
{
    struct vocabulary v;
    struct loaded l;
    int32_t word;

    (void)state;
    begin_bpe(&v);
    word = add(&v, "ooo", 0, TOK_NORMAL);
    load(&v, &l);
    assert_string_equal(encode(&l, "ooo", 0), list(3, 'o', 'o', 'o'));
    unload(&l);
    v.pre = "llama-bpe";
    load(&v, &l);
    assert_string_equal(encode(&l, "ooo", 0), list(1, word));
    unload(&l);
}

static void test_tok__bpe_without_a_byte_gives_unknown_or_nothing(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin(&v, "gpt2");
    add(&v, "a", 0, TOK_NORMAL);
    add(&v, "<unk>", 0, TOK_UNKNOWN);
    load(&v, &l);
    assert_string_equal(tok_pre_name(l.tok), "default");
    assert_true(tok_lacks_pre(l.tok)); /* it is a guess */
    assert_string_equal(encode(&l, "aba", 0), "0 0");
    unload(&l);
    v.unk = 1;
    v.pre = "default"; /* no less: Ollama's converter writes it where it does not know */
    load(&v, &l);
    assert_true(tok_lacks_pre(l.tok));
    assert_string_equal(encode(&l, "aba", 0), "0 1 0");
    unload(&l);
}

/* ---- special tokens and flags -------------------------------------------- */

static void test_tok__control_tokens_are_parsed_only_when_asked(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_bpe(&v);
    load(&v, &l);
    assert_string_equal(encode(&l, "o<|im_end|>o", TOK_PARSE_SPECIAL), list(3, 'o', BPE_EOT, 'o'));
    assert_string_equal(encode(&l, "<|im", 0), list(4, '<', '|', 'i', 'm'));
    assert_null(strstr(encode(&l, "o<|im_end|>o", 0), list(1, BPE_EOT)));
    unload(&l);
}

static void test_tok__user_defined_tokens_are_always_parsed_longest_first(void **state)
{
    struct vocabulary v;
    struct loaded l;
    int32_t two, three, control;

    (void)state;
    begin_bpe(&v);
    two = add(&v, "@@", 0, TOK_USER_DEFINED);
    three = add(&v, "@@@", 0, TOK_USER_DEFINED);
    control = add(&v, "@@@@", 0, TOK_CONTROL);
    load(&v, &l);
    assert_string_equal(encode(&l, "@@", 0), list(1, two));
    assert_string_equal(encode(&l, "@@@o@", 0), list(3, three, 'o', '@'));
    /* the control token is longer, but was not asked for */
    assert_string_equal(encode(&l, "@@@@", 0), list(2, three, '@'));
    assert_string_equal(encode(&l, "@@@@", TOK_PARSE_SPECIAL), list(1, control));
    unload(&l);
}

static void test_tok__adds_bos_and_eos_as_the_file_asks(void **state)
{
    static const struct {
        const char *model, *pre;
        int adds_bos, adds_eos;
        bool bos, eos;
    } cases[] = {
        {"llama", NULL, -1, -1, true, false},       {"llama", NULL, 0, 1, false, true},
        {"gpt2", "gpt-2", -1, -1, false, false},    {"gpt2", "qwen2", 1, 0, true, false},
        {"gpt2", "llama-bpe", -1, -1, true, false}, {"gpt2", "tekken", -1, -1, true, false},
        {"gpt2", "llama-bpe", 0, -1, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vocabulary v;
        struct loaded l;
        int32_t *ids;
        size_t n;

        if (strcmp(cases[i].model, "llama") == 0)
            begin_spm(&v);
        else
            begin_bpe(&v);
        v.pre = cases[i].pre;
        v.bos = 1;
        v.eos = 2;
        v.adds_bos = cases[i].adds_bos;
        v.adds_eos = cases[i].adds_eos;
        load(&v, &l);
        assert_int_equal(tok_adds_bos(l.tok), cases[i].bos);
        assert_int_equal(tok_adds_eos(l.tok), cases[i].eos);
        assert_int_equal(tok_bos(l.tok), 1);
        assert_int_equal(tok_eos(l.tok), 2);
        assert_int_equal(tok_encode(l.tok, NULL, 0, TOK_ADD_SPECIAL, &ids, &n, NULL), 0);
        assert_int_equal(n, (size_t)cases[i].bos + cases[i].eos);
        if (cases[i].bos)
            assert_int_equal(ids[0], 1);
        if (cases[i].eos)
            assert_int_equal(ids[n - 1], 2);
        free(ids);
        assert_string_equal(encode(&l, "", 0), "");
        unload(&l);
    }
}

/* Prompts of a file that asks for EOS behind its texts ended with it, and the answer went on behind
 * the end: an end is for texts that are whole. */
static void test_tok__a_text_to_go_on_from_has_no_end(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_spm(&v);
    v.adds_blank = 0;
    v.adds_eos = 1;
    load(&v, &l);
    assert_string_equal(encode(&l, "a", TOK_ADD_BOS), list(2, (int)v.bos, SPM_A));
    assert_string_equal(encode(&l, "a", TOK_ADD_EOS), list(2, SPM_A, (int)v.eos));
    assert_string_equal(encode(&l, "a", TOK_ADD_SPECIAL), list(3, (int)v.bos, SPM_A, (int)v.eos));
    assert_string_equal(encode(&l, "a", 0), list(1, SPM_A));
    unload(&l);
}

static void test_tok__a_custom_bos_gives_way_without_its_token(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_spm(&v);
    v.bos = UINT32_MAX;
    load(&v, &l);
    assert_int_equal(tok_bos(l.tok), TOK_NONE);
    assert_false(tok_adds_bos(l.tok));
    unload(&l);
}

/*
 * A file of SentencePiece's that named none of its special tokens by key lost the BOS before its
 * prompts without a word, and its end; with the key add_bos_token still there it was refused. They
 * are where SentencePiece puts them, if the tokens there can be them.
 */
static void test_tok__spm_that_names_no_special_tokens_has_the_usual_ones(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_spm(&v);
    v.bos = v.eos = v.unk = -1;
    for (int kinds = 0; kinds < 2; kinds++) {
        v.n_kinds = kinds ? v.n : 0;
        v.adds_bos = kinds ? -1 : 1;
        load(&v, &l);
        assert_int_equal(tok_bos(l.tok), 1);
        assert_int_equal(tok_eos(l.tok), 2);
        assert_int_equal(tok_unk(l.tok), 0);
        assert_int_equal(tok_kind(l.tok, 0), TOK_UNKNOWN);
        assert_int_equal(tok_kind(l.tok, 1), TOK_CONTROL);
        assert_true(tok_adds_bos(l.tok));
        assert_true(tok_is_eog(l.tok, 2));
        assert_string_equal(encode(&l, "ab", TOK_ADD_SPECIAL), list(2, 1, SPM_BLANK_AB));
        unload(&l);
    }
    v.adds_bos = -1;
    v.kinds[0] = v.kinds[1] = TOK_NORMAL;
    load(&v, &l);
    assert_int_equal(tok_bos(l.tok), TOK_NONE);
    assert_int_equal(tok_unk(l.tok), TOK_NONE);
    assert_int_equal(tok_eos(l.tok), 2);
    assert_false(tok_adds_bos(l.tok));
    unload(&l);
    begin(&v, "llama");
    add(&v, "a", 0, TOK_UNKNOWN);
    load(&v, &l); /* no 1, no 2 */
    assert_int_equal(tok_bos(l.tok), TOK_NONE);
    assert_int_equal(tok_eos(l.tok), TOK_NONE);
    assert_int_equal(tok_unk(l.tok), 0);
    unload(&l);
}

static void test_tok__knows_what_ends_a_generation(void **state)
{
    struct vocabulary v;
    struct loaded l;
    int32_t eot, plain;

    (void)state;
    begin_bpe(&v);
    v.eos = 'x';
    eot = add(&v, "<|eot_id|>", 0, TOK_CONTROL);
    plain = add(&v, "</s>", 0, TOK_NORMAL); /* as in a vocabulary of code */
    load(&v, &l);
    assert_true(tok_is_eog(l.tok, 'x'));
    assert_true(tok_is_eog(l.tok, BPE_EOT));
    assert_true(tok_is_eog(l.tok, eot));
    assert_false(tok_is_eog(l.tok, plain));
    assert_false(tok_is_eog(l.tok, 'y'));
    unload(&l);
}

/* Converters of SentencePiece vocabularies call marks that were trained in "normal". A chat printed
 * <|im_end|> and went on with turns of its own, and in its prompt the mark was spelled in letters.
 */
static void test_tok__an_end_that_the_file_calls_a_word_is_an_end(void **state)
{
    struct vocabulary v;
    struct loaded l;
    int32_t turn;

    (void)state;
    begin_bpe(&v);
    turn = add(&v, "<|eot_id|>", 0, TOK_NORMAL);
    load(&v, &l);
    assert_true(tok_is_eog(l.tok, turn));
    assert_string_equal(encode(&l, "o<|eot_id|>o", TOK_PARSE_SPECIAL), list(3, 'o', turn, 'o'));
    assert_null(strstr(encode(&l, "o<|eot_id|>o", 0), list(1, turn)));
    unload(&l);
}

/* What a model of code writes behind a gap in a file, and what begins the next file, ended nothing
 * where the file named it by one of these keys: the answer went on with other files. So it was with
 * the list that Ollama's converter writes. */
static void test_tok__every_key_for_an_end_is_one(void **state)
{
    static const char *const keys[] = {KEY("eot_token_id"), KEY("eom_token_id"),
                                       KEY("fim_pad_token_id"), KEY("fim_rep_token_id"),
                                       KEY("fim_sep_token_id")};
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_bpe(&v);
    v.end_id = 'z';
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        v.end_key = keys[i];
        load(&v, &l);
        assert_true(tok_is_eog(l.tok, 'z'));
        assert_true(tok_is_eog(l.tok, BPE_EOT));
        assert_false(tok_is_eog(l.tok, 'y'));
        unload(&l);
    }
    v.end_id = (int64_t)v.n;
    refused(&v, ERR_INVALID, KEY("fim_sep_token_id"), "tokens");
    v.end_key = NULL;
    v.n_eos_ids = 4;
    memcpy(v.eos_ids, (const int32_t[]){'x', -1, (int32_t)v.n, 'y'}, sizeof v.eos_ids);
    load(&v, &l);
    assert_true(tok_is_eog(l.tok, 'x') && tok_is_eog(l.tok, 'y') && tok_is_eog(l.tok, BPE_EOT));
    assert_false(tok_is_eog(l.tok, 'z'));
    unload(&l);
}

/* Marks around gaps in code, and padding: ends where the file says that they are control tokens,
 * and pieces of text where it does not. */
static void test_tok__padding_and_marks_of_code_end_as_control_tokens(void **state)
{
    static const char *const texts[] = {"<fim_pad>",  "<fim-pad>",  "<PAD>",  "[PAD]",
                                        "<reponame>", "<fim-repo>", "<REPO>", "_<EOT>"};
    static const char *const marks[] = {"<|fim_repo|>", "<|flush|>", "<|calls|>"};
    static const enum tok_kind kinds[] = {TOK_CONTROL, TOK_USER_DEFINED, TOK_NORMAL};

    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct vocabulary v;
        struct loaded l;
        int32_t first;

        begin_bpe(&v);
        first = (int32_t)v.n;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            add(&v, texts[i], 0, kinds[k]);
        for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
            add(&v, marks[i], 0, kinds[k]);
        load(&v, &l);
        for (int32_t id = first; id < (int32_t)v.n; id++) {
            bool mark = id >= first + (int32_t)(sizeof texts / sizeof texts[0]);

            assert_int_equal(tok_is_eog(l.tok, id), mark || kinds[k] == TOK_CONTROL);
            if (!mark)
                assert_int_equal(tok_kind(l.tok, id), kinds[k]);
        }
        unload(&l);
    }
}

static void test_tok__finds_tokens_by_text(void **state)
{
    struct vocabulary v;
    struct loaded l;
    struct gguf_str s;

    (void)state;
    begin_bpe(&v);
    add(&v, "a-text-of-more-than-8-bytes", 0, TOK_NORMAL);
    add(&v, "a-text-of-more-than-8-bytez", 0, TOK_NORMAL);
    load(&v, &l);
    assert_int_equal(tok_n_vocab(l.tok), v.n);
    for (uint64_t i = 0; i < v.n; i++)
        assert_int_equal(tok_find(l.tok, v.texts[i].bytes, v.texts[i].len), i);
    assert_int_equal(tok_find(l.tok, "", 0), TOK_NONE);
    assert_int_equal(tok_find(l.tok, "he\0", 3), TOK_NONE);
    assert_int_equal(tok_find(l.tok, "a-text-of-more-than-8-byte", 26), TOK_NONE);
    s = tok_text(l.tok, BPE_HELL);
    assert_int_equal(s.len, 4);
    assert_memory_equal(s.bytes, "hell", 4);
    unload(&l);
}

/* ---- back to text -------------------------------------------------------- */

static const char *piece(const struct loaded *l, int32_t id, bool special)
{
    static char shown[64];
    struct buf b;

    buf_init(&b, 1024);
    assert_int_equal(tok_piece(l->tok, id, special, &b), 0);
    snprintf(shown, sizeof(shown), "%s", buf_str(&b));
    buf_done(&b);
    return shown;
}

static void test_tok__pieces_are_the_bytes_they_stand_for(void **state)
{
    struct vocabulary v;
    struct loaded l;
    int32_t user, han;
    struct buf b;

    (void)state;
    begin_spm(&v);
    user = add(&v, "x" BLANK "y", 0, TOK_USER_DEFINED);
    load(&v, &l);
    assert_string_equal(piece(&l, SPM_BLANK_AB, false), " ab");
    assert_string_equal(piece(&l, SPM_BYTES + 0xC3, false), "\xC3");
    assert_string_equal(piece(&l, 1, false), "");
    assert_string_equal(piece(&l, 1, true), "<s>");
    assert_string_equal(piece(&l, 0, false), "");
    assert_string_equal(piece(&l, user, false), "x" BLANK "y");
    buf_init(&b, 2);
    assert_int_equal(tok_piece(l.tok, SPM_BLANK_AB, false, &b), -1);
    buf_done(&b);
    unload(&l);

    begin_bpe(&v);
    han = add(&v, "\xE6\xBC\xA2", 0, TOK_NORMAL); /* not of the printable alphabet */
    load(&v, &l);
    assert_string_equal(piece(&l, BPE_BLANK_HE, false), " he");
    assert_string_equal(piece(&l, 0xFF, false), "\xFF");
    assert_string_equal(piece(&l, 10, false), "\n");
    assert_string_equal(piece(&l, BPE_EOT, false), "");
    assert_string_equal(piece(&l, BPE_EOT, true), "<|im_end|>");
    assert_string_equal(piece(&l, han, false), "\xE6\xBC\xA2");
    unload(&l);
}

/* Puts one token and compares all that the stream has given so far. */
static void stream_put(struct tok_stream *s, int32_t id, struct buf *out, const char *so_far)
{
    assert_int_equal(tok_stream_put(s, id, out), 0);
    assert_string_equal(buf_str(out), so_far);
}

static void test_tok__a_stream_holds_bytes_until_they_are_a_character(void **state)
{
    struct vocabulary v;
    struct loaded l;
    struct tok_stream s;
    struct buf out;

    (void)state;
    begin_spm(&v);
    load(&v, &l);
    buf_init(&out, 1024);
    tok_stream_init(&s, l.tok, false, true);
    stream_put(&s, 1, &out, ""); /* <s> does not count as the first text */
    stream_put(&s, SPM_BLANK_AB, &out, "ab");
    stream_put(&s, SPM_BLANK_AB, &out, "ab ab");
    stream_put(&s, SPM_BYTES + 0xF0, &out, "ab ab");
    stream_put(&s, SPM_BYTES + 0x9F, &out, "ab ab");
    stream_put(&s, SPM_BYTES + 0x98, &out, "ab ab");
    stream_put(&s, SPM_BYTES + 0x80, &out, "ab ab\xF0\x9F\x98\x80");
    assert_int_equal(tok_stream_end(&s, &out), 0);
    assert_string_equal(buf_str(&out), "ab ab\xF0\x9F\x98\x80");
    buf_clear(&out);
    tok_stream_init(&s, l.tok, false, false);
    stream_put(&s, SPM_BLANK_AB, &out, " ab");
    buf_done(&out);
    unload(&l);
}

static void test_tok__a_stream_gives_bytes_that_are_no_character_as_u_fffd(void **state)
{
    struct vocabulary v;
    struct loaded l;
    struct tok_stream s;
    struct buf out;

    (void)state;
    begin_bpe(&v);
    load(&v, &l);
    buf_init(&out, 1024);
    tok_stream_init(&s, l.tok, false, true);
    stream_put(&s, 0xFF, &out, UTF8_REPLACEMENT);
    stream_put(&s, 0xE2, &out, UTF8_REPLACEMENT);
    stream_put(&s, 0x96, &out, UTF8_REPLACEMENT);
    /* "he" follows: the two bytes held never become a character */
    stream_put(&s, BPE_HE, &out, UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT "he");
    buf_clear(&out);
    stream_put(&s, 0xF0, &out, "");
    stream_put(&s, 0x9F, &out, "");
    assert_int_equal(tok_stream_end(&s, &out), 0);
    assert_string_equal(buf_str(&out), UTF8_REPLACEMENT UTF8_REPLACEMENT);
    assert_int_equal(tok_stream_end(&s, &out), 0);
    assert_int_equal(out.len, 6);
    buf_done(&out);
    unload(&l);
}

/* Every byte sequence, well-formed or not, comes back from its tokens. */
static void test_tok__any_bytes_come_back(void **state)
{
    unsigned long seed = 12345;

    (void)state;
    for (int model = 0; model < 2; model++) {
        struct vocabulary v;
        struct loaded l;

        if (model == 0)
            begin_spm(&v);
        else
            begin_bpe(&v);
        v.adds_blank = model == 0 ? 0 : -1;
        load(&v, &l);
        for (int round = 0; round < 200; round++) {
            char text[64];
            int32_t *ids;
            size_t n_ids, n = (size_t)round % sizeof(text);
            struct buf b;

            for (size_t i = 0; i < n; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                text[i] = round % 2 ? (char)(seed >> 56) : "he ab\xE2\x96\x81\n"[(seed >> 56) % 9];
            }
            assert_int_equal(tok_encode(l.tok, text, n, 0, &ids, &n_ids, NULL), 0);
            buf_init(&b, 1024);
            for (size_t i = 0; i < n_ids; i++)
                assert_int_equal(tok_piece(l.tok, ids[i], true, &b), 0);
            /* SPM cannot tell U+2581 from a blank: compare with the one as the other */
            if (model == 1 || !memmem(text, n, BLANK, 3)) {
                assert_int_equal(b.len, n);
                assert_memory_equal(buf_str(&b), text, n);
            }
            buf_done(&b);
            free(ids);
        }
        unload(&l);
    }
}

/* ---- time ---------------------------------------------------------------- */

/* Joins equal neighbours, so that n symbols end as one: as many merges as can be. */
static bool join_equals(const void *arg, const struct merge_sym *left,
                        const struct merge_sym *right, uint32_t *rank, int32_t *id)
{
    (void)arg;
    *rank = 0;
    *id = left->id + 1;
    return left->id == right->id;
}

static void test_tok__merging_takes_few_steps_a_symbol(void **state)
{
    const struct merge_rule rule = {join_equals, NULL};
    const uint32_t n = 1u << 18;
    struct merge_work w = {0};
    struct steps steps = {0};

    (void)state;
    merge_begin(&w);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(merge_add(&w, i, 1, 0), 0);
    assert_int_equal(merge_run(&w, &rule, &steps), 0);
    assert_int_equal(w.syms[0].len, n);
    assert_int_equal(w.syms[0].id, 18);
    assert_int_equal(w.syms[0].next, -1);
    /* n - 1 pairs at first, and at most two for each of n - 1 merges */
    assert_true(w.n_pushed >= n - 1);
    assert_true(w.n_pushed <= 3 * (uint64_t)n);
    merge_done(&w);
}

/* ---- an early end -------------------------------------------------------- */

/* Says yes when it is asked for the n-th time. */
struct asker {
    uint32_t n_asked, at;
};

static bool ask(void *arg)
{
    struct asker *a = arg;

    return ++a->n_asked == a->at;
}

/* The text in as many tokens as without anybody who asks; how often it was asked. */
static uint32_t count_asked(const struct tok *t, const char *text, size_t n)
{
    struct asker a = {0};
    const struct tok_stop stop = {ask, &a};
    int32_t *ids, *same;
    size_t n_ids, n_same;

    assert_int_equal(tok_encode(t, text, n, TOK_PARSE_SPECIAL, &ids, &n_ids, NULL), 0);
    assert_int_equal(
        tok_encode_most(t, text, n, TOK_PARSE_SPECIAL, SIZE_MAX, &stop, &same, &n_same, NULL), 0);
    assert_int_equal(n_same, n_ids);
    assert_memory_equal(same, ids, n_ids * sizeof *ids);
    free(ids);
    free(same);
    return a.n_asked;
}

/* Is asked all along (a piece is a step at least), and ends wherever the answer is yes. */
static void expect_stops(const struct tok *t, const char *text, size_t n, size_t piece)
{
    uint32_t n_asked = count_asked(t, text, n);

    assert_true(n_asked >= n / piece / STEPS_BETWEEN);
    for (uint32_t at = 1; at <= n_asked; at++) {
        struct asker a = {.at = at};
        const struct tok_stop stop = {ask, &a};
        int32_t *ids = NULL;
        struct err err;
        size_t n_ids;

        assert_int_equal(
            tok_encode_most(t, text, n, TOK_PARSE_SPECIAL, SIZE_MAX, &stop, &ids, &n_ids, &err),
            ERR_CANCELLED);
        assert_int_equal(err.code, ERR_CANCELLED);
        assert_int_equal(a.n_asked, at);
        assert_null(ids);
    }
}

/*
 * A prompt of 15 MB became tokens to its end for 10 s, though its client had left, and nobody else
 * was taken in meanwhile. Texts: one word, many words, nothing that joins, special tokens alone.
 */
static void test_tok__ends_early_when_asked_to(void **state)
{
    enum { SIZE = 1 << 15 };
    static const char *const pieces[] = {"hell", "he ", "\xFF\n", "<|im_end|>"};
    char *text = malloc(SIZE);

    (void)state;
    for (int model = 0; model < 2; model++) {
        struct vocabulary v;
        struct loaded l;

        if (model == 0)
            begin_spm(&v);
        else
            begin_bpe(&v);
        load(&v, &l);
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            for (size_t at = 0; at < SIZE; at++)
                text[at] = pieces[i][at % strlen(pieces[i])];
            expect_stops(l.tok, text, SIZE, strlen(pieces[i]));
        }
        unload(&l);
    }
    free(text);
}

/* A megabyte of the shapes that make naive tokenizers quadratic; the suite's time limit watches. */
static void test_tok__a_megabyte_is_encoded(void **state)
{
    static const char *const units[] = {"h", " ",   "he ll", "7",       "\n",
                                        "'", " \n", "\xFF",  "\xCC\x81"};
    static const char *const pres[] = {NULL, "llama-bpe", "deepseek-llm"};
    const size_t n = 1 << 20;
    char *text = malloc(n);

    (void)state;
    assert_non_null(text);
    for (size_t p = 0; p < sizeof(pres) / sizeof(pres[0]); p++) {
        struct vocabulary v;
        struct loaded l;

        if (pres[p])
            begin_bpe(&v);
        else
            begin_spm(&v);
        v.pre = pres[p];
        load(&v, &l);
        for (size_t u = p % 2; u < sizeof(units) / sizeof(units[0]); u += 2) {
            int32_t *ids;
            size_t n_ids;

            for (size_t i = 0; i < n; i++)
                text[i] = units[u][i % strlen(units[u])];
            assert_int_equal(tok_encode(l.tok, text, n, 0, &ids, &n_ids, NULL), 0);
            assert_true(tok_longest(l.tok) == 0 || n_ids >= n / tok_longest(l.tok));
            free(ids);
        }
        unload(&l);
    }
    free(text);
}

/* ---- pre-tokenisers ------------------------------------------------------ */

static int show_word(void *arg, const char *bytes, size_t n)
{
    struct buf *out = arg;

    buf_put(out, bytes, n);
    return buf_puts(out, "|");
}

static void words(const char *name, const char *text, const char *expected)
{
    struct gguf_str s = {name, strlen(name)};
    struct pre_work work = {0};
    struct pre pre = {0};
    struct err err = {0};
    struct buf out;

    buf_init(&out, 4096);
    if (pre_create(&pre, s, &err) != 0 ||
        pre_split(&pre, &work, text, strlen(text), show_word, &out, &err) != 0)
        fail_msg("%s: %s", name, err.text);
    if (strcmp(buf_str(&out), expected) != 0)
        fail_msg("%s: '%s' instead of '%s'", name, buf_str(&out), expected);
    buf_done(&out);
    pre_work_done(&work);
    pre_done(&pre);
}

static void test_tok__pre_tokenisers_cut_as_published(void **state)
{
    (void)state;
    words("gpt-2", "I'll go  now: 1234!", "I|'ll| go| | now|:| 1234|!|");
    words("gpt-2", "I'LL", "I|'|LL|");
    words("llama-bpe", "I'LL go  now: 1234!", "I|'LL| go| | now|:| |123|4|!|");
    words("llama-bpe", "a\n\n b", "a|\n\n| b|");
    words("qwen2", "(foo) 12", "(foo|)| |1|2|");
    words("starcoder", "x 12", "x| |1|2|");
    words("gpt-4o", "HelloWORLDs it's", "Hello|WORLDs| it's|");
    words("tekken", "HelloWorld12", "Hello|World|1|2|");
    words("deepseek-llm", "a b\n c12", "a| b|\n| c|12|");
    words("deepseek-coder", "a, b12", "a|,| b|1|2|");
    words("deepseek-v3", "ab1234", "ab|123|4|");
    words("falcon", "a=b 12345", "a|=|b| |123|45|");
    words("viking", "a b1", "a| b|1|");
    words("default", "a 12345", "a| |123|45|");
    words("seed-coder", "12\n", "1|2|\n|");
}

/* U+0085 is white space, U+180E is not: PCRE2's own idea differs in the second. */
static void test_tok__white_space_is_unicode_s(void **state)
{
    (void)state;
    words("gpt-2", "a\xE1\xA0\x8E!b", "a|\xE1\xA0\x8E!|b|");
    words("gpt-2", "a\xC2\x85!b", "a|\xC2\x85|!|b|");
}

static void test_tok__every_pre_tokeniser_gives_the_whole_text(void **state)
{
    static const char text[] =
        "Hello, World's 12345 \xC3\xA9t\xC3\xA9\t\xE6\xBC\xA2\xE5\xAD\x97 \xFF\xC3 \n\r\n  x<s> ";
    char names[512];

    (void)state;
    for (const struct pre_def *d = pre_defs; d->names; d++) {
        snprintf(names, sizeof(names), "%s", d->names);
        for (char *at = names, *name; (name = strsep(&at, " "));) {
            struct gguf_str s = {name, strlen(name)};
            struct pre_work work = {0};
            struct pre pre = {0};
            struct buf out;
            size_t n = 0;

            buf_init(&out, 4096);
            assert_int_equal(pre_create(&pre, s, NULL), 0);
            assert_int_equal(pre_split(&pre, &work, text, sizeof(text) - 1, show_word, &out, NULL),
                             0);
            for (size_t i = 0; i < out.len; i++) {
                if (out.data[i] != '|')
                    out.data[n++] = out.data[i];
            }
            assert_int_equal(n, sizeof(text) - 1);
            assert_memory_equal(out.data, text, n);
            assert_string_equal(pre.name, name);
            buf_done(&out);
            pre_work_done(&work);
            pre_done(&pre);
        }
    }
}

/* ---- files that lie ------------------------------------------------------ */

static void test_tok__refuses_lists_of_other_lengths(void **state)
{
    struct vocabulary v;

    (void)state;
    begin_spm(&v);
    v.n_scores--;
    refused(&v, ERR_INVALID, KEY("scores"), "265");
    begin_spm(&v);
    v.n_kinds--;
    refused(&v, ERR_INVALID, KEY("token_type"), "265");
    begin_spm(&v);
    v.n = 0;
    refused(&v, ERR_INVALID, KEY("tokens"), "no elements");
}

static void test_tok__refuses_tokens_that_cannot_be(void **state)
{
    char *big = malloc(TOK_MAX_TOKEN_BYTES + 2);
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_bpe(&v);
    add(&v, "he", 0, TOK_NORMAL);
    refused(&v, ERR_INVALID, "'he'", "261");
    begin_bpe(&v);
    v.kinds[5] = 7;
    refused(&v, ERR_INVALID, "token 5", "7");
    v.kinds[5] = -1;
    refused(&v, ERR_INVALID, "token 5", "-1");
    begin_spm(&v);
    v.scores[9] = NAN;
    refused(&v, ERR_INVALID, "token 9", "no number");
    memset(big, 'x', TOK_MAX_TOKEN_BYTES + 1);
    big[TOK_MAX_TOKEN_BYTES + 1] = '\0';
    begin_bpe(&v);
    add(&v, big, 0, TOK_NORMAL);
    refused(&v, ERR_LIMIT, "4097", "4096");
    /* one of 4,096 bytes made a text of as many of its first letter 4,096 times slower */
    big[TOK_MAX_SPECIAL_BYTES] = '\0';
    begin_bpe(&v);
    add(&v, big, 0, TOK_USER_DEFINED);
    load(&v, &l);
    unload(&l);
    big[TOK_MAX_SPECIAL_BYTES] = 'x';
    big[TOK_MAX_SPECIAL_BYTES + 1] = '\0';
    begin_bpe(&v);
    add(&v, big, 0, TOK_USER_DEFINED);
    refused(&v, ERR_LIMIT, "special", "129");
    free(big);
}

static void test_tok__accepts_empty_tokens(void **state)
{
    struct vocabulary v;
    struct loaded l;
    int32_t id;

    (void)state;
    begin_bpe(&v);
    id = add(&v, "", 0, TOK_CONTROL);
    add(&v, "", 0, TOK_USER_DEFINED);
    load(&v, &l);
    assert_string_equal(encode(&l, "he", TOK_PARSE_SPECIAL), list(1, BPE_HE));
    assert_string_equal(piece(&l, id, true), "");
    unload(&l);
}

/* A list of 88 MB for three tokens made a hash of 268 MB. */
static void test_tok__refuses_more_merges_than_tokens_can_have(void **state)
{
    static struct vocabulary v;

    (void)state;
    begin(&v, "gpt2");
    add(&v, "a", 0, TOK_NORMAL);
    add(&v, "aa", 0, TOK_NORMAL);
    while (v.n_merges < 3 * TOK_MAX_TOKEN_MERGES)
        add_merge(&v, "a a");
    refused(&v, ERR_LIMIT, "has 192 elements for 2 tokens", "the most is 64 for each");
}

static void test_tok__refuses_merges_of_unknown_tokens(void **state)
{
    struct vocabulary v;

    (void)state;
    begin_bpe(&v);
    add_merge(&v, "zz l");
    refused(&v, ERR_INVALID, "merges[4]", "'zz l'");
    begin_bpe(&v);
    add_merge(&v, "l he"); /* both are known, what they make is not */
    refused(&v, ERR_INVALID, "merges[4]", "lacks");
    begin_bpe(&v);
    add_merge(&v, "hell");
    refused(&v, ERR_INVALID, "merges[4]", "no blank");
    begin_bpe(&v);
    add_merge(&v, " ");
    refused(&v, ERR_INVALID, "merges[4]", "no blank");
    begin_bpe(&v);
    add_merge(&v, "");
    refused(&v, ERR_INVALID, "merges[4]", "no blank");
    begin_bpe(&v);
    add_merge(&v, "h ");
    refused(&v, ERR_INVALID, "merges[4]", "lacks");
}

static void test_tok__refuses_ids_out_of_range(void **state)
{
    struct vocabulary v;
    struct loaded l;

    (void)state;
    begin_spm(&v);
    v.bos = (int64_t)v.n;
    refused(&v, ERR_INVALID, KEY("bos_token_id"), "266");
    begin_spm(&v);
    v.eos = 100000;
    refused(&v, ERR_INVALID, KEY("eos_token_id"), "100000");
    begin_spm(&v);
    v.bos = UINT32_MAX;
    v.adds_bos = 1;
    refused(&v, ERR_INVALID, KEY("add_bos_token"), "no such token");
    begin_bpe(&v);
    v.eos = -1;
    v.adds_eos = 1;
    refused(&v, ERR_INVALID, KEY("add_eos_token"), "no such token");
    begin_spm(&v);
    v.unk = UINT32_MAX; /* how old converters say "none" */
    load(&v, &l);
    assert_int_equal(tok_unk(l.tok), TOK_NONE);
    unload(&l);
}

static void test_tok__names_what_it_does_not_know_and_what_it_does(void **state)
{
    struct vocabulary v;

    (void)state;
    begin_bpe(&v);
    v.pre = "klingon";
    refused(&v, ERR_UNSUPPORTED, "'klingon'", "qwen2");
    v.pre = "llama-bpe llama3"; /* two names of one row are not a name */
    refused(&v, ERR_UNSUPPORTED, "'llama-bpe llama3'", "deepseek-coder");
    v.pre = "";
    refused(&v, ERR_UNSUPPORTED, "''", "default");
    begin(&v, "t5");
    add(&v, "a", 0, TOK_NORMAL);
    refused(&v, ERR_UNSUPPORTED, "'t5'", "'gpt2' (byte-level BPE) and 'bert'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tok__spm_joins_the_best_score_first),
        cmocka_unit_test(test_tok__spm_falls_back_to_bytes),
        cmocka_unit_test(test_tok__spm_without_byte_tokens_gives_the_unknown_token),
        cmocka_unit_test(test_tok__merging_never_spells_a_control_token),
        cmocka_unit_test(test_tok__spm_puts_a_blank_before_text_and_after_special_tokens),
        cmocka_unit_test(test_tok__spm_without_kinds_knows_bytes_by_their_spelling),
        cmocka_unit_test(test_tok__bpe_merges_by_rank_inside_words),
        cmocka_unit_test(test_tok__bpe_stops_when_there_are_enough),
        cmocka_unit_test(test_tok__llama_bpe_takes_whole_words_first),
        cmocka_unit_test(test_tok__bpe_without_a_byte_gives_unknown_or_nothing),
        cmocka_unit_test(test_tok__control_tokens_are_parsed_only_when_asked),
        cmocka_unit_test(test_tok__user_defined_tokens_are_always_parsed_longest_first),
        cmocka_unit_test(test_tok__adds_bos_and_eos_as_the_file_asks),
        cmocka_unit_test(test_tok__a_text_to_go_on_from_has_no_end),
        cmocka_unit_test(test_tok__a_custom_bos_gives_way_without_its_token),
        cmocka_unit_test(test_tok__spm_that_names_no_special_tokens_has_the_usual_ones),
        cmocka_unit_test(test_tok__knows_what_ends_a_generation),
        cmocka_unit_test(test_tok__an_end_that_the_file_calls_a_word_is_an_end),
        cmocka_unit_test(test_tok__every_key_for_an_end_is_one),
        cmocka_unit_test(test_tok__padding_and_marks_of_code_end_as_control_tokens),
        cmocka_unit_test(test_tok__finds_tokens_by_text),
        cmocka_unit_test(test_tok__pieces_are_the_bytes_they_stand_for),
        cmocka_unit_test(test_tok__a_stream_holds_bytes_until_they_are_a_character),
        cmocka_unit_test(test_tok__a_stream_gives_bytes_that_are_no_character_as_u_fffd),
        cmocka_unit_test(test_tok__any_bytes_come_back),
        cmocka_unit_test(test_tok__merging_takes_few_steps_a_symbol),
        cmocka_unit_test(test_tok__ends_early_when_asked_to),
        cmocka_unit_test(test_tok__a_megabyte_is_encoded),
        cmocka_unit_test(test_tok__pre_tokenisers_cut_as_published),
        cmocka_unit_test(test_tok__white_space_is_unicode_s),
        cmocka_unit_test(test_tok__every_pre_tokeniser_gives_the_whole_text),
        cmocka_unit_test(test_tok__refuses_lists_of_other_lengths),
        cmocka_unit_test(test_tok__refuses_tokens_that_cannot_be),
        cmocka_unit_test(test_tok__accepts_empty_tokens),
        cmocka_unit_test(test_tok__refuses_more_merges_than_tokens_can_have),
        cmocka_unit_test(test_tok__refuses_merges_of_unknown_tokens),
        cmocka_unit_test(test_tok__refuses_ids_out_of_range),
        cmocka_unit_test(test_tok__names_what_it_does_not_know_and_what_it_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
