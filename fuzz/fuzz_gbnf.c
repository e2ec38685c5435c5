/*
 * fuzz_gbnf.c - grammars: two bytes of length, a text to match, and a grammar in GBNF. Any bytes
 * must end in a grammar or an error; the text, put in one piece or byte by byte, must lead to the
 * same (but for the limits of what is looked at), and masks must be what single tokens are.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "grammar/compiled.h"
#include "grammar/grammar.h"

#include "grammar_tokens.h"

#define MAX_GRAMMAR 4096 /* so that one run stays fast */
#define MAX_TEXT    64
#define TABLE_BYTES ((size_t)256 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const longer[N_LONGER] = {"ab", "\": ", "aaa", "\xc3\xa9", "\xe2\x82", " \n"};

/* Near the limits (p->strained) a mask and single questions may differ, either way, and so may one
 * way to the same place and another (see grammar.h). */
static void check_mask(struct grammar_matcher *m, const struct places *p)
{
    const uint64_t *mask = grammar_matcher_mask(m);
    uint64_t words[(N_TOKENS + 63) / 64];
    struct err err = {0};
    bool any = false;

    if (!mask) { /* past a limit, and it has a name; or not yet */
        BUG_ON(!grammar_matcher_goes_on(m) && (!grammar_matcher_why(m, &err) || !err.text[0]));
        return;
    }
    memcpy(words, mask, sizeof words);
    for (uint32_t i = 0; i < N_TOKENS; i++) {
        bool in = words[i / 64] >> i % 64 & 1;

        /* Behind a limit the answer counts for nothing, and costs most. */
        BUG_ON(!p->strained && in != grammar_matcher_allows(m, i) &&
               !p->strained); /* it may strain */
        any |= in;
    }
    BUG_ON(any && grammar_matcher_must_end(m));
    if (!any && !grammar_matcher_may_end(m))
        BUG_ON(!grammar_matcher_why(m, &err) || !err.text[0]);
}

static void match(const struct grammar *g, struct grammar_vocab *v, const struct places *p,
                  const char *text, size_t n)
{
    struct grammar_matcher *one, *two;
    struct err err = {0};
    int rc, step = 0;

    if (grammar_matcher_create(g, v, &one, &err))
        return;
    BUG_ON(grammar_matcher_create(g, v, &two, &err));
    rc = grammar_matcher_put(one, text, n, &err);
    for (size_t i = 0; i < n && !step; i++) {
        if (i % 8 == 0)
            check_mask(two, p);
        step = grammar_matcher_put(two, text + i, 1, &err);
    }
    BUG_ON(rc != step && !((rc == ERR_LIMIT || step == ERR_LIMIT) && p->strained));
    BUG_ON(!rc && !step && grammar_matcher_may_end(one) != grammar_matcher_may_end(two));
    check_mask(one, p);
    grammar_matcher_free(one);
    grammar_matcher_free(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct grammar_token tokens[N_TOKENS];
    static struct grammar_vocab *v;
    struct grammar *g;
    struct places *p;
    struct err err = {0};
    size_t n;

    if (!v)
        v = make_vocab(longer, tokens);
    if (size < 2 || size > MAX_GRAMMAR)
        return 0;
    n = ((size_t)data[0] << 8 | data[1]) % (MAX_TEXT + 1);
    if (n > size - 2)
        n = size - 2;
    if (grammar_from_gbnf((const char *)data + 2 + n, size - 2 - n, NULL, &g, &err)) {
        BUG_ON(err.text[0] == '\0');
        return 0;
    }
    BUG_ON(compiled_places(g, v, &p, &err));
    p->max_bytes = p->limit_bytes = TABLE_BYTES;
    match(g, v, p, (const char *)data + 2, n);
    grammar_free(g);
    return 0;
}
